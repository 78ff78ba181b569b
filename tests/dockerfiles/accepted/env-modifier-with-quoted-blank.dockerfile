FROM scratch
ENV a="${x:-two words}" b=${x:-two\ words} c=${x:-'two'}${y:+z}
