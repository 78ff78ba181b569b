//! The client against a registry with scripted answers.

use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;

use super::{Registry, digest};
use crate::error::ErrorKind;

/// A request as it arrived: `GET /v2/`, its header lines in lower case, its body.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) line: String,
    pub(super) headers: String,
    body: String,
}

/// The status, header lines and body of an answer.
pub(super) type Answer = (u16, String, Vec<u8>);

pub(super) struct Server {
    pub(super) host: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    pub(super) async fn start(
        answer: impl Fn(&Asked, &str) -> Answer + Send + Sync + 'static,
    ) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let server = Server { host: host.clone(), asked: Arc::clone(&asked) };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                serve(stream, &host, &asked, &answer).await;
            }
        });
        server
    }

    fn registry(&self) -> Registry {
        Registry::new(&self.host)
    }

    pub(super) fn lines(&self) -> Vec<String> {
        self.asked.lock().unwrap().iter().map(|asked| asked.line.clone()).collect()
    }

    pub(super) fn saw(&self, n: usize) -> Asked {
        self.asked.lock().unwrap()[n].clone()
    }
}

pub(super) async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    host: &str,
    asked: &Mutex<Vec<Asked>>,
    answer: &impl Fn(&Asked, &str) -> Answer,
) {
    let mut text = String::new();
    let (mut head, mut wanted) = (None, 0);
    loop {
        let mut piece = [0; 4096];
        let read = stream.read(&mut piece).await.unwrap_or(0);
        text.push_str(&String::from_utf8_lossy(&piece[..read]));
        if head.is_none() {
            head = text.find("\r\n\r\n").map(|at| at + 4);
            let lower = text.to_lowercase();
            let length = lower
                .split("content-length: ")
                .nth(1)
                .and_then(|rest| rest.split("\r\n").next()?.parse::<usize>().ok());
            wanted = length.unwrap_or(0);
        }
        if read == 0 || head.is_some_and(|head| text.len() >= head + wanted) {
            break;
        }
    }
    let (head, body) = text.split_at(head.unwrap_or(text.len()));
    let (line, headers) = head.split_once(" HTTP/1.1\r\n").unwrap_or((head, ""));
    let one =
        Asked { line: line.to_owned(), headers: headers.to_lowercase(), body: body.to_owned() };
    let (status, headers, body) = answer(&one, host);
    asked.lock().unwrap().push(one);
    let head = format!(
        "HTTP/1.1 {status} X\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    // The client may have stopped reading.
    let _ = stream.write_all(head.as_bytes()).await;
    let _ = stream.write_all(&body).await;
    let _ = stream.shutdown().await;
}

pub(super) fn ok(body: &str) -> Answer {
    (200, String::new(), body.into())
}

const EMPTY: &str = r#"{"schemaVersion":2,"manifests":[]}"#;

#[tokio::test]
async fn a_token_is_fetched_with_the_login_and_sent_to_the_registry() {
    let server = Server::start(|asked, host| match asked.line.as_str() {
        line if line.starts_with("GET /token?") => {
            let login = STANDARD.encode("ann:sesame").to_lowercase();
            assert!(asked.headers.contains(&format!("authorization: basic {login}")));
            ok(r#"{"access_token":"t0ken"}"#)
        }
        "GET /v2/team/app/tags/list" if asked.headers.contains("authorization: bearer t0ken") => {
            ok(r#"{"tags":["1"]}"#)
        }
        _ => (
            401,
            format!(
                "WWW-Authenticate: Bearer realm=\"http://{host}/token\",service=\"s p\",\
                 scope=\"repository:team/app:pull\"\r\n"
            ),
            Vec::new(),
        ),
    })
    .await;
    let registry = server.registry().with_login("ann", "sesame");
    assert_eq!(registry.tags("team/app").await.unwrap(), ["1"]);
    assert_eq!(
        server.lines(),
        [
            "GET /v2/team/app/tags/list",
            "GET /token?service=s+p&scope=repository%3Ateam%2Fapp%3Apull",
            "GET /v2/team/app/tags/list"
        ]
    );
    assert!(!server.saw(0).headers.contains("authorization"), "the login was offered unasked");
}

#[tokio::test]
async fn an_identity_token_is_exchanged_in_a_body() {
    let server = Server::start(|asked, host| match asked.line.as_str() {
        "POST /token" => ok(r#"{"token":"t"}"#),
        _ if asked.headers.contains("authorization: bearer t\r\n") => ok("{}"),
        _ => (401, format!("WWW-Authenticate: Bearer realm=http://{host}/token\r\n"), vec![]),
    })
    .await;
    server.registry().with_token("1d&t").check().await.unwrap();
    let body = server.saw(1).body;
    assert_eq!(body, "grant_type=refresh_token&client_id=castoff&refresh_token=1d%26t");
}

#[tokio::test]
async fn a_login_is_not_sent_where_others_can_read_it() {
    let realm = "WWW-Authenticate: Bearer realm=\"http://auth.example.com/token\"\r\n";
    let server = Server::start(move |_, _| (401, realm.into(), vec![])).await;
    let error = server.registry().with_login("ann", "sesame").check().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ImageDenied);
    let told = format!("{error} {error:?}");
    assert!(told.contains("auth.example.com") && !told.contains("sesame"), "{told}");
}

#[tokio::test]
async fn a_refused_login_is_told_as_the_registry_tells_it() {
    let server = Server::start(|_, _| {
        let body = r#"{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}"#;
        (401, "WWW-Authenticate: Basic realm=\"r\"\r\n".into(), body.into())
    })
    .await;
    let error = server.registry().check().await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::ImageDenied, Some(401)));
    assert!(error.to_string().contains("authentication required UNAUTHORIZED"), "{error}");
    assert_eq!(error.hint(), Some("it was asked without a login"));
    let error = server.registry().with_login("ann", "wrong").check().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ImageDenied);
    assert_eq!(server.lines().len(), 3, "one try without, one with the login");
}

#[tokio::test]
async fn redirects_are_followed_without_the_login() {
    let elsewhere = Server::start(|_, _| ok(EMPTY)).await;
    let other = elsewhere.host.clone();
    let server =
        Server::start(move |asked, _| match asked.headers.contains("authorization: basic") {
            true => (307, format!("Location: http://{other}/there?x=1\r\n"), vec![]),
            false => (401, "WWW-Authenticate: Basic realm=r\r\n".into(), vec![]),
        })
        .await;
    let image = server.registry().with_login("ann", "sesame").inspect("app:1").await.unwrap();
    assert_eq!(image.digest, digest::of(EMPTY.as_bytes()));
    assert_eq!(elsewhere.lines(), ["GET /there?x=1"]);
    assert!(!elsewhere.saw(0).headers.contains("authorization"), "{:?}", elsewhere.saw(0));
}

#[tokio::test]
async fn redirects_without_an_end_are_an_error() {
    let server = Server::start(|_, _| (302, "Location: /v2/\r\n".into(), vec![])).await;
    let error = server.registry().check().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol);
    assert_eq!(server.lines().len(), 6);
}

#[tokio::test]
async fn a_redirect_to_plain_http_elsewhere_is_followed_only_when_allowed() {
    let server =
        Server::start(|_, _| (307, "Location: http://cdn.invalid/x\r\n".into(), vec![])).await;
    let error = server.registry().check().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol, "{error:?}");
    assert!(error.to_string().contains("cdn.invalid") && error.hint().is_some(), "{error:?}");
}

#[tokio::test]
async fn a_redirect_gives_nobody_a_login_by_its_url() {
    let elsewhere = Server::start(|_, _| ok("{}")).await;
    let other = elsewhere.host.clone();
    let location = format!("Location: http://ann:sesame@{other}/\r\n");
    let server = Server::start(move |_, _| (307, location.clone(), vec![])).await;
    let error = server.registry().check().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol, "{error:?}");
    assert!(!format!("{error:?}").contains("sesame"), "{error:?}");
    assert!(elsewhere.lines().is_empty());
}

#[tokio::test]
async fn content_that_is_not_what_its_digest_says_is_refused() {
    let server = Server::start(|_, _| ok(EMPTY)).await;
    let right = digest::of(EMPTY.as_bytes());
    server.registry().inspect(format!("app@{right}")).await.unwrap();
    let wrong = digest::of(b"something else");
    let error = server.registry().inspect(format!("app@{wrong}")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol);
    assert!(error.to_string().contains(&wrong), "{error}");
}

#[tokio::test]
async fn too_much_and_nonsense_are_errors() {
    for (body, what) in [
        (vec![b' '; (4 << 20) + 1], "more than 4194304 bytes"),
        (b"<html>".to_vec(), "an invalid manifest"),
        (br#"{"config":{"digest":"../../etc","size":1}}"#.to_vec(), "an invalid digest"),
    ] {
        let server = Server::start(move |_, _| (200, String::new(), body.clone())).await;
        let error = server.registry().inspect("app:1").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
        assert!(error.to_string().contains(what), "{error}");
    }
}

#[tokio::test]
async fn a_list_of_tags_has_pages() {
    let server = Server::start(|asked, _| match asked.line.ends_with("list") {
        true => (
            200,
            "Link: </v2/app/tags/list?last=1>; rel=\"next\"\r\n".into(),
            br#"{"tags":["1"]}"#.to_vec(),
        ),
        false => ok(r#"{"tags":null}"#),
    })
    .await;
    assert_eq!(server.registry().tags("app").await.unwrap(), ["1"]);
    assert_eq!(server.lines()[1], "GET /v2/app/tags/list?last=1");
}

#[tokio::test]
async fn a_head_without_a_digest_is_made_up_for() {
    let server = Server::start(|asked, _| match asked.line.starts_with("HEAD") {
        true => (200, String::new(), vec![]),
        false => ok(EMPTY),
    })
    .await;
    let digest = server.registry().digest("app:1").await.unwrap();
    assert_eq!(digest, Some(digest::of(EMPTY.as_bytes())));
}

#[tokio::test]
async fn nobody_there_is_a_connection_error() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = Registry::new(gone.to_string()).check().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connection, "{error}");
    let error =
        Registry::new(gone.to_string()).with_certificate("no pem").check().await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Connection | ErrorKind::InvalidInput), "{error}");
}

#[tokio::test]
async fn tags_without_end_are_an_error() {
    // Every page names the same next page.
    let long = format!("\"{}\"", "t".repeat(128));
    let tags = vec![long; 25_000].join(",");
    let page = format!(r#"{{"tags":[{tags}]}}"#);
    let server = Server::start(move |_, _| {
        let link = "Link: </v2/app/tags/list?last=t>; rel=\"next\"\r\n".to_owned();
        (200, link, page.clone().into_bytes())
    })
    .await;
    let error = server.registry().tags("app").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol, "{error:?}");
    assert!(error.to_string().contains("app") && error.hint().is_some(), "{error:?}");
    assert!(server.lines().len() < 50, "{}", server.lines().len());
}
