//! One instruction's text to its value.
//!
//! Where the split of words differs between instructions it follows BuildKit's parser: `ENV`, `LABEL`
//! and `ARG` know quotes, `COPY`, `ADD`, `EXPOSE` and `FROM` split at blanks alone, and `USER`,
//! `WORKDIR` and `STOPSIGNAL` take the whole rest.

use std::time::Duration;

use super::lines::{heredoc_word, keyword};
use super::{
    Add, Arg, Command, Copy, Heredoc, Instruction, Run, RunNetwork, RunSecurity, Stage, Trigger,
    Word, copy, flags, json, lex, mounts,
};
use crate::spec::Healthcheck;

/// An instruction's text, and what follows it.
pub(super) struct Source<'a> {
    pub(super) keyword: &'a str,
    pub(super) rest: &'a str,
    pub(super) heredocs: &'a [Heredoc],
    pub(super) escape: char,
}

type Read<T> = std::result::Result<T, String>;

/// What could be read goes with problems; without a value that could be, there is one as the error.
pub(super) fn instruction(source: &Source<'_>, problems: &mut Vec<String>) -> Read<Instruction> {
    let (found, rest) = flags::split(source.rest);
    let mut flags = Flags { flags: found };
    let escape = source.escape;
    let instruction = match source.keyword {
        "RUN" => Instruction::Run(run(source, &mut flags, rest)?),
        "CMD" => Instruction::Cmd(command(rest)?),
        "ENTRYPOINT" => Instruction::Entrypoint(command(rest)?),
        "COPY" => Instruction::Copy(copy(source, &mut flags, rest)?),
        "ADD" => Instruction::Add(add(source, &mut flags, rest)?),
        "ENV" => Instruction::Env(pairs(rest, escape)?),
        "LABEL" => Instruction::Label(pairs(rest, escape)?),
        "ARG" => Instruction::Arg(args(rest, escape)?),
        "EXPOSE" => Instruction::Expose(words(rest.split_whitespace(), escape)?),
        "VOLUME" => Instruction::Volume(paths(rest, escape)?),
        "USER" => Instruction::User(whole(rest, escape)?),
        "WORKDIR" => Instruction::Workdir(whole(rest, escape)?),
        "STOPSIGNAL" => Instruction::StopSignal(whole(rest, escape)?),
        "SHELL" => {
            let words = json::read(rest).ok_or("it takes a JSON array of strings")?;
            if words.is_empty() {
                return Err("it takes at least one word".to_owned());
            }
            Instruction::Shell(words)
        }
        "HEALTHCHECK" => Instruction::Healthcheck(healthcheck(&mut flags, rest)?),
        "ONBUILD" => Instruction::OnBuild(trigger(source, problems)?),
        "MAINTAINER" if rest.is_empty() => return Err("it takes a value".to_owned()),
        "MAINTAINER" => Instruction::Maintainer(rest.to_owned()),
        _ => return Err("there is no such instruction".to_owned()),
    };
    if source.keyword != "ONBUILD" {
        flags.finish()?;
    }
    Ok(instruction)
}

pub(super) fn from(rest: &str, escape: char, problems: &mut Vec<String>) -> Stage {
    let (found, rest) = flags::split(rest);
    let mut flags = Flags { flags: found };
    let platform = flags.word("platform", escape).unwrap_or_else(|problem| {
        problems.push(problem);
        None
    });
    if let Err(problem) = flags.finish() {
        problems.push(problem);
    }
    let words: Vec<&str> = rest.split_whitespace().collect();
    let (image, name) = match words.as_slice() {
        [image] => (*image, None),
        [image, by, name] if by.eq_ignore_ascii_case("as") => (*image, Some((*name).to_owned())),
        other => {
            problems.push("it takes an image, and a name after AS".to_owned());
            (other.first().copied().unwrap_or_default(), None)
        }
    };
    if let Some(name) = &name {
        let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if !name.bytes().all(good) || !name.as_bytes()[0].is_ascii_alphabetic() {
            problems.push(format!("`{name}` can't be a stage's name"));
        }
    }
    let mut stage = Stage::scratch();
    stage.from = lex::word(image, escape).unwrap_or_else(|error| {
        problems.push(error.message().to_owned());
        Word::literal(image)
    });
    stage.platform = platform;
    stage.name = name;
    stage
}

fn run(source: &Source<'_>, flags: &mut Flags, rest: &str) -> Read<Run> {
    let mut run = Run::exec(Vec::<String>::new());
    for mount in flags.all("mount") {
        run.mounts.push(mounts::read(&mount, source.escape)?);
    }
    run.network = match flags.text("network")?.as_deref() {
        None => None,
        Some("default") => Some(RunNetwork::Default),
        Some("none") => Some(RunNetwork::None),
        Some("host") => Some(RunNetwork::Host),
        Some(other) => return Err(format!("there is no network `{other}`")),
    };
    run.security = match flags.text("security")?.as_deref() {
        None => None,
        Some("sandbox") => Some(RunSecurity::Sandbox),
        Some("insecure") => Some(RunSecurity::Insecure),
        Some(other) => return Err(format!("there is no security mode `{other}`")),
    };
    run.heredocs = source.heredocs.to_vec();
    run.command = command(rest)?;
    Ok(run)
}

/// The exec form where it is one; anything else is for the shell.
fn command(rest: &str) -> Read<Command> {
    if rest.is_empty() {
        return Err("it takes a command".to_owned());
    }
    match json::read(rest) {
        Some(words) => Ok(Command::Exec(words)),
        None if json::is_other_array(rest) => Err("the array may hold strings only".to_owned()),
        None => Ok(Command::Shell(rest.to_owned())),
    }
}

fn copy(source: &Source<'_>, flags: &mut Flags, rest: &str) -> Read<Copy> {
    let (sources, target) = transfer(source, rest)?;
    let mut copy = Copy::new(Vec::<Word>::new(), target);
    copy.sources = sources;
    copy.from = flags.word("from", source.escape)?;
    copy.chown = flags.word("chown", source.escape)?;
    copy.chmod = flags.word("chmod", source.escape)?;
    copy.link = flags.truth("link")?.unwrap_or(false);
    copy.parents = flags.truth("parents")?.unwrap_or(false);
    for pattern in flags.all("exclude") {
        copy.exclude.push(lexed(&pattern, source.escape)?);
    }
    Ok(copy)
}

fn add(source: &Source<'_>, flags: &mut Flags, rest: &str) -> Read<Add> {
    let (sources, target) = transfer(source, rest)?;
    let mut add = Add::new(Vec::<Word>::new(), target);
    add.sources = sources;
    add.chown = flags.word("chown", source.escape)?;
    add.chmod = flags.word("chmod", source.escape)?;
    add.checksum = flags.word("checksum", source.escape)?;
    add.link = flags.truth("link")?.unwrap_or(false);
    add.keep_git_dir = flags.truth("keep-git-dir")?.unwrap_or(false);
    add.unpack = flags.truth("unpack")?;
    for pattern in flags.all("exclude") {
        add.exclude.push(lexed(&pattern, source.escape)?);
    }
    Ok(add)
}

/// Sources and target of a `COPY` or `ADD`.
fn transfer(source: &Source<'_>, rest: &str) -> Read<(Vec<copy::Source>, Word)> {
    if json::is_other_array(rest) {
        return Err("the array may hold strings only".to_owned());
    }
    let words: Vec<String> =
        json::read(rest).unwrap_or_else(|| rest.split_whitespace().map(str::to_owned).collect());
    let Some((target, paths)) = words.split_last().filter(|(_, paths)| !paths.is_empty()) else {
        return Err("it takes at least a source and a target".to_owned());
    };
    let mut heredocs = source.heredocs.iter();
    let mut sources = Vec::new();
    for path in paths {
        // There are none where the exec form was used.
        let heredoc = heredoc_word(path).filter(|_| !source.heredocs.is_empty());
        sources.push(match heredoc.and_then(|_| heredocs.next()) {
            Some(heredoc) => copy::Source::Heredoc(heredoc.clone()),
            None => copy::Source::Path(lexed(path, source.escape)?),
        });
    }
    Ok((sources, lexed(target, source.escape)?))
}

/// `name=value`s, or in the old form a name and the rest as its value.
fn pairs(rest: &str, escape: char) -> Read<Vec<(Word, Word)>> {
    let words = quoted_words(rest, escape);
    let Some(first) = words.first() else { return Err("it takes a name and a value".to_owned()) };
    if !first.contains('=') {
        let (name, value) =
            rest.split_once([' ', '\t', '\u{b}', '\u{c}', '\r']).ok_or("the name has no value")?;
        return Ok(vec![(lexed(name, escape)?, lexed(value.trim_start(), escape)?)]);
    }
    let pair = |word: &String| {
        let (name, value) = word
            .split_once('=')
            .ok_or_else(|| format!("`{word}` has no `=`; all must be name=value"))?;
        if name.is_empty() {
            return Err("a name is empty".to_owned());
        }
        Ok((lexed(name, escape)?, lexed(value, escape)?))
    };
    words.iter().map(pair).collect()
}

fn args(rest: &str, escape: char) -> Read<Vec<Arg>> {
    let words = quoted_words(rest, escape);
    if words.is_empty() {
        return Err("it takes a name".to_owned());
    }
    let arg = |word: &String| {
        let (name, default) = match word.split_once('=') {
            Some((name, value)) => (name, Some(lexed(value, escape)?)),
            None => (word.as_str(), None),
        };
        if name.is_empty() {
            return Err("a name is empty".to_owned());
        }
        Ok(Arg { name: lexed(name, escape)?, default })
    };
    words.iter().map(arg).collect()
}

/// Paths in JSON or between blanks.
fn paths(rest: &str, escape: char) -> Read<Vec<Word>> {
    if json::is_other_array(rest) {
        return Err("the array may hold strings only".to_owned());
    }
    let paths = match json::read(rest) {
        Some(paths) => words(paths.iter().map(String::as_str), escape)?,
        None => words(rest.split_whitespace(), escape)?,
    };
    if paths.iter().any(|path| path.as_literal() == Some("")) {
        return Err("a path is empty".to_owned());
    }
    Ok(paths)
}

fn words<'a>(words: impl Iterator<Item = &'a str>, escape: char) -> Read<Vec<Word>> {
    let words: Vec<Word> = words.map(|word| lexed(word, escape)).collect::<Read<_>>()?;
    if words.is_empty() {
        return Err("it takes at least one value".to_owned());
    }
    Ok(words)
}

fn whole(rest: &str, escape: char) -> Read<Word> {
    if rest.is_empty() {
        return Err("it takes a value".to_owned());
    }
    lexed(rest, escape)
}

fn lexed(text: &str, escape: char) -> Read<Word> {
    lex::word(text, escape).map_err(|error| error.message().to_owned())
}

fn healthcheck(flags: &mut Flags, rest: &str) -> Read<Healthcheck> {
    let (kind, command_text) = keyword(rest);
    let mut check = match kind.to_ascii_uppercase().as_str() {
        "NONE" if command_text.is_empty() => Healthcheck::disabled(),
        "NONE" => return Err("NONE takes no command".to_owned()),
        "CMD" => match command(command_text)? {
            Command::Shell(line) => Healthcheck::shell(line),
            Command::Exec(words) if words.is_empty() => {
                return Err("CMD takes a command".to_owned());
            }
            Command::Exec(words) => Healthcheck::command(words),
        },
        _ => return Err("it takes NONE, or CMD with a command".to_owned()),
    };
    let mut duration = |name: &str| match flags.text(name)? {
        // Nothing stands for the default, as no flag at all does.
        Some(text) if text.is_empty() => Ok(None),
        Some(text) => go_duration(&text).map(Some).ok_or(format!("`{text}` is no duration")),
        None => Ok(None),
    };
    check.interval = duration("interval")?;
    check.timeout = duration("timeout")?;
    check.start_period = duration("start-period")?;
    check.start_interval = duration("start-interval")?;
    if let Some(text) = flags.text("retries")?.filter(|text| !text.is_empty()) {
        check.retries = Some(text.parse().map_err(|_| format!("`{text}` is no number"))?);
    }
    Ok(check)
}

/// As Go reads it: `1m30s`, `1.5h`, `300ms`.
fn go_duration(text: &str) -> Option<Duration> {
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    let mut seconds = 0.0;
    if rest == "0" {
        return Some(Duration::ZERO);
    }
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let end = rest.find(|char: char| !(char.is_ascii_digit() || char == '.'))?;
        let number: f64 = rest[..end].parse().ok()?;
        rest = &rest[end..];
        let end =
            rest.find(|char: char| char.is_ascii_digit() || char == '.').unwrap_or(rest.len());
        seconds += number
            * match &rest[..end] {
                "ns" => 1e-9,
                "us" | "µs" | "μs" => 1e-6,
                "ms" => 1e-3,
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3600.0,
                _ => return None,
            };
        rest = &rest[end..];
    }
    // (Rounded, as `0.3` is a little less than three tenths.)
    let nanos = (seconds * 1e9).round();
    (nanos < 9.2e18).then(|| Duration::from_nanos(nanos as u64))
}

fn trigger(source: &Source<'_>, problems: &mut Vec<String>) -> Read<Trigger> {
    let (word, rest) = keyword(source.rest);
    let inner = word.to_ascii_uppercase();
    match inner.as_str() {
        "" => return Err("it takes an instruction".to_owned()),
        "FROM" | "ONBUILD" | "MAINTAINER" => {
            return Err(format!("{inner} can't be a trigger"));
        }
        _ => {}
    }
    let inner = Source { keyword: &inner, rest, ..*source };
    let read = instruction(&inner, problems);
    read.map(Trigger::of).map_err(|problem| format!("{}: {problem}", inner.keyword))
}

/// Words with their quotes and escapes, split at blanks outside of quotes.
fn quoted_words(text: &str, escape: char) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    let mut any = false;
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        match quote {
            None if char.is_whitespace() => {
                if any {
                    words.push(std::mem::take(&mut word));
                }
                any = false;
                continue;
            }
            None if matches!(char, '\'' | '"') => quote = Some(char),
            Some(open) if char == open => quote = None,
            _ => {}
        }
        any = true;
        let escapes = char == escape && quote != Some('\'');
        match if escapes { chars.next() } else { None } {
            Some(next) => word.extend([char, next]),
            // An escape at the very end means nothing.
            None if escapes => {}
            None => word.push(char),
        }
    }
    if any {
        words.push(word);
    }
    words
}

/// Flags that were found, taken one by one.
struct Flags {
    flags: Vec<String>,
}

impl Flags {
    fn all(&mut self, name: &str) -> Vec<String> {
        let prefix = format!("--{name}=");
        let mut values = Vec::new();
        self.flags.retain(|flag| match flag.strip_prefix(&prefix) {
            Some(value) => {
                values.push(value.to_owned());
                false
            }
            None => true,
        });
        values
    }

    fn text(&mut self, name: &str) -> Read<Option<String>> {
        let mut values = self.all(name);
        if values.len() > 1 {
            return Err(format!("the flag --{name} is there twice"));
        }
        Ok(values.pop())
    }

    fn word(&mut self, name: &str, escape: char) -> Read<Option<Word>> {
        self.text(name)?.map(|text| lexed(&text, escape)).transpose()
    }

    fn truth(&mut self, name: &str) -> Read<Option<bool>> {
        let bare = format!("--{name}");
        if let Some(at) = self.flags.iter().position(|flag| *flag == bare) {
            self.flags.remove(at);
            return Ok(Some(true));
        }
        match self.text(name)?.as_deref() {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(other) => Err(format!("--{name} is true or false, not `{other}`")),
        }
    }

    fn finish(self) -> Read<()> {
        match self.flags.first() {
            None => Ok(()),
            Some(flag) => Err(format!("the flag {flag} is unknown here, or has no value")),
        }
    }
}
