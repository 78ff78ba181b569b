from castoff.test/busybox
env a=1
label b=2
arg c=3
workdir /d
user app
expose 80
volume /v
stopsignal sigint
shell ["sh", "-c"]
healthcheck none
onbuild env e=1
entrypoint ["true"]
cmd ["x"]
