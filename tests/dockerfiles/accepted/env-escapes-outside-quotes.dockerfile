FROM scratch
ENV a=\a\b\\c b=\"x\" c=\'y\' d=\=e
