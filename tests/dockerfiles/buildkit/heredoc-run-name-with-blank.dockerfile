FROM castoff.test/busybox
RUN <<"END OF FILE"
echo x
END OF FILE
