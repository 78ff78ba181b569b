FROM scratch
ENV a.b=1 c-d=2 E_F=3 1g=4 h/i=5 j:k=6
