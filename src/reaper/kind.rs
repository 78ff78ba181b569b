//! [`Kind`]: the kinds of resources, and what depends on the kind alone.

use crate::spec::label;

/// The kind of a resource. Messages to the guardian hold its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub(crate) enum Kind {
    Container,
    Network,
    Volume,
    Image,
}

impl Kind {
    /// The number of kinds.
    pub(super) const COUNT: usize = 4;

    /// All kinds in the order of removal: what uses others is removed first.
    pub(super) const ALL: [Kind; Kind::COUNT] =
        [Kind::Container, Kind::Network, Kind::Volume, Kind::Image];

    /// Returns the kind of a number.
    pub(super) fn from_code(code: u8) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| *kind as u8 == code)
    }

    /// Returns the name of the kind, for users and in state files.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Kind::Container => "container",
            Kind::Network => "network",
            Kind::Volume => "volume",
            Kind::Image => "image",
        }
    }

    /// Returns the letter for it in the names of lease files: the first one of
    /// [`word`](Self::word).
    pub(super) const fn letter(self) -> char {
        match self {
            Kind::Container => 'c',
            Kind::Network => 'n',
            Kind::Volume => 'v',
            Kind::Image => 'i',
        }
    }

    /// Returns the key of one of castoff's labels as resources of this kind carry it.
    pub(super) fn label_key(self, key: &str) -> String {
        if self == Kind::Image { label::on_image(key) } else { key.to_owned() }
    }

    /// Returns one of castoff's labels with its value, as the engine filters lists by it.
    pub(super) fn label(self, key: &str, value: &str) -> String {
        format!("{}={value}", self.label_key(key))
    }

    /// Returns the start of the path that lists this kind; the value of `filters` follows.
    pub(super) const fn list_path(self) -> &'static str {
        match self {
            Kind::Container => "/containers/json?all=1&filters=",
            Kind::Network => "/networks?filters=",
            Kind::Volume => "/volumes?filters=",
            Kind::Image => "/images/json?all=1&filters=",
        }
    }

    /// Returns the parts of the call that removes a resource by force: before and after its id.
    pub(super) const fn delete_parts(self, podman: bool) -> (&'static str, &'static str) {
        match self {
            // On Podman, force would also remove the containers that others have created from the
            // image.
            Kind::Image if podman => ("DELETE /images/", ""),
            Kind::Container => ("DELETE /containers/", "?force=1&v=1"),
            Kind::Network => ("DELETE /networks/", ""),
            Kind::Volume => ("DELETE /volumes/", "?force=1"),
            Kind::Image => ("DELETE /images/", "?force=1"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_read_back_from_its_number_and_its_letter() {
        for (code, kind) in Kind::ALL.into_iter().enumerate() {
            assert_eq!(Kind::from_code(u8::try_from(code).unwrap()), Some(kind));
            assert!(kind.word().starts_with(kind.letter()));
        }
        assert_eq!(Kind::from_code(4), None);
    }

    #[test]
    fn images_carry_labels_of_their_own() {
        assert_eq!(Kind::Container.label(label::OWNER, "o"), "castoff.owner=o");
        assert_eq!(Kind::Image.label(label::OWNER, "o"), "castoff.image.owner=o");
    }
}
