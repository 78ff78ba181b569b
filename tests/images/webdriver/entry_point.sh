#!/bin/sh
# Selenium's variables, as arguments of the driver.
exec chromedriver --port=4444 --allowed-ips= '--allowed-origins=*' --log-level="${SE_LOG_LEVEL:-WARNING}"
