//! A module outside of castoff, written with its public API only.

use std::time::Duration;

use castoff::{
    Container, ContainerBuilder, CopySource, Engine, Error, ErrorKind, Module, Result, WaitFor,
};

use crate::fake::FakeEngine;
use crate::support::{IMAGE, guarded, setup};

const LIMIT: Duration = Duration::from_millis(300);

/// A server that greets, unless its greeting is impolite.
struct Greeter {
    container: ContainerBuilder,
    greeting: String,
}

struct GreeterServer {
    container: Container,
    greeting: String,
}

impl Greeter {
    fn new(engine: &Engine, greeting: &str) -> Self {
        Greeter { container: Container::builder(IMAGE), greeting: greeting.into() }
            .with_engine(engine)
    }
}

impl Module for Greeter {
    type Server = GreeterServer;

    fn builder_mut(&mut self) -> &mut ContainerBuilder {
        &mut self.container
    }

    fn configure(&self, container: ContainerBuilder) -> Result<ContainerBuilder> {
        if self.greeting.is_empty() {
            return Err(Error::new(ErrorKind::InvalidInput, "greeting: it must not be empty"));
        }
        Ok(container.with_env("GREETING", &self.greeting))
    }

    async fn into_server(self, container: Container) -> Result<GreeterServer> {
        if self.greeting == "detach" {
            return Err(Error::other("it does not greet"));
        }
        Ok(GreeterServer { container, greeting: self.greeting })
    }
}

fn created(fake: &FakeEngine) -> usize {
    fake.requests().iter().filter(|r| r.path.ends_with("/containers/create")).count()
}

#[tokio::test]
async fn it_configures_what_was_customized_and_hands_out_its_own_handle() {
    let (fake, engine) = setup().await;
    let greeter = Greeter::new(&engine, "hello");
    let server = greeter.customize(|container| container.with_env("MORE", "yes")).start().await;
    let server = server.unwrap();
    assert_eq!(server.greeting, "hello");
    let env = server.container.inspect().await.unwrap().env;
    assert_eq!((env["GREETING"].as_str(), env["MORE"].as_str()), ("hello", "yes"));
    assert_eq!(created(&fake), 1);
}

#[tokio::test]
async fn what_can_not_be_configured_creates_nothing() {
    let (fake, engine) = setup().await;
    let error = Greeter::new(&engine, "").start().await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("greeting"), "{error}");
    let error = Greeter::new(&engine, "").shared().await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert_eq!(created(&fake), 0);
}

#[tokio::test]
async fn a_handle_that_can_not_be_made_takes_its_container_along() {
    let (fake, engine) = setup().await;
    let error = Greeter::new(&engine, "detach").start().await.err().unwrap();
    assert!(error.to_string().contains("does not greet"), "{error}");
    assert_eq!(created(&fake), 1);
    assert!(fake.containers().is_empty(), "it has no owner any more");
}

#[tokio::test]
async fn the_same_module_is_shared_and_another_is_not() {
    let (fake, engine) = guarded().await;
    let shared = |greeting| Greeter::new(&engine, greeting).shared();
    let (one, two) = tokio::try_join!(shared("a"), shared("a")).unwrap();
    assert_eq!(one.container.id(), two.container.id());
    assert_ne!(shared("b").await.unwrap().container.id(), one.container.id());
    let scoped = Greeter::new(&engine, "a").shared_as("mine").await.unwrap();
    assert_ne!(scoped.container.id(), one.container.id());
    assert_eq!(created(&fake), 3);
}

#[tokio::test]
async fn what_is_copied_counts_by_its_content_and_not_by_its_time() {
    let (_fake, engine) = guarded().await;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tree/file");
    std::fs::create_dir(dir.path().join("tree")).unwrap();
    let written = |content: &str, seconds: u64| {
        std::fs::write(&path, content).unwrap();
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
        std::fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
    };
    let shared = || {
        let container = Container::builder(IMAGE).with_engine(&engine);
        container.with_copy(CopySource::path(dir.path().join("tree")), "/tree").shared()
    };
    written("one", 1_000);
    let one = shared().await.unwrap();
    written("one", 2_000);
    assert_eq!(shared().await.unwrap().id(), one.id(), "the same content, written anew");
    written("two", 1_000);
    assert_ne!(shared().await.unwrap().id(), one.id(), "other content of the same time and length");
}

#[tokio::test]
async fn what_is_copied_counts_by_its_identity_where_it_has_one() {
    let (fake, engine) = guarded().await;
    let shared = |source: CopySource| {
        let container = Container::builder(IMAGE).with_engine(&engine);
        container.with_copy(source, "/certificate").shared()
    };
    let made = |text: &str| CopySource::bytes(text).with_identity("for localhost");
    let one = shared(made("this")).await.unwrap();
    assert_eq!(shared(made("that")).await.unwrap().id(), one.id());
    // A reader that can be read only once does not need to be read for this.
    let reader = CopySource::reader(&b"read"[..], 4).with_identity("for localhost");
    assert_eq!(shared(reader).await.unwrap().id(), one.id());
    for other in [
        made("this").with_mode(0o600),
        made("this").with_identity("for example.org"),
        CopySource::bytes("this"),
        CopySource::bytes("for localhost"),
    ] {
        assert_ne!(shared(other).await.unwrap().id(), one.id());
    }
    assert_eq!(created(&fake), 5);
}

/// A module whose own condition is never met.
struct Sleepy(ContainerBuilder);

impl Module for Sleepy {
    type Server = Container;

    fn builder_mut(&mut self) -> &mut ContainerBuilder {
        &mut self.0
    }

    fn configure(&self, container: ContainerBuilder) -> Result<ContainerBuilder> {
        Ok(container.with_wait(WaitFor::probe("never", |_| async { Ok(false) })))
    }

    async fn into_server(self, container: Container) -> Result<Container> {
        Ok(container)
    }
}

#[tokio::test]
async fn a_wait_that_is_given_takes_the_place_of_the_modules_own() {
    let (_fake, engine) = setup().await;
    let sleepy =
        || Sleepy(Container::builder(IMAGE).with_startup_timeout(LIMIT)).with_engine(&engine);
    assert_eq!(sleepy().start().await.unwrap_err().kind(), ErrorKind::WaitTimeout);
    drop(sleepy().with_wait(WaitFor::duration(Duration::ZERO)).start().await.unwrap());
    drop(sleepy().customize(ContainerBuilder::without_wait).start().await.unwrap());
}
