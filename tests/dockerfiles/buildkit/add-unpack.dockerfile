FROM scratch
ADD --unpack=true https://files.example.test/a.tar.gz /a/
ADD --unpack=false archive.tar.gz /b/
ADD --unpack archive.tar.gz /c/
