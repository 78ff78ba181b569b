//! Images: pull, inspect, list, tag, remove, commit, and a build that only answers.

use std::sync::Arc;

use serde_json::{Value, json};

use super::http::{Request, Response, fault};
use super::routes::{Answer, Reply, not_found};
use super::script::PullOutcome;
use super::state::{Image, Shared, State};
use super::stream::Feed;
use super::values::{canonical, labels_match, rfc3339};

pub(super) fn route(shared: &Arc<Shared>, request: &Request, parts: &[&str]) -> Answer {
    match (request.method.as_str(), parts) {
        ("POST", ["images", "create"]) => shared.update(|s| pull(s, request)),
        ("POST", ["images", name @ .., "push"]) => push(shared, &name.join("/")),
        ("POST", ["build"]) => shared.update(|s| build(s, request)),
        _ => shared.update(|s| full(s, request, parts)).into(),
    }
}

fn full(state: &mut State, request: &Request, parts: &[&str]) -> Reply {
    match (request.method.as_str(), parts) {
        ("POST", ["commit"]) => commit(state, request),
        ("GET", ["images", "json"]) => list(state, request),
        ("POST", ["images", "prune"]) => prune(state, request),
        ("GET", ["images", name @ .., "json"]) => {
            let name = name.join("/");
            let missing = || fault(404, format!("No such image: {name}"));
            let image = state.image(&name).ok_or_else(missing)?;
            Ok(Response::json(200, &image_json(image)))
        }
        ("POST", ["images", name @ .., "tag"]) => tag(state, request, &name.join("/")),
        ("DELETE", ["images", name @ ..]) => delete(state, request, &name.join("/")),
        _ => Err(not_found()),
    }
}

fn pull(state: &mut State, request: &Request) -> Answer {
    let (from, tag) = (request.get("fromImage"), request.get("tag"));
    let name = match tag {
        "" => from.to_owned(),
        digest if digest.contains(':') => format!("{from}@{digest}"),
        tag => format!("{from}:{tag}"),
    };
    let name = canonical(&name);
    let Some(script) = state.pulls.get_mut(&name) else {
        let repo = name.split([':', '@']).next().unwrap_or("");
        let text = format!(
            "pull access denied for {repo}, repository does not exist or may require 'docker \
             login': denied: requested access to the resource is denied"
        );
        return Answer::Full(fault(404, text).into());
    };
    let outcome = script.next();
    if let PullOutcome::Status(status, message) = outcome {
        return Answer::Full(fault(status, message).into());
    }
    let (repo, tag) = name.rsplit_once(':').unwrap_or((&name, "latest"));
    let mut lines = vec![json!({ "status": format!("Pulling from {repo}"), "id": tag })];
    match outcome {
        PullOutcome::Error(text) => {
            lines.push(json!({ "errorDetail": { "message": text }, "error": text }));
            Answer::Feed(Feed::Lines { lines, image: None, hang: false })
        }
        PullOutcome::Hang => Answer::Feed(Feed::Lines { lines, image: None, hang: true }),
        _ => {
            lines.extend((0..script.layers).flat_map(layer));
            lines.push(json!({ "status": format!("Digest: sha256:{}", "0".repeat(64)) }));
            let text = format!("Status: Downloaded newer image for {name}");
            lines.push(json!({ "status": text }));
            let image = Some((name.clone(), script.config.clone()));
            Answer::Feed(Feed::Lines { lines, image, hang: false })
        }
    }
}

fn layer(n: usize) -> Vec<Value> {
    let id = format!("{:012x}", 0xabc + n);
    let detail = json!({ "current": 512, "total": 1024 });
    vec![
        json!({ "status": "Pulling fs layer", "progressDetail": {}, "id": id }),
        json!({ "status": "Downloading", "progressDetail": detail,
            "progress": "[====>     ]  512B/1.024kB", "id": id }),
        json!({ "status": "Pull complete", "progressDetail": {}, "id": id }),
    ]
}

fn push(shared: &Arc<Shared>, name: &str) -> Answer {
    if shared.read(|s| !s.images.iter().flat_map(|i| &i.tags).any(|t| repo(t) == name)) {
        let text = format!("An image does not exist locally with the tag: {name}");
        return Answer::Full(fault(404, text).into());
    }
    let text = format!("latest: digest: sha256:{} size: 528", "0".repeat(64));
    let lines = vec![
        json!({ "status": format!("The push refers to repository [{name}]") }),
        json!({ "status": text }),
    ];
    Answer::Feed(Feed::Lines { lines, image: None, hang: false })
}

fn repo(tag: &str) -> &str {
    tag.rsplit_once(':').map_or(tag, |(repo, _)| repo)
}

fn build(state: &mut State, request: &Request) -> Answer {
    let labels: Value = serde_json::from_str(request.get("labels")).unwrap_or(json!({}));
    let tags: Vec<_> = request.pairs.iter().filter(|(k, _)| k == "t").collect();
    let mut id = String::new();
    for (_, tag) in tags {
        id = state.add_image(tag, &json!({ "Labels": labels }));
    }
    let lines = vec![
        json!({ "stream": "Step 1/1 : FROM scratch\n" }),
        json!({ "aux": { "ID": id } }),
        json!({ "stream": "Successfully built\n" }),
    ];
    Answer::Feed(Feed::Lines { lines, image: None, hang: false })
}

fn image_json(image: &Image) -> Value {
    json!({
        "Id": image.id, "RepoTags": image.tags, "RepoDigests": [], "Parent": "", "Comment": "",
        "Created": rfc3339(image.created), "Architecture": "amd64", "Os": "linux",
        "Size": 1024, "VirtualSize": 1024, "Config": image.config,
        "RootFS": { "Type": "layers", "Layers": [image.id] }, "Metadata": {},
        "GraphDriver": { "Name": "overlay2", "Data": {} },
    })
}

fn list(state: &State, request: &Request) -> Reply {
    let filters = request.filters()?;
    let fits = |i: &&Image| {
        labels_match(&i.labels, filters.get("label"))
            && filters.get("reference").is_none_or(|wanted| {
                wanted
                    .iter()
                    .any(|w| i.tags.iter().any(|t| super::script::glob(w, t) || repo(t) == w))
            })
    };
    let summary = |i: &Image| {
        json!({ "Id": i.id, "ParentId": "", "RepoTags": i.tags, "RepoDigests": null,
            "Created": i.created / 1_000_000_000, "Size": 1024, "SharedSize": -1,
            "VirtualSize": 1024, "Labels": i.labels, "Containers": -1 })
    };
    let list: Vec<_> = state.images.iter().filter(fits).map(summary).collect();
    Ok(Response::json(200, &json!(list)))
}

fn tag(state: &mut State, request: &Request, name: &str) -> Reply {
    let missing = || fault(404, format!("No such image: {name}"));
    let id = state.image(name).map(|i| i.id.clone()).ok_or_else(missing)?;
    let tag = match request.get("tag") {
        "" => canonical(request.get("repo")),
        tag => canonical(&format!("{}:{tag}", request.get("repo"))),
    };
    for image in &mut state.images {
        image.tags.retain(|t| *t != tag);
        if image.id == id {
            image.tags.push(tag.clone());
        }
    }
    Ok(Response::empty(201))
}

fn commit(state: &mut State, request: &Request) -> Reply {
    let id = super::containers::find(state, request.get("container"))?;
    let mut config = state.container(&id).map(|c| c.config.clone()).unwrap_or_default();
    super::values::merge(&mut config, &request.body);
    let name = match (request.get("repo"), request.get("tag")) {
        ("", _) => format!("commit-{}", &state.new_id()[..12]),
        (repo, "") => repo.to_owned(),
        (repo, tag) => format!("{repo}:{tag}"),
    };
    let id = state.add_image(&name, &config);
    Ok(Response::json(201, &json!({ "Id": id })))
}

fn delete(state: &mut State, request: &Request, name: &str) -> Reply {
    let missing = || fault(404, format!("No such image: {name}"));
    let image = state.image(name).cloned().ok_or_else(missing)?;
    let user = state.containers.iter().find(|c| c.image_id == image.id);
    if let Some(user) = user.filter(|c| c.is_running() || !request.flag("force")) {
        let text = format!(
            "conflict: unable to remove repository reference \"{name}\" (must force) - container \
             {} is using its referenced image {}",
            &user.id[..12],
            &image.id[7..19]
        );
        return Err(fault(409, text));
    }
    let tag = canonical(name);
    let mut gone = Vec::new();
    if image.tags.len() > 1 && image.tags.contains(&tag) {
        gone.push(json!({ "Untagged": tag }));
        if let Some(image) = state.images.iter_mut().find(|i| i.id == image.id) {
            image.tags.retain(|t| *t != tag);
        }
    } else {
        gone.extend(image.tags.iter().map(|tag| json!({ "Untagged": tag })));
        gone.push(json!({ "Deleted": image.id }));
        state.images.retain(|i| i.id != image.id);
    }
    Ok(Response::json(200, &json!(gone)))
}

fn prune(state: &mut State, request: &Request) -> Reply {
    let filters = request.filters()?;
    let mut gone = Vec::new();
    for image in state.images.clone() {
        let used = state.containers.iter().any(|c| c.image_id == image.id);
        let dangling = image.tags.is_empty()
            || filters.get("dangling").is_some_and(|d| d.iter().any(|v| v == "false" || v == "0"));
        if !used && dangling && labels_match(&image.labels, filters.get("label")) {
            gone.push(json!({ "Deleted": image.id }));
            state.images.retain(|i| i.id != image.id);
        }
    }
    Ok(Response::json(200, &json!({ "ImagesDeleted": gone, "SpaceReclaimed": 0 })))
}
