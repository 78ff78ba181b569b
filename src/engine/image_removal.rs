//! Removal of images, and of nothing else that belongs to others.

use std::collections::HashSet;

use bollard::query_parameters::RemoveImageOptionsBuilder;
use serde_json::Value;

use super::build::StepImage;
use super::failure::lift;
use super::image_details::steady;
use super::wording::{Meaning, says};
use super::{Client, ImageSummary};
use crate::error::{Error, ErrorKind, Result};
use crate::spec::{ImageRef, label};

const STEP: &str = "remove the image";

impl Client {
    /// Removes an image by its id, with all its names, or one of its names, and the image with its
    /// last. An image that a container uses stays.
    ///
    /// The removal is not forced: on Docker, force would remove the image of a container that does
    /// not run, and the name of one that does; on Podman it would also remove the containers, even
    /// running ones.
    pub(crate) async fn remove_image(&self, name: &str) -> Result<()> {
        match self.untag_image(name).await {
            Err(error) if says(&error.to_string(), Meaning::SeveralNames) => {}
            outcome => return outcome.map_err(kept),
        }
        // Names are removed one by one: engines check for containers only at the last one.
        let found = self.image_summary(name).await?;
        self.refuse_used_image(&found, None).await?;
        for name in names_of_others(&found) {
            match self.untag_image(name).await {
                Err(error) if error.status() != Some(404) => return Err(kept(error)),
                _ => {}
            }
        }
        self.untag_image(name).await.map_err(kept)
    }

    /// Removes an image like [`remove_image`](Self::remove_image), but it may be in use by others:
    /// a name that a container was created from stays as well, whatever other names its image has.
    pub(crate) async fn remove_unused_image(&self, name: &str) -> Result<()> {
        let found = self.image_summary(name).await?;
        let asked = canonical(name).filter(|_| found.names.len() > 1);
        self.refuse_used_image(&found, asked.as_deref()).await?;
        self.remove_image(name).await
    }

    /// Fails if a container, running or not, uses the image: under this name if one is given, or
    /// under its id.
    async fn refuse_used_image(&self, image: &ImageSummary, name: Option<&str>) -> Result<()> {
        // As JSON: Podman has states that bollard's type does not know.
        let path = "/containers/json?all=true";
        let containers = steady(|| self.get_json(path, "look for containers of the image")).await?;
        let user = containers.as_array().into_iter().flatten().find(|it| uses(it, &image.id, name));
        let Some(user) = user else { return Ok(()) };
        let user = user["Id"].as_str().unwrap_or_default();
        let message = format!("failed to remove the image: container {user} uses it");
        let error = Error::new(ErrorKind::Conflict, message).with_status(409);
        Err(error.with_hint("remove that container first, if it is yours"))
    }

    /// Returns whether the parent of an image exists and has another value of this label.
    pub(crate) async fn is_made_on_anothers(&self, id: &str, label: &str) -> Result<bool> {
        let Some(image) = self.found_image(id).await? else { return Ok(false) };
        let Some(below) = image["Parent"].as_str().filter(|id| !id.is_empty()) else {
            return Ok(false);
        };
        let below = self.found_image(below).await?;
        let value = |image: &Value| image["Config"]["Labels"][label].clone();
        Ok(below.is_some_and(|below| value(&below) != value(&image)))
    }

    /// Returns the engine's description of an image, if it exists.
    async fn found_image(&self, id: &str) -> Result<Option<Value>> {
        let path = format!("/images/{id}/json");
        match steady(|| self.get_json(&path, "inspect the image")).await {
            Err(error) if error.status() == Some(404) => Ok(None),
            found => found.map(Some),
        }
    }

    /// Returns the digits of the ids of all images, including intermediate ones.
    pub(crate) async fn image_ids(&self) -> Result<HashSet<String>> {
        let listed = steady(|| self.get_json("/images/json?all=1", "list images")).await?;
        let ids = listed.as_array().into_iter().flatten().filter_map(|image| image["Id"].as_str());
        Ok(ids.map(|id| digits(id).to_owned()).collect())
    }

    /// Removes an intermediate image, but not its parents, if it has not changed: it has no name,
    /// and has the parent that the step ran on or the label for images of steps. An image that a
    /// container uses, or that others build on, is a conflict.
    pub(crate) async fn remove_step_image(
        &self,
        image: &StepImage,
        label: Option<&(String, String)>,
    ) -> Result<()> {
        let Some(found) = self.found_image(&image.id).await? else { return Ok(()) };
        let Some(id) = still_of_step(&found, image, label) else { return Ok(()) };
        let options = RemoveImageOptionsBuilder::new().noprune(true).build();
        let removed = self.patient().remove_image(id, Some(options), None).await;
        match removed.map(drop).map_err(lift(STEP)) {
            Err(error) if error.status() == Some(404) => Ok(()),
            outcome => outcome,
        }
    }
}

/// Returns whether a listed container uses an image: under this name if one is given, or under its
/// id.
fn uses(container: &Value, image: &str, name: Option<&str>) -> bool {
    // A container that was created from the id may mean any of the names.
    let under = container["Image"].as_str().and_then(canonical);
    container["ImageID"].as_str().is_some_and(|used| digits(used) == digits(image))
        && (name.is_none() || under.is_none() || under.as_deref() == name)
}

/// Returns the id of an unnamed image that has the expected parent or label of an intermediate
/// image.
///
/// Podman forgets the parent of an image when that is removed, which may be just before the image
/// is created.
fn still_of_step<'a>(
    found: &'a Value,
    image: &StepImage,
    label: Option<&(String, String)>,
) -> Option<&'a str> {
    let named = |key: &str| {
        let names = found[key].as_array().into_iter().flatten();
        names.filter_map(Value::as_str).any(|name| !name.starts_with("<none>"))
    };
    if named("RepoTags") || named("RepoDigests") {
        return None;
    }
    let id = found["Id"].as_str().filter(|id| digits(id).starts_with(&image.id))?;
    let parent = digits(found["Parent"].as_str().unwrap_or_default());
    let fits = image.parent.as_ref().is_none_or(|wanted| parent.starts_with(wanted));
    let labelled =
        label.is_some_and(|(key, value)| found["Config"]["Labels"][key] == value.as_str());
    (fits || labelled).then_some(id)
}

/// Returns the full name, unless the text is an id.
fn canonical(name: &str) -> Option<String> {
    let image = name.parse::<ImageRef>().ok()?;
    (!image.is_id()).then(|| image.to_string())
}

fn digits(id: &str) -> &str {
    id.trim_start_matches("sha256:")
}

/// Turns Podman's 500 "no such container" into a conflict. It means that a container of the image
/// went meanwhile: despite the message, the image still exists.
fn kept(error: Error) -> Error {
    if error.kind() == ErrorKind::NotFound && error.status() == Some(500) {
        return Error::new(ErrorKind::Conflict, error.to_string())
            .with_status(500)
            .with_source(error);
    }
    error
}

/// Returns the names to take off an image before its last one. The name that castoff chose goes last:
/// should the process end in between, the image is known by it as castoff's.
fn names_of_others(image: &ImageSummary) -> impl Iterator<Item = &String> {
    let chosen = [label::RESOURCE, label::NAME].map(|key| image.labels.get(&label::on_image(key)));
    let is_chosen = |name: &String| {
        let untagged = name.strip_suffix(":latest").unwrap_or(name);
        chosen.iter().flatten().any(|it| it.strip_suffix(":latest").unwrap_or(it) == untagged)
    };
    let last = image.names.iter().position(is_chosen).unwrap_or_default();
    image.names.iter().enumerate().filter(move |(at, _)| *at != last).map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_name_that_castoff_chose_goes_last() {
        let names = ["127.0.0.1:5000/app:1", "castoff-0123-3:latest", "other:1"];
        let mut image = ImageSummary {
            id: String::new(),
            names: names.map(str::to_owned).to_vec(),
            labels: [(label::on_image(label::RESOURCE), "castoff-0123-3".to_owned())].into(),
            size: 0,
        };
        let others = |image: &ImageSummary| names_of_others(image).cloned().collect::<Vec<_>>();
        assert_eq!(others(&image), ["127.0.0.1:5000/app:1", "other:1"]);
        image.labels.clear();
        assert_eq!(others(&image), ["castoff-0123-3:latest", "other:1"]);
    }

    #[test]
    fn a_container_uses_its_image_in_whatever_state_an_engine_says_it_is() {
        let name = "docker.io/library/x:1";
        let one =
            |of: &str, under: &str| json!({ "ImageID": of, "Image": under, "State": "stopped" });
        assert!(uses(&one("sha256:aa", "x:1"), "sha256:aa", Some(name)));
        assert!(uses(&one("aa", "x:1"), "sha256:aa", None), "as Podman says it");
        let id = format!("sha256:{}", "a".repeat(64));
        assert!(uses(&one(&id, &id), &id, Some(name)), "under its id");
        assert!(!uses(&one("sha256:bb", "x:1"), "sha256:aa", Some(name)));
        assert!(!uses(&one("sha256:aa", "y:1"), "sha256:aa", Some(name)));
    }

    #[test]
    fn only_what_a_step_can_have_made_is_taken_for_its_image() {
        let image = StepImage { id: "aaaa".into(), parent: Some("bbbb".into()) };
        let right = json!({ "Id": "sha256:aaaa0", "Parent": "sha256:bbbb0", "RepoTags": [] });
        assert_eq!(still_of_step(&right, &image, None), Some("sha256:aaaa0"));
        let podman = json!({ "Id": "aaaa0", "Parent": "bbbb0", "RepoTags": null });
        assert_eq!(still_of_step(&podman, &image, None), Some("aaaa0"));
        let mut orphan =
            json!({ "Id": "aaaa0", "Parent": "", "Config": { "Labels": { "k": "v" } } });
        let label = |value: &str| Some(("k".to_owned(), value.to_owned()));
        assert_eq!(still_of_step(&orphan, &image, label("v").as_ref()), Some("aaaa0"));
        assert_eq!(still_of_step(&orphan, &image, label("w").as_ref()), None);
        orphan["RepoTags"] = json!(["x:1"]);
        assert_eq!(still_of_step(&orphan, &image, label("v").as_ref()), None);
        for (key, value) in [
            ("Parent", json!("sha256:cccc0")),
            ("Parent", json!("")),
            ("Id", json!("sha256:dddd0")),
            ("RepoTags", json!(["x:1"])),
            ("RepoDigests", json!(["x@sha256:0"])),
        ] {
            let mut wrong = right.clone();
            wrong[key] = value;
            assert_eq!(still_of_step(&wrong, &image, None), None, "{wrong}");
        }
    }
}
