//! Every option of the builder, read from inside the container.

use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use castoff::engine::{Health, LogStream};
use castoff::spec::{Healthcheck, Mount, NetworkMode, PullPolicy, RestartPolicy};
use castoff::{Container, Engine, ErrorKind, Volume, WaitFor};

use crate::differences;
use crate::raw::Raw;
use crate::support::{
    AT_ONCE, BUSYBOX, HEALTH, PATIENCE, engine, eventually, printed, printed_by, script, sh,
    sleeper, unique,
};

#[tokio::test]
#[ignore = "needs a container engine"]
async fn environment() {
    let seen = printed_by("echo \"$ONE|$TWO|$THREE|$FOUR\"", |b| {
        b.with_env("ONE", "1")
            .with_envs([("TWO", "a b"), ("THREE", "x=y")])
            .with_env("FOUR", "ü\"$'")
    })
    .await;
    assert_eq!(seen, "1|a b|x=y|ü\"$'");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a container engine"]
async fn command_and_entrypoint() {
    let command = Container::builder(BUSYBOX).with_command(["echo", "a  b", "c"]);
    assert_eq!(command.run().await.unwrap().stdout, b"a  b c\n");
    let entrypoint = Container::builder(BUSYBOX).with_entrypoint(["echo", "from"]);
    assert_eq!(entrypoint.with_command(["here"]).run().await.unwrap().stdout, b"from here\n");
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn user() {
    let id = |user: &'static str| printed_by("id -u; id -g", move |b| b.with_user(user));
    assert_eq!(id("app").await, "1000\n1000");
    assert_eq!(id("1000:65534").await, "1000\n65534");
    let error = script("true").with_user("nobody-of-that-name").start().await.unwrap_err();
    assert!(format!("{error:?}").contains("nobody-of-that-name"), "{error:?}");
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn working_dir_and_hostname() {
    let seen =
        printed_by("pwd; hostname", |b| b.with_working_dir("/home/app").with_hostname("my-host"));
    assert_eq!(seen.await, "/home/app\nmy-host");
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn name_and_labels() {
    let name = unique("named");
    let builder = sleeper().with_name(&name).with_label("team", "a").with_label("empty", "");
    let container = builder.start().await.unwrap();
    let raw = Raw::of(container.engine()).inspect(&format!("containers/{name}")).unwrap();
    assert_eq!(raw["Id"], container.id());
    let labels = &raw["Config"]["Labels"];
    assert_eq!((&labels["team"], &labels["empty"]), (&"a".into(), &"".into()));
    for own in ["castoff.session", "castoff.owner", "castoff.created", "castoff.version"] {
        assert!(labels[own].is_string(), "{own}: {labels}");
    }
    assert_eq!(container.name(), name);
    assert_eq!(container.inspect().await.unwrap().labels["team"], "a");
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn tmpfs_has_its_size_and_mode() {
    let small = Mount::tmpfs("/small").with_size(4 << 20).with_mode(0o1750);
    let seen = printed_by(
        "grep ' /plain tmpfs ' /proc/mounts | wc -l; df -k /small | tail -n 1 | awk '{print $2}'; \
         stat -c %a /small; echo x > /plain/x; (echo x > /shut/x) 2>/dev/null || echo shut",
        |b| {
            b.with_tmpfs("/plain")
                .with_mount(small)
                .with_mount(Mount::tmpfs("/shut").with_read_only())
        },
    );
    assert_eq!(seen.await, "1\n4096\n1750\nshut");
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn bind_mounts_show_the_hosts_directory() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("from-host"), "hello").unwrap();
    let seen = printed_by("cat /data/from-host; echo back > /data/from-container", |b| {
        b.with_bind(dir.path(), "/data")
    });
    assert_eq!(seen.await, "hello");
    assert_eq!(std::fs::read(dir.path().join("from-container")).unwrap(), b"back\n");
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn read_only_bind_mounts_take_no_writes() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("file"), "hello").unwrap();
    let mount = Mount::bind(dir.path().join("file"), "/etc/one.conf").with_read_only();
    let seen = printed_by("cat /etc/one.conf; (echo > /etc/one.conf) 2>&1 | tail -c 22", |b| {
        b.with_mount(mount)
    });
    let seen = seen.await;
    assert!(seen.starts_with("hello") && seen.contains("ead-only file system"), "{seen}");
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_bind_source_that_is_missing_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("missing");
    let outcome = sleeper().with_bind(&missing, "/data").start().await;
    if differences::makes_missing_bind_sources(&engine().await) {
        return drop(outcome.unwrap());
    }
    let error = outcome.unwrap_err();
    assert!(format!("{error:?}").contains("missing"), "{error:?}");
    assert!(!missing.exists(), "the engine must not make it");
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn volumes_are_mounted() {
    let volume = Volume::create().await.unwrap();
    let write = |b: castoff::ContainerBuilder| b.with_volume(&volume, "/data");
    printed_by("echo kept > /data/file", write).await;
    let shut = Mount::volume(volume.name(), "/data").with_read_only();
    let read = printed_by("cat /data/file; (echo > /data/file) 2>/dev/null || echo shut", |b| {
        b.with_mount(shut)
    });
    assert_eq!(read.await, "kept\nshut");
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn read_only_root() {
    let seen =
        printed_by("(echo > /x) 2>/dev/null || echo shut; echo > /tmp/x && echo open", |b| {
            b.with_read_only_root().with_tmpfs("/tmp")
        });
    assert_eq!(seen.await, "shut\nopen");
}

/// Returns a command that prints the first existing file: cgroup v1, then v2.
fn cgroup(v1: &str, v2: &str) -> String {
    format!("cat /sys/fs/cgroup/{v1} 2>/dev/null || cat /sys/fs/cgroup/{v2}")
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn memory_and_swap() {
    let memory = cgroup("memory/memory.limit_in_bytes", "memory.max");
    let swap = cgroup("memory/memory.memsw.limit_in_bytes", "memory.swap.max");
    let lines = format!("{memory}; {swap}");
    let seen = printed_by(&lines, |b| b.with_memory(48 << 20).with_memory_swap(64 << 20));
    let seen = seen.await;
    let (memory, swap) = seen.split_once('\n').unwrap();
    assert_eq!(memory.parse::<u64>().unwrap(), 48 << 20);
    // With cgroup v1 the file has the sum, with v2 the swap alone.
    assert!([64 << 20, 16 << 20].contains(&swap.parse::<u64>().unwrap()), "{swap}");
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn cpus_and_pids() {
    let quota = "cat /sys/fs/cgroup/cpu.max 2>/dev/null || \
                 echo $(cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us /sys/fs/cgroup/cpu/cpu.cfs_period_us)";
    let pids = cgroup("pids/pids.max", "pids.max");
    let lines = format!("{quota}; {pids}");
    let seen = printed_by(&lines, |b| b.with_cpus(0.5).with_pids_limit(37));
    assert_eq!(seen.await, "50000 100000\n37");
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn shm_size() {
    let size = "df -k /dev/shm | tail -n 1 | awk '{print $2}'";
    assert_eq!(printed_by(size, |b| b.with_shm_size(2 << 20)).await, "2048");
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn ulimits() {
    let builder = script("ulimit -Sn; ulimit -Hn").with_ulimit("nofile", 123, 456);
    match builder.run().await {
        Ok(output) => assert_eq!(output.stdout_text(), "123\n456\n"),
        Err(error) => {
            assert!(differences::may_refuse_ulimits(&engine().await), "{error:?}");
            assert_eq!((error.step(), error.image()), (Some("start"), Some(BUSYBOX)), "{error:?}");
            assert!(error.to_string().contains("rlimit"), "{error}");
        }
    }
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn sysctls() {
    let seen = printed_by("cat /proc/sys/net/core/somaxconn /proc/sys/net/ipv4/ip_forward", |b| {
        b.with_sysctl("net.core.somaxconn", "77").with_sysctl("net.ipv4.ip_forward", "0")
    });
    assert_eq!(seen.await, "77\n0");
}

const CAP_CHOWN: u64 = 1;
const CAP_KILL: u64 = 1 << 5;
const CAP_NET_ADMIN: u64 = 1 << 12;

async fn capabilities(
    set_up: impl FnOnce(castoff::ContainerBuilder) -> castoff::ContainerBuilder,
) -> u64 {
    let mask = printed_by("awk '/CapEff/ {print $2}' /proc/self/status", set_up).await;
    u64::from_str_radix(&mask, 16).unwrap()
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn capabilities_come_and_go() {
    let plain = capabilities(|b| b).await;
    assert_eq!(plain & (CAP_CHOWN | CAP_NET_ADMIN), CAP_CHOWN);
    let changed = capabilities(|b| b.with_capability("NET_ADMIN").without_capability("CHOWN"));
    assert_eq!(changed.await, plain ^ (CAP_CHOWN | CAP_NET_ADMIN));
    let one = capabilities(|b| b.without_capability("ALL").with_capability("CAP_KILL"));
    assert_eq!(one.await, CAP_KILL);
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn security_options() {
    let seen = printed_by("awk '/NoNewPrivs/ {print $2}' /proc/self/status", |b| {
        b.with_security_option("no-new-privileges")
    });
    assert_eq!(seen.await, "1");
}

#[cfg(feature = "unstable-bollard")]
#[tokio::test]
#[ignore = "needs a container engine"]
async fn privileged() {
    use std::sync::atomic::{AtomicBool, Ordering};

    let sent = Arc::new(AtomicBool::new(false));
    let seen = sent.clone();
    let builder = script("awk '/CapEff/ {print $2}' /proc/self/status").with_privileged();
    let outcome = builder
        .with_raw(move |body| {
            let host = body.host_config.as_ref().unwrap();
            seen.store(host.privileged == Some(true), Ordering::SeqCst);
        })
        .run()
        .await;
    assert!(sent.load(Ordering::SeqCst), "the create body says so");
    match outcome {
        Ok(output) => {
            let mask = u64::from_str_radix(output.stdout_text().trim(), 16).unwrap();
            assert_ne!(mask & CAP_NET_ADMIN, 0);
        }
        // A machine that lacks a capability itself can't give it to a container.
        Err(error) => {
            let story = format!("{error:?}");
            assert_eq!(error.kind(), ErrorKind::Exited, "{story}");
            assert_eq!(error.step(), Some("start"), "{story}");
            assert!(story.contains("apply caps") && story.contains(BUSYBOX), "{story}");
        }
    }
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn an_init_is_process_one() {
    let engine = engine().await;
    let outcome = script("cat /proc/1/comm").with_init().run().await;
    let (names, refusal) = differences::init_names(&engine);
    match outcome {
        Ok(output) => {
            let name = output.stdout_text().trim_end().to_owned();
            assert!(names.contains(&name.as_str()), "{name}");
        }
        Err(error) => assert!(format!("{error:?}").contains(refusal), "{error:?}"),
    }
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_terminal() {
    let lines = "test -t 1 && echo terminal; echo error >&2";
    let plain = script(lines).run().await.unwrap();
    assert_eq!((plain.stdout_text().as_ref(), plain.stderr_text().as_ref()), ("", "error\n"));
    let tty = script(lines).with_tty().run().await.unwrap();
    assert_eq!(tty.stdout_text(), "terminal\r\nerror\r\n");
    assert!(tty.stderr.is_empty());
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn the_stop_signal_is_the_one_that_comes() {
    let lines = "trap 'echo got USR1; exit 9' USR1; echo up; while :; do sleep 0.05; done";
    let builder = script(lines).with_stop_signal("SIGUSR1").with_wait(WaitFor::log("up"));
    let container = builder.start().await.unwrap();
    container.stop().await.unwrap();
    assert_eq!(container.state().await.unwrap().exit_code, 9);
    assert!(container.logs().text().await.unwrap().contains("got USR1"));
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn the_stop_timeout_ends_in_a_kill() {
    // A process 1 without a handler ignores SIGTERM; the engine's own timeout is 10 s.
    let container = sleeper().with_stop_timeout(Duration::from_millis(400)).start().await.unwrap();
    let began = Instant::now();
    container.stop().await.unwrap();
    let took = began.elapsed();
    assert!(took > Duration::from_millis(400) && took < Duration::from_secs(9), "{took:?}");
    assert_eq!(container.state().await.unwrap().exit_code, 137);
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_restart_policy_runs_it_again() {
    let policy = RestartPolicy::OnFailure { max_retries: Some(2) };
    let builder = script("echo run; exit 3").with_restart_policy(policy).without_wait();
    let container = builder.start().await.unwrap();
    eventually("three runs and then no more", async || {
        let state = container.state().await.unwrap();
        let log = container.logs().text().await.unwrap();
        !state.running && state.status != "restarting" && log.lines().count() == 3
    })
    .await;
    assert_eq!(container.state().await.unwrap().exit_code, 3);
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_healthcheck_is_what_the_start_waits_for() {
    let check = Healthcheck::shell("test -f /tmp/up && echo fine")
        .with_interval(Duration::from_millis(100))
        .with_timeout(Duration::from_secs(2))
        .with_retries(100);
    let builder = script("sleep 0.7; touch /tmp/up; exec sleep 3600").with_healthcheck(check);
    let container = builder.start().await.unwrap();
    sh(&container, "test -f /tmp/up").await;
    if differences::engine_runs_healthchecks(container.engine()) {
        let state = container.state().await.unwrap();
        assert_eq!(state.health, Some(Health::Healthy));
        assert_eq!(state.health_output.as_deref(), Some("fine\n"));
    }
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn the_images_healthcheck_can_be_turned_off() {
    let builder = Container::builder(HEALTH).with_command(["sleep", "3600"]);
    let container = builder.with_healthcheck(Healthcheck::disabled()).start().await.unwrap();
    assert!(!container.inspect().await.unwrap().has_healthcheck);
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn the_engines_own_platform_runs() {
    let engine = engine().await;
    let own = format!("{}/{}", engine.os(), engine.architecture());
    assert_eq!(printed_by("echo runs", |b| b.with_platform(own)).await, "runs");
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_foreign_platform_is_an_error_that_names_it() {
    let engine = engine().await;
    let foreign = if engine.architecture() == "arm64" { "linux/amd64" } else { "linux/arm64" };
    let builder = sleeper().with_platform(foreign).with_pull_policy(PullPolicy::Never);
    let outcome = builder.start().await;
    if !differences::checks_platforms(&engine) {
        return drop(outcome.unwrap());
    }
    let error = outcome.unwrap_err();
    let story = format!("{error:?}");
    assert!(story.contains(foreign) && story.contains(BUSYBOX), "{story}");
    assert_eq!(error.kind(), ErrorKind::ImageNotFound, "{story}");
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn extra_hosts() {
    let seen = printed_by("cat /etc/hosts", |b| {
        b.with_extra_host("db", "192.0.2.7").with_extra_host("host.internal", "host-gateway")
    });
    let seen = seen.await;
    let line = |name: &str| {
        let line = seen.lines().find(|line| line.split_whitespace().skip(1).any(|n| n == name));
        line.and_then(|line| line.split_whitespace().next()).map(str::to_owned)
    };
    assert_eq!(line("db").as_deref(), Some("192.0.2.7"), "{seen}");
    let gateway = line("host.internal").unwrap_or_else(|| panic!("{seen}"));
    let known = differences::knows_host_gateway(&engine().await);
    assert_eq!(gateway.parse::<IpAddr>().is_ok(), known, "{seen}");
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn dns_servers() {
    let servers: [IpAddr; 2] = ["192.0.2.53".parse().unwrap(), "192.0.2.54".parse().unwrap()];
    let seen = printed_by("cat /etc/resolv.conf", |b| b.with_dns(servers[0]).with_dns(servers[1]));
    let seen = seen.await;
    let found: Vec<_> = seen.lines().filter_map(|line| line.strip_prefix("nameserver ")).collect();
    assert_eq!(found, ["192.0.2.53", "192.0.2.54"], "{seen}");
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn no_network() {
    let seen = printed_by("ls /sys/class/net", |b| b.with_network_mode(NetworkMode::None));
    assert_eq!(seen.await, "lo");
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn the_hosts_network() {
    let own = std::fs::read_link("/proc/self/ns/net").unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let serve = ["httpd", "-f", "-p", &format!("127.0.0.1:{free}"), "-h", "/etc"];
    let builder = Container::builder(BUSYBOX).with_command(serve);
    let builder = builder.with_network_mode(NetworkMode::Host).with_wait(WaitFor::port(free));
    let container = builder.start().await.unwrap();
    assert_eq!(sh(&container, "readlink /proc/self/ns/net").await, own.to_str().unwrap());
    assert_eq!(container.addr(free).unwrap().to_string(), format!("127.0.0.1:{free}"));
    tokio::net::TcpStream::connect(container.addr(free).unwrap()).await.unwrap();
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn another_containers_network() {
    let first = sleeper().start().await.unwrap();
    let mode = NetworkMode::Container(first.name().to_owned());
    let second = sleeper().with_network_mode(mode).start().await.unwrap();
    let space = "readlink /proc/self/ns/net";
    assert_eq!(sh(&first, space).await, sh(&second, space).await);
    drop((first, second));
    let missing = NetworkMode::Container(unique("nobody"));
    let error = sleeper().with_network_mode(missing).start().await.unwrap_err();
    // A 404 for another reason must not start a pull.
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}");
    assert!(format!("{error:?}").contains("nobody"), "{error:?}");
}

#[cfg(feature = "unstable-bollard")]
#[tokio::test]
#[ignore = "needs a container engine"]
async fn the_raw_hatch_reaches_what_has_no_option() {
    let seen = printed_by("cat /proc/self/oom_score_adj", |b| {
        b.with_raw(|body| body.host_config.get_or_insert_default().oom_score_adj = Some(421))
    });
    assert_eq!(seen.await, "421");
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_pull_that_is_forbidden_or_fails_names_the_image() {
    let never = Container::builder("castoff.test/missing:9").with_pull_policy(PullPolicy::Never);
    let error = never.start().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ImageNotFound, "{error:?}");
    assert_eq!(error.image(), Some("castoff.test/missing:9"));
    assert!(error.to_string().contains("`castoff.test/missing:9`"), "{error}");

    // Nothing listens on port 1.
    let image = "127.0.0.1:1/team/app:2";
    let always = Container::builder(image).with_pull_policy(PullPolicy::Always);
    let error = always.start().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Pull, "{error:?}");
    assert!(
        error.to_string().contains(&format!("asked for `{image}`, tried `{image}`")),
        "{error}"
    );
    assert!(error.hint().is_some(), "{error:?}");
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn an_image_that_is_missing_is_pulled_and_the_failure_names_asked_and_tried() {
    let mut config = castoff::config::Config::from_env();
    config.image_prefix = Some("127.0.0.1:1/mirror".into());
    let engine = Engine::connect_with(config).await.unwrap();
    let error =
        Container::builder("castoff-missing:3").with_engine(&engine).start().await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("asked for `castoff-missing:3`"), "{text}");
    assert!(
        text.contains("tried `127.0.0.1:1/mirror/library/castoff-missing:3`")
            || text.contains("tried `127.0.0.1:1/mirror/castoff-missing:3`"),
        "{text}"
    );
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn another_engine_value_may_be_given() {
    let endpoint = engine().await.endpoint().to_string();
    let other = Engine::connect_to(&endpoint).await.unwrap();
    let container = sleeper().with_engine(&other).start().await.unwrap();
    assert_eq!(container.engine().endpoint(), other.endpoint());
    assert!(container.state().await.unwrap().running);
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn startup_attempts_each_have_a_new_container() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o777)).unwrap();
    let lines = "hostname >> /t/runs; test $(wc -l < /t/runs) -ge 3 || exit 1; \
                 echo up; exec sleep 3600";
    let attempt = |attempts| {
        let builder = script(lines).with_bind(dir.path(), "/t");
        builder.with_startup_attempts(attempts).with_wait(WaitFor::log("up")).start()
    };
    assert_eq!(attempt(2).await.unwrap_err().kind(), ErrorKind::Exited);
    let container = attempt(2).await.unwrap();
    let runs = std::fs::read_to_string(dir.path().join("runs")).unwrap();
    let hosts: std::collections::BTreeSet<_> = runs.lines().collect();
    assert_eq!((runs.lines().count(), hosts.len()), (3, 3), "{runs}");
    drop(container);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a container engine"]
async fn a_log_consumer_gets_the_first_and_the_last_line() {
    let seen = Arc::new(Mutex::new((Vec::new(), Vec::new())));
    let sink = seen.clone();
    let lines = "echo first; seq 1 2000; echo middle >&2; sleep 0.3; echo last";
    let builder = script(lines).without_wait().with_log_consumer(move |frame| {
        let mut seen = sink.lock().unwrap();
        let part = if frame.stream == LogStream::Stderr { &mut seen.1 } else { &mut seen.0 };
        part.extend_from_slice(&frame.bytes);
    });
    let container = builder.start().await.unwrap();
    container.wait().await.unwrap();
    eventually("the last line", async || seen.lock().unwrap().0.ends_with(b"last\n")).await;
    let (stdout, stderr) = seen.lock().unwrap().clone();
    assert!(stdout.starts_with(b"first\n1\n2\n"));
    assert_eq!(stdout.iter().filter(|byte| **byte == b'\n').count(), 2002);
    assert_eq!(stderr, b"middle\n");
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn the_startup_timeout_holds_and_leaves_nothing() {
    let engine = engine().await;
    let name = unique("slow");
    let builder = sleeper().with_name(&name).with_wait(WaitFor::file("/never"));
    let began = Instant::now();
    let error = builder.with_startup_timeout(Duration::from_secs(2)).start().await.unwrap_err();
    assert!(began.elapsed() < AT_ONCE, "{:?}", began.elapsed());
    assert_eq!(error.kind(), ErrorKind::WaitTimeout, "{error:?}");
    Raw::of(&engine).until_gone(&format!("containers/{name}"));
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn without_wait_comes_back_at_once() {
    let began = Instant::now();
    let builder = Container::builder(HEALTH).with_command(["sleep", "3600"]).without_wait();
    let container = builder.start().await.unwrap();
    assert!(began.elapsed() < PATIENCE);
    assert!(container.state().await.unwrap().running);
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn bad_values_are_refused_before_anything_is_created() {
    let refused = [
        (Container::builder("UPPER CASE"), "image"),
        (sleeper().with_env("A=B", "x"), "env"),
        (sleeper().with_tmpfs("relative"), "mounts"),
        (sleeper().with_bind("relative", "/data"), "mounts"),
        (sleeper().with_port(0), "port"),
        (sleeper().with_port("80/icmp"), "port"),
        (sleeper().with_cpus(-1.0), "cpus"),
        (sleeper().with_name("a/b"), "name"),
        (sleeper().with_platform("nonsense"), "platform"),
        (sleeper().with_copy(b"x", "relative"), "copy target"),
        (sleeper().with_wait(WaitFor::regex("(")), "wait"),
    ];
    for (builder, field) in refused {
        let error = builder.start().await.expect_err(field);
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{field}: {error:?}");
        assert!(error.to_string().contains(field), "{field}: {error}");
    }
    assert_eq!(printed(Container::builder(BUSYBOX), "echo fine").await, "fine");
}
