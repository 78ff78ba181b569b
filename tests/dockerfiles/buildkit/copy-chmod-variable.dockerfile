FROM scratch
ARG mode=0640
COPY --chmod=$mode app.txt /a
COPY --chmod=${mode} --chown=${uid:-1000} app.txt /b
