//! One RabbitMQ for a whole test run, and a virtual host of its own for every test.
//!
//! `cargo run --example rabbitmq`

use std::error::Error;

use castoff_modules::RabbitMq;
use lapin::options::{
    BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Connection, ConnectionProperties};

type Result<T = (), E = Box<dyn Error>> = std::result::Result<T, E>;

#[tokio::main]
async fn main() -> Result {
    let broker = RabbitMq::new().shared().await?;
    println!("the broker: {}", broker.addr());

    for text in ["for one", "for another"] {
        let vhost = broker.vhost().await?;
        let connection = Connection::connect(&vhost.url(), ConnectionProperties::default()).await?;
        let channel = connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        let queue = "letters".into();
        channel.queue_declare(queue, QueueDeclareOptions::default(), FieldTable::default()).await?;
        let options = BasicPublishOptions::default();
        channel
            .basic_publish(
                "".into(),
                "letters".into(),
                options,
                text.as_bytes(),
                BasicProperties::default(),
            )
            .await?
            .await?;
        let got = channel.basic_get("letters".into(), BasicGetOptions { no_ack: true }).await?;
        let got = got.ok_or("nothing came")?;
        println!("vhost {}: {}", vhost.name(), String::from_utf8_lossy(&got.delivery.data));
        assert_eq!(got.delivery.data, text.as_bytes(), "nobody else writes there");
    }
    Ok(())
}
