FROM scratch
ENV a=old
ENV a=new b=$a
