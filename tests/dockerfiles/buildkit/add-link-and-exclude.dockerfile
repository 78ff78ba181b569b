FROM scratch
ADD --link --exclude=*.md --exclude=tmp . /all/
