//! Chromium, through the crate `fantoccini`.

use castoff_conformance::{Fixture, Outcome, Sibling, conformance};
use castoff_modules::castoff::{Container, Network, WaitFor};
use castoff_modules::{WebDriver, WebDriverServer};
use fantoccini::wd::Capabilities;
use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;

struct WebDriverFixture;

conformance!(WebDriverFixture);

/// A session that is closed with it.
struct Session(Option<Client>);

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(client) = self.0.take() {
            tokio::spawn(client.close());
        }
    }
}

async fn open(server: &WebDriverServer) -> Outcome<Session> {
    let capabilities: Capabilities = serde_json::from_str(server.capabilities())?;
    let mut builder = ClientBuilder::new(HttpConnector::new());
    builder.capabilities(capabilities);
    Ok(Session(Some(builder.connect(&server.url()).await?)))
}

impl Session {
    fn client(&self) -> Outcome<&Client> {
        self.0.as_ref().ok_or_else(|| "it is closed".into())
    }

    async fn close(mut self) -> Outcome {
        match self.0.take() {
            Some(client) => Ok(client.close().await?),
            None => Ok(()),
        }
    }
}

impl Fixture for WebDriverFixture {
    type Module = WebDriver;
    type Client = Session;
    /// Each takes a second and more.
    const STARTS: usize = 10;

    fn module() -> WebDriver {
        WebDriver::new()
    }

    fn tagged(tag: &str) -> WebDriver {
        Self::module().with_tag(tag).with_env("CASTOFF_TOLD", "yes")
    }

    fn bad() -> (WebDriver, &'static str) {
        (WebDriver::new().with_config("SE_LOG_LEVEL", "nonsense"), "log-level")
    }

    async fn connect(server: &WebDriverServer) -> Outcome<Session> {
        open(server).await
    }

    async fn operate(session: &mut Session, n: usize) -> Outcome {
        let told = session.client()?.execute("return arguments[0] + 1", vec![n.into()]).await?;
        assert_eq!(told, n + 1);
        Ok(())
    }

    async fn intrude(_: &WebDriverServer) -> Option<Outcome> {
        None
    }

    fn sibling(server: &WebDriverServer) -> Sibling {
        Sibling::busybox(&format!("wget -qO- {}/status", server.network_url()), "ready")
    }
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn pages_of_siblings_in_sessions_of_ones_own() -> Outcome {
    let net = Network::create().await?;
    let page = "<title>hello</title><script>document.cookie ||= 'n=' + Math.random()</script>";
    let web = Container::builder("busybox:1")
        .with_copy(page.as_bytes(), "/www/index.html")
        .with_command(["httpd", "-f", "-h", "/www"])
        .with_network(&net, "web")
        .with_port(80)
        .with_wait(WaitFor::http("/").with_port(80));
    let browser = WebDriver::new().customize(|c| c.with_network(&net, ()));
    let (_web, browser) = tokio::try_join!(web.start(), browser.start())?;
    let (one, two) = (open(&browser).await?, open(&browser).await?);
    let mut cookies = Vec::new();
    for session in [&one, &two] {
        let client = session.client()?;
        client.goto("http://web/").await?;
        assert_eq!(client.title().await?, "hello");
        cookies.push(client.execute("return document.cookie", vec![]).await?);
    }
    assert_ne!(cookies[0], cookies[1], "each has a profile of its own");
    one.close().await?;
    two.close().await
}
