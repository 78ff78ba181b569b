FROM scratch AS same
LABEL first=yes
FROM scratch AS same
LABEL second=yes
