FROM scratch
ENV HOME=/x
CMD ["$HOME", "${HOME:-y}", "$(id)", "`id`"]
