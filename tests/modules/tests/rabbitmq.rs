//! RabbitMQ, through the crate `lapin`.

use std::time::{Duration, Instant};

use castoff_conformance::{Fixture, Outcome, Sibling, conformance};
use castoff_modules::{RabbitMq, RabbitMqServer};
use lapin::options::{
    BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};

const PASSWORD: &str = "p@ss/w:rd \"'%?#&=+$x";
const PATIENCE: Duration = Duration::from_secs(20);

struct RabbitMqFixture;

conformance!(RabbitMqFixture);

/// A connection, and a channel on which what is published is confirmed.
async fn open(url: &str) -> Outcome<(Connection, Channel)> {
    let connection = Connection::connect(url, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let options = QueueDeclareOptions::default();
    channel.queue_declare("n".into(), options, FieldTable::default()).await?;
    Ok((connection, channel))
}

async fn publish(channel: &Channel, text: &str) -> Outcome {
    let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
    let sent = channel.basic_publish("".into(), "n".into(), options, text.as_bytes(), properties);
    let confirmation = sent.await?.await?;
    if confirmation.is_ack() { Ok(()) } else { Err("not taken".into()) }
}

async fn take(channel: &Channel) -> Outcome<Option<String>> {
    let got = channel.basic_get("n".into(), BasicGetOptions { no_ack: true }).await?;
    Ok(got.map(|message| String::from_utf8_lossy(&message.delivery.data).into_owned()))
}

impl Fixture for RabbitMqFixture {
    type Module = RabbitMq;
    type Client = (Connection, Channel);
    /// Each takes five seconds.
    const STARTS: usize = 6;

    fn module() -> RabbitMq {
        RabbitMq::new().with_user("ann@home").with_password(PASSWORD).with_vhost("my shop/2")
    }

    fn tagged(tag: &str) -> RabbitMq {
        Self::module().with_tag(tag).with_env("CASTOFF_TOLD", "yes")
    }

    fn bad() -> (RabbitMq, &'static str) {
        (RabbitMq::new().with_config("no_such_setting", "1"), "no_such_setting")
    }

    async fn connect(server: &RabbitMqServer) -> Outcome<(Connection, Channel)> {
        open(&server.url()).await
    }

    async fn operate((_, channel): &mut (Connection, Channel), n: usize) -> Outcome {
        publish(channel, &n.to_string()).await?;
        assert_eq!(take(channel).await?, Some(n.to_string()));
        Ok(())
    }

    async fn intrude(server: &RabbitMqServer) -> Option<Outcome> {
        let url = format!("amqp://ann%40home:wrong@{}/my%20shop%2F2", server.addr());
        Some(async { Self::operate(&mut open(&url).await?, 0).await }.await)
    }

    fn sibling(server: &RabbitMqServer) -> Sibling {
        let addr = server.network_addr().replace(':', " ");
        Sibling::busybox(
            &format!("printf 'AMQP\\0\\0\\011\\001' | nc {addr} | head -c 200"),
            "capabilities",
        )
    }
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn virtual_hosts_of_ones_own_definitions_and_purge() -> Outcome {
    let server = RabbitMq::new().with_config("channel_max", "7").shared().await?;
    let (one, two) = tokio::try_join!(server.vhost(), server.vhost())?;
    let (a, b) = (open(&one.url()).await?, open(&two.url()).await?);
    assert_eq!(a.0.configuration().channel_max(), 7);
    publish(&a.1, "for one").await?;
    assert_eq!(take(&b.1).await?, None);
    assert_eq!(take(&a.1).await?.as_deref(), Some("for one"));

    publish(&b.1, "never read").await?;
    server.purge(two.name(), "n").await?;
    assert_eq!(take(&b.1).await?, None);
    let missing = server.purge(two.name(), "no such queue").await.unwrap_err();
    assert!(missing.to_string().contains("404"), "{missing:?}");

    let queue = r#"{"queues":[{"name":"n","vhost":"/","durable":false,"auto_delete":false,"arguments":{}}]}"#;
    server.define(queue).await?;
    publish(&open(&server.url()).await?.1, "for the first").await?;
    let wrong = server.define("{").await.unwrap_err();
    assert!(wrong.to_string().contains("400"), "{wrong:?}");
    let management = server.management_url().ok_or("no management interface")?;
    assert!(management.starts_with("http://127.0.0.1:"));

    // It goes with its handle, connections or not.
    let (url, began) = (one.url(), Instant::now());
    drop(one);
    while open(&url).await.is_ok() {
        assert!(began.elapsed() < PATIENCE, "the virtual host is still there");
    }
    open(&two.url()).await?;
    Ok(())
}
