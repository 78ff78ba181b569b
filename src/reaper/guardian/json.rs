//! Finds the ids in a list response as its bytes pass by: fixed memory, no tree, any size.
//!
//! Containers, networks and images are an array of objects with an `Id`; volumes are such an array,
//! with a `Name`, under the key `Volumes` of an object. Only those places count: the same keys
//! inside a label, an environment value or a nested object are other people's data.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::expect_used)]

use super::super::kind::Kind;
use super::http::{fingerprint, is_plain};

/// Limit for an id or name, in bytes; engines allow no longer names, since they are file names.
pub(super) const ID_MAX: usize = 255;

/// The position of a string's next character in an escape sequence.
#[derive(Clone, Copy, Debug)]
enum Escape {
    None,
    Started,
    /// `\u` and the digits so far: their number and their value.
    Unicode(u8, u32),
}

/// Limit for the id of an image, in bytes: an algorithm and its digits.
const IMAGE_MAX: usize = 80;
/// Limit for the names of one resource.
const NAMES: usize = 8;

/// The parts of a listed resource that show whether castoff made it. A fingerprint of 0 means that
/// there is no such part.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(super) struct Traits {
    image: [u8; IMAGE_MAX],
    image_len: usize,
    /// The fingerprint of the value of the resource's own label.
    pub(super) resource: u64,
    /// The fingerprint of the label that holds the name under which an image was made.
    made_as: u64,
    names: [u64; NAMES],
}

impl Traits {
    pub(super) const NONE: Traits =
        Traits { image: [0; IMAGE_MAX], image_len: 0, resource: 0, made_as: 0, names: [0; NAMES] };

    /// Returns the id of a container's image, or of an image's parent.
    pub(super) fn image(&self) -> &[u8] {
        self.image.get(..self.image_len).unwrap_or(&[])
    }

    fn set_image(&mut self, id: &[u8]) {
        if let Some(place) = self.image.get_mut(..id.len()) {
            place.copy_from_slice(id);
            self.image_len = id.len();
        }
    }

    /// Returns whether it has the name that castoff gave it.
    pub(super) fn is_named(&self) -> bool {
        self.names
            .iter()
            .any(|name| *name != 0 && (*name == self.resource || *name == self.made_as))
    }

    pub(super) fn has_no_name(&self) -> bool {
        self.names.iter().all(|name| *name == 0)
    }

    /// Adds a name, without the slash before a container's and the registry that Podman adds to an
    /// image's.
    fn add_name(&mut self, name: &[u8]) {
        let prefixes: [&[u8]; 4] = [b"/", b"localhost/", b"docker.io/library/", b"docker.io/"];
        let name = prefixes.iter().find_map(|prefix| name.strip_prefix(*prefix)).unwrap_or(name);
        if name == b"<none>:<none>" {
            return;
        }
        let name = name.strip_suffix(b":latest").unwrap_or(name);
        if let Some(place) = self.names.iter_mut().find(|place| **place == 0) {
            *place = print(name);
        }
    }
}

fn print(text: &[u8]) -> u64 {
    if text.is_empty() { 0 } else { fingerprint(Kind::Container, text) }
}

/// Returns an image's id without the algorithm, which not every answer contains.
pub(super) fn plain_image(id: &[u8]) -> &[u8] {
    id.strip_prefix(b"sha256:").unwrap_or(id)
}

/// The meaning of the value that comes next in a listed object, or of the one that is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Other,
    Id,
    Image,
    Names,
    Labels,
}

/// The meaning of the label whose value comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Label {
    Other,
    Resource,
    MadeAs,
}

#[derive(Debug)]
pub(super) struct Ids {
    /// The depth of the objects that carry ids: 2 for an array at the top, 3 below `Volumes`.
    target: u32,
    key: &'static [u8],
    depth: u32,
    /// Bit n: whether an object is open at depth n, not an array. Depths beyond 7 don't matter.
    objects: u8,
    /// Whether the array whose objects carry ids is open.
    in_list: bool,
    /// Whether a value comes next in this object, not a key: a colon was read.
    at_value: bool,
    /// Whether the last key above the list was that of the list.
    matched: bool,
    field: Field,
    label: Label,
    /// The key of the label that holds the name of the resource.
    resource: &'static [u8],
    id: [u8; ID_MAX],
    id_len: usize,
    traits: Traits,
    in_string: bool,
    escape: Escape,
    text: [u8; ID_MAX],
    len: usize,
    /// Whether the string is too long or has an escape beyond ASCII, and so is no key or id.
    odd: bool,
    complete: bool,
}

impl Ids {
    pub(super) const fn new(kind: Kind) -> Self {
        let (target, key): (u32, &[u8]) = match kind {
            Kind::Container | Kind::Network | Kind::Image => (2, b"Id"),
            Kind::Volume => (3, b"Name"),
        };
        let resource: &[u8] = match kind {
            Kind::Image => b"castoff.image.resource",
            _ => b"castoff.resource",
        };
        Self {
            target,
            key,
            field: Field::Other,
            label: Label::Other,
            resource,
            id: [0; ID_MAX],
            id_len: 0,
            traits: Traits::NONE,
            depth: 0,
            objects: 0,
            in_list: false,
            at_value: false,
            matched: false,
            in_string: false,
            escape: Escape::None,
            text: [0; ID_MAX],
            len: 0,
            odd: false,
            complete: false,
        }
    }

    /// Creates a reader for images that others committed from containers, with the containers'
    /// labels.
    pub(super) const fn of_committed() -> Self {
        let mut ids = Self::new(Kind::Image);
        ids.resource = b"castoff.resource";
        ids
    }

    /// Returns whether the document has ended. One cut short never has: its reader must ask again.
    pub(super) fn complete(&self) -> bool {
        self.complete
    }

    /// Takes one byte. Returns the id and traits of a listed object that it closes, if it has an
    /// id.
    pub(super) fn feed(&mut self, byte: u8) -> Option<(&[u8], Traits)> {
        if self.complete {
            return None;
        }
        if self.in_string {
            self.string_byte(byte);
            return None;
        }
        match byte {
            b'"' => (self.in_string, self.len, self.odd) = (true, 0, false),
            b'{' => self.open(true),
            b'[' => self.open(false),
            b'}' | b']' => return self.close(),
            b':' => self.at_value = true,
            b',' => {
                (self.at_value, self.matched) = (false, false);
                self.label = Label::Other;
                if self.depth == self.target {
                    self.field = Field::Other;
                }
            }
            // The document is `null`: an empty list.
            b'l' if self.depth == 0 => self.complete = true,
            _ => {}
        }
        None
    }

    fn is_object(&self) -> bool {
        1_u8.checked_shl(self.depth).is_some_and(|bit| self.objects & bit != 0)
    }

    fn open(&mut self, object: bool) {
        let list_starts = !object && self.depth.saturating_add(2) == self.target;
        if list_starts {
            // The top array, or the one that is the value of `Volumes`.
            self.in_list = self.depth == 0 || (self.is_object() && self.at_value && self.matched);
        }
        self.depth = self.depth.saturating_add(1);
        if let Some(bit) = 1_u8.checked_shl(self.depth) {
            self.objects = if object { self.objects | bit } else { self.objects & !bit };
        }
        (self.at_value, self.matched) = (false, false);
        if self.depth == self.target {
            (self.field, self.id_len, self.traits) = (Field::Other, 0, Traits::NONE);
        }
        if self.depth > self.target.saturating_add(1) {
            self.label = Label::Other;
        }
    }

    fn close(&mut self) -> Option<(&[u8], Traits)> {
        let ends = self.in_list && self.depth == self.target && self.is_object();
        self.depth = self.depth.saturating_sub(1);
        self.in_list &= self.depth.saturating_add(1) >= self.target;
        self.complete = self.depth == 0;
        (self.at_value, self.matched) = (false, false);
        if self.depth == self.target {
            self.field = Field::Other;
        }
        let id = self.id.get(..self.id_len).filter(|id| ends && is_plain(id))?;
        Some((id, self.traits))
    }

    fn string_byte(&mut self, byte: u8) {
        match (self.escape, byte) {
            (Escape::None, b'"') => self.string_ended(),
            (Escape::None, b'\\') => self.escape = Escape::Started,
            (Escape::None, _) => self.push(byte),
            (Escape::Started, b'u') => self.escape = Escape::Unicode(0, 0),
            (Escape::Started, _) => {
                self.escape = Escape::None;
                // No key and no id has a control character, so one stands for all.
                let control = matches!(byte, b'b' | b'f' | b'n' | b'r' | b't');
                self.push(if control { 0 } else { byte });
            }
            (Escape::Unicode(count, value), _) => self.unicode_digit(count, value, byte),
        }
    }

    fn unicode_digit(&mut self, count: u8, value: u32, byte: u8) {
        let digit = char::from(byte).to_digit(16).unwrap_or(0);
        let value = (value << 4) | digit;
        if count < 3 {
            self.escape = Escape::Unicode(count.saturating_add(1), value);
            return;
        }
        self.escape = Escape::None;
        match u8::try_from(value) {
            Ok(byte) if byte.is_ascii() => self.push(byte),
            _ => self.odd = true,
        }
    }

    fn push(&mut self, byte: u8) {
        match self.text.get_mut(self.len) {
            Some(place) => {
                *place = byte;
                self.len = self.len.saturating_add(1);
            }
            None => self.odd = true,
        }
    }

    fn string_ended(&mut self) {
        self.in_string = false;
        let Some(text) = self.text.get(..self.len).filter(|_| !self.odd) else {
            return;
        };
        let is_object = self.is_object();
        if self.in_list && self.depth == self.target && is_object {
            match (self.at_value, self.field) {
                (false, _) => self.field = field_of(text, self.key),
                (true, Field::Id) => {
                    if let Some(place) = self.id.get_mut(..text.len()) {
                        place.copy_from_slice(text);
                        self.id_len = text.len();
                    }
                }
                (true, Field::Image) => self.traits.set_image(text),
                (true, _) => {}
            }
        } else if self.in_list && self.depth == self.target.saturating_add(1) {
            match (self.field, is_object, self.at_value) {
                (Field::Names, false, _) => self.traits.add_name(text),
                (Field::Labels, true, false) => self.label = label_of(text, self.resource),
                (Field::Labels, true, true) => match self.label {
                    Label::Resource => self.traits.resource = print(text),
                    Label::MadeAs => {
                        self.traits.made_as = print(text.strip_suffix(b":latest").unwrap_or(text));
                    }
                    Label::Other => {}
                },
                _ => {}
            }
        } else if is_object && !self.at_value {
            self.matched = self.target == 3 && self.depth == 1 && text == b"Volumes";
        }
    }
}

fn field_of(key: &[u8], id: &[u8]) -> Field {
    match key {
        _ if key == id => Field::Id,
        b"ImageID" | b"ParentId" => Field::Image,
        b"Names" | b"RepoTags" => Field::Names,
        b"Labels" => Field::Labels,
        _ => Field::Other,
    }
}

fn label_of(key: &[u8], resource: &[u8]) -> Label {
    match key {
        _ if key == resource => Label::Resource,
        b"castoff.image.name" => Label::MadeAs,
        _ => Label::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::super::http::Response;
    use super::*;

    fn ids(kind: Kind, json: &str) -> Vec<String> {
        let mut scan = Ids::new(kind);
        let found = json
            .bytes()
            .filter_map(|b| scan.feed(b).map(|(id, _)| String::from_utf8(id.to_vec()).unwrap()))
            .collect();
        assert!(scan.complete(), "{json}");
        found
    }

    const HOSTILE: &str = r#" [ {"Names":["/a","Id"],"Labels":{"Id":"no1","x":"\"Id\":\"no2\"",
        "y\\":"\\\",\"Id\":\"no3","z":"[{]}"},"Id" : "yes1","Mounts":[{"Id":"no4","Name":"no5"}],
        "Command":"sh -c '{\"Id\":\"no6\"}'","Id2":"no7","id":"no8"},
        {"HostConfig":{"a":[[[[[[[[[[{"Id":"no9"}]]]]]]]]]]},"\u0049d":"yes2"},
        {"Id":null,"x":"no10"},{"Id":["no11"]},{"Id":{"Id":"no12"}},{"Id":"../no13"},{"Id":""},
        {"Id":"yes3","t":1.5e3,"b":true}] "#;

    #[test]
    fn an_image_is_told_with_its_parent_wherever_that_stands() {
        let json = r#"[{"Id":"a","Labels":{"ParentId":"no1"},"ParentId":"b"},{"ParentId":"c","Id":"d"},
            {"Id":"e","RepoTags":["ParentId","no2"]},{"ParentId":"f"},{"ParentId":"","Id":"g"}]"#;
        let mut scan = Ids::new(Kind::Image);
        let mut found = Vec::new();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        for byte in json.bytes() {
            if let Some((id, traits)) = scan.feed(byte) {
                found.push((text(id), text(traits.image())));
            }
        }
        let told: Vec<_> = found.iter().map(|(id, parent)| (&**id, &**parent)).collect();
        assert_eq!(told, [("a", "b"), ("d", "c"), ("e", ""), ("g", "")]);
    }

    #[test]
    fn only_ids_of_the_listed_objects_count() {
        assert_eq!(ids(Kind::Container, HOSTILE), ["yes1", "yes2", "yes3"]);
        assert_eq!(ids(Kind::Network, HOSTILE), ["yes1", "yes2", "yes3"]);
        assert!(ids(Kind::Volume, HOSTILE).is_empty());
    }

    #[test]
    fn what_tells_whose_it_is_is_read_in_whatever_order_it_comes() {
        let all = |mut scan: Ids, json: &str| -> Vec<Traits> {
            json.bytes().filter_map(|b| scan.feed(b).map(|(_, traits)| traits)).collect()
        };
        let json = r#"[{"Labels":{"x":"castoff.resource","castoff.resource":"r-1"},"Names":["/r-1"],
            "ImageID":"sha256:aa","Id":"1"},{"Id":"2","Names":["/other"],"ImageID":"bb","Labels":
            {"castoff.resource":"r-1"},"x":{"Labels":{"castoff.resource":"no"},"Names":["/r-1"]}},
            {"Id":"3","Labels":null,"Names":null}]"#;
        let found = all(Ids::new(Kind::Container), json);
        let [ours, other, bare] = found.as_slice() else { panic!("{found:?}") };
        assert!(ours.is_named() && !other.is_named() && !bare.is_named() && bare.has_no_name());
        assert_eq!((ours.resource, plain_image(ours.image())), (other.resource, b"aa".as_slice()));
        assert_eq!((bare.resource, other.image()), (0, b"bb".as_slice()));
        let json = r#"[{"Id":"1","RepoTags":["localhost/r-1:latest"],"Labels":
            {"castoff.image.resource":"r-1","castoff.resource":""}},{"Id":"2","RepoTags":["a/b:1"],
            "Labels":{"castoff.image.name":"a/b:1","castoff.image.resource":"r-2"}},{"Id":"3",
            "RepoTags":["<none>:<none>"],"Labels":{"castoff.resource":"r-3"}}]"#;
        let found = all(Ids::new(Kind::Image), json);
        assert_eq!(found.iter().map(Traits::is_named).collect::<Vec<_>>(), [true, true, false]);
        assert!(found.iter().all(|one| one.has_no_name() == (one.resource == 0)));
        let committed = all(Ids::of_committed(), json);
        let carry: Vec<_> = committed.iter().map(|one| one.resource != 0).collect();
        assert_eq!(carry, [false, false, true]);
    }

    #[test]
    fn volumes_are_found_below_their_key_only() {
        let json = r#"{"Warnings":["Volumes",[{"Name":"no1"}]],"x":[{"Name":"no2"}],
            "Volumes":[{"Labels":{"Name":"no3","Volumes":"[{"},"Name":"v1","Status":{"Name":"no4"}},
            {"Options":{"Volumes":[{"Name":"no5"}]},"Name":"v_2.x-y"},{"Name":"n\u00fc"}],
            "Other":{"Volumes":[{"Name":"no6"}]},"y":[{"Name":"no7"}]}"#;
        assert_eq!(ids(Kind::Volume, json), ["v1", "v_2.x-y"]);
        assert!(ids(Kind::Volume, r#"{"Volumes":{"a":{"Name":"no"}}}"#).is_empty());
    }

    #[test]
    fn empty_lists() {
        for json in ["[]", "null", " \n[ ]\n"] {
            assert!(ids(Kind::Container, json).is_empty());
        }
        for json in ["{}", "null", r#"{"Volumes":null,"Warnings":null}"#, r#"{"Volumes":[]}"#] {
            assert!(ids(Kind::Volume, json).is_empty());
        }
    }

    #[test]
    fn every_cut_is_incomplete() {
        let json = HOSTILE.trim();
        for cut in 0..json.len() {
            let mut scan = Ids::new(Kind::Container);
            for byte in json.as_bytes().iter().take(cut) {
                scan.feed(*byte);
            }
            assert!(!scan.complete(), "cut at {cut}");
        }
    }

    #[test]
    fn overlong_strings_are_no_ids() {
        let long = "a".repeat(ID_MAX + 1);
        let fits = "b".repeat(ID_MAX);
        let json = format!(r#"[{{"Id":"{long}"}},{{"{long}":"c","Id":"{fits}"}}]"#);
        assert_eq!(ids(Kind::Container, &json), [fits]);
    }

    #[test]
    fn chunked_at_every_boundary() {
        for cut in 1..HOSTILE.len() - 1 {
            let (a, b) = HOSTILE.as_bytes().split_at(cut);
            let mut wire = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
            for part in [a, b] {
                wire.extend(format!("{:x}\r\n", part.len()).bytes().chain(part.iter().copied()));
                wire.extend(b"\r\n");
            }
            wire.extend(b"0\r\n\r\n");
            let (mut response, mut scan) = (Response::new(), Ids::new(Kind::Container));
            let mut found = 0;
            for byte in wire {
                let Some(byte) = response.feed(byte) else { continue };
                found += usize::from(scan.feed(byte).is_some());
            }
            assert!(response.ended() && scan.complete());
            assert_eq!(found, 3, "cut at {cut}");
        }
    }

    #[test]
    fn huge_responses_need_no_memory() {
        let filler = r#"\"Id\":\"no\","#.repeat(1000);
        let one = |n: usize| format!(r#"{{"Labels":{{"x":"{filler}"}},"Id":"id{n}"}}"#);
        let json = format!("[{}]", (0..500).map(one).collect::<Vec<_>>().join(","));
        assert!(json.len() > 5_000_000);
        let found = ids(Kind::Container, &json);
        assert_eq!((found.len(), found.last().map(String::as_str)), (500, Some("id499")));
    }
}
