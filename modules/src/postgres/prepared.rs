//! Data directories that are kept as images, so that the next start finds everything done.

use std::time::Duration;

use castoff::engine::ImageSummary;
use castoff::{Container, Engine, Error, ErrorKind, Module, Result};

use super::admin::Admin;
use super::builder::Script;
use super::server::Parts;
use super::sql::{identifier, literal};
use super::{PORT, Postgres};
use crate::fingerprint::Fingerprint;

/// Where the data lies in the image: no image has a volume there, and an image of a container
/// leaves volumes out.
pub(super) const MAKING: &str = "/castoff/postgres";
const REPOSITORY: &str = "castoff-prepared/postgres";
/// To be changed when images that were made before would not do any more.
const VERSION: u32 = 1;

/// What a module has to do with a prepared image.
#[derive(Clone)]
pub(super) enum Use {
    /// It was asked for.
    Wanted,
    /// This is the server whose data is kept.
    Making,
    /// It is there, and the module starts from it.
    Made,
}

/// The images that [`Postgres::with_prepared_image`] has made on an engine.
///
/// # Errors
/// When the engine can't be asked.
///
/// # Cancel safety
/// Dropping the future leaves nothing behind.
pub async fn prepared_images(engine: &Engine) -> Result<Vec<ImageSummary>> {
    engine.images().list(REPOSITORY).await
}

/// Removes the images that [`Postgres::with_prepared_image`] has made on an engine, and says how many it has
/// removed; one that somebody else removed meanwhile does not count. The next start makes them anew.
///
/// One that a container uses is tried again for some seconds, as that may be on its way out. What one
/// image comes to keeps no other from being removed.
///
/// # Errors
/// When the engine can't be asked, or one of them could not be removed: it is still there.
///
/// # Cancel safety
/// When the future is dropped, some of them may be removed.
pub async fn prune_prepared(engine: &Engine) -> Result<usize> {
    let mut left: Vec<String> =
        prepared_images(engine).await?.into_iter().map(|image| image.id).collect();
    let mut removed = 0;
    let mut pauses = PAUSES.iter();
    loop {
        let (mut stay, mut failure, mut may_pass) = (Vec::new(), None, false);
        for id in left {
            match engine.images().remove(&id).await {
                Ok(()) => removed += 1,
                // Engines have statuses of their own for what another image or container came to.
                Err(error) if error.status() == Some(404) => {}
                Err(error) => {
                    may_pass |= error.kind() == ErrorKind::Conflict
                        || error.status().is_some_and(|status| status >= 500);
                    failure.get_or_insert(error);
                    stay.push(id);
                }
            }
        }
        match (failure, pauses.next()) {
            (None, _) => return Ok(removed),
            (Some(_), Some(pause)) if may_pass => tokio::time::sleep(*pause).await,
            (Some(error), _) => return Err(error),
        }
        left = stay;
    }
}

/// Pauses before what could not be removed is tried again.
const PAUSES: [Duration; 5] = [
    Duration::from_millis(50),
    Duration::from_millis(200),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
];

/// Finds the module's image or makes it, and has the module start from it.
pub(super) async fn prepare(module: &mut Postgres) -> Result<()> {
    let engine = match module.container.engine() {
        Some(engine) => engine.clone(),
        None => Engine::connect().await?,
    };
    let spec = module.container.spec().clone();
    let scripts = contents(&module.scripts).await?;
    let print = Fingerprint::new("prepared")
        .part(VERSION.to_string())
        .part(image_id(&engine, &spec.image).await?)
        .part(spec.env.len().to_string())
        .pairs(&spec.env)
        .pairs(scripts.iter().map(|(name, script)| (name, script)))
        .pairs([(&module.user, &module.password)])
        .part(&module.database);
    let hash = print.digits();
    let name = format!("{REPOSITORY}:{hash}");

    if find(&engine, &name).await?.is_none() {
        let mut making = Postgres {
            container: Container::builder(&spec.image)
                .with_port(PORT)
                .with_envs(spec.env)
                .with_engine(&engine),
            user: module.user.clone(),
            // The image's environment is that of the container: the real one is set afterwards.
            password: format!("castoff-{hash}"),
            scripts: scripts
                .into_iter()
                .map(|(name, bytes)| (name, Script::Bytes(bytes)))
                .collect(),
            database: module.database.clone(),
            config: module.config.clone(),
            prepared: Some(Use::Making),
            ..Postgres::new()
        };
        make(&mut making, &module.password, &engine, &name).await?;
    }
    let id = find(&engine, &name).await?.ok_or_else(|| {
        Error::new(ErrorKind::NotFound, format!("the image `{name}` was removed while it was made"))
    })?;
    let container = std::mem::replace(&mut module.container, Container::builder(""));
    module.container = container.with_image(id);
    module.prepared = Some(Use::Made);
    Ok(())
}

async fn find(engine: &Engine, name: &str) -> Result<Option<String>> {
    let images = engine.images().list(name).await?;
    Ok(images.into_iter().next().map(|image| image.id))
}

/// A name may come to mean another image.
async fn image_id(engine: &Engine, image: &str) -> Result<String> {
    match engine.images().inspect(image).await {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            engine.images().pull(image).await?;
            Ok(engine.images().inspect(image).await?.id)
        }
        other => Ok(other?.id),
    }
}

/// Initializes a server, ends it and keeps what it has written: once, however many processes want
/// it at the same time.
async fn make(making: &mut Postgres, password: &str, engine: &Engine, name: &str) -> Result<()> {
    let container = std::mem::replace(&mut making.container, Container::builder(""));
    let container = making.configure(container)?.shared_as(name).await?;
    let parts = Parts {
        user: making.user.clone(),
        password: making.password.clone(),
        database: making.database.clone(),
    };
    let keep = async || {
        if find(engine, name).await?.is_some() {
            return Ok(());
        }
        let admin = Admin::of(&container, &parts)?;
        let (user, password) = (identifier(&parts.user), literal(password));
        let sql = format!("ALTER ROLE {user} PASSWORD {password}; CHECKPOINT");
        admin.execute(container.addr(PORT)?, &sql).await?;
        container.stop().await?;
        container.commit(name).await?.keep();
        Ok::<_, Error>(())
    };
    container.init_once("castoff postgres image", keep).await?;
    // Others may still be looking at it; then it goes with them.
    container.remove().await
}

/// The scripts with their content, which is what counts.
async fn contents(scripts: &[(String, Script)]) -> Result<Vec<(String, Vec<u8>)>> {
    let mut contents = Vec::new();
    for (name, script) in scripts {
        let bytes = match script {
            Script::Bytes(bytes) => bytes.clone(),
            Script::Path(path) => tokio::fs::read(path).await.map_err(|error| {
                let what = format!("can't read init script `{}`", path.display());
                Error::new(ErrorKind::Io, what).with_source(error)
            })?,
        };
        contents.push((name.clone(), bytes));
    }
    Ok(contents)
}

/// Puts the kept data where it belongs, unless a volume has some already, and goes on as the
/// image does.
pub(super) fn entry_point(data: &str) -> Vec<String> {
    shell(&format!("{}; exec docker-entrypoint.sh \"$@\"", fill(data)))
}

/// The same with something to do before.
#[cfg(feature = "tls")]
pub(super) fn entry_point_after(before: &str, data: &str) -> Vec<String> {
    shell(&format!("{before} && {}; exec docker-entrypoint.sh \"$@\"", fill(data)))
}

fn fill(data: &str) -> String {
    format!("[ -s {data}/PG_VERSION ] || cp -a {MAKING}/. {data}/")
}

/// An entry point that runs these lines, with the command as `"$@"`.
pub(super) fn shell(lines: &str) -> Vec<String> {
    ["sh", "-c", lines, "sh"].map(str::to_owned).into()
}
