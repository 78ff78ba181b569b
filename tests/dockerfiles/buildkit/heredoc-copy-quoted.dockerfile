FROM scratch
COPY <<"EOF" /script.sh
#!/bin/sh
echo "$HOME"
EOF
