FROM scratch
onbuild onbuild run true
