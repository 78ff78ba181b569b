//! Pushing of images.

use crate::engine::Client;
use crate::error::{Error, ErrorKind, Result};
use crate::spec::ImageRef;

/// Pushes an image under a name that it has; returns the digest in the registry.
pub(super) async fn push(engine: &Client, name: &ImageRef) -> Result<String> {
    let (login, trouble) = engine.find_login(name.registry()).await;
    let known = login.is_some();
    let mut status = |status: &str| tracing::debug!(image = %name, status, "push");
    let pushed = engine.push_image(name, login, &mut status).await;
    pushed.map_err(|error| {
        let error = explained(error, name, known).with_image(name.to_string());
        match trouble {
            Some(trouble) => error.with_hint(trouble.hint().map_or_else(
                || trouble.to_string(),
                |hint| format!("there was no login, as {trouble}; {hint}"),
            )),
            None => error,
        }
    })
}

fn explained(error: Error, name: &ImageRef, known: bool) -> Error {
    let text = error.to_string().to_lowercase();
    let denied = ["denied", "unauthorized", "authentication required", "no basic auth"];
    if !denied.iter().any(|word| text.contains(word)) {
        return error;
    }
    let registry = name.registry();
    let hint = match known {
        true => format!("the credentials for {registry} may not push there"),
        false => format!(
            "there are no credentials for {registry}: `docker login {registry}` stores some"
        ),
    };
    let denied =
        Error::new(ErrorKind::ImageDenied, format!("the registry refused the push of {name}"));
    denied.with_source(error).with_hint(hint)
}
