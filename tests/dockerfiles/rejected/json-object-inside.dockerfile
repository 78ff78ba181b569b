FROM scratch
VOLUME [{"path": "/a"}]
