FROM scratch
COPY --link --chmod=600 ["with space.txt", "/with space/"]
