//! Provision of the test images on an engine: built there, or copied from the machine's Docker.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use crate::client::Client;
use crate::endpoint::{DOCKER, Endpoint};
use crate::progress::{say, shown};
use crate::recipe::{Recipe, all, with_parents};
use crate::step::step;
use crate::{Outcome, apt, base, busybox, paths};

/// The label with the hash of an image's inputs.
const LABEL: &str = "castoff.test.hash";
/// The number of images that are built at once.
const BUILDERS: usize = 3;
const LIMIT: Duration = Duration::from_secs(900);

/// Makes every test image present and current.
pub(crate) fn provide(engine: &Endpoint, force: bool) -> Outcome {
    let recipes = all()?;
    shown(|| bring(engine, recipes, force))
}

/// Makes these test images present and current, and the ones that they are based on.
pub(crate) fn provide_some(engine: &Endpoint, names: &[&str]) -> Outcome {
    bring(engine, with_parents(all()?, names)?, false)
}

fn bring(engine: &Endpoint, recipes: Vec<Recipe>, force: bool) -> Outcome {
    let client = Client::of(engine)?;
    let wanted: Vec<&Recipe> =
        recipes.iter().filter(|recipe| force || !current(&client, recipe)).collect();
    if wanted.is_empty() {
        say(&format!("images: all {} are in place", recipes.len()));
        return Ok(());
    }
    if let Some(source) = source(engine, &wanted) {
        return step(&format!("copy {} images from Docker", wanted.len()), || {
            transfer(&source, &client, &wanted)
        });
    }
    let replaced: Vec<String> =
        wanted.iter().filter_map(|recipe| client.image_id(&recipe.reference())).collect();
    build_all(&client, wanted)?;
    // An image is removed after those that are based on it. One that is still in use stays.
    for id in replaced.iter().rev() {
        if recipes.iter().all(|recipe| client.image_id(&recipe.reference()).as_ref() != Some(id)) {
            drop(client.output(&["image", "rm", id]));
        }
    }
    Ok(())
}

/// Builds images, several at once: they wait for mirrors and disks more than they compute.
fn build_all(client: &Client, mut wanted: Vec<&Recipe>) -> Outcome {
    while !wanted.is_empty() {
        let blocked =
            |recipe: &Recipe| wanted.iter().any(|other| recipe.parents.contains(&other.name));
        let (later, now): (Vec<&Recipe>, Vec<&Recipe>) =
            wanted.iter().partition(|recipe| blocked(recipe));
        let next = Mutex::new(now.into_iter());
        let work = || -> Outcome {
            while let Some(recipe) = next.lock().ok().and_then(|mut next| next.next()) {
                step(&format!("build {}", recipe.reference()), || build(client, recipe))?;
            }
            Ok(())
        };
        thread::scope(|scope| {
            let workers: Vec<_> = (0..BUILDERS).map(|_| scope.spawn(work)).collect();
            workers.into_iter().try_for_each(|worker| {
                worker.join().unwrap_or_else(|_| Err("a build panicked".into()))
            })
        })?;
        wanted = later;
    }
    Ok(())
}

fn current(client: &Client, recipe: &Recipe) -> bool {
    client.image_label(&recipe.reference(), LABEL).as_ref() == Some(&recipe.hash)
}

/// Returns the machine's Docker as a source of images for another engine, if it has them.
fn source(engine: &Endpoint, wanted: &[&Recipe]) -> Option<Client> {
    let docker = Endpoint::new(DOCKER);
    if *engine == docker || !docker.answers() || docker.is_podman() {
        return None;
    }
    let client = Client::of(&docker).ok()?;
    wanted.iter().all(|recipe| current(&client, recipe)).then_some(client)
}

fn transfer(from: &Client, to: &Client, wanted: &[&Recipe]) -> Outcome {
    let names: Vec<String> = wanted.iter().map(|recipe| recipe.reference()).collect();
    let mut args = vec!["save"];
    args.extend(names.iter().map(String::as_str));
    let mut save = from
        .command(&args)
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|e| format!("cannot run docker save: {e}"))?;
    let mut load = to.command(&["load"]);
    if let Some(archive) = save.stdout.take() {
        load.stdin(archive);
    }
    let loaded = load.output().map_err(|e| format!("cannot run load: {e}"))?;
    let saved = save.wait().map_err(|e| e.to_string())?;
    if !saved.success() || !loaded.status.success() {
        return Err(format!(
            "docker save | load failed: {}",
            String::from_utf8_lossy(&loaded.stderr).trim()
        ));
    }
    Ok(())
}

fn build(client: &Client, recipe: &Recipe) -> Outcome {
    let label = format!("{LABEL}={}", recipe.hash);
    let Some(folder) = &recipe.folder else {
        return base::provide(client, &recipe.reference(), &label);
    };
    if recipe.name != busybox::NAME {
        return build_in(client, folder, recipe, &label);
    }
    let context = busybox::context(folder)?;
    let built = build_in(client, &context, recipe, &label);
    // It does no harm if it stays.
    drop(fs::remove_dir_all(&context));
    built
}

/// Builds with the host's network: it reaches the package mirror wherever the host does, while a
/// bridge with another MTU or a proxy on the loopback interface would prevent that.
fn build_in(client: &Client, context: &Path, recipe: &Recipe, label: &str) -> Outcome {
    let reference = recipe.reference();
    let context = context.display().to_string();
    let mut args = vec!["build", "--network", "host", "--label", label, "--tag", &reference];
    // A predefined argument: it is not stored in the image.
    let proxy = apt::proxy().map(|url| format!("http_proxy={url}"));
    if let Some(proxy) = &proxy {
        args.extend(["--build-arg", proxy]);
    }
    args.push(&context);
    let log = format!("build-{}", recipe.name);
    let done = client.logged(&args, &log, LIMIT);
    if done.is_ok() {
        drop(fs::remove_file(paths::scratch(&format!("{log}.log"))?));
    }
    done
}
