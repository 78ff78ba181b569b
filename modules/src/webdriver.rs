//! A Chromium browser behind WebDriver: [`WebDriver`] describes one, [`WebDriverServer`] is a
//! handle to a running one.
//!
//! ```no_run
//! # async fn run() -> castoff::Result<()> {
//! use castoff_modules::WebDriver;
//!
//! let browser = WebDriver::new().shared().await?;
//! // A client connects to `url()` with these capabilities, and has a session of its own.
//! println!("connect to {} with {}", browser.url(), browser.capabilities());
//! # Ok(())
//! # }
//! ```
//!
//! The browser reaches other containers, such as the service under test, by their names if it is in
//! a network with them. Each session has a profile of its own. The test should close it, as the
//! server lives on.

use castoff::{Container, ContainerBuilder, Module, Result};

use crate::http::{Request, Response, until_answer};
use crate::shape::{Service, module, server};

/// The port that the driver listens on in its container.
pub const PORT: u16 = 4444;
/// The size of `/dev/shm`: Chromium draws there, and needs more than Docker's 64 MiB.
const SHARED_MEMORY: u64 = 2 << 30;

/// A description of a Chromium browser. Nothing happens before [`start`](Self::start).
///
/// By default: image `selenium/standalone-chromium:latest`; up to 8 sessions at once; 2 GiB of
/// shared memory. It is ready when it reports that it accepts sessions.
#[must_use = "nothing is started before `start()`"]
pub struct WebDriver {
    container: ContainerBuilder,
    sessions: u32,
}

impl WebDriver {
    /// Describes a browser with all defaults.
    pub fn new() -> Self {
        let container = Container::builder("selenium/standalone-chromium:latest").with_port(PORT);
        WebDriver { container, sessions: 8 }
    }

    /// Sets the limit for simultaneous sessions, if the image has one. Default: 8.
    pub fn with_sessions(mut self, most: u32) -> Self {
        self.sessions = most;
        self
    }

    /// Sets an environment variable of Selenium's image: `SE_SCREEN_WIDTH`,
    /// `SE_NODE_SESSION_TIMEOUT`.
    pub fn with_config(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.container = self.container.with_env(key, value);
        self
    }
}

module!(WebDriver => WebDriverServer, "selenium/standalone-chromium");

impl Module for WebDriver {
    type Server = WebDriverServer;

    fn builder_mut(&mut self) -> &mut ContainerBuilder {
        &mut self.container
    }

    fn configure(&self, mut container: ContainerBuilder) -> Result<ContainerBuilder> {
        if container.spec().resources.shm_size.is_none() {
            container = container.with_shm_size(SHARED_MEMORY);
        }
        let status = Request::new("GET", "/status");
        Ok(container
            .with_env("SE_NODE_MAX_SESSIONS", self.sessions.to_string())
            .with_env("SE_NODE_OVERRIDE_MAX_SESSIONS", "true")
            .with_wait(until_answer("WebDriver to take sessions", PORT, status, ready)))
    }

    async fn into_server(self, container: Container) -> Result<WebDriverServer> {
        Ok(WebDriverServer { service: Service::new(container, PORT)? })
    }
}

/// Returns whether the driver accepts sessions (W3C WebDriver, section 8.3, "Status").
fn ready(answer: &Response) -> bool {
    let body: String = answer.body.split_whitespace().collect();
    answer.status == 200 && body.contains(r#""ready":true"#)
}

/// A Chromium browser, removed with all its sessions when this handle is dropped.
#[must_use = "the browser is removed when its handle is dropped"]
pub struct WebDriverServer {
    service: Service,
}

server!(WebDriverServer);

impl WebDriverServer {
    /// Returns the URL for a client on this machine: `http://127.0.0.1:49153`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.addr())
    }

    /// Returns the URL for a client in a network that the browser is in.
    #[must_use]
    pub fn network_url(&self) -> String {
        format!("http://{}", self.network_addr())
    }

    /// Returns the `alwaysMatch` capabilities for a new session, in JSON: a headless browser,
    /// without the sandbox, for which a container lacks the rights.
    #[must_use]
    pub fn capabilities(&self) -> &'static str {
        r#"{"browserName":"chrome","goog:chromeOptions":{"args":["--headless=new","--no-sandbox","--disable-gpu","--disable-dev-shm-usage"]}}"#
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::spec_of;

    #[test]
    fn shared_memory_is_the_users_to_say() {
        assert_eq!(spec_of(WebDriver::new()).resources.shm_size, Some(2 << 30));
        let small = WebDriver::new().customize(|container| container.with_shm_size(1 << 20));
        assert_eq!(spec_of(small).resources.shm_size, Some(1 << 20));
    }

    #[test]
    fn it_is_ready_when_it_says_so() {
        let told = |body: &str| Response::of(200, body);
        assert!(ready(&told(r#"{"value": {"ready": true}}"#)));
        assert!(!ready(&told(r#"{"value": {"ready": false}}"#)));
        assert!(!ready(&told("")));
    }
}
