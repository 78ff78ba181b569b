//! Registries behind TLS and proxies, which the environment of a child process names.

use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

use super::Registry;
use super::tests::{Answer, Asked, Server, ok, serve};
use crate::error::ErrorKind;

const HOST: &str = "CASTOFF_TEST_REGISTRY";
const CERTIFICATE: &str = "CASTOFF_TEST_REGISTRY_CERTIFICATE";

/// Does nothing unless the tests below run it, in a process with proxies.
#[tokio::test]
#[expect(clippy::print_stdout, reason = "the test that runs it reads it")]
async fn child_that_lists_tags() {
    let Ok(host) = std::env::var(HOST) else { return };
    let registry = Registry::new(host).with_login("ann", "sesame");
    let registry = match std::env::var(CERTIFICATE) {
        Ok(pem) => registry.with_certificate(pem),
        Err(_) => registry.with_insecure_http(),
    };
    match registry.tags("app").await {
        Ok(tags) => println!("tags: {tags:?}"),
        Err(error) => println!("{:?}: {error:?}", error.kind()),
    }
}

/// Returns the output of the child for `host`, with these variables and no other proxies.
async fn listed(host: &str, variables: &[(&str, &str)]) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "registry::proxy_tests::child_that_lists_tags", "--nocapture"]);
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"] {
        command.env_remove(name).env_remove(name.to_lowercase());
    }
    command.env(HOST, host).envs(variables.iter().copied());
    let running = tokio::task::spawn_blocking(move || command.output());
    let Output { status, stdout, .. } = running.await.unwrap().unwrap();
    let text = String::from_utf8(stdout).unwrap();
    assert!(status.success(), "{text}");
    text
}

fn login(user: &str, password: &str) -> String {
    STANDARD.encode([user, password].join(":")).to_lowercase()
}

/// A registry that wants a login and has one tag.
fn tags(asked: &Asked, _: &str) -> Answer {
    let login = format!("authorization: basic {}", login("ann", "sesame"));
    match asked.headers.lines().any(|line| line == login) {
        true => ok(r#"{"tags":["1"]}"#),
        false => (401, "WWW-Authenticate: Basic realm=r\r\n".into(), vec![]),
    }
}

/// A server with a self-signed certificate.
struct Tls {
    acceptor: TlsAcceptor,
    pem: String,
}

impl Tls {
    fn new(name: &str) -> Tls {
        let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let config = ServerConfig::builder_with_provider(ring::default_provider().into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key.into())
            .unwrap();
        Tls { acceptor: TlsAcceptor::from(Arc::new(config)), pem: made.cert.pem() }
    }

    /// Serves one connection.
    async fn serve(&self, stream: TcpStream, asked: &Mutex<Vec<Asked>>) {
        // The client may not trust it.
        if let Ok(stream) = self.acceptor.accept(stream).await {
            serve(stream, "", asked, &tags).await;
        }
    }
}

#[tokio::test]
async fn a_certificate_is_verified() {
    let tls = Tls::new("localhost");
    let pem = tls.pem.clone();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = format!("localhost:{}", listener.local_addr().unwrap().port());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tls.serve(stream, &seen).await;
        }
    });
    let registry = Registry::new(host).with_login("ann", "sesame");
    let stranger = registry.clone().with_certificate(Tls::new("localhost").pem);
    let error = stranger.check().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connection, "{error:?}");
    assert!(format!("{error:?}").contains("invalid peer certificate"), "{error:?}");
    assert!(asked.lock().unwrap().is_empty());
    assert_eq!(registry.with_certificate(pem).tags("app").await.unwrap(), ["1"]);
}

#[tokio::test]
async fn plain_http_goes_through_the_proxy_with_its_own_login() {
    let proxy = Server::start(tags).await;
    let url = format!("http://bob:pr0xy@{}", proxy.host);
    let text = listed("registry.invalid:5000", &[("HTTP_PROXY", &url)]).await;
    assert!(text.contains(r#"tags: ["1"]"#), "{text}");
    let line = "GET http://registry.invalid:5000/v2/app/tags/list";
    assert_eq!(proxy.lines(), [line, line], "without and with the login");
    let login = format!("proxy-authorization: basic {}\r\n", login("bob", "pr0xy"));
    assert!(proxy.saw(0).headers.contains(&login), "{:?}", proxy.saw(0));
}

#[tokio::test]
async fn https_goes_through_the_proxy_unread() {
    let tls = Tls::new("registry.invalid");
    let pem = tls.pem.clone();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = format!("http://{}", listener.local_addr().unwrap());
    let (connects, asked) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
    let (heads, seen) = (Arc::clone(&connects), Arc::clone(&asked));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            heads.lock().unwrap().push(String::from_utf8(head).unwrap());
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            tls.serve(stream, &seen).await;
        }
    });
    let variables = [("HTTPS_PROXY", proxy.as_str()), (CERTIFICATE, &pem)];
    let text = listed("registry.invalid", &variables).await;
    assert!(text.contains(r#"tags: ["1"]"#), "{text}");
    for head in connects.lock().unwrap().iter() {
        assert!(head.starts_with("CONNECT registry.invalid:443 HTTP/1.1\r\n"), "{head}");
        assert!(!head.to_lowercase().contains("authorization"), "{head}");
    }
    let lines: Vec<_> = asked.lock().unwrap().iter().map(|one| one.line.clone()).collect();
    assert_eq!(lines, ["GET /v2/app/tags/list"; 2]);
}

#[tokio::test]
async fn this_machine_and_hosts_in_no_proxy_are_asked_directly() {
    let proxy = Server::start(tags).await;
    let server = Server::start(tags).await;
    let url = format!("http://{}", proxy.host);
    // Not loopback by its name, though it leads to the same server.
    let other = server.host.replace("127.0.0.1", "0.0.0.0");
    for (host, variables) in [
        (&server.host, vec![("HTTP_PROXY", url.as_str())]),
        (&server.host, vec![("ALL_PROXY", url.as_str())]),
        (&other, vec![("http_proxy", url.as_str()), ("NO_PROXY", "example.com, 0.0.0.0")]),
    ] {
        let text = listed(host, &variables).await;
        assert!(text.contains(r#"tags: ["1"]"#), "{text}");
        assert!(proxy.lines().is_empty(), "{host} {variables:?} {:?}", proxy.lines());
    }
    listed(&other, &[("ALL_PROXY", &url)]).await;
    assert_eq!(proxy.lines().len(), 2, "but for these it is asked");
}

#[tokio::test]
async fn a_proxy_that_refuses_is_a_connection_error_without_its_password() {
    let proxy = Server::start(|_, _| (407, String::new(), vec![])).await;
    let url = format!("http://bob:pr0xy@{}", proxy.host);
    let pem = Tls::new("registry.invalid").pem;
    let text = listed("registry.invalid", &[("HTTPS_PROXY", &url), (CERTIFICATE, &pem)]).await;
    assert!(text.contains("Connection: the connection to the registry registry.invalid"), "{text}");
    assert!(text.contains("proxy") && !text.contains("pr0xy"), "{text}");
    assert_eq!(proxy.saw(0).line, "CONNECT registry.invalid:443");
}
