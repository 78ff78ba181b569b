FROM castoff.test/busybox
CMD -x --flag
ENTRYPOINT ["--a"]
RUN echo --mount=type=cache
