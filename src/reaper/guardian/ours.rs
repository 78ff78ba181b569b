//! Resources that carry castoff's labels but were made by others: a container inherits the labels
//! of its image, and an image those of the container or image that it was made of.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::expect_used)]

use super::super::kind::Kind;
use super::address::Address;
use super::http::{fingerprint, image_request, users_request};
use super::json::{Ids, plain_image};
use super::remove::{Round, scan, status};
use super::work::{IDS, IdTable, KeepTable};

/// Takes resources that are not castoff's out of the table, and marks them as kept: once their
/// image is removed, nothing would distinguish them any more. `None` if the engine gave no good
/// answer.
pub(super) fn spare_others(round: &mut Round<'_>) -> Option<()> {
    match round.kind {
        Kind::Container => containers(round),
        Kind::Image => images(round),
        // Nothing inherits the labels of these.
        Kind::Network | Kind::Volume => Some(()),
    }
}

/// Spares containers that others made. The images are listed after the containers: each existed
/// before its container.
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
        // Under another name, it is castoff's only if its image exists and has no such label.
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

fn images(round: &mut Round<'_>) -> Option<()> {
    let Round { ids, kept, input, engine, spared, .. } = round;
    // All are judged before one is taken out: an image that others made of castoff's is recognized
    // by its parent in this list.
    let mut fresh = [false; IDS];
    for (index, place) in fresh.iter_mut().enumerate() {
        let Some(traits) = ids.traits(index).filter(|traits| traits.has_no_name()) else {
            continue;
        };
        *place = is_made_on_anothers(ids, kept, traits.image(), engine)?;
    }
    let mut index = 0_usize;
    while let (Some(id), Some(traits)) = (ids.get(index), ids.traits(index)) {
        // Podman also labels a build's intermediate images, which have no name.
        let ours = traits.is_named()
            || (engine.is_podmans() && traits.has_no_name())
            || fresh.get(index).copied().unwrap_or_default();
        if !ours {
            kept.insert(Kind::Image, fingerprint(Kind::Image, id));
            take_out(ids, &mut fresh, index);
        } else if !engine.is_podmans() && is_used(engine, id, input)? {
            // With `force`, Docker removes it even if a container that does not run uses it.
            *spared = true;
            take_out(ids, &mut fresh, index);
        } else {
            index = index.saturating_add(1);
        }
    }
    Some(())
}

/// Removes an entry; the last one takes its place.
fn take_out(ids: &mut IdTable, fresh: &mut [bool; IDS], index: usize) {
    let last = ids.len().saturating_sub(1);
    if index <= last && last < IDS {
        fresh.swap(index, last);
    }
    ids.remove(index);
}

/// Returns whether the image `below` exists and does not have these labels itself. Then the image
/// that was made on it has them from castoff: a commit that was cut off before the engine named the
/// image leaves such a one.
fn is_made_on_anothers(
    ids: &IdTable,
    kept: &KeepTable,
    below: &[u8],
    engine: &Address,
) -> Option<bool> {
    let listed = (0..ids.len()).filter_map(|index| ids.get(index));
    // A full table may lack it.
    if ids.len() >= IDS
        || listed.into_iter().any(|id| plain_image(id) == plain_image(below))
        || kept.holds(Kind::Image, below)
    {
        return Some(false);
    }
    let mut request = [0; 256];
    let Some(request) = image_request(below, &mut request) else { return Some(false) };
    match status(engine, request)? {
        200 => Some(true),
        404 => Some(false),
        _ => None,
    }
}

/// Returns whether a container uses an image. castoff's own are gone by the time images are listed.
fn is_used(engine: &Address, image: &[u8], input: &mut [u8]) -> Option<bool> {
    let mut request = [0; 512];
    // Text that can't be part of a request is no image's id, and is never removed.
    let Some(request) = users_request(image, &mut request) else { return Some(true) };
    let mut used = false;
    scan(engine, request, input, Ids::new(Kind::Container), |_, _| {
        used = true;
        false
    })?;
    Some(used)
}
