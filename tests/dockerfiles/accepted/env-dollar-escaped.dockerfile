FROM scratch
ENV a=\$HOME b=\${x} c="\$y" d=cost\$5
