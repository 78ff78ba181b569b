//! Data directories that are kept as images, so that later starts find them initialized.

use std::time::Duration;

use castoff::engine::ImageSummary;
use castoff::{Container, Engine, Error, ErrorKind, Module, Result};

use super::admin::Admin;
use super::builder::Script;
use super::login::Login;
use super::sql::{identifier, literal};
use super::{PORT, Postgres};
use crate::fingerprint::Fingerprint;

/// The data directory in the image: no image has a volume there, as a commit leaves volumes out.
pub(super) const MAKING: &str = "/castoff/postgres";
const REPOSITORY: &str = "castoff-prepared/postgres";
/// The version of the images' format. Change it when older images would no longer work.
const VERSION: u32 = 1;

/// The role of a prepared image for a module.
#[derive(Clone)]
pub(super) enum Use {
    /// An image was requested.
    Wanted,
    /// This server makes the data for the image.
    Making,
    /// The image exists, and the module starts from it.
    Made,
}

/// Lists the images that [`Postgres::with_prepared_image`] has made on an engine.
///
/// # Errors
/// Fails if the engine can't be asked.
///
/// # Cancel safety
/// Dropping the future leaves nothing behind.
pub async fn prepared_images(engine: &Engine) -> Result<Vec<ImageSummary>> {
    engine.images().list(REPOSITORY).await
}

/// Removes the images that [`Postgres::with_prepared_image`] has made on an engine, and returns the
/// number removed, without those that others removed meanwhile. The next start makes them again.
///
/// The removal of an image in use is retried for some seconds, as its container may be going away.
/// The failure of one image does not keep others from being removed.
///
/// # Errors
/// Fails if the engine can't be asked, or if an image could not be removed; it then still exists.
///
/// # Cancel safety
/// If the future is dropped, some of them may have been removed.
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
                // It is gone already. Failures with other images or containers have other
                // statuses.
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

/// The pauses before another attempt to remove images.
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
            // The image inherits the container's environment, so the real password is set
            // afterwards.
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

/// Returns an image's id, as a name may come to mean another image.
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
    let login = Login {
        user: making.user.clone(),
        password: making.password.clone(),
        database: making.database.clone(),
    };
    let keep = async || {
        if find(engine, name).await?.is_some() {
            return Ok(());
        }
        let admin = Admin::of(&container, &login)?;
        let (user, password) = (identifier(&login.user), literal(password));
        let sql = format!("ALTER ROLE {user} PASSWORD {password}; CHECKPOINT");
        admin.execute(container.addr(PORT)?, &sql).await?;
        container.stop().await?;
        container.commit(name).await?.keep();
        Ok::<_, Error>(())
    };
    container.init_once("castoff postgres image", keep).await?;
    // If others are still using it, it is removed after them.
    container.remove().await
}

/// Reads the scripts' content, on which the image depends.
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

/// Returns an entry point that puts the kept data in place, unless a volume already has some, and
/// then continues like the image's own.
pub(super) fn entry_point(data: &str) -> Vec<String> {
    shell(&format!("{}; exec docker-entrypoint.sh \"$@\"", fill(data)))
}

/// Returns the same with a step before it.
#[cfg(feature = "tls")]
pub(super) fn entry_point_after(before: &str, data: &str) -> Vec<String> {
    shell(&format!("{before} && {}; exec docker-entrypoint.sh \"$@\"", fill(data)))
}

fn fill(data: &str) -> String {
    format!("[ -s {data}/PG_VERSION ] || cp -a {MAKING}/. {data}/")
}

/// Returns an entry point that runs these lines, with the command as `"$@"`.
pub(super) fn shell(lines: &str) -> Vec<String> {
    ["sh", "-c", lines, "sh"].map(str::to_owned).into()
}
