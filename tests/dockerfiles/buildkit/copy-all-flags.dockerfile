# syntax=docker/dockerfile:1
FROM castoff.test/busybox AS one
COPY . /src
FROM castoff.test/busybox
COPY --from=one --chown=app:app --chmod=0640 --link --parents --exclude=*.md --exclude=tmp /src/./dir /out/
