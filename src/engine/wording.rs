//! One table of the meanings of engines' messages, for errors that no status identifies.

/// The meaning of an engine's message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// Another process has the host port.
    PortTaken,
    /// The container's process could not be started.
    NotStarted,
    /// A container that a call or a mode (`container:x`) names does not exist.
    NoContainer,
    /// The name is taken, or a state forbids the call.
    InTheWay,
    /// The image does not exist.
    NoImage,
    /// The image exists, or is in its registry, but not for the requested platform.
    NoPlatform,
    /// The disk that the engine writes to is full.
    DiskFull,
    /// The registry refuses requests for a while, after too many of them.
    RateLimited,
    /// Another removal of the same resource has begun.
    RemovalUnderWay,
    /// An archive would replace a directory, or put a directory in the place of another file.
    WouldReplace,
    /// Links on the way to a path form a loop.
    EndlessLinks,
    /// A layer that a build relied on was removed, with another image.
    LayerLost,
    /// Another image than the requested one was removed meanwhile.
    OtherImageGone,
    /// An image has several names, so that only a forced removal by id would work.
    SeveralNames,
}

/// A wording: a message with all of these parts, in any case, has the meaning.
struct Wording(Meaning, &'static [&'static str]);

use Meaning::{
    DiskFull, EndlessLinks, InTheWay, LayerLost, NoContainer, NoImage, NoPlatform, NotStarted,
    OtherImageGone, PortTaken, RateLimited, RemovalUnderWay, SeveralNames, WouldReplace,
};

const WORDINGS: [Wording; 40] = [
    // Docker 20.10 to 28, of a port that another container has.
    Wording(PortTaken, &["port is already allocated"]),
    // Docker and Podman, of a port that another process has.
    Wording(PortTaken, &["address already in use"]),
    // Docker 28.
    Wording(PortTaken, &["failed to bind host port"]),
    // Docker and Podman, by runc and crun.
    Wording(NotStarted, &["oci runtime"]),
    Wording(NotStarted, &["executable file not found"]),
    // Docker with containerd 1.4 and newer.
    Wording(NotStarted, &["failed to create shim"]),
    // Docker with status 404, Docker 28 (for `container:x`) and Podman with 500.
    Wording(NoContainer, &["no such container"]),
    // Podman, all with status 500.
    Wording(InTheWay, &["container state improper"]),
    Wording(InTheWay, &["already in use"]),
    Wording(InTheWay, &["already used"]),
    Wording(InTheWay, &["already exists"]),
    // Docker.
    Wording(NoImage, &["no such image"]),
    // Podman.
    Wording(NoImage, &["image not known"]),
    // Docker 20.10 to 28 with overlay2.
    Wording(NoPlatform, &["does not match the specified platform"]),
    // Docker 28 with the containerd store.
    Wording(NoPlatform, &["does not provide the specified platform"]),
    // Docker with overlay2, of a registry.
    Wording(NoPlatform, &["no matching manifest for"]),
    // Docker with the containerd store, of a registry.
    Wording(NoPlatform, &["no match for platform in manifest"]),
    // Podman, of a registry.
    Wording(NoPlatform, &["no image found in manifest list for architecture"]),
    Wording(NoPlatform, &["no image found in image index for architecture"]),
    // The kernel's messages for ENOSPC and EDQUOT.
    Wording(DiskFull, &["no space left on device"]),
    Wording(DiskFull, &["disk quota exceeded"]),
    // Registries, by the error code of the distribution specification or by status 429.
    Wording(RateLimited, &["toomanyrequests"]),
    Wording(RateLimited, &["too many requests"]),
    // Docker and Podman, of containers.
    Wording(RemovalUnderWay, &["already in progress"]),
    // Docker and Podman, for an archive sent with `noOverwriteDirNonDir`.
    Wording(WouldReplace, &["cannot overwrite", "directory"]),
    // Podman 5, with status 500.
    Wording(WouldReplace, &["copier: put", "file exists"]),
    // The kernel's message for ELOOP and Docker's own, with status 500.
    Wording(EndlessLinks, &["too many levels of symbolic links"]),
    Wording(EndlessLinks, &["evalsymlinksinscope: too many links"]),
    // Docker 26 with the containerd store.
    Wording(LayerLost, &["snapshot", "does not exist"]),
    Wording(LayerLost, &["unable to find image \"sha256:"]),
    Wording(LayerLost, &["failed to get digest sha256:"]),
    // Docker 28 with the containerd store.
    Wording(LayerLost, &["content digest sha256:", "not found"]),
    Wording(LayerLost, &["no such image: sha256:"]),
    // Podman 4.3.
    Wording(LayerLost, &["layer not known"]),
    // Podman 5.8, of the image that the next step of a build would run on.
    Wording(LayerLost, &["creating build container", "image not known"]),
    // Docker, with status 409.
    Wording(SeveralNames, &["image is referenced in multiple repositories"]),
    // Podman, with status 500.
    Wording(OtherImageGone, &["image not known"]),
    Wording(OtherImageGone, &["layer not known"]),
    // Docker 26 and 28 with the containerd store, with status 404.
    Wording(OtherImageGone, &["content digest sha256:", "not found"]),
    // Podman, with status 500.
    Wording(SeveralNames, &["by id with more than one tag"]),
];

/// Returns whether an engine's message has this meaning.
pub(crate) fn says(text: &str, meaning: Meaning) -> bool {
    let text = text.to_ascii_lowercase();
    let fits = |Wording(means, parts): &Wording| {
        *means == meaning && parts.iter().all(|part| text.contains(part))
    };
    WORDINGS.iter().any(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whole messages, as the engines send them.
    #[test]
    fn messages_of_all_engines_are_understood() {
        for (meaning, text) in [
            (
                PortTaken,
                "driver failed programming external connectivity on endpoint x: Bind for 127.0.0.1:80 failed: port is already allocated",
            ),
            (
                PortTaken,
                "cannot expose port 80: listen tcp4 127.0.0.1:80: bind: address already in use",
            ),
            (
                PortTaken,
                "failed to set up container networking: failed to bind host port for 127.0.0.1:80",
            ),
            (NotStarted, "OCI runtime create failed: container_linux.go:380"),
            (
                NotStarted,
                "crun: executable file `nope` not found: exec: \"nope\": executable file not found in $PATH",
            ),
            (NotStarted, "failed to create shim task: x"),
            (NoContainer, "No such container: x"),
            (NoContainer, "no container with name or ID \"x\" found: no such container"),
            (InTheWay, "can only stop running containers: container state improper"),
            (InTheWay, "the container name \"x\" is already in use by 1"),
            (InTheWay, "network name x already used: network already exists"),
            (NoImage, "No such image: redis:7"),
            (NoImage, "x: image not known"),
            (RemovalUnderWay, "removal of container x is already in progress"),
            (
                WouldReplace,
                "copier: put: error creating \"/full\": copier: put: error creating file at \"/full\": open /full: file exists",
            ),
            (WouldReplace, "cannot overwrite directory \"/home\" with non-directory \"/\""),
            (LayerLost, "failed to prepare: parent snapshot sha256:1 does not exist: not found"),
            (LayerLost, "unable to find image \"sha256:1\" locally"),
            (LayerLost, "failed to get digest sha256:1: open /var/lib/docker/image: no such file"),
            (LayerLost, "NotFound: content digest sha256:1: not found"),
            (LayerLost, "No such image: sha256:1"),
            (LayerLost, "1: layer not known"),
            (OtherImageGone, "1: layer not known"),
            (OtherImageGone, "1: image not known"),
            (
                OtherImageGone,
                "rpc error: code = NotFound desc = content digest sha256:1: not found",
            ),
            (
                SeveralNames,
                "conflict: unable to delete 7d9495d03763 (must be forced) - image is referenced in multiple repositories",
            ),
            (
                SeveralNames,
                "unable to delete image \"1\" by ID with more than one tag ([x:1 x:2]): please force removal",
            ),
        ] {
            assert!(says(text, meaning), "{text} {meaning:?}");
        }
        for meaning in [PortTaken, NotStarted, NoContainer, InTheWay, NoImage, NoPlatform] {
            assert!(!says("no space left on device", meaning), "{meaning:?}");
        }
    }

    /// Messages about platforms, by registries and by an engine that accepts any platform from
    /// them.
    #[test]
    fn messages_of_pulls_are_understood() {
        for (meaning, text) in [
            (
                NoPlatform,
                "image with reference x was found but does not match the specified platform: wanted linux/arm64, actual: linux/amd64",
            ),
            (
                NoPlatform,
                "image with reference x was found but does not provide the specified platform (linux/arm64)",
            ),
            (NoPlatform, "no matching manifest for linux/arm64/v8 in the manifest list entries"),
            (NoPlatform, "no match for platform in manifest: not found"),
            (
                NoPlatform,
                "choosing image instance: no image found in manifest list for architecture \"arm64\", variant \"v8\", OS \"linux\"",
            ),
            (
                DiskFull,
                "failed to register layer: Error processing tar file(exit status 1): write /x: no space left on device",
            ),
            (DiskFull, "write /var/lib/docker/tmp/x: disk quota exceeded"),
            (
                RateLimited,
                "toomanyrequests: You have reached your pull rate limit. You may increase the limit by authenticating and upgrading",
            ),
            (RateLimited, "received unexpected HTTP status: 429 Too Many Requests"),
        ] {
            assert!(says(text, meaning), "{text} {meaning:?}");
            assert!(!says(text, NoImage) && !says(text, PortTaken), "{text}");
        }
    }

    /// Podman 5.8 has two wordings.
    #[test]
    fn the_image_that_a_step_would_run_on_may_go() {
        for text in [
            "creating build container: creating container: locating image with ID \"44\": image not known",
            "preparing container for next step: creating build container: ea22: image not known",
        ] {
            assert!(says(text, LayerLost), "{text}");
        }
    }
}
