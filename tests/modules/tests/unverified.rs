//! The modules whose images can't be had in CI, on their official images: each is started, and asked
//! once. `cargo xtask test --registry` runs this, where a registry answers.

use castoff_conformance::Outcome;
use castoff_modules::{
    Cassandra, Elasticsearch, Kafka, Keycloak, LocalStack, Minio, MongoDb, MsSql, Neo4j,
    OpenSearch, Redpanda, Scylla, Vault,
};

#[tokio::test]
#[ignore = "needs a container engine and a registry"]
async fn cassandra() -> Outcome {
    let node = Cassandra::new().start().await?;
    let told = node.cql("SELECT cluster_name FROM system.local").await?;
    assert!(told.contains("(1 rows)"), "{told}");
    Ok(())
}

#[tokio::test]
#[ignore = "needs a container engine and a registry"]
async fn scylla() -> Outcome {
    let node = Scylla::new().start().await?;
    let told = node.cql("SELECT cluster_name FROM system.local").await?;
    assert!(told.contains("(1 rows)"), "{told}");
    Ok(())
}

#[tokio::test]
#[ignore = "needs a container engine and a registry"]
async fn elasticsearch() -> Outcome {
    Ok(Elasticsearch::new().start().await?.create_index("letters", None).await?)
}

#[tokio::test]
#[ignore = "needs a container engine and a registry"]
async fn opensearch() -> Outcome {
    Ok(OpenSearch::new().start().await?.create_index("letters", None).await?)
}

#[tokio::test]
#[ignore = "needs a container engine and a registry"]
async fn kafka() -> Outcome {
    let broker = Kafka::new().start().await?;
    broker.create_topic("letters", 3).await?;
    broker.container().restart().await?;
    Ok(broker.create_topic("parcels", 1).await?)
}

#[tokio::test]
#[ignore = "needs a container engine and a registry"]
async fn redpanda() -> Outcome {
    let broker = Redpanda::new().start().await?;
    broker.create_topic("letters", 3).await?;
    broker.container().restart().await?;
    Ok(broker.create_topic("parcels", 1).await?)
}

#[tokio::test]
#[ignore = "needs a container engine and a registry"]
async fn keycloak() -> Outcome {
    let realm = r#"{"realm": "shop", "enabled": true}"#;
    let server = Keycloak::new().with_realm(realm).start().await?;
    let url = server.realm_url("shop");
    let answer = tokio::task::spawn_blocking(move || ureq::get(&url).call()).await??;
    assert_eq!(answer.status(), 200);
    Ok(())
}

#[tokio::test]
#[ignore = "needs a container engine and a registry"]
async fn localstack() -> Outcome {
    let aws = LocalStack::new().with_service("s3").start().await?;
    aws.awslocal(&["s3", "mb", "s3://mine"]).await?;
    assert!(aws.awslocal(&["s3", "ls"]).await?.contains("mine"));
    Ok(())
}

#[tokio::test]
#[ignore = "needs a container engine and a registry"]
async fn minio() -> Outcome {
    let store = Minio::new().start().await?;
    Ok(store.create_bucket(&store.unique_name()).await?)
}

#[tokio::test]
#[ignore = "needs a container engine and a registry"]
async fn mongodb() -> Outcome {
    let server = MongoDb::new().start().await?;
    let told = server.eval("test", "db.n.insertOne({n: 1}); print(db.n.countDocuments())").await?;
    assert!(told.contains('1'), "{told}");
    Ok(())
}

#[tokio::test]
#[ignore = "needs a container engine and a registry"]
async fn mssql() -> Outcome {
    let told = MsSql::new().with_accepted_eula().start().await?.sql("SELECT 40 + 2").await?;
    assert!(told.contains("42"), "{told}");
    Ok(())
}

#[tokio::test]
#[ignore = "needs a container engine and a registry"]
async fn neo4j() -> Outcome {
    let told = Neo4j::new().start().await?.cypher("RETURN 40 + 2").await?;
    assert!(told.contains("42"), "{told}");
    Ok(())
}

#[tokio::test]
#[ignore = "needs a container engine and a registry"]
async fn vault() -> Outcome {
    let server = Vault::new().start().await?;
    Ok(server.write("secret/data/letters", r#"{"data": {"from": "ann"}}"#).await?)
}
