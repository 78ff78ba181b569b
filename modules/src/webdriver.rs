//! A Chromium browser behind WebDriver.
