FROM scratch
ENV list=["a","b"] object={"a":1} quoted='{"a": "b c"}'
