FROM scratch AS "name"
