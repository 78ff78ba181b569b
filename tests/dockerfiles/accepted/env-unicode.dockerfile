FROM scratch
ENV grüße=hallo city=Zürich text="漢字 😀" old=ä\ ö
