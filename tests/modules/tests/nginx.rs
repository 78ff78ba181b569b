//! nginx, through the crate `ureq`.

use castoff_conformance::{Fixture, Outcome, Sibling, conformance};
use castoff_modules::castoff::ErrorKind;
use castoff_modules::{Nginx, NginxServer};
use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

struct NginxFixture;

conformance!(NginxFixture);

/// An agent that sees every status as an answer.
fn agent() -> Agent {
    Agent::config_builder().http_status_as_error(false).build().into()
}

async fn get(agent: &Agent, url: String) -> Outcome<(u16, String)> {
    let agent = agent.clone();
    tokio::task::spawn_blocking(move || {
        let mut answer = agent.get(&url).call()?;
        let status = answer.status().as_u16();
        Ok((status, answer.body_mut().read_to_string()?))
    })
    .await?
}

impl Fixture for NginxFixture {
    type Module = Nginx;
    type Client = (Agent, String);

    fn module() -> Nginx {
        Nginx::new().with_file("api/n.json", "[1]")
    }

    fn tagged(tag: &str) -> Nginx {
        Self::module().with_tag(tag).with_env("CASTOFF_TOLD", "yes")
    }

    fn bad() -> (Nginx, &'static str) {
        (Nginx::new().with_config_file("server { no_such_directive on; }"), "no_such_directive")
    }

    async fn connect(server: &NginxServer) -> Outcome<(Agent, String)> {
        Ok((agent(), server.url()))
    }

    async fn operate((agent, url): &mut (Agent, String), _: usize) -> Outcome {
        let (status, body) = get(agent, format!("{url}/api/n.json")).await?;
        assert_eq!((status, body.as_str()), (200, "[1]"));
        Ok(())
    }

    async fn intrude(_: &NginxServer) -> Option<Outcome> {
        None
    }

    fn sibling(server: &NginxServer) -> Sibling {
        Sibling::busybox(&format!("wget -qO- {}/api/n.json", server.network_url()), "[1]")
    }
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn files_directories_and_other_servers() -> Outcome {
    let folder = tempfile::tempdir()?;
    std::fs::create_dir(folder.path().join("sub"))?;
    std::fs::write(folder.path().join("sub/page.html"), "from a directory")?;
    let web = Nginx::new().with_directory(folder.path()).start().await?;
    // A reload ends connections that are kept, so each request has its own.
    let at = async |path: &str| get(&agent(), format!("{}/{path}", web.url())).await;
    assert_eq!(at("sub/page.html").await?.1, "from a directory");
    assert!(at("").await?.1.contains("nginx"), "the image's own page is still there");

    let mine = web.unique_path();
    let path = format!("{mine}/über uns.txt");
    web.put(&path, "put").await?;
    assert_eq!(at(&path.replace('ü', "%C3%BC").replace(' ', "%20")).await?.1, "put");
    assert_eq!(web.put("../nginx.conf", "x").await.unwrap_err().kind(), ErrorKind::InvalidInput);

    let error = web.reload("server { listen 80; nonsense; }").await.unwrap_err();
    assert!(error.to_string().contains("nonsense"), "{error:?}");
    assert_eq!(at("sub/page.html").await?.0, 200);
    web.reload("server { listen 80; location / { return 418 'teapot'; } }").await?;
    // Workers of before answer what had reached them.
    while at("any").await? != (418, "teapot".into()) {}
    Ok(())
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn https_with_a_certificate_that_can_be_verified() -> Outcome {
    let module = || Nginx::new().with_file("index.html", "secure").with_tls_names(["web"]);
    let (web, twin) = tokio::try_join!(module().shared(), module().shared())?;
    assert_eq!(web.ca_certificate(), twin.ca_certificate());
    let https = |ca: Option<&str>| -> Outcome<Agent> {
        let ca = Certificate::from_pem(ca.ok_or("no certificate")?.as_bytes())?;
        let tls = TlsConfig::builder().root_certs(RootCerts::new_with_certs(&[ca])).build();
        Ok(Agent::config_builder().tls_config(tls).build().into())
    };
    let url = web.https_url().ok_or("no URL")?;
    assert_eq!(get(&https(web.ca_certificate())?, url.clone()).await?.1, "secure");
    let other = Nginx::new().with_tls().start().await?;
    assert!(get(&https(other.ca_certificate())?, url).await.is_err(), "another authority");
    Ok(())
}
