//! Unusable input: errors name it before anything is sent.

use std::time::Duration;

use castoff::spec::{HostBinding, Mount, NetworkMode};
use castoff::{
    Container, ContainerBuilder, CopySource, Engine, ErrorKind, Network, Volume, WaitFor,
};

use crate::support::*;

type Change = fn(ContainerBuilder) -> ContainerBuilder;

const BAD: &[(&str, &str, Change)] = &[
    ("image", "A/B", |_| Container::builder("A/B")),
    ("image", "\"\"", |_| Container::builder("")),
    ("image", "redis:", |_| Container::builder("redis:")),
    ("name", "-x", |b| b.with_name("-x")),
    ("env", "A=B", |b| b.with_env("A=B", "c")),
    ("env", "\"\"", |b| b.with_env("", "c")),
    ("hostname", "a b", |b| b.with_hostname("a b")),
    ("user", "\"\"", |b| b.with_user("")),
    ("working_dir", "app", |b| b.with_working_dir("app")),
    ("labels", "castoff.session", |b| b.with_label("castoff.session", "mine")),
    ("port", "0", |b| b.with_port(0)),
    ("port", "xyz", |b| b.with_port("80/xyz")),
    ("port", "99999", |b| b.with_port("99999")),
    ("ports", "host port 0", |b| b.with_fixed_port(0, 80)),
    ("ports", "8080", |b| b.with_fixed_port(8080, 80).with_fixed_port(8080, 81)),
    ("ports", "7", |b| {
        b.with_port_binding(1, HostBinding::fixed(7)).with_port_binding(2, HostBinding::fixed(7))
    }),
    ("mounts", "data", |b| b.with_tmpfs("data")),
    ("mounts", "relative", |b| b.with_bind("relative", "/x")),
    ("mounts", "/a/", |b| b.with_tmpfs("/a").with_bind("/srv", "/a/")),
    ("mounts", "a/b", |b| b.with_mount(Mount::volume("a/b", "/x"))),
    ("extra_hosts", "nowhere", |b| b.with_extra_host("db", "nowhere")),
    ("cpus", "0", |b| b.with_cpus(0.0)),
    ("cpus", "NaN", |b| b.with_cpus(f64::NAN)),
    ("resources.memory", "63 bits", |b| b.with_memory(u64::MAX)),
    ("cap_add", "NET-ADMIN", |b| b.with_capability("NET-ADMIN")),
    ("sysctls", "\"\"", |b| b.with_sysctl("", "1")),
    ("stop_signal", "SIG X", |b| b.with_stop_signal("SIG X")),
    ("platform", "a/b/c/d", |b| b.with_platform("a/b/c/d")),
    ("network_mode", "container:", |b| b.with_network_mode(NetworkMode::Container(String::new()))),
    ("copy target", "etc/x", |b| b.with_copy(CopySource::bytes("x"), "etc/x")),
    ("copy target", "..", |b| b.with_copy(CopySource::bytes("x"), "/a/../b")),
    ("copy target", "name of its own", |b| b.with_copy(CopySource::bytes("x"), "/etc/")),
    ("startup attempts", "reader", |b| {
        b.with_copy(CopySource::reader(tokio::io::empty(), 0), "/x").with_startup_attempts(2)
    }),
    ("wait", "empty", |b| b.with_wait(WaitFor::log(""))),
    ("wait", "0 times", |b| b.with_wait(WaitFor::log("x").with_times(0))),
    ("wait", "unclosed", |b| b.with_wait(WaitFor::regex("("))),
    ("wait", "53/udp", |b| b.with_wait(WaitFor::port("53/udp"))),
    ("port", "0", |b| b.with_wait(WaitFor::port(0))),
    ("wait", "no-slash", |b| b.with_wait(WaitFor::http("no-slash"))),
    ("wait", "method", |b| b.with_wait(WaitFor::http("/").with_method("B AD"))),
    ("wait", "relative", |b| b.with_wait(WaitFor::file("relative"))),
    ("wait", "empty", |b| b.with_wait(WaitFor::exec([""; 0]))),
    ("wait", "any", |b| b.with_wait(WaitFor::any([]))),
    ("wait", "empty", |b| b.with_wait(WaitFor::all([WaitFor::log("").into()]))),
];

#[tokio::test]
async fn a_bad_value_is_named_and_nothing_is_sent() {
    let (fake, engine) = setup().await;
    let mut wrong = Vec::new();
    for (field, value, change) in BAD {
        let builder = || change(app(&engine)).with_engine(&engine);
        let outcomes = [builder().start().await.map(drop), builder().create().await.map(drop)];
        for outcome in outcomes {
            let error = outcome.expect_err(&format!("{field} {value}"));
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{field}: {error:?}");
            let text = error.to_string();
            if !text.starts_with(&format!("invalid {field}: ")) || !text.contains(value) {
                wrong.push(format!("{field} {value}: {text}"));
            }
        }
    }
    assert_eq!(wrong, [""; 0]);
    assert_eq!(fake.calls(), [""; 0]);
}

#[tokio::test]
async fn networks_volumes_images_and_commands_too() {
    let (fake, engine) = setup().await;
    let network = || Network::builder().with_engine(&engine);
    let volume = || Volume::builder().with_engine(&engine);
    let errors = [
        network().with_name("bridge").create().await.unwrap_err(),
        network().with_subnet("10.0.0.0/99").create().await.unwrap_err(),
        network().with_label("castoff.owner", "me").create().await.unwrap_err(),
        volume().with_name("a/b").create().await.unwrap_err(),
        volume().with_label("castoff.owner", "me").create().await.unwrap_err(),
        engine.images().pull("A/B").await.unwrap_err(),
        engine.images().pull("redis").with_platform("//").await.unwrap_err(),
        engine.images().exists("").await.unwrap_err(),
        app(&engine).with_stdin("x").start().await.map(drop).unwrap_err(),
        app(&engine).with_stdin("x").create().await.map(drop).unwrap_err(),
        app(&engine).with_stdin("x").shared().await.map(drop).unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error:?}");
    }
    assert_eq!(fake.calls(), [""; 0]);

    let container = running(&engine).await;
    fake.clear_requests();
    let errors = [
        container.exec([""; 0]).await.map(drop).unwrap_err(),
        container.commit("A B").await.map(drop).unwrap_err(),
        container.commit("app@sha256:00").await.map(drop).unwrap_err(),
        container.copy_to(CopySource::bytes("x"), "x").await.unwrap_err(),
        container.addr(0).map(drop).unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error:?}");
    }
    assert_eq!(fake.calls(), [""; 0]);
}

#[tokio::test]
async fn secrets_are_in_no_error_and_no_debug() {
    let (fake, engine) = setup().await;
    fake.exit_on_start(1);
    let builder = || app(&engine).with_env("PASSWORD", "s3cret").with_startup_timeout(LONG);
    let shown = format!("{:?}", builder());
    let nul = builder().with_env("TOKEN", "s3cret\0").start().await.unwrap_err();
    let exited = builder().start().await.unwrap_err();
    for text in [shown, format!("{nul:?}"), format!("{exited:?}")] {
        assert!(!text.contains("s3cret"), "{text}");
    }
}

/// Checks the size of futures: a test's thread has 2 MiB of stack, and a debug build moves futures
/// by value.
#[test]
fn a_start_needs_little_stack() {
    fn small<T>(what: &str, future: T) {
        let size = std::mem::size_of_val(&future);
        assert!(size < 8 * 1024, "the future of {what} takes {size} bytes");
    }
    let test = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (_fake, engine): (_, Engine) = setup().await;
            small("start", app(&engine).start());
            small("run", app(&engine).run());
            small("create", app(&engine).create());
            small("network", Network::builder().with_engine(&engine).create());
            small("volume", Volume::builder().with_engine(&engine).create());
            let network = Network::builder().with_engine(&engine).create().await.unwrap();
            let wait = WaitFor::duration(Duration::from_millis(1));
            let builder = app(&engine).with_network(&network, "a").with_wait(wait);
            let container = builder.with_copy(CopySource::bytes("x"), "/x").start().await.unwrap();
            container.exec(["x"]).await.unwrap();
            container.restart().await.unwrap();
            container.remove().await.unwrap();
        });
    };
    std::thread::Builder::new().stack_size(512 * 1024).spawn(test).unwrap().join().unwrap();
}
