//! Builds, by both builders: their inputs and results.

use std::sync::{Arc, Mutex};

use castoff::dockerfile::{Dockerfile, Heredoc, Run, RunMount, Stage};
use castoff::engine::{BuildEvent, ImageDetails};
use castoff::image::{BuildBackend, BuildContext};
use castoff::{Container, Error, ErrorKind, Image, ImageBuilder};

use crate::differences;
use crate::raw::Raw;
use crate::support::{BUSYBOX, engine, eventually, unique};

/// Returns the builders of this engine.
pub(crate) async fn builders() -> Vec<BuildBackend> {
    match differences::is_podman(&engine().await) {
        true => vec![BuildBackend::Classic],
        false => vec![BuildBackend::BuildKit, BuildBackend::Classic],
    }
}

/// Returns a stage of busybox, with a line that no other test has.
pub(crate) fn stage(what: &str) -> Stage {
    Stage::from_image(BUSYBOX).label("test", unique(what))
}

/// Returns the number of images with a test's label, including intermediate ones.
pub(crate) fn scraps(raw: &Raw, label: &str) -> usize {
    images_of_steps(raw, label).len()
}

/// Returns the same images, as the engine lists them.
pub(crate) fn images_of_steps(raw: &Raw, label: &str) -> Vec<serde_json::Value> {
    let filters = format!("{{\"label\":[\"test={label}\"]}}");
    let filters = filters.replace('"', "%22").replace('{', "%7B").replace('}', "%7D");
    let images = raw.listed(&format!("/images/json?all=1&filters={filters}"));
    images.as_array().cloned().expect("a list of images")
}

fn build(stage: Stage) -> ImageBuilder {
    Dockerfile::new().stage(stage).builder()
}

pub(crate) async fn says(image: &Image, command: &[&str]) -> String {
    let output = image.container().with_command(command.iter().copied()).run().await.unwrap();
    assert!(output.success(), "{}", output.stderr_text());
    output.stdout_text().trim_end().to_owned()
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn an_image_has_what_the_dockerfile_says() {
    for builder in builders().await {
        let context = BuildContext::empty()
            .with_file("etc/greeting", "hello")
            .with_file("etc/once", unique("once"))
            .with_file_mode("run.sh", "#!/bin/sh\necho running\n", 0o755)
            .with_ignore(["etc"]);
        let file = stage("says")
            .workdir("/app dir")
            .copy(".", "./")
            .env("NAME", "it's \"$HOME\" & co")
            .run("echo built > built")
            .user("1000:1000")
            .expose(8080)
            .cmd(["./run.sh"]);
        let image = build(file).with_context(context).with_backend(builder).build().await.unwrap();
        let details = image.inspect().await.unwrap();
        assert_eq!(details.working_dir, "/app dir", "{builder}");
        assert_eq!(
            (details.user.as_str(), details.cmd.clone()),
            ("1000:1000", vec!["./run.sh".to_owned()])
        );
        assert_eq!(details.exposed_ports, [castoff::spec::Port::tcp(8080).unwrap()]);
        assert!(details.env["NAME"].starts_with("it's \""), "{details:?}");
        assert_eq!(says(&image, &["cat", "etc/greeting", "built"]).await, "hellobuilt");
        assert_eq!(says(&image, &["./run.sh"]).await, "running");
        assert_eq!(says(&image, &["ls", "-1"]).await, "built\netc\nrun.sh");
        let report = image.report();
        assert_eq!((report.backend, report.recognized), (Some(builder), false));
        assert!(report.size > 0 && report.cached("RUN echo built") == Some(false), "{report}");
        let history = image.history().await.unwrap();
        assert!(history.iter().any(|layer| layer.created_by.contains("echo built")), "{history:?}");
    }
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_directory_is_built_by_its_own_dockerfile() {
    let directory = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| std::fs::write(directory.path().join(path), text).unwrap();
    let label = unique("directory");
    write(
        "Dockerfile",
        &format!("FROM {BUSYBOX}\nARG WHO\nLABEL test={label}\nCOPY . /in\nENV WHO=$WHO\n"),
    );
    write(".dockerignore", "*\n!kept\n");
    write("kept", "1");
    write("ignored", "2");
    std::os::unix::fs::symlink("kept", directory.path().join("kept-link")).unwrap();
    write(".dockerignore", "*\n!kept*\n");
    for builder in builders().await {
        let image = Image::builder(directory.path()).with_arg("WHO", "me").with_backend(builder);
        let image = image.build().await.unwrap();
        assert_eq!(says(&image, &["ls", "/in"]).await, "kept\nkept-link");
        assert_eq!(says(&image, &["readlink", "/in/kept-link"]).await, "kept");
        assert_eq!(image.inspect().await.unwrap().env["WHO"], "me");
    }
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_context_keeps_hard_links_pipes_and_times_before_1970() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    std::fs::create_dir(at("in")).unwrap();
    std::fs::write(at("in/one"), "1").unwrap();
    std::fs::hard_link(at("in/one"), at("in/two")).unwrap();
    std::fs::hard_link(at("in/one"), at("apart")).unwrap();
    let piped = std::process::Command::new("mkfifo").arg(at("in/pipe")).status().unwrap();
    assert!(piped.success());
    let old = std::time::UNIX_EPOCH - std::time::Duration::from_secs(86_400);
    std::fs::File::options().append(true).open(at("in/one")).unwrap().set_modified(old).unwrap();
    for builder in builders().await {
        // `apart` is the first of the three names, and not requested.
        let mut file = stage("links").copy("in", "/in");
        if builder == BuildBackend::BuildKit {
            // These check the context: `COPY` leaves out pipes on Docker 20.10, and the classic
            // builder as well as newer engines unpack older times as 1970.
            let seen = Run::shell("cd /context; stat -c %F pipe >/kind; stat -c %Y one >>/kind");
            file = file.run(seen.mount(RunMount::bind("/context").source("in")));
        } else {
            file = file.run("stat -c %F /in/pipe >/kind");
        }
        let context = BuildContext::directory(directory.path());
        let image = build(file).with_context(context).with_backend(builder).build().await.unwrap();
        let told = says(&image, &["stat", "-c", "%h", "/in/one", "/in/two"]).await;
        assert_eq!(told, "2\n2", "{builder}");
        let seen = if builder == BuildBackend::BuildKit { "fifo\n-86400" } else { "fifo" };
        assert_eq!(says(&image, &["cat", "/kind"]).await, seen, "{builder}");
    }
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_failed_step_is_told_with_its_last_words() {
    for builder in builders().await {
        let run = stage("fails").run("echo one; echo two >&2; exit 7");
        let error = build(run).with_backend(builder).build().await.unwrap_err();
        assert_eq!((error.kind(), error.exit_code()), (ErrorKind::Build, Some(7)), "{error:?}");
        let told = format!("{error:?}");
        assert!(told.contains("RUN echo one; echo two >&2; exit 7"), "{told}");
        if builder == BuildBackend::BuildKit {
            let mut lines = error.log_tail().to_vec();
            // The order of the two streams is not defined.
            lines.sort();
            assert_eq!(lines, ["one", "two"], "{told}");
        }
    }
    let missing = build(stage("missing").copy("nowhere", "/")).build().await.unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::Build, "{missing:?}");
    assert!(format!("{missing:?}").contains("nowhere"), "{missing:?}");
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn stages_arguments_and_targets() {
    for builder in builders().await {
        let label = unique("stages");
        let file = || {
            Dockerfile::new()
                .arg_default("BASE", BUSYBOX)
                .stage(
                    Stage::from_image("$BASE")
                        .named("build")
                        .label("test", &*label)
                        .arg("TEXT")
                        .run("echo \"$TEXT\" > /text"),
                )
                .stage(Stage::from_image("$BASE").copy_from("build", "/text", "/copied"))
                .builder()
                .with_arg("TEXT", "a 'b' $c")
                .with_backend(builder)
        };
        let image = file().build().await.unwrap();
        assert_eq!(says(&image, &["cat", "/copied"]).await, "a 'b' $c");
        let stages: Vec<_> = image.report().stages.iter().map(|stage| stage.name.clone()).collect();
        assert_eq!(stages, ["build", "1"]);
        let image = file().with_target("build").build().await.unwrap();
        assert_eq!(says(&image, &["cat", "/text"]).await, "a 'b' $c");
        image.remove().await.unwrap();
        let raw = Raw::of(&engine().await);
        eventually("no stage is left", async || scraps(&raw, &label) == 0).await;
    }
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn what_needs_buildkit_is_refused_without_it() {
    let classic = |file: Stage| build(file).with_backend(BuildBackend::Classic);
    let refused = |outcome: Result<Image, Error>, what: &str| {
        let error = outcome.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error:?}");
        assert!(error.to_string().contains(what), "{error}");
    };
    let cache = Run::shell("true").cache("/c");
    if !differences::is_podman(&engine().await) {
        refused(classic(stage("mount").run(cache)).build().await, "a RUN has a --mount");
    }
    refused(classic(stage("secret")).with_secret("a", "b").build().await, "given a secret");
    let script = stage("heredoc").run(Run::script("echo 1\necho 2\n"));
    refused(classic(script.clone()).build().await, "has a heredoc");
    let kit = build(script).build().await;
    match differences::reads_heredocs(&engine().await) {
        true => assert!(kit.unwrap().size() > 0),
        false => refused(kit, "a RUN of the Dockerfile has a heredoc, which needs"),
    }
    let text = Heredoc::new("EOF", "hello\n");
    let copied = build(stage("heredoc").with(castoff::dockerfile::CopyFiles::text(text, "/t")));
    if !differences::reads_heredocs(&engine().await) {
        refused(copied.build().await, "a COPY of the Dockerfile has a heredoc");
    }
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_secret_is_in_the_step_and_nowhere_else() {
    if differences::is_podman(&engine().await) {
        return;
    }
    let secret = unique("s3cret");
    let events = Arc::new(Mutex::new(String::new()));
    let told = events.clone();
    // The step sees the secret without printing it.
    let run = Run::shell("test $(wc -c < /run/secrets/token) = $SIZE && md5sum /run/secrets/token")
        .secret("token");
    let image = build(stage("secret").arg("SIZE").run(run))
        .with_arg("SIZE", secret.len().to_string())
        .with_secret("token", secret.clone())
        .with_event_listener(move |event| told.lock().unwrap().push_str(&format!("{event:?}\n")));
    assert!(!format!("{image:?}").contains(&secret));
    let image = image.build().await.unwrap();
    let place = tempfile::tempdir().unwrap();
    let archive = place.path().join("image.tar");
    image.save(&archive).await.unwrap();
    let bytes = std::fs::read(&archive).unwrap();
    let held = memchr::memmem::find(&bytes, secret.as_bytes());
    assert_eq!(held, None, "in a layer");
    let told = format!("{:?} {:?}", image.inspect().await.unwrap(), image.history().await.unwrap());
    assert!(!told.contains(&secret) && !image.report().to_string().contains(&secret));
    let events = events.lock().unwrap().clone();
    assert!(events.contains("/run/secrets/token") && !events.contains(&secret), "{events}");
    // An error does not contain it either.
    let run = Run::shell("cat /run/secrets/token > /dev/null; exit 3").secret("token");
    let failed = build(stage("secret").run(run)).with_secret("token", secret.clone()).build().await;
    assert!(!format!("{:?}", failed.unwrap_err()).contains(&secret));
    let unknown = Run::shell("cat /run/secrets/other").secret("other");
    let unset = build(stage("secret").run(unknown)).build().await.unwrap_err();
    assert_eq!(unset.kind(), ErrorKind::Build, "{unset:?}");
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn an_ssh_agent_is_forwarded() {
    if differences::is_podman(&engine().await) {
        return;
    }
    // An agent with one answer: every client gets its greeting.
    let place = tempfile::tempdir().unwrap();
    let socket = place.path().join("agent");
    let listener = tokio::net::UnixListener::bind(&socket).unwrap();
    let agent = tokio::spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut asked = [0; 4];
        stream.read_exact(&mut asked).await.unwrap();
        stream.write_all(b"pong").await.unwrap();
        asked
    });
    let talk = "$s = IO::Socket::UNIX->new($ENV{SSH_AUTH_SOCK}) or die $!; print $s q(ping); \
                $s->flush; read($s, $got, 4); exit($got ne q(pong))";
    let run = Run::exec(["perl", "-MIO::Socket::UNIX", "-e", talk, &unique("ssh")]).ssh();
    let image = build(Stage::from_image("castoff.test/debian").run(run));
    let image = image.with_ssh_agent("default", &socket).build().await.unwrap();
    assert!(image.size() > 0);
    assert_eq!(&agent.await.unwrap(), b"ping");
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn files_come_out_as_a_directory_and_as_an_archive() {
    if differences::is_podman(&engine().await) {
        let error = build(stage("out")).export_tar("/nowhere").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        return;
    }
    let file = || {
        Dockerfile::new()
            .stage(stage("out").named("build").run("mkdir -p /out/bin && echo 1 > /out/bin/tool"))
            .stage(Stage::scratch().copy_from("build", "/out", "/"))
            .builder()
    };
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("new/dist");
    file().export_directory(&directory).await.unwrap();
    assert_eq!(std::fs::read_to_string(directory.join("bin/tool")).unwrap(), "1\n");
    let archive = place.path().join("dist.tar");
    file().export_tar(&archive).await.unwrap();
    let mut tar = tar::Archive::new(std::fs::File::open(&archive).unwrap());
    let paths: Vec<_> =
        tar.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().into_owned()).collect();
    assert!(paths.iter().any(|path| path.ends_with("bin/tool")), "{paths:?}");
    // A failed build leaves no new file, and does not change the existing one.
    let failed = build(stage("out").run("exit 1")).export_tar(&archive).await.unwrap_err();
    assert_eq!(failed.kind(), ErrorKind::Build, "{failed:?}");
    let left: Vec<_> =
        std::fs::read_dir(place.path()).unwrap().map(|one| one.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
    let full = file().export_directory("/proc/nowhere").await.unwrap_err();
    assert_eq!(full.kind(), ErrorKind::Io, "{full:?}");
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn built_and_started_in_one_go() {
    for builder in builders().await {
        let file = stage("start")
            .run("echo hi > /index.html")
            .expose(80)
            .cmd(["httpd", "-f", "-p", "80", "-h", "/"]);
        let web = build(file).with_backend(builder).start().await.unwrap();
        let output = web.exec(["wget", "-qO-", "http://127.0.0.1/"]).await.unwrap();
        assert_eq!(output.stdout_text(), "hi\n");
        assert!(web.addr(80).is_ok());
        let raw = Raw::of(web.engine());
        let id = web.inspect().await.unwrap().image;
        web.remove().await.unwrap();
        assert!(
            raw.inspect(&format!("images/{id}")).is_none(),
            "the image went with the container"
        );
    }
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn events_come_as_a_stream() {
    let mut progress =
        build(stage("events").run(format!("echo 1-$((1+1))-3 {}", unique("run")))).progress();
    let (mut text, mut steps) = (String::new(), 0);
    while let Some(event) = progress.next().await {
        match event.unwrap() {
            BuildEvent::Log { text: more, .. } => text.push_str(&more),
            BuildEvent::Step(step) if step.completed.is_some() => steps += 1,
            _ => {}
        }
    }
    assert!(text.contains("1-2-3") && steps >= 2, "{steps} {text}");
    let image = progress.image().await.unwrap();
    let container = Container::builder(&image).with_command(["true"]).run().await.unwrap();
    assert!(container.success());
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_platform_that_a_base_has_not_fails_before_anything_is_built() {
    let ran = Arc::new(Mutex::new(0));
    let told = ran.clone();
    let file = stage("platform").run("echo never");
    let foreign = match engine().await.architecture() {
        "arm64" => "linux/s390x",
        _ => "linux/arm64",
    };
    let build = build(file).with_platform(foreign).with_event_listener(move |event| {
        if matches!(event, BuildEvent::Step(_)) {
            *told.lock().unwrap() += 1;
        }
    });
    let error = build.build().await.unwrap_err();
    // There is no registry that could say whether the image exists for that platform.
    assert_ne!(error.kind(), ErrorKind::ImageNotFound, "{error:?}");
    let message = format!("the base image {BUSYBOX} of stage 0 is needed for {foreign}");
    let text = error.to_string();
    assert!(text.contains(&message) && text.contains("has it for linux/"), "{error}");
    assert!(!text.contains("does not exist"), "{error}");
    assert!(error.hint().is_some() && error.step() == Some("preflight"), "{error:?}");
    assert_eq!(*ran.lock().unwrap(), 0);
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn an_image_with_a_name_bears_a_label_of_castoffs_unless_that_is_turned_off() {
    for builder in builders().await {
        let name = unique("unlabelled");
        let file = stage("unlabelled").cmd(["true"]);
        let named = || build(file.clone());
        let ours = |details: &ImageDetails| {
            let keys = details.labels.keys().filter(|key| key.starts_with("castoff.image."));
            keys.cloned().collect::<Vec<_>>()
        };
        let with = named().with_name(&*name).with_backend(builder).build().await.unwrap();
        assert_eq!(ours(&with.inspect().await.unwrap()), ["castoff.image.build"], "{builder}");
        let without = || named().with_name(&*name).with_backend(builder).without_build_label();
        let image = without().build().await.unwrap();
        assert!(!image.report().recognized, "{builder}");
        assert_eq!(ours(&image.inspect().await.unwrap()), [""; 0], "{builder}");
        assert!(!without().build().await.unwrap().report().recognized, "{builder}");
        image.remove().await.unwrap();
    }
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn images_travel_in_archives() {
    let engine = engine().await;
    let (images, name) = (engine.images(), unique("travels"));
    let mut image = build(stage("travels").cmd(["true"])).build().await.unwrap();
    image.tag(&name).await.unwrap();
    let place = tempfile::tempdir().unwrap();
    let archive = place.path().join("image.tar");
    images.save(&name, &archive).await.unwrap();
    assert_eq!(image.inspect().await.unwrap().names, [format!("{name}:latest")]);
    image.remove().await.unwrap();
    assert!(!images.exists(&name).await.unwrap());
    let loaded = images.load(&archive).await.unwrap();
    assert!(loaded.iter().any(|one| one.contains(&name)), "{loaded:?}");
    images.remove(&name).await.unwrap();

    let rootfs = place.path().join("root.tar");
    let mut tar = tar::Builder::new(std::fs::File::create(&rootfs).unwrap());
    let mut header = tar::Header::new_gnu();
    header.set_size(2);
    header.set_mode(0o644);
    tar.append_data(&mut header, "hello", &b"hi"[..]).unwrap();
    tar.into_inner().unwrap();
    let id = images.import(&name, &rootfs, ["CMD [\"/hello\"]"]).await.unwrap();
    let details = images.inspect(&id).await.unwrap();
    assert_eq!(details.cmd, ["/hello"]);
    assert_eq!(images.history(&name).await.unwrap().len(), 1);
    images.remove(&name).await.unwrap();
    let missing = images.load(place.path().join("nowhere")).await.unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
}
