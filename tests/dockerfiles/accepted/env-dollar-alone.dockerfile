FROM scratch
ENV a=$ b="$" c=5$ d=a$/b e=$.x
