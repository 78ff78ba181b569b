FROM scratch
LABEL "a name with blanks"="x" 'and another'=y
