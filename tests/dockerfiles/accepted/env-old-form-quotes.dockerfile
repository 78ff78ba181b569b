FROM scratch
ENV ONE "quoted value" and more
ENV TWO it is 'single $HOME'
ENV THREE escaped\ \"quote\"
