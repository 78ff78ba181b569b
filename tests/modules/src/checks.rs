//! What is checked of every module.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use castoff_modules::castoff::config::Config;
use castoff_modules::castoff::{Container, Engine, ErrorKind, Module, Network};
use tokio::process::Command;

use crate::{Fixture, Outcome, Server};

/// How many operations are done from the first instant on.
const OPERATIONS: usize = 100;
const TAG: &str = "castoff-custom";
const SCOPE: &str = "CASTOFF_CONFORMANCE_SCOPE";
const PATIENCE: Duration = Duration::from_secs(20);

fn container<F: Fixture>(server: &Server<F>) -> &Container {
    server.as_ref()
}

/// A hundred operations on one connection, the first right after the start came back.
///
/// # Errors
/// What failed.
pub async fn the_first_operations_succeed<F: Fixture>() -> Outcome {
    let server = F::module().start().await?;
    let mut client = F::connect(&server).await?;
    for n in 0..OPERATIONS {
        F::operate(&mut client, n).await?;
    }
    Ok(())
}

/// One server after the other, each used at once.
///
/// # Errors
/// What failed, and at which start.
pub async fn it_is_ready_in_a_row<F: Fixture>() -> Outcome {
    for start in 0..F::STARTS {
        let used = async {
            let server = F::module().start().await?;
            F::operate(&mut F::connect(&server).await?, start).await
        };
        used.await.map_err(|error| format!("start {start}: {error:?}"))?;
    }
    Ok(())
}

/// Whoever has the wrong password is not let in.
///
/// # Errors
/// What failed.
pub async fn wrong_credentials_are_refused<F: Fixture>() -> Outcome {
    let server = F::module().start().await?;
    F::operate(&mut F::connect(&server).await?, 0).await?;
    match F::intrude(&server).await {
        Some(Ok(())) => Err("wrong credentials were accepted".into()),
        Some(Err(_)) | None => Ok(()),
    }
}

/// The handle finds its server again after a restart, wherever its port went.
///
/// # Errors
/// What failed.
pub async fn a_restart_keeps_it_working<F: Fixture>() -> Outcome {
    let server = F::module().start().await?;
    F::operate(&mut F::connect(&server).await?, 0).await?;
    container::<F>(&server).restart().await?;
    let mut client = F::connect(&server).await?;
    F::operate(&mut client, 1).await?;
    container::<F>(&server).kill("SIGKILL").await?;
    container::<F>(&server).wait().await?;
    container::<F>(&server).start().await?;
    F::operate(&mut F::connect(&server).await?, 2).await
}

/// Two servers of the same module do not meet.
///
/// # Errors
/// What failed.
///
/// # Panics
/// When what came of it is not as it should be.
pub async fn two_run_side_by_side<F: Fixture>() -> Outcome {
    let (one, two) = tokio::try_join!(F::module().start(), F::module().start())?;
    assert_ne!(container::<F>(&one).id(), container::<F>(&two).id());
    for server in [&one, &two] {
        F::operate(&mut F::connect(server).await?, 0).await?;
    }
    Ok(())
}

/// Threads and processes that ask for the same get the same.
///
/// # Errors
/// What failed.
///
/// # Panics
/// When what came of it is not as it should be.
pub async fn one_is_shared_across_processes<F: Fixture>() -> Outcome {
    let scope = unique("shared");
    let (one, two) =
        tokio::try_join!(F::module().shared_as(scope.as_str()), F::module().shared_as(&scope))?;
    let mut ids: BTreeSet<String> =
        [&one, &two].map(|server| container::<F>(server).id().to_owned()).into();
    let (three, four) = tokio::try_join!(child(&scope), child(&scope))?;
    ids.extend([three, four]);
    assert_eq!(ids.len(), 1, "{ids:?}");
    F::operate(&mut F::connect(&one).await?, 0).await
}

/// Runs [`shared_child`] in a process of its own; the id that it says.
async fn child(scope: &str) -> Outcome<String> {
    let mut child = Command::new(std::env::current_exe()?);
    child.args(["--ignored", "--nocapture", "--exact", "conformance::shared_child"]);
    let out = child.env(SCOPE, scope).stdin(Stdio::null()).output().await?;
    let said = String::from_utf8_lossy(&out.stdout);
    let id = said.lines().find_map(|line| line.split_once("shared id ")).map(|(_, id)| id.trim());
    if !out.status.success() {
        return Err(format!("{said}\n{}", String::from_utf8_lossy(&out.stderr)).into());
    }
    Ok(id.ok_or("the child said nothing")?.to_owned())
}

/// Joins the server of the parent, uses it, and says which it is. On its own, any.
///
/// # Errors
/// What failed.
pub async fn shared_child<F: Fixture>() -> Outcome {
    let scope = std::env::var(SCOPE).unwrap_or_else(|_| unique("alone"));
    let server = F::module().shared_as(scope).await?;
    F::operate(&mut F::connect(&server).await?, 0).await?;
    println!("\nshared id {}", container::<F>(&server).id());
    Ok(())
}

/// The in-network address works from a container next to it.
///
/// # Errors
/// What failed.
pub async fn a_sibling_reaches_it_in_their_network<F: Fixture>() -> Outcome {
    let net = Network::create().await?;
    let server = F::module().customize(|c| c.with_network(&net, ())).start().await?;
    let sibling = F::sibling(&server);
    let image =
        sibling.image.map_or_else(|| F::module().builder_mut().spec().image.clone(), str::to_owned);
    let (program, arguments) =
        sibling.command.split_first().ok_or("the fixture names no command")?;
    let out = Container::builder(image)
        .with_entrypoint([program])
        .with_command(arguments)
        .with_network(&net, ())
        .run()
        .await?;
    let said = format!("{}{}", out.stdout_text(), out.stderr_text());
    if said.contains(sibling.prints) {
        Ok(())
    } else {
        Err(format!("{}: {said}", out.exit_code).into())
    }
}

/// A tag and a variable of the user's end up in the container.
///
/// # Errors
/// What failed.
///
/// # Panics
/// When what came of it is not as it should be.
pub async fn another_tag_and_environment_arrive<F: Fixture>() -> Outcome {
    let default = F::module().builder_mut().spec().image.clone();
    let repository = default.rsplit_once(':').map_or(default.as_str(), |(name, _)| name);
    let custom = format!("{repository}:{TAG}");
    // No registry has such a tag, so it stands for whatever the default one does.
    let mut config = Config::from_env();
    let real = config.image_substitutes.get(&default).cloned().unwrap_or(default);
    config.image_substitutes.insert(custom.clone(), real);
    let engine = Engine::connect_with(config).await?;

    let mut module = F::tagged(TAG).with_engine(&engine);
    assert_eq!(module.builder_mut().spec().image, custom);
    let server = module.start().await?;
    let details = container::<F>(&server).inspect().await?;
    assert_eq!(details.env["CASTOFF_TOLD"], "yes", "{:?}", details.env);
    F::operate(&mut F::connect(&server).await?, 0).await
}

/// The container goes with its handle.
///
/// # Errors
/// What failed.
pub async fn a_dropped_handle_leaves_nothing<F: Fixture>() -> Outcome {
    let server = F::module().start().await?;
    let (engine, id) =
        (container::<F>(&server).engine().clone(), container::<F>(&server).id().to_owned());
    drop(server);
    let began = Instant::now();
    loop {
        let left = engine.containers().all().list().await?;
        if left.iter().all(|container| container.id != id) {
            return Ok(());
        }
        if began.elapsed() > PATIENCE {
            return Err(format!("{id} is still there").into());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// What can't work ends the start with an error that names it.
///
/// # Errors
/// What failed.
///
/// # Panics
/// When what came of it is not as it should be.
pub async fn a_bad_option_is_named<F: Fixture>() -> Outcome {
    let (module, name) = F::bad();
    let error = match module.start().await {
        Ok(_) => return Err("it started".into()),
        Err(error) => error,
    };
    assert_ne!(error.kind(), ErrorKind::WaitTimeout, "{error:?}");
    let told = format!("{error:?}");
    if told.contains(name) { Ok(()) } else { Err(format!("no {name:?} in: {told}").into()) }
}

fn unique(what: &str) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    let time = std::time::UNIX_EPOCH.elapsed().unwrap_or_default().as_nanos();
    format!("{what}-{}-{n}-{time:x}", std::process::id())
}
