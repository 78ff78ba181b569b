//! What carries castoff's labels, and was made by others: a container inherits the labels of its
//! image, and an image those of the container or image that it was made of.

use std::collections::BTreeSet;

use super::kind::Kind;
use super::listing::list;
use crate::engine::{Client, Labelled};
use crate::error::Result;
use crate::spec::label;

/// Of what was listed by castoff's labels, what castoff made. What can't be judged is not in it.
///
/// Each container is created with a value of `castoff.resource` that nothing else has, later than
/// its image. So a container whose image has that value has it from there, and is somebody else's.
/// One whose image is gone is castoff's if it still has the name that castoff chose. An image is
/// castoff's if it has the name that it was made under, which its labels say. One without a name is
/// castoff's on Podman, as steps of a build have these labels there; and elsewhere if it was made
/// on an image that is there and has not its labels, so that it has them from castoff alone: a
/// commit that was cut off leaves that.
///
/// The images are asked for after `listed` was: each was there before its container was.
pub(super) async fn ours(
    engine: &Client,
    listed: Vec<(Kind, Labelled)>,
) -> Result<Vec<(Kind, Labelled)>> {
    let inherited = if listed.iter().any(|(kind, _)| *kind == Kind::Container) {
        inherited(engine).await?
    } else {
        BTreeSet::new()
    };
    let mut ours = Vec::new();
    for (kind, found) in listed {
        let is_ours = match kind {
            Kind::Container => is_our_container(engine, &found, &inherited).await?,
            Kind::Image => is_our_image(engine, &found).await?,
            // Nothing is made of these that would have their labels.
            Kind::Network | Kind::Volume => true,
        };
        if is_ours {
            ours.push((kind, found));
        } else {
            tracing::debug!(?kind, id = found.id, "has castoff's labels and is not castoff's");
        }
    }
    Ok(ours)
}

/// Images with the labels of a container, and which one it was.
type Inherited = BTreeSet<(String, String)>;

async fn inherited(engine: &Client) -> Result<Inherited> {
    // (Images of castoff's own have this label as well, and empty.)
    let images = list(engine, Kind::Image, label::RESOURCE).await?;
    let read = |mut image: Labelled| {
        let resource = image.labels.remove(label::RESOURCE)?;
        Some((plain(&image.id).to_owned(), resource))
    };
    Ok(images.into_iter().filter_map(read).collect())
}

async fn is_our_container(
    engine: &Client,
    found: &Labelled,
    inherited: &Inherited,
) -> Result<bool> {
    let Some(resource) = found.labels.get(label::RESOURCE).filter(|value| !value.is_empty()) else {
        return Ok(false);
    };
    if inherited.contains(&(plain(&found.image).to_owned(), resource.clone())) {
        return Ok(false);
    }
    Ok(found.names.contains(resource)
        || (!found.image.is_empty() && engine.has_image(&found.image).await?))
}

async fn is_our_image(engine: &Client, found: &Labelled) -> Result<bool> {
    if found.names.is_empty() {
        let key = Kind::Image.label_key(label::RESOURCE);
        return Ok(engine.is_podman() || engine.is_made_on_anothers(&found.id, &key).await?);
    }
    let made_as = [label::RESOURCE, label::NAME].map(|key| Kind::Image.label_key(key));
    let mut made_as = made_as.iter().filter_map(|key| found.labels.get(key));
    Ok(made_as.any(|made_as| found.names.iter().any(|name| untagged(name) == untagged(made_as))))
}

/// A name without the tag that stands for none.
fn untagged(name: &str) -> &str {
    name.strip_suffix(":latest").unwrap_or(name)
}

fn plain(id: &str) -> &str {
    id.trim_start_matches("sha256:")
}
