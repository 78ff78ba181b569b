//! What carries castoff's labels, and was made by others: a container inherits the labels of its
//! image, and an image those of the container or image that it was made of.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::expect_used)]

use super::super::kind::Kind;
use super::address::Address;
use super::http::{fingerprint, image_request, users_request};
use super::json::{Ids, plain_image};
use super::remove::{Round, scan, status};
use super::work::{IDS, IdTable, KeepTable};

/// Takes out of the table what is not castoff's, for good: once what it was made of is gone, it
/// could be told no more. `None` if the engine gave no good answer.
pub(super) fn spare_others(round: &mut Round<'_>) -> Option<()> {
    match round.kind {
        Kind::Container => containers(round),
        Kind::Image => images(round),
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

fn images(round: &mut Round<'_>) -> Option<()> {
    let Round { ids, kept, input, engine, spared, .. } = round;
    // Judged before any is taken out: one that others made of ours is made on an image of this
    // list.
    let mut fresh = [false; IDS];
    for (index, place) in fresh.iter_mut().enumerate() {
        let Some(traits) = ids.traits(index).filter(|traits| traits.has_no_name()) else {
            continue;
        };
        *place = is_made_on_anothers(ids, kept, traits.image(), engine)?;
    }
    let mut index = 0_usize;
    while let (Some(id), Some(traits)) = (ids.get(index), ids.traits(index)) {
        // Podman labels the images of a build's steps as well, which have no name.
        let ours = traits.is_named()
            || (engine.is_podmans() && traits.has_no_name())
            || fresh.get(index).copied().unwrap_or_default();
        if !ours {
            kept.insert(Kind::Image, fingerprint(Kind::Image, id));
            take_out(ids, &mut fresh, index);
        } else if !engine.is_podmans() && is_used(engine, id, input)? {
            // By force, Docker removes it also where that container does not run.
            *spared = true;
            take_out(ids, &mut fresh, index);
        } else {
            index = index.saturating_add(1);
        }
    }
    Some(())
}

/// Takes one out; the last one has its place then.
fn take_out(ids: &mut IdTable, fresh: &mut [bool; IDS], index: usize) {
    let last = ids.len().saturating_sub(1);
    if index <= last && last < IDS {
        fresh.swap(index, last);
    }
    ids.remove(index);
}

/// Returns whether the image `below` is there, and has not these labels itself. Then what is made
/// on it has them from castoff and not from there: a commit that was cut off before the engine gave
/// it its name leaves such an image.
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

/// Returns whether there is a container of an image. castoff's own are gone by the time images are
/// listed.
fn is_used(engine: &Address, image: &[u8], input: &mut [u8]) -> Option<bool> {
    let mut request = [0; 512];
    // What can't stand in a request is no image's id, and is never removed.
    let Some(request) = users_request(image, &mut request) else { return Some(true) };
    let mut used = false;
    scan(engine, request, input, Ids::new(Kind::Container), |_, _| {
        used = true;
        false
    })?;
    Some(used)
}
