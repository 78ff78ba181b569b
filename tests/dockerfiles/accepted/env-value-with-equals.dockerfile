FROM scratch
ENV OPTIONS=-Da=b=c URL=http://h/?a=b&c=d X==
