FROM castoff.test/busybox
RUN test "a b" = 'a b' && test "$(printf '%s' "x")" = x && test "\"" = '"' && test `echo y` = y
