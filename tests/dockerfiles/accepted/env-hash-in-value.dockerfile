FROM scratch
ENV colour=#ff0000 anchor=a#b text="# x"
