//! [`ours`]: the selection of castoff's own resources among those with its labels. Others may have
//! made some of these: a container inherits the labels of its image, and an image those of the
//! container or image that it was made of.

use std::collections::BTreeSet;

use super::kind::Kind;
use super::listing::list;
use crate::engine::{Client, Labelled};
use crate::error::Result;
use crate::spec::label;

/// Returns the resources that castoff created, of those listed by its labels. One that can't be
/// judged is left out.
///
/// Each container is created with a value of `castoff.resource` that nothing else has, later than
/// its image. So a container whose image has the same value inherited it, and is somebody else's. A
/// container whose image is gone is castoff's if it still has the name that castoff chose. An image
/// is castoff's if it has the name that it was made under, which its labels hold. An image without
/// a name is castoff's on Podman, where steps of a build have these labels; elsewhere it is if it
/// was made on an existing image without its labels, as they can then only be castoff's: a commit
/// that was cut off leaves such an image.
///
/// The images are listed after `listed` was: each exists before its containers do.
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
            // Nothing inherits the labels of these.
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

/// Pairs of an image's id and the value of `castoff.resource` that its containers inherit.
type Inherited = BTreeSet<(String, String)>;

async fn inherited(engine: &Client) -> Result<Inherited> {
    // castoff's own images have this label as well, with an empty value.
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

/// Returns a name without the tag `latest`, which an untagged name stands for.
fn untagged(name: &str) -> &str {
    name.strip_suffix(":latest").unwrap_or(name)
}

fn plain(id: &str) -> &str {
    id.trim_start_matches("sha256:")
}
