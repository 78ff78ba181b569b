# Grüße, 漢字 und 😀
FROM castoff.test/busybox
ENV GRUSS="Grüße an alle" e=é
LABEL 名前="値" beschreibung=Größe
WORKDIR /größe
COPY app.txt /größe/übung.txt
CMD echo "Grüße 漢字 😀"
