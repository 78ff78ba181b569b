//! What carries castoff's labels, and was made by others: a container inherits the labels of its
//! image, and an image those of the container or image that it was made of.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::expect_used)]

use super::http::{Kind, fingerprint, image_request};
use super::json::{Ids, plain_image};
use super::remove::{Round, scan, status};

/// Takes out of the table what is not castoff's, for good: once what it was made of is gone, it
/// could be told no more. `None` if the engine gave no good answer.
pub(super) fn spare_others(round: &mut Round<'_>) -> Option<()> {
    match round.kind {
        Kind::Container => containers(round),
        Kind::Image => {
            images(round);
            Some(())
        }
        // Nothing is made of these.
        Kind::Network | Kind::Volume => Some(()),
    }
}

/// The images are listed after the containers: each was there before its container was.
fn containers(round: &mut Round<'_>) -> Option<()> {
    if round.ids.is_empty() {
        return Some(());
    }
    let Round { committed, ids, kept, input, engine, .. } = round;
    scan(engine, committed, input, Ids::of_committed(), |image, of_image| {
        let mut index = 0_usize;
        while let (Some(id), Some(traits)) = (ids.get(index), ids.traits(index)) {
            let same_image = plain_image(traits.image()) == plain_image(image);
            if of_image.resource != 0 && of_image.resource == traits.resource && same_image {
                kept.insert(Kind::Container, fingerprint(Kind::Container, id));
                ids.remove(index);
            } else {
                index = index.saturating_add(1);
            }
        }
        true
    })?;
    let mut index = 0_usize;
    while let (Some(id), Some(traits)) = (ids.get(index), ids.traits(index)) {
        if traits.is_named() {
            index = index.saturating_add(1);
            continue;
        }
        // Under a name of the user's, it is castoff's if its image is there and has not that label.
        let mut request = [0; 256];
        let asked = image_request(traits.image(), &mut request);
        match asked.map_or(Some(404), |request| status(engine, request))? {
            200 => index = index.saturating_add(1),
            404 => {
                kept.insert(Kind::Container, fingerprint(Kind::Container, id));
                ids.remove(index);
            }
            _ => return None,
        }
    }
    Some(())
}

fn images(round: &mut Round<'_>) {
    let Round { ids, kept, engine, .. } = round;
    let mut index = 0_usize;
    while let (Some(id), Some(traits)) = (ids.get(index), ids.traits(index)) {
        // Podman labels the images of a build's steps as well, which have no name.
        if traits.is_named() || (engine.is_podmans() && traits.has_no_name()) {
            index = index.saturating_add(1);
        } else {
            kept.insert(Kind::Image, fingerprint(Kind::Image, id));
            ids.remove(index);
        }
    }
}
