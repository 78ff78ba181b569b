//! Reads the text of one instruction into its value.
//!
//! The splitting of words follows BuildKit's parser: `ENV`, `LABEL` and `ARG` know quotes, `COPY`,
//! `ADD`, `EXPOSE` and `FROM` split at blanks alone, and `USER`, `WORKDIR` and `STOPSIGNAL` take
//! the whole rest.

use super::diagnostic::Severity;
use super::flags::Flags;
use super::heredoc::{HeredocWord, heredoc_word};
use super::lines::keyword;
use super::{
    Add, Arg, Command, CopyFiles, Heredoc, Instruction, Run, RunNetwork, RunSecurity, Stage,
    Trigger, Word, copy, flags, healthcheck, json, lex, mounts,
};
use crate::spec::HealthTest;

/// An instruction's text, with the heredocs that follow it.
pub(super) struct Source<'a> {
    pub(super) keyword: &'a str,
    pub(super) rest: &'a str,
    pub(super) heredocs: &'a [Heredoc],
    pub(super) escape: char,
}

pub(super) type Read<T> = std::result::Result<T, Refusal>;

/// The reason why an instruction can't be read.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) message: String,
    /// Whether BuildKit refuses the instruction only when it reaches it, which never happens in a
    /// stage that isn't needed.
    pub(super) late: bool,
}

impl From<String> for Refusal {
    fn from(message: String) -> Refusal {
        Refusal { message, late: false }
    }
}

impl From<&str> for Refusal {
    fn from(message: &str) -> Refusal {
        Refusal::from(message.to_owned())
    }
}

/// Problems of an instruction that could be read nevertheless.
pub(super) type Problems = Vec<(Severity, String)>;

/// Returns the parsed value with warnings, or the first problem as the error.
pub(super) fn instruction(source: &Source<'_>, problems: &mut Problems) -> Read<Instruction> {
    let escape = source.escape;
    let (found, rest) = flags::split(source.rest, escape);
    let mut flags = Flags { flags: found };
    if escape != '\\' && source.rest[..source.rest.len() - rest.len()].contains('\\') {
        let message = "a backslash in a flag is taken away by engines before Docker 28";
        problems.push((Severity::Warning, message.to_owned()));
    }
    if matches!(source.keyword, "CMD" | "ENTRYPOINT" | "RUN") && rest.is_empty() {
        problems.push((Severity::Warning, "there is no command".to_owned()));
    }
    let instruction = match source.keyword {
        "RUN" => Instruction::Run(run(source, &mut flags, rest, problems)?),
        "CMD" => Instruction::Cmd(command(rest)?),
        "ENTRYPOINT" => Instruction::Entrypoint(command(rest)?),
        "COPY" => Instruction::Copy(copy(source, &mut flags, rest)?),
        "ADD" => Instruction::Add(add(source, &mut flags, rest)?),
        "ENV" => Instruction::Env(pairs(rest, escape)?),
        "LABEL" => Instruction::Label(pairs(rest, escape)?),
        "ARG" => Instruction::Arg(args(rest, escape)?),
        "EXPOSE" => Instruction::Expose(words(split(rest), escape)?),
        "VOLUME" => Instruction::Volume(paths(rest, escape)?),
        "USER" => Instruction::User(whole(rest, escape)?),
        "WORKDIR" => Instruction::Workdir(whole(rest, escape)?),
        "STOPSIGNAL" => Instruction::StopSignal(whole(rest, escape)?),
        "SHELL" => {
            let words = json::read(rest).ok_or("it takes a JSON array of strings")?;
            if words.is_empty() {
                return Err("it takes at least one word".into());
            }
            Instruction::Shell(words)
        }
        "HEALTHCHECK" => Instruction::Healthcheck(healthcheck::read(&mut flags, rest)?),
        "ONBUILD" => Instruction::OnBuild(trigger(source, rest, problems)?),
        "MAINTAINER" if rest.is_empty() => return Err("it takes a value".into()),
        "MAINTAINER" => Instruction::Maintainer(rest.to_owned()),
        _ => return Err("there is no such instruction".into()),
    };
    match &instruction {
        // Engines ignore the flags of these.
        Instruction::Arg(_) | Instruction::StopSignal(_) => flags.ignored(problems),
        Instruction::Healthcheck(check) if check.test == HealthTest::Disabled => {
            flags.ignored(problems);
        }
        _ => flags.finish()?,
    }
    Ok(instruction)
}

pub(super) fn from(rest: &str, escape: char, problems: &mut Problems) -> Stage {
    let (found, rest) = flags::split(rest, escape);
    let mut flags = Flags { flags: found };
    let platform = flags.word("platform", escape).unwrap_or_else(|problem| {
        problems.push((Severity::Error, problem.message));
        None
    });
    if let Err(problem) = flags.finish() {
        problems.push((Severity::Error, problem.message));
    }
    let mut problem = |problem: &str| problems.push((Severity::Error, problem.to_owned()));
    let words: Vec<&str> = split(rest).collect();
    let (image, name) = match words.as_slice() {
        [image] => (*image, None),
        [image, by, name] if by.eq_ignore_ascii_case("as") => (*image, Some((*name).to_owned())),
        other => {
            problem("it takes an image, and a name after AS");
            (other.first().copied().unwrap_or_default(), None)
        }
    };
    if let Some(name) = &name {
        let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if !name.bytes().all(good) || !name.as_bytes()[0].is_ascii_alphabetic() {
            problem(&format!("`{name}` can't be a stage's name"));
        }
    }
    let mut stage = Stage::scratch();
    stage.from = lex::word(image, escape).unwrap_or_else(|error| {
        problem(error.message());
        Word::literal(image)
    });
    stage.platform = platform;
    stage.name = name;
    stage
}

fn run(source: &Source<'_>, flags: &mut Flags, rest: &str, problems: &mut Problems) -> Read<Run> {
    let mut run = Run::exec(Vec::<String>::new());
    for text in flags.all("mount")? {
        let mount = mounts::read(&text, source.escape)?;
        if mount.is_without_target() {
            let message = format!("the mount `{text}` has no target");
            problems.push((Severity::Warning, message));
        }
        run.mounts.push(mount);
    }
    for device in flags.all("device")? {
        run.devices.push(lexed(&device, source.escape)?);
    }
    run.network = match flags.text("network")?.as_deref() {
        None => None,
        Some("default") => Some(RunNetwork::Default),
        Some("none") => Some(RunNetwork::None),
        Some("host") => Some(RunNetwork::Host),
        Some(other) => return Err(format!("there is no network `{other}`").into()),
    };
    run.security = match flags.text("security")?.as_deref() {
        None => None,
        Some("sandbox") => Some(RunSecurity::Sandbox),
        Some("insecure") => Some(RunSecurity::Insecure),
        Some(other) => return Err(format!("there is no security mode `{other}`").into()),
    };
    run.heredocs = source.heredocs.to_vec();
    run.command = command(rest)?;
    Ok(run)
}

/// Reads the exec form if the text is one, or else the shell form.
pub(super) fn command(rest: &str) -> Read<Command> {
    match json::read(rest) {
        Some(words) => Ok(Command::Exec(words)),
        None if json::is_other_array(rest) => Err("the array may hold strings only".into()),
        None => Ok(Command::Shell(rest.to_owned())),
    }
}

fn copy(source: &Source<'_>, flags: &mut Flags, rest: &str) -> Read<CopyFiles> {
    let (sources, target) = transfer(source, rest)?;
    let mut copy = CopyFiles::new(Vec::<Word>::new(), target);
    copy.sources = sources;
    copy.from =
        flags.word("from", source.escape).map_err(|refusal| Refusal::from(refusal.message))?;
    copy.chown = flags.word("chown", source.escape)?;
    copy.chmod = flags.word("chmod", source.escape)?;
    copy.link = flags.truth("link")?.unwrap_or(false);
    copy.parents = flags.truth("parents")?.unwrap_or(false);
    for pattern in flags.all("exclude")? {
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
    for pattern in flags.all("exclude")? {
        add.exclude.push(lexed(&pattern, source.escape)?);
    }
    Ok(add)
}

/// Reads the sources and the target of a `COPY` or `ADD`.
fn transfer(source: &Source<'_>, rest: &str) -> Read<(Vec<copy::Source>, Word)> {
    if json::is_other_array(rest) {
        return Err("the array may hold strings only".into());
    }
    let words: Vec<String> =
        json::read(rest).unwrap_or_else(|| split(rest).map(str::to_owned).collect());
    let Some((target, paths)) = words.split_last().filter(|(_, paths)| !paths.is_empty()) else {
        return Err("it takes at least a source and a target".into());
    };
    if heredoc_word(target).is_some() {
        return Err("a heredoc can't be the target".into());
    }
    let mut sources = Vec::new();
    for path in paths {
        // A heredoc is found by its name: the last one with that name. The exec form has none.
        let named = |word: HeredocWord| {
            source.heredocs.iter().rev().find(|heredoc| heredoc.name == word.name)
        };
        sources.push(match heredoc_word(path).and_then(named) {
            Some(heredoc) => copy::Source::Heredoc(heredoc.clone()),
            None => copy::Source::Path(lexed(path, source.escape)?),
        });
    }
    Ok((sources, lexed(target, source.escape)?))
}

/// Characters that separate words where quotes don't count.
const BLANKS: [char; 5] = ['\t', '\u{b}', '\u{c}', '\r', ' '];

fn split(text: &str) -> impl Iterator<Item = &str> {
    text.split(BLANKS).filter(|word| !word.is_empty())
}

/// Reads `name=value` pairs, or in the old form a name and the rest as its value.
fn pairs(rest: &str, escape: char) -> Read<Vec<(Word, Word)>> {
    let words = quoted_words(rest, escape);
    let Some(first) = words.first() else { return Err("it takes a name and a value".into()) };
    if !first.contains('=') {
        let (name, value) = rest.split_once(BLANKS).ok_or("the name has no value")?;
        let value = value.trim_start_matches(BLANKS);
        return Ok(vec![(lexed(name, escape)?, lexed(value, escape)?)]);
    }
    let pair = |word: &String| -> Read<(Word, Word)> {
        let (name, value) = word
            .split_once('=')
            .ok_or_else(|| format!("`{word}` has no `=`; all must be name=value"))?;
        if name.is_empty() {
            return Err("a name is empty".into());
        }
        Ok((lexed(name, escape)?, lexed(value, escape)?))
    };
    words.iter().map(pair).collect()
}

fn args(rest: &str, escape: char) -> Read<Vec<Arg>> {
    let words = quoted_words(rest, escape);
    if words.is_empty() {
        return Err("it takes a name".into());
    }
    let arg = |word: &String| -> Read<Arg> {
        let (name, default) = match word.split_once('=') {
            Some((name, value)) => (name, Some(lexed(value, escape)?)),
            None => (word.as_str(), None),
        };
        if name.is_empty() {
            return Err("a name is empty".into());
        }
        Ok(Arg { name: lexed(name, escape)?, default })
    };
    words.iter().map(arg).collect()
}

/// Reads paths in JSON or separated by blanks.
fn paths(rest: &str, escape: char) -> Read<Vec<Word>> {
    if json::is_other_array(rest) {
        return Err("the array may hold strings only".into());
    }
    let paths = match json::read(rest) {
        Some(paths) => words(paths.iter().map(String::as_str), escape)?,
        None => words(split(rest), escape)?,
    };
    if paths.iter().any(|path| path.as_literal() == Some("")) {
        return Err("a path is empty".into());
    }
    Ok(paths)
}

fn words<'a>(words: impl Iterator<Item = &'a str>, escape: char) -> Read<Vec<Word>> {
    let words: Vec<Word> = words.map(|word| lexed(word, escape)).collect::<Read<_>>()?;
    if words.is_empty() {
        return Err("it takes at least one value".into());
    }
    Ok(words)
}

fn whole(rest: &str, escape: char) -> Read<Word> {
    if rest.is_empty() {
        return Err("it takes a value".into());
    }
    lexed(rest, escape)
}

pub(super) fn lexed(text: &str, escape: char) -> Read<Word> {
    let late = |error: lex::LexError| Refusal { message: error.message().to_owned(), late: true };
    lex::word(text, escape).map_err(late)
}

/// Reads a trigger. An engine checks most of it only when it runs, in a build of another image.
fn trigger(source: &Source<'_>, rest: &str, problems: &mut Problems) -> Read<Trigger> {
    let (word, rest) = keyword(rest);
    let inner = word.to_ascii_uppercase();
    match inner.as_str() {
        "" => return Err("it takes an instruction".into()),
        "FROM" | "ONBUILD" | "MAINTAINER" => {
            return Err(format!("{inner} can't be a trigger").into());
        }
        _ => {}
    }
    let source = Source { keyword: &inner, rest, ..*source };
    let mut found = Problems::new();
    let read = instruction(&source, &mut found);
    let at_once = is_refused_at_once(&source);
    found.extend(read.as_ref().err().map(|problem| (Severity::Error, problem.message.clone())));
    for (severity, problem) in found {
        let severity = if at_once { severity } else { Severity::Warning };
        problems.push((severity, format!("{inner}: {problem}")));
    }
    Ok(Trigger::of(read.unwrap_or_else(|_| Instruction::Unknown {
        keyword: inner.clone(),
        text: rest.to_owned(),
        heredocs: source.heredocs.to_vec(),
    })))
}

/// Returns whether the builder's parser refuses a trigger's text, before it is read as an
/// instruction.
fn is_refused_at_once(source: &Source<'_>) -> bool {
    let (_, rest) = flags::split(source.rest, source.escape);
    match source.keyword {
        "ENV" | "LABEL" => {
            let words = quoted_words(rest, source.escape);
            let pairs = words.iter().filter(|word| word.contains('=')).count();
            let old = words.first().is_some_and(|first| !first.contains('='));
            if old { words.len() < 2 } else { pairs < words.len() }
        }
        "HEALTHCHECK" => json::is_other_array(keyword(rest).1),
        "RUN" | "CMD" | "ENTRYPOINT" | "SHELL" | "COPY" | "ADD" | "VOLUME" => {
            json::is_other_array(rest)
        }
        _ => false,
    }
}

/// Splits a text at blanks outside of quotes; words keep their quotes and escapes.
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
