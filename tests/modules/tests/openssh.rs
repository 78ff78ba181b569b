//! OpenSSH, through the crates `russh` and `russh-sftp`.

use std::sync::Arc;

use castoff_conformance::{Fixture, Outcome, Sibling, conformance};
use castoff_modules::{OpenSsh, OpenSshServer};
use russh::ChannelMsg;
use russh::client::{self, Handle, Handler};
use russh::keys::{
    PrivateKey, PrivateKeyWithHashAlg, PublicKeyOrCertificate, parse_public_key_base64,
};
use russh_sftp::client::SftpSession;

const PASSWORD: &str = "p@ss/w:rd \"%?#&=+ü'\\";

struct OpenSshFixture;

conformance!(OpenSshFixture);

/// A client that talks to the server of this key only, where it knows one.
struct Known(Option<String>);

impl Handler for Known {
    type Error = russh::Error;

    async fn check_server_key(
        &mut self,
        key: &PublicKeyOrCertificate,
    ) -> Result<bool, russh::Error> {
        let Some(known) = &self.0 else { return Ok(true) };
        let known = known.split(' ').nth(1).unwrap_or_default();
        let known = parse_public_key_base64(known)?;
        Ok(matches!(key, PublicKeyOrCertificate::PublicKey { key, .. } if *key == known))
    }
}

async fn connect(server: &OpenSshServer, known: Option<String>) -> Outcome<Handle<Known>> {
    let config = Arc::new(client::Config::default());
    Ok(client::connect(config, server.addr(), Known(known)).await?)
}

async fn login(server: &OpenSshServer, password: &str) -> Outcome<Handle<Known>> {
    let mut session = connect(server, Some(server.host_key().await?)).await?;
    let answer = session.authenticate_password(server.user(), password).await?;
    if answer.success() { Ok(session) } else { Err("the password is refused".into()) }
}

async fn run(session: &Handle<Known>, command: &str) -> Outcome<String> {
    let mut channel = session.channel_open_session().await?;
    channel.exec(true, command).await?;
    let mut output = Vec::new();
    while let Some(message) = channel.wait().await {
        if let ChannelMsg::Data { data } = message {
            output.extend_from_slice(&data);
        }
    }
    Ok(String::from_utf8(output)?)
}

impl Fixture for OpenSshFixture {
    type Module = OpenSsh;
    type Client = Handle<Known>;

    fn module() -> OpenSsh {
        OpenSsh::new().with_user("ann.lee").with_password(PASSWORD)
    }

    fn tagged(tag: &str) -> OpenSsh {
        Self::module().with_tag(tag).with_env("CASTOFF_TOLD", "yes")
    }

    fn bad() -> (OpenSsh, &'static str) {
        (OpenSsh::new().with_user("no such name"), "user")
    }

    async fn connect(server: &OpenSshServer) -> Outcome<Handle<Known>> {
        login(server, PASSWORD).await
    }

    async fn operate(client: &mut Handle<Known>, n: usize) -> Outcome {
        assert_eq!(run(client, &format!("echo {n}")).await?, format!("{n}\n"));
        Ok(())
    }

    async fn intrude(server: &OpenSshServer) -> Option<Outcome> {
        Some(login(server, "wrong").await.map(drop))
    }

    fn sibling(server: &OpenSshServer) -> Sibling {
        let addr = server.network_addr().replace(':', " ");
        Sibling::busybox(&format!("echo SSH-2.0-x | nc {addr} | head -c 8"), "SSH-2.0")
    }
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn files_by_sftp_in_directories_of_ones_own() -> Outcome {
    let server = OpenSshFixture::module().start().await?;
    let session = login(&server, PASSWORD).await?;
    let channel = session.channel_open_session().await?;
    channel.request_subsystem(true, "sftp").await?;
    let sftp = SftpSession::new(channel.into_stream()).await?;
    let (one, two) = (server.directory().await?, server.directory().await?);
    assert_ne!(one, two);
    let file = format!("{one}/ü \"file\"");
    sftp.create(&file).await?;
    sftp.write(&file, b"\0content").await?;
    assert_eq!(sftp.read(&file).await?, b"\0content");
    assert!(sftp.read_dir(&two).await?.next().is_none());
    server.put(format!("{two}/put"), "put").await?;
    assert_eq!(sftp.read(format!("{two}/put")).await?, b"put");
    sftp.remove_file(format!("{two}/put")).await?;
    assert_eq!(server.container().read_file(&file).await?, b"\0content");
    Ok(())
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn keys_in_place_of_a_password_and_another_servers_key() -> Outcome {
    let pair = PrivateKey::from_openssh(KEY)?;
    let public = pair.public_key().to_openssh()?;
    let server = OpenSsh::new().without_password().with_public_key(public).start().await?;
    let mut session = connect(&server, Some(server.host_key().await?)).await?;
    assert!(!session.authenticate_password(server.user(), "castoff").await?.success());
    let key = PrivateKeyWithHashAlg::new(Arc::new(pair), None);
    let mut session = connect(&server, None).await?;
    assert!(session.authenticate_publickey(server.user(), key).await?.success());
    assert_eq!(run(&session, "whoami").await?, "castoff\n");

    let other = OpenSsh::new().start().await?;
    assert!(connect(&server, Some(other.host_key().await?)).await.is_err(), "another server's key");
    let key = server.host_key().await?;
    server.container().restart().await?;
    assert_eq!(server.host_key().await?, key, "it keeps its key");
    connect(&server, Some(key)).await?;
    Ok(())
}

/// Made for this test.
const KEY: &str = "\
-----BEGIN OPENSSH PRIVATE KEY-----
b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW
QyNTUxOQAAACCanZmLiI8PM4GsXWxip+iX477obJuqZIPnZDBdxy85iAAAAIjrUVjr61FY
6wAAAAtzc2gtZWQyNTUxOQAAACCanZmLiI8PM4GsXWxip+iX477obJuqZIPnZDBdxy85iA
AAAEBXKwR3JZLV0e/7cDVa3BTiCSpyJBrfMBii0B8Y2CzWIpqdmYuIjw8zgaxdbGKn6Jfj
vuhsm6pkg+dkMF3HLzmIAAAABHRlc3QB
-----END OPENSSH PRIVATE KEY-----
";
