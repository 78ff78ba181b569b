FROM scratch
ENV name some value with blanks
