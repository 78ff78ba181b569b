FROM castoff.test/busybox
ARG a=1
ONBUILD ENV b=$a c=${a:-2}
ONBUILD COPY --from=$a /x /y
