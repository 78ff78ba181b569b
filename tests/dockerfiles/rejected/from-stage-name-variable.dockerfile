FROM scratch AS $name
