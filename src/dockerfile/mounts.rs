//! Reads and writes the text of a `RUN --mount`: fields as in a line of CSV.

use super::mount::{
    BindMount, CacheMount, CacheSharing, RunMount, SecretMount, SshMount, TmpfsMount,
};
use super::{Word, lex};
use crate::error::{Error, Result};

/// Writes the value of a `--mount`, before the quoting that flags need.
pub(super) fn write(mount: &RunMount, escape: char) -> Result<String> {
    let mut fields = Fields { fields: Vec::new(), escape };
    match mount {
        RunMount::Cache(mount) => {
            fields.text("type", "cache");
            fields.target(&mount.target)?;
            fields.word("id", mount.id.as_ref())?;
            fields.word("from", mount.from.as_ref())?;
            fields.word("source", mount.source.as_ref())?;
            if mount.read_only {
                fields.text("readonly", "true");
            }
            match mount.sharing {
                Some(CacheSharing::Shared) => fields.text("sharing", "shared"),
                Some(CacheSharing::Private) => fields.text("sharing", "private"),
                Some(CacheSharing::Locked) => fields.text("sharing", "locked"),
                None => {}
            }
            fields.access(mount.mode, mount.uid, mount.gid);
        }
        RunMount::Secret(mount) => fields.secret(mount)?,
        RunMount::Ssh(mount) => {
            fields.text("type", "ssh");
            fields.word("id", mount.id.as_ref())?;
            fields.word("target", mount.target.as_ref())?;
            if mount.required {
                fields.text("required", "true");
            }
            fields.access(mount.mode, mount.uid, mount.gid);
        }
        RunMount::Bind(mount) => {
            fields.text("type", "bind");
            fields.target(&mount.target)?;
            fields.word("source", mount.source.as_ref())?;
            fields.word("from", mount.from.as_ref())?;
            if mount.read_write {
                fields.text("readwrite", "true");
            }
        }
        RunMount::Unresolved(text) => {
            if text.contains('\n') {
                return Err(Error::invalid("Dockerfile", "RUN: a mount has a line break in it"));
            }
            return Ok(text.clone());
        }
        RunMount::Tmpfs(mount) => {
            fields.text("type", "tmpfs");
            fields.target(&mount.target)?;
            if let Some(size) = mount.size {
                fields.text("size", &size.to_string());
            }
        }
    }
    Ok(fields.fields.join(","))
}

const FROM_VARIABLE: &str = "the mount's from can't have variables; a stage can";

/// Returns whether BuildKit sees a variable in a `from`: a dollar, escaped or not, before other
/// text.
fn has_variable(text: &str) -> bool {
    text.trim_end_matches('$').contains('$') || text.ends_with("$$")
}

struct Fields {
    fields: Vec<String>,
    escape: char,
}

impl Fields {
    fn text(&mut self, key: &str, value: &str) {
        self.fields.push(format!("{key}={value}"));
    }

    fn word(&mut self, key: &str, word: Option<&Word>) -> Result<()> {
        let Some(word) = word else { return Ok(()) };
        if let Some(why) = word.unwritable(self.escape) {
            return Err(Error::invalid("Dockerfile", format!("RUN: the mount's {key}: {why}")));
        }
        let value = lex::escaped(word, self.escape);
        if key == "from" && has_variable(&value) {
            return Err(Error::invalid("Dockerfile", format!("RUN: {FROM_VARIABLE}")));
        }
        let field = format!("{key}={value}");
        // A field with a comma or a quote in it needs quotes in CSV.
        if field.contains([',', '"']) || field.starts_with(' ') {
            self.fields.push(format!("\"{}\"", field.replace('"', "\"\"")));
        } else {
            self.fields.push(field);
        }
        Ok(())
    }

    fn secret(&mut self, mount: &SecretMount) -> Result<()> {
        if !filled(&mount.id) && !filled(&mount.target) {
            return Err(Error::invalid("Dockerfile", "RUN: a secret has no id and no target"));
        }
        self.text("type", "secret");
        self.word("id", mount.id.as_ref())?;
        self.word("target", mount.target.as_ref())?;
        self.word("env", mount.env.as_ref())?;
        if mount.required {
            self.text("required", "true");
        }
        self.access(mount.mode, mount.uid, mount.gid);
        Ok(())
    }

    fn target(&mut self, target: &Word) -> Result<()> {
        if target.parts().is_empty() { Ok(()) } else { self.word("target", Some(target)) }
    }

    fn access(&mut self, mode: Option<u32>, uid: Option<u32>, gid: Option<u32>) {
        if let Some(mode) = mode {
            self.text("mode", &format!("{mode:04o}"));
        }
        for (key, id) in [("uid", uid), ("gid", gid)] {
            if let Some(id) = id {
                self.text(key, &id.to_string());
            }
        }
    }
}

/// Reads the value of a `--mount`. The error says what is wrong with it.
///
/// As in BuildKit, a field that depends on the type uses the type before it.
pub(super) fn read(text: &str, escape: char) -> Result<RunMount, String> {
    let mut given = Given { kind: "bind".to_owned(), ..Given::default() };
    for field in csv(text)? {
        let (key, value) = match field.split_once('=') {
            Some((key, value)) => (key, Some(value)),
            None => (field.as_str(), None),
        };
        let key = key.to_ascii_lowercase();
        if key == "from" && value.is_some_and(has_variable) {
            return Err(FROM_VARIABLE.to_owned());
        }
        let word = value.map(|value| lex::word(value, escape)).transpose();
        let word = word.map_err(|error| error.message().to_owned())?;
        let is_word = ["target", "dst", "destination", "source", "src", "from", "id", "env"];
        let settled = word.as_ref().is_none_or(|word| word.as_literal().is_some());
        if !settled && !is_word.contains(&key.as_str()) {
            if !given.knows(&key) {
                return Err(format!("a mount has no `{key}`"));
            }
            return Ok(RunMount::Unresolved(text.to_owned()));
        }
        given.set(&key, word)?;
    }
    given.mount()
}

#[derive(Default)]
struct Given {
    kind: String,
    target: Option<Word>,
    source: Option<Word>,
    from: Option<Word>,
    id: Option<Word>,
    env: Option<Word>,
    read_only: Option<bool>,
    required: bool,
    size: Option<u64>,
    sharing: Option<CacheSharing>,
    mode: Option<u32>,
    uid: Option<u32>,
    gid: Option<u32>,
}

impl Given {
    fn knows(&self, key: &str) -> bool {
        let keys = ["type", "readonly", "ro", "readwrite", "rw", "required", "size", "sharing"];
        keys.contains(&key) || ["mode", "uid", "gid"].contains(&key)
    }

    fn set(&mut self, key: &str, word: Option<Word>) -> Result<(), String> {
        let text = word.as_ref().and_then(|word| word.as_literal().map(str::to_owned));
        let bad = || format!("invalid value for {key}: {}", text.as_deref().unwrap_or_default());
        let for_type = |kinds: &[&str]| match kinds.contains(&self.kind.as_str()) {
            true => Ok(()),
            false => Err(format!("a mount of type {} has no `{key}`", self.kind)),
        };
        let truth = || match text.as_deref() {
            None | Some("1" | "t" | "T" | "TRUE" | "true" | "True") => Ok(true),
            Some("0" | "f" | "F" | "FALSE" | "false" | "False") => Ok(false),
            Some(_) => Err(bad()),
        };
        match key {
            "readonly" | "ro" => {
                self.read_only = Some(truth()?);
                return Ok(());
            }
            "readwrite" | "rw" => {
                self.read_only = Some(!truth()?);
                return Ok(());
            }
            "required" => {
                for_type(&["secret", "ssh"])?;
                self.required = truth()?;
                return Ok(());
            }
            _ => {}
        }
        let (Some(word), text) = (word, text.clone().unwrap_or_default()) else {
            return Err(format!("the mount's {key} needs a value"));
        };
        match key {
            "type" => self.kind = kind(&text)?,
            "target" | "dst" | "destination" => self.target = Some(word),
            "source" | "src" => self.source = Some(word),
            "from" => self.from = Some(word),
            "id" => self.id = Some(word),
            "env" => self.env = Some(word),
            "size" => {
                for_type(&["tmpfs"])?;
                self.size = Some(bytes(&text).ok_or_else(bad)?);
            }
            "mode" => self.mode = Some(u32::from_str_radix(&text, 8).map_err(|_| bad())?),
            "uid" => self.uid = Some(text.parse().map_err(|_| bad())?),
            "gid" => self.gid = Some(text.parse().map_err(|_| bad())?),
            "sharing" => self.sharing = Some(sharing(&text).ok_or_else(bad)?),
            _ => return Err(format!("a mount has no `{key}`")),
        }
        Ok(())
    }

    fn mount(self) -> Result<RunMount, String> {
        self.check()?;
        let Given { mode, uid, gid, required, .. } = self;
        let target = |target: Option<Word>| target.unwrap_or_default();
        Ok(match self.kind.as_str() {
            "cache" => RunMount::Cache(CacheMount {
                target: target(self.target),
                id: self.id,
                from: self.from,
                source: self.source,
                read_only: self.read_only.unwrap_or(false),
                sharing: self.sharing,
                mode,
                uid,
                gid,
            }),
            "secret" => RunMount::Secret(SecretMount {
                id: self.id.or(self.source),
                target: self.target,
                env: self.env,
                required,
                mode,
                uid,
                gid,
            }),
            "ssh" => RunMount::Ssh(SshMount {
                id: self.id.or(self.source),
                target: self.target,
                required,
                mode,
                uid,
                gid,
            }),
            "tmpfs" => RunMount::Tmpfs(TmpfsMount { target: target(self.target), size: self.size }),
            _ => RunMount::Bind(BindMount {
                target: target(self.target),
                source: self.source,
                from: self.from,
                read_write: !self.read_only.unwrap_or(true),
            }),
        })
    }

    /// Checks that the fields fit together.
    fn check(&self) -> Result<(), String> {
        let kind = self.kind.as_str();
        let refused = |key: &str| Err(format!("a mount of type {kind} has no `{key}`"));
        if self.sharing.is_some() && kind != "cache" {
            return refused("sharing");
        }
        if matches!(kind, "bind" | "tmpfs") {
            for (key, there) in [
                ("mode", self.mode.is_some()),
                ("uid", self.uid.is_some()),
                ("gid", self.gid.is_some()),
            ] {
                if there {
                    return refused(key);
                }
            }
        }
        if kind != "secret" {
            return Ok(());
        }
        let filled =
            |word: &Option<Word>| word.as_ref().is_some_and(|word| !word.parts().is_empty());
        if filled(&self.from) {
            return refused("from");
        }
        if ![&self.source, &self.target, &self.id].into_iter().any(filled) {
            return Err("a mount of type secret needs an id or a target".to_owned());
        }
        if filled(&self.source) && filled(&self.id) {
            return Err("a mount of type secret has an id or a source, not both".to_owned());
        }
        Ok(())
    }
}

fn filled(word: &Option<Word>) -> bool {
    word.as_ref().is_some_and(|word| !word.parts().is_empty())
}

fn kind(text: &str) -> Result<String, String> {
    let kind = text.to_ascii_lowercase();
    match kind.as_str() {
        "bind" | "cache" | "tmpfs" | "secret" | "ssh" => Ok(kind),
        _ => Err(format!("there is no mount of type {text}")),
    }
}

fn sharing(text: &str) -> Option<CacheSharing> {
    match text.to_ascii_lowercase().as_str() {
        "shared" => Some(CacheSharing::Shared),
        "private" => Some(CacheSharing::Private),
        "locked" => Some(CacheSharing::Locked),
        _ => None,
    }
}

/// Splits a line of CSV into its fields (RFC 4180).
fn csv(text: &str) -> Result<Vec<String>, String> {
    let mut fields = Vec::new();
    let mut chars = text.chars().peekable();
    loop {
        let mut field = String::new();
        if chars.next_if_eq(&'"').is_some() {
            loop {
                match chars.next() {
                    Some('"') if chars.next_if_eq(&'"').is_some() => field.push('"'),
                    Some('"') => break,
                    Some(char) => field.push(char),
                    None => return Err("a quoted field of the mount is never closed".to_owned()),
                }
            }
        }
        while let Some(char) = chars.next_if(|char| *char != ',') {
            field.push(char);
        }
        fields.push(field);
        if chars.next().is_none() {
            return Ok(fields);
        }
    }
}

/// Reads a number with one of Docker's units, each 1024 times the one before.
fn bytes(text: &str) -> Option<u64> {
    let lower = text.to_ascii_lowercase();
    let digits = lower.trim_end_matches(|char: char| char.is_ascii_alphabetic() || char == ' ');
    let unit = lower.get(digits.len()..)?.trim();
    let shift = match unit.trim_end_matches('b').trim_end_matches('i') {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        _ => return None,
    };
    let number: f64 = digits.parse().ok()?;
    let bytes = number * (1u64 << shift) as f64;
    (0.0..1.0e18).contains(&bytes).then_some(bytes as u64)
}
