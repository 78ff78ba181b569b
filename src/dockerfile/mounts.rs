//! The text of a `RUN --mount`: fields as in a line of CSV.

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
            fields.word("target", Some(&mount.target))?;
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
        RunMount::Secret(mount) => {
            fields.text("type", "secret");
            fields.word("id", mount.id.as_ref())?;
            fields.word("target", mount.target.as_ref())?;
            fields.word("env", mount.env.as_ref())?;
            if mount.required {
                fields.text("required", "true");
            }
            fields.access(mount.mode, mount.uid, mount.gid);
        }
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
            fields.word("target", Some(&mount.target))?;
            fields.word("source", mount.source.as_ref())?;
            fields.word("from", mount.from.as_ref())?;
            if mount.read_write {
                fields.text("readwrite", "true");
            }
        }
        RunMount::Tmpfs(mount) => {
            fields.text("type", "tmpfs");
            fields.word("target", Some(&mount.target))?;
            if let Some(size) = mount.size {
                fields.text("size", &size.to_string());
            }
        }
    }
    Ok(fields.fields.join(","))
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
        let field = format!("{key}={}", lex::escaped(word, self.escape));
        // A field of CSV goes in quotes where it has a comma or a quote in it.
        if field.contains([',', '"']) || field.starts_with(' ') {
            self.fields.push(format!("\"{}\"", field.replace('"', "\"\"")));
        } else {
            self.fields.push(field);
        }
        Ok(())
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

/// Reads the value of a `--mount`; says what is wrong with it.
pub(super) fn read(text: &str, escape: char) -> Result<RunMount, String> {
    let mut given = Given::default();
    let mut kind = "bind".to_owned();
    for field in csv(text)? {
        let (key, value) = match field.split_once('=') {
            Some((key, value)) => (key, Some(value)),
            None => (field.as_str(), None),
        };
        let key = key.trim().to_ascii_lowercase();
        match value {
            Some(value) if key == "type" => kind = value.to_ascii_lowercase(),
            value => given.set(&key, value, escape)?,
        }
    }
    given.mount(&kind)
}

#[derive(Default)]
struct Given {
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
    fn set(&mut self, key: &str, value: Option<&str>, escape: char) -> Result<(), String> {
        let truth = || match value.map(str::to_ascii_lowercase).as_deref() {
            None | Some("true" | "1" | "t") => Ok(true),
            Some("false" | "0" | "f") => Ok(false),
            Some(other) => Err(format!("invalid value for {key}: {other}")),
        };
        match key {
            "readonly" | "ro" => self.read_only = Some(truth()?),
            "readwrite" | "rw" => self.read_only = Some(!truth()?),
            "required" => self.required = truth()?,
            _ => {
                let value = value.ok_or_else(|| format!("the mount's {key} needs a value"))?;
                let word = || lex::word(value, escape).map_err(|error| error.message().to_owned());
                let bad = |_| format!("invalid value for {key}: {value}");
                match key {
                    "target" | "dst" | "destination" => self.target = Some(word()?),
                    "source" | "src" => self.source = Some(word()?),
                    "from" => self.from = Some(word()?),
                    "id" => self.id = Some(word()?),
                    "env" => self.env = Some(word()?),
                    "size" => self.size = Some(bytes(value).ok_or_else(|| bad(()))?),
                    "mode" => {
                        self.mode = Some(u32::from_str_radix(value, 8).map_err(|_| bad(()))?);
                    }
                    "uid" => self.uid = Some(value.parse().map_err(|_| bad(()))?),
                    "gid" => self.gid = Some(value.parse().map_err(|_| bad(()))?),
                    "sharing" => {
                        self.sharing = Some(match value.to_ascii_lowercase().as_str() {
                            "shared" => CacheSharing::Shared,
                            "private" => CacheSharing::Private,
                            "locked" => CacheSharing::Locked,
                            _ => return Err(bad(())),
                        });
                    }
                    _ => return Err(format!("a mount has no `{key}`")),
                }
            }
        }
        Ok(())
    }

    fn mount(self, kind: &str) -> Result<RunMount, String> {
        let target = |target: Option<Word>| {
            target.ok_or_else(|| format!("a mount of type {kind} needs a target"))
        };
        let Given { mode, uid, gid, required, .. } = self;
        Ok(match kind {
            "cache" => RunMount::Cache(CacheMount {
                target: target(self.target)?,
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
            "bind" => RunMount::Bind(BindMount {
                target: target(self.target)?,
                source: self.source,
                from: self.from,
                read_write: !self.read_only.unwrap_or(true),
            }),
            "tmpfs" => {
                RunMount::Tmpfs(TmpfsMount { target: target(self.target)?, size: self.size })
            }
            _ => return Err(format!("there is no mount of type {kind}")),
        })
    }
}

/// The fields of a line of CSV (RFC 4180).
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

/// A number with one of Docker's units, of 1024 each.
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
