FROM scratch AS a.b-c_d9
LABEL name=a.b-c_d9
