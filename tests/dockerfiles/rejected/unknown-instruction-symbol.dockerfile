FROM scratch
&& true
