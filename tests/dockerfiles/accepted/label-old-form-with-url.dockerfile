FROM scratch
LABEL url http://example.test/?a=b
