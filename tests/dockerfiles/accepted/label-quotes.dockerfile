FROM scratch
LABEL "com.example.vendor"="An Example" a='single' b="a \"quote\"" c=d"e f"g
