//! Writes values as text. Each position has quoting rules of its own: those by which `read` reads
//! it.

use std::fmt::Write as _;
use std::time::Duration;

use super::heredoc::{HeredocWord, heredoc_word, heredoc_words};
use super::lines::continued;
use super::stages::Names;
use super::{
    Add, Arg, Command, CopyFiles, Dockerfile, Heredoc, Instruction, Run, RunNetwork, RunSecurity,
    Source, Stage, Word, check, json, lex, mounts,
};
use crate::error::{Error, Result};
use crate::spec::{HealthTest, Healthcheck};

pub(super) fn render(file: &Dockerfile) -> Result<String> {
    let mut text = String::new();
    for (name, value) in [("syntax", &file.syntax), ("check", &file.check)] {
        if let Some(value) = value {
            one_line(name, value)?;
            let _ = writeln!(text, "# {name}={value}");
        }
    }
    if let Some(escape) = file.escape {
        if !matches!(escape, '\\' | '`') {
            return Err(refused("escape", "only a backslash or a backtick escapes"));
        }
        let _ = writeln!(text, "# escape={escape}");
    }
    let writer = Writer { escape: file.escape_char() };
    if !file.args.is_empty() {
        for arg in &file.args {
            let _ = writeln!(text, "ARG {}", no_flag(writer.arg(arg)?));
        }
        text.push('\n');
    }
    if file.stages.is_empty() {
        return Err(Error::invalid("Dockerfile", "it has no stage"));
    }
    let names = Names::new(&file.stages);
    for (number, stage) in file.stages.iter().enumerate() {
        if number > 0 {
            text.push('\n');
        }
        if let Some(why) = check::unclear_stage(&names, number) {
            return Err(Error::invalid("Dockerfile", why));
        }
        let _ = writeln!(text, "{}", writer.from(stage)?);
        for instruction in &stage.instructions {
            let instruction = writer.instruction(instruction)?;
            let (line, heredocs) = instruction.split_once('\n').unwrap_or((&instruction, ""));
            fold(&mut text, line, writer.escape);
            text.push_str(heredocs);
            if !heredocs.is_empty() {
                text.push('\n');
            }
        }
    }
    Ok(text)
}

/// Folds a long line: no line of a file may have 64 KiB, but joined lines may have more.
fn fold(text: &mut String, line: &str, escape: char) {
    const LONGEST: usize = 60_000;
    let mut rest = line;
    while rest.len() > LONGEST {
        let fits = |at: &usize| {
            let (before, after) = rest.split_at(*at);
            !before.ends_with(escape) && !after.starts_with(|c: char| c == '#' || c.is_whitespace())
        };
        let ends = (1..LONGEST).rev().filter(|at| rest.is_char_boundary(*at));
        let Some(at) = ends.into_iter().find(fits) else { break };
        let (before, after) = rest.split_at(at);
        let _ = writeln!(text, "{before}{escape}");
        rest = after;
    }
    let _ = writeln!(text, "{rest}");
}

struct Writer {
    escape: char,
}

impl Writer {
    fn from(&self, stage: &Stage) -> Result<String> {
        let mut line = "FROM ".to_owned();
        if let Some(platform) = &stage.platform {
            let _ = write!(line, "--platform={} ", self.flag("FROM", platform)?);
        }
        line.push_str(&no_flag(self.blankless("FROM", &stage.from)?));
        if let Some(name) = &stage.name {
            let first = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic());
            let good =
                |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
            if !first || !name.bytes().all(good) {
                let why =
                    format!("a stage's name is letters, digits, `-`, `_` and `.`, not {name:?}");
                return Err(refused("FROM", &why));
            }
            let _ = write!(line, " AS {name}");
        }
        Ok(line)
    }

    fn instruction(&self, instruction: &Instruction) -> Result<String> {
        let keyword = instruction.keyword();
        let rest = match instruction {
            Instruction::Run(run) => self.run(run)?,
            Instruction::Cmd(command) | Instruction::Entrypoint(command) => {
                self.command(keyword, command, false)?
            }
            Instruction::Copy(copy) => self.copy(copy)?,
            Instruction::Add(add) => self.add(add)?,
            Instruction::Env(pairs) | Instruction::Label(pairs) => {
                no_flag(self.pairs(keyword, pairs)?)
            }
            Instruction::Arg(args) => {
                some(keyword, args)?;
                no_flag(args.iter().map(|arg| self.arg(arg)).collect::<Result<Vec<_>>>()?.join(" "))
            }
            Instruction::Expose(ports) => no_flag(self.ports(keyword, ports)?),
            Instruction::Volume(paths) => {
                some(keyword, paths)?;
                self.paths(keyword, paths.iter())?
            }
            Instruction::User(word)
            | Instruction::Workdir(word)
            | Instruction::StopSignal(word) => no_flag(self.word(keyword, word)?),
            Instruction::Shell(words) => {
                some(keyword, words)?;
                json::write(words)
            }
            Instruction::Healthcheck(check) => self.healthcheck(check)?,
            Instruction::OnBuild(trigger) => self.instruction(trigger.instruction())?,
            Instruction::Maintainer(text) => {
                self.ended(keyword, text)?;
                text.clone()
            }
            Instruction::Unknown { text, heredocs, .. } => {
                self.ended(keyword, text)?;
                self.heredocs(keyword, text, &heredocs.iter().collect::<Vec<_>>())?
            }
        };
        Ok(format!("{keyword} {rest}").trim_end().to_owned())
    }

    fn run(&self, run: &Run) -> Result<String> {
        let mut text = String::new();
        for mount in &run.mounts {
            let mount = mounts::write(mount, self.escape)?;
            let _ = write!(text, "--mount={} ", flag_quoted(&mount, self.escape));
        }
        for device in &run.devices {
            let _ = write!(text, "--device={} ", self.flag("RUN", device)?);
        }
        match run.network {
            Some(RunNetwork::Default) => text.push_str("--network=default "),
            Some(RunNetwork::None) => text.push_str("--network=none "),
            Some(RunNetwork::Host) => text.push_str("--network=host "),
            None => {}
        }
        match run.security {
            Some(RunSecurity::Sandbox) => text.push_str("--security=sandbox "),
            Some(RunSecurity::Insecure) => text.push_str("--security=insecure "),
            None => {}
        }
        let command = self.command("RUN", &run.command, true)?;
        // A blank at the end of a flag would be removed with those of the line.
        text.push_str(if command.is_empty() && !text.is_empty() { "--" } else { &command });
        self.heredocs("RUN", &text, &run.heredocs.iter().collect::<Vec<_>>())
    }

    fn command(&self, keyword: &str, command: &Command, flags: bool) -> Result<String> {
        match command {
            Command::Exec(words) => Ok(json::write(words)),
            Command::Shell(text) => {
                self.ended(keyword, text)?;
                if text.trim() != text {
                    return Err(refused(keyword, "a command has no blanks around it"));
                }
                if text.is_empty() && keyword == "HEALTHCHECK" {
                    return Err(refused(keyword, "it takes a command"));
                }
                if json::read(text).is_some() {
                    return Err(refused(keyword, "the command would be read as a JSON array"));
                }
                if !flags && keyword == "HEALTHCHECK" {
                    return Ok(text.clone());
                }
                Ok(no_flag(text.clone()))
            }
        }
    }

    fn copy(&self, copy: &CopyFiles) -> Result<String> {
        let mut flags = String::new();
        for (name, value) in [("from", &copy.from), ("chown", &copy.chown), ("chmod", &copy.chmod)]
        {
            if let Some(value) = value {
                let _ = write!(flags, "--{name}={} ", self.flag("COPY", value)?);
            }
        }
        if copy.link {
            flags.push_str("--link ");
        }
        if copy.parents {
            flags.push_str("--parents ");
        }
        for pattern in &copy.exclude {
            let _ = write!(flags, "--exclude={} ", self.flag("COPY", pattern)?);
        }
        self.transfer("COPY", &flags, &copy.sources, &copy.target)
    }

    fn add(&self, add: &Add) -> Result<String> {
        let mut flags = String::new();
        for (name, value) in
            [("chown", &add.chown), ("chmod", &add.chmod), ("checksum", &add.checksum)]
        {
            if let Some(value) = value {
                let _ = write!(flags, "--{name}={} ", self.flag("ADD", value)?);
            }
        }
        if add.link {
            flags.push_str("--link ");
        }
        if add.keep_git_dir {
            flags.push_str("--keep-git-dir ");
        }
        if let Some(unpack) = add.unpack {
            let _ = write!(flags, "--unpack={unpack} ");
        }
        for pattern in &add.exclude {
            let _ = write!(flags, "--exclude={} ", self.flag("ADD", pattern)?);
        }
        self.transfer("ADD", &flags, &add.sources, &add.target)
    }

    fn transfer(
        &self,
        keyword: &str,
        flags: &str,
        sources: &[Source],
        target: &Word,
    ) -> Result<String> {
        some(keyword, sources)?;
        let texts: Vec<&Heredoc> = sources
            .iter()
            .filter_map(|source| match source {
                Source::Heredoc(heredoc) => Some(heredoc),
                Source::Path(_) => None,
            })
            .collect();
        let paths = sources.iter().filter_map(|source| match source {
            Source::Path(path) => Some(path),
            Source::Heredoc(_) => None,
        });
        if texts.is_empty() {
            return Ok(format!("{flags}{}", self.paths(keyword, paths.chain([target]))?));
        }
        if let Some(text) = texts.iter().find(|text| text.name.contains(char::is_whitespace)) {
            let why = format!(
                "the name {:?} of a heredoc has a blank in it, which parts words here",
                text.name
            );
            return Err(refused(keyword, &why));
        }
        // A heredoc rules out the JSON form.
        let mut words = Vec::new();
        for source in sources {
            words.push(match source {
                Source::Path(path) => self.blankless(keyword, path)?,
                Source::Heredoc(heredoc) => heredoc.word(),
            });
        }
        words.push(self.blankless(keyword, target)?);
        self.heredocs(keyword, &format!("{flags}{}", no_flag(words.join(" "))), &texts)
    }

    /// Writes the heredocs of an instruction, which must name exactly those.
    fn heredocs(&self, keyword: &str, text: &str, heredocs: &[&Heredoc]) -> Result<String> {
        let named = heredoc_words(text);
        let mut given = heredocs.iter();
        // A word with a blank before its name is no heredoc if nothing ends it, as in `1 << 4`.
        let fits = |word: &HeredocWord| {
            given.as_slice().first().is_some_and(|heredoc| heredoc.name == word.name)
                && given.next().is_some()
                || word.blank
        };
        if !named.iter().all(fits) || given.next().is_some() {
            let named: Vec<_> = named.iter().map(|word| &word.name).collect();
            let given: Vec<_> = heredocs.iter().map(|heredoc| &heredoc.name).collect();
            let why = format!("the instruction names the heredocs {named:?}, and has {given:?}");
            return Err(refused(keyword, &why));
        }
        let mut text = text.to_owned();
        for heredoc in heredocs {
            if !heredoc.is_writable() {
                let why = format!(
                    "the heredoc {:?} has its own end within, or no plain name",
                    heredoc.name
                );
                return Err(refused(keyword, &why));
            }
            let _ = write!(text, "\n{}{}", heredoc.content, heredoc.name);
        }
        Ok(text)
    }

    fn pairs(&self, keyword: &str, pairs: &[(Word, Word)]) -> Result<String> {
        some(keyword, pairs)?;
        let pair = |(name, value): &(Word, Word)| {
            let name = self.word(keyword, name)?;
            if name.contains('=') || name == "\"\"" {
                return Err(refused(keyword, "a name is not empty and has no `=` in it"));
            }
            Ok(format!("{name}={}", self.word(keyword, value)?))
        };
        Ok(pairs.iter().map(pair).collect::<Result<Vec<_>>>()?.join(" "))
    }

    fn arg(&self, arg: &Arg) -> Result<String> {
        let name = self.word("ARG", &arg.name)?;
        if name.contains('=') || name == "\"\"" {
            return Err(refused("ARG", "a name is not empty and has no `=` in it"));
        }
        match &arg.default {
            Some(value) => Ok(format!("{name}={}", self.word("ARG", value)?)),
            None => Ok(name),
        }
    }

    /// Writes paths with blanks between them, or as JSON where that would not do.
    fn paths<'a>(&self, keyword: &str, paths: impl Iterator<Item = &'a Word>) -> Result<String> {
        let mut plain = true;
        let mut written = Vec::new();
        for path in paths {
            self.check(keyword, path)?;
            let mut text = lex::escaped(path, self.escape);
            // A heredoc's word would be read as one in the exec form as well.
            if heredoc_word(&text).is_some() {
                text.insert(0, self.escape);
            }
            plain &= !text.is_empty() && !text.contains(char::is_whitespace);
            written.push(text);
        }
        let first = written.first().is_some_and(|first| first.starts_with(['[', '-']));
        let heredoc = keyword != "VOLUME" && written.iter().any(|text| text.contains("<<"));
        let ends = written.last().is_some_and(|last| last.ends_with(self.escape));
        if plain && !first && !heredoc && !ends {
            return Ok(written.join(" "));
        }
        Ok(json::write(&written))
    }

    fn healthcheck(&self, check: &Healthcheck) -> Result<String> {
        let mut text = String::new();
        for (name, value) in [
            ("interval", check.interval),
            ("timeout", check.timeout),
            ("start-period", check.start_period),
            ("start-interval", check.start_interval),
        ] {
            if let Some(value) = value {
                let _ = write!(text, "--{name}={} ", go_duration(value));
            }
        }
        if let Some(retries) = check.retries {
            let _ = write!(text, "--retries={retries} ");
        }
        match &check.test {
            HealthTest::Disabled if text.is_empty() => Ok("NONE".to_owned()),
            HealthTest::Disabled => Err(refused("HEALTHCHECK", "`NONE` takes no settings")),
            HealthTest::Exec(words) => Ok(format!("{text}CMD {}", json::write(words))),
            HealthTest::Shell(line) => {
                let command = Command::Shell(line.clone());
                Ok(format!("{text}CMD {}", self.command("HEALTHCHECK", &command, false)?))
            }
        }
    }

    /// Refuses a text that would continue on the next line. Two escapes are an escaped one.
    fn ended(&self, keyword: &str, text: &str) -> Result<()> {
        one_line(keyword, text)?;
        if text.ends_with('\r') || continued(text, self.escape).is_some() {
            let why = "it can't end in the escape character or a carriage return";
            return Err(refused(keyword, why));
        }
        Ok(())
    }

    /// Writes ports. An empty one is an escape with nothing after it, which engines don't take for
    /// a port.
    fn ports(&self, keyword: &str, ports: &[Word]) -> Result<String> {
        some(keyword, ports)?;
        let last = ports.len() - 1;
        let port = |(at, port): (usize, &Word)| match port.parts().is_empty() {
            true if at < last => Ok(self.escape.to_string()),
            true => Ok("\"\"".to_owned()),
            false => self.blankless(keyword, port),
        };
        Ok(ports.iter().enumerate().map(port).collect::<Result<Vec<_>>>()?.join(" "))
    }

    fn word(&self, keyword: &str, word: &Word) -> Result<String> {
        self.check(keyword, word)?;
        Ok(lex::quoted(word, self.escape))
    }

    fn check(&self, keyword: &str, word: &Word) -> Result<()> {
        match word.unwritable(self.escape) {
            Some(why) => Err(refused(keyword, why)),
            None => Ok(()),
        }
    }

    fn blankless(&self, keyword: &str, word: &Word) -> Result<String> {
        self.check(keyword, word)?;
        let text = lex::escaped(word, self.escape);
        if text.is_empty() || text.contains(char::is_whitespace) {
            return Err(refused(keyword, "a value is empty, or has a blank in it"));
        }
        Ok(text)
    }

    fn flag(&self, keyword: &str, word: &Word) -> Result<String> {
        Ok(flag_quoted(&self.word(keyword, word)?, self.escape))
    }
}

/// Puts two dashes before a text that would be read as a flag.
fn no_flag(text: String) -> String {
    if text.starts_with("--") { format!("-- {text}") } else { text }
}

/// Adds the layer of quotes and escapes that flags lose before they are read.
///
/// Where the escape is a backtick, quotes are used if possible: engines before Docker 28 don't know
/// it in flags.
fn flag_quoted(text: &str, escape: char) -> String {
    let mut quoted = String::new();
    for char in text.chars() {
        match char {
            '"' if escape != '\\' => quoted.push_str("'\"'"),
            char if escape != '\\' && (char == '\'' || char.is_whitespace()) => {
                quoted.extend(['"', char, '"']);
            }
            char if char.is_whitespace() || matches!(char, '"' | '\'') || char == escape => {
                quoted.extend([escape, char]);
            }
            char => quoted.push(char),
        }
    }
    quoted
}

/// Writes a duration as Go does, in the largest unit that is exact.
fn go_duration(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    for (unit, size) in [("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1_000)] {
        if nanos.is_multiple_of(size) {
            return format!("{}{unit}", nanos / size);
        }
    }
    format!("{nanos}ns")
}

fn one_line(keyword: &str, text: &str) -> Result<()> {
    if text.contains('\n') {
        return Err(refused(keyword, "there is a line break in it"));
    }
    Ok(())
}

fn some<T>(keyword: &str, values: &[T]) -> Result<()> {
    if values.is_empty() {
        return Err(refused(keyword, "it has no value"));
    }
    Ok(())
}

fn refused(keyword: &str, why: &str) -> Error {
    Error::invalid("Dockerfile", format!("{keyword}: {why}"))
}
