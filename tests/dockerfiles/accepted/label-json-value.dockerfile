FROM scratch
LABEL compose={\"a\":[1,2]} quoted="{\"a\": {\"b\": null}}"
