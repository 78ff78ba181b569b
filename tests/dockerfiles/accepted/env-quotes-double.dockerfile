FROM scratch
ENV a="two words" b="a \"quote\"" c="back\\slash" d="kept \n \a" e="it's"
