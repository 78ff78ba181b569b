//! Finds the ids in a list response as its bytes pass by: fixed memory, no tree, any size.
//!
//! Containers and networks are an array of objects with an `Id`; volumes are such an array, with a
//! `Name`, under the key `Volumes` of an object. Only those places count: the same keys inside a
//! label, an environment value or a nested object are data of strangers.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::expect_used)]

use super::http::{Kind, is_plain};

/// The longest id or name remembered; engines allow no longer names, since they are file names.
pub(super) const ID_MAX: usize = 255;

/// How far into an escape sequence a string is.
#[derive(Clone, Copy, Debug)]
enum Escape {
    None,
    Started,
    /// `\u` and the digits so far: how many, and their value.
    Unicode(u8, u32),
}

#[derive(Debug)]
pub(super) struct Ids {
    /// The depth of the objects that carry ids: 2 for an array at the top, 3 below `Volumes`.
    target: u32,
    key: &'static [u8],
    depth: u32,
    /// Bit n: what is open at depth n is an object. Deeper than 7 nobody asks.
    objects: u8,
    /// Inside the array whose objects carry ids.
    in_list: bool,
    /// After a colon: what comes next in this object is a value, not a key.
    at_value: bool,
    /// The last key was one to look for.
    matched: bool,
    in_string: bool,
    escape: Escape,
    text: [u8; ID_MAX],
    len: usize,
    /// The string doesn't fit or isn't ASCII: no key or id.
    odd: bool,
    complete: bool,
}

impl Ids {
    pub(super) const fn new(kind: Kind) -> Self {
        let (target, key): (u32, &[u8]) = match kind {
            Kind::Container | Kind::Network | Kind::Image => (2, b"Id"),
            Kind::Volume => (3, b"Name"),
        };
        Self {
            target,
            key,
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

    /// Whether the document has ended. One cut short never has: its reader must ask again.
    pub(super) fn complete(&self) -> bool {
        self.complete
    }

    /// Takes one byte; returns the id that ends with it, if one does.
    pub(super) fn feed(&mut self, byte: u8) -> Option<&[u8]> {
        if self.complete {
            return None;
        }
        if self.in_string {
            return self.string_byte(byte);
        }
        match byte {
            b'"' => (self.in_string, self.len, self.odd) = (true, 0, false),
            b'{' => self.open(true),
            b'[' => self.open(false),
            b'}' | b']' => self.close(),
            b':' => self.at_value = true,
            b',' => (self.at_value, self.matched) = (false, false),
            // `null` in place of the document: an empty list.
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
    }

    fn close(&mut self) {
        self.depth = self.depth.saturating_sub(1);
        self.in_list &= self.depth.saturating_add(1) >= self.target;
        self.complete = self.depth == 0;
        (self.at_value, self.matched) = (false, false);
    }

    fn string_byte(&mut self, byte: u8) -> Option<&[u8]> {
        match (self.escape, byte) {
            (Escape::None, b'"') => return self.string_ended(),
            (Escape::None, b'\\') => self.escape = Escape::Started,
            (Escape::None, _) => self.push(byte),
            (Escape::Started, b'u') => self.escape = Escape::Unicode(0, 0),
            (Escape::Started, _) => {
                self.escape = Escape::None;
                // Control characters are in no key and no id; which one doesn't matter.
                let control = matches!(byte, b'b' | b'f' | b'n' | b'r' | b't');
                self.push(if control { 0 } else { byte });
            }
            (Escape::Unicode(count, value), _) => self.unicode_digit(count, value, byte),
        }
        None
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

    fn string_ended(&mut self) -> Option<&[u8]> {
        self.in_string = false;
        if !self.is_object() {
            return None;
        }
        let text = self.text.get(..self.len).filter(|_| !self.odd);
        let in_target = self.in_list && self.depth == self.target;
        if !self.at_value {
            let above_list = self.target == 3 && self.depth == 1;
            self.matched = (in_target && text == Some(self.key))
                || (above_list && text == Some(b"Volumes".as_slice()));
            return None;
        }
        let found = in_target && self.matched;
        self.matched = false;
        text.filter(|id| found && is_plain(id))
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
            .filter_map(|b| scan.feed(b).map(|id| String::from_utf8(id.to_vec()).unwrap()))
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
    fn only_ids_of_the_listed_objects_count() {
        assert_eq!(ids(Kind::Container, HOSTILE), ["yes1", "yes2", "yes3"]);
        assert_eq!(ids(Kind::Network, HOSTILE), ["yes1", "yes2", "yes3"]);
        assert!(ids(Kind::Volume, HOSTILE).is_empty());
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
