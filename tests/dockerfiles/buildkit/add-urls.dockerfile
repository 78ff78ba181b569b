FROM scratch
ADD https://files.example.test/a.txt http://files.example.test/b.txt /files/
ADD --chmod=644 --chown=1:1 https://files.example.test/a.txt?x=y#z /c.txt
