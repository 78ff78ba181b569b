FROM scratch
LABEL author="Jürgen Müller" 漢字=値 emoji="😀"
