//! Problems of a whole file, each of whose instructions can be read: missing stages, images without
//! a name, and the findings of [`steps`](super::steps).

use super::diagnostic::Severity;
use super::stages::{Global, Globals, Names, mount_from};
use super::{CopyFiles, Dockerfile, Instruction, Stage, Word, steps};
use crate::spec::ImageRef;

/// A problem and its place.
pub(super) struct Problem {
    pub(super) stage: usize,
    /// The instruction's number in its stage; `None` for the `FROM`.
    pub(super) instruction: Option<usize>,
    pub(super) severity: Severity,
    /// Whether BuildKit finds the problem only if the stage is needed.
    pub(super) late: bool,
    pub(super) message: String,
}

pub(super) fn check(file: &Dockerfile) -> Vec<Problem> {
    let globals = Globals::new(file);
    let names = Names::new(&file.stages);
    let mut problems = Vec::new();
    for (number, stage) in file.stages.iter().enumerate() {
        let mut checked = Checked { names: &names, stage: number, problems: &mut problems };
        checked.from(&globals, stage);
        for (at, instruction) in stage.instructions.iter().enumerate() {
            checked.instruction(at, instruction);
        }
    }
    problems
}

/// Returns why BuildKit would not find the stage that a `FROM` refers to, or would not copy from a
/// variable. The writer refuses both.
pub(super) fn unclear_stage(names: &Names<'_>, number: usize) -> Option<String> {
    let stage = names.stages.get(number)?;
    if let Some(name) = stage.from.as_literal().and_then(|name| other_case(names, name, number)) {
        return Some(format!("FROM: {name}"));
    }
    let variable = |instruction: &Instruction| match instruction {
        Instruction::Copy(CopyFiles { from: Some(from), .. }) => !from.variables().is_empty(),
        _ => false,
    };
    stage.instructions.iter().any(variable).then(|| format!("COPY: {FROM_VARIABLE}"))
}

const FROM_VARIABLE: &str =
    "--from can't have variables; a stage can: `FROM $name AS other`, and `--from=other`";

/// Returns a message if an image is the name of a stage in another case. BuildKit holds stage names
/// in lower case, whatever `AS` says; the classic builder ignores case.
fn other_case(names: &Names<'_>, image: &str, number: usize) -> Option<String> {
    if names.base(image, number).is_some() {
        return None;
    }
    names.before(image, number)?;
    let lower = image.to_ascii_lowercase();
    Some(format!(
        "BuildKit has no stage `{image}`, as names of stages are in lower case there: write `{lower}`"
    ))
}

struct Checked<'a> {
    names: &'a Names<'a>,
    stage: usize,
    problems: &'a mut Vec<Problem>,
}

impl Checked<'_> {
    fn push(
        &mut self,
        instruction: Option<usize>,
        severity: Severity,
        late: bool,
        message: String,
    ) {
        let stage = self.stage;
        self.problems.push(Problem { stage, instruction, severity, late, message });
    }

    fn from(&mut self, globals: &Globals, stage: &Stage) {
        let twice = |name: &&String| self.names.before(name, self.stage).is_some();
        if let Some(name) = stage.name.as_ref().filter(twice) {
            let message = format!("FROM: there is another stage named `{name}`");
            self.push(None, Severity::Warning, false, message);
        }
        for word in [Some(&stage.from), stage.platform.as_ref()].into_iter().flatten() {
            for name in word.variables() {
                if globals.get(name) == Global::Undeclared {
                    let message = format!(
                        "FROM: `{name}` has no value: no ARG before the first FROM declares it"
                    );
                    self.push(None, Severity::Warning, false, message);
                }
            }
        }
        let image = self.refused(globals, &stage.from, |checked, image| checked.image(image));
        let platform = stage.platform.as_ref();
        let platform =
            platform.and_then(|word| self.refused(globals, word, |_, text| platform_problem(text)));
        for (severity, message) in [image, platform].into_iter().flatten() {
            self.push(None, severity, false, format!("FROM: {message}"));
        }
    }

    /// Returns the problem of a word with its default values: only a warning if a build can change
    /// it.
    fn refused(
        &self,
        globals: &Globals,
        word: &Word,
        problem: impl Fn(&Self, &str) -> Option<String>,
    ) -> Option<(Severity, String)> {
        let message = match globals.expand(word)? {
            Ok(text) => problem(self, &text)?,
            Err(error) => error.to_string(),
        };
        if globals.settle(word) {
            Some((Severity::Error, message))
        } else {
            Some((Severity::Warning, format!("{message} (unless the build gives other arguments)")))
        }
    }

    fn image(&self, image: &str) -> Option<String> {
        if image.is_empty() {
            return Some("the image has no name".to_owned());
        }
        if let Some(problem) = other_case(self.names, image, self.stage) {
            return Some(problem);
        }
        let known = self.names.base(image, self.stage).is_some() || image == "scratch";
        let refused = if known { None } else { ImageRef::parse(image).err() };
        refused.map(|error| error.to_string())
    }

    fn instruction(&mut self, at: usize, instruction: &Instruction) {
        // A trigger's problems appear only when it runs.
        let (instruction, trigger) = match instruction {
            Instruction::OnBuild(trigger) => (trigger.instruction(), true),
            instruction => (instruction, false),
        };
        let severity = if trigger { Severity::Warning } else { Severity::Error };
        let keyword = instruction.keyword();
        let mut found: Vec<(bool, String)> = Vec::new();
        found.extend(steps::problems(instruction).into_iter().map(|message| (true, message)));
        match instruction {
            Instruction::Copy(CopyFiles { from: Some(from), .. }) => match from.as_literal() {
                Some(name) if !trigger => found.extend(self.copy_from(name)),
                Some(_) => {}
                None => found.push((false, FROM_VARIABLE.to_owned())),
            },
            Instruction::Run(run) if !trigger => {
                let names = run.mounts.iter().filter_map(mount_from);
                for name in names.filter_map(Word::as_literal) {
                    found.extend(self.later(name, self.names.named(name)));
                }
            }
            _ => {}
        }
        for (late, message) in found {
            self.push(Some(at), severity, late && !trigger, format!("{keyword}: {message}"));
        }
    }

    fn copy_from(&self, name: &str) -> Option<(bool, String)> {
        if let Ok(number) = name.parse::<i64>() {
            let stage =
                usize::try_from(number).ok().filter(|number| *number < self.names.stages.len());
            if stage.is_none() {
                let message =
                    format!("--from={name}: the stages are 0 to {}", self.names.stages.len() - 1);
                return Some((false, message));
            }
            return self.later(name, stage);
        }
        self.later(name, self.names.named(name))
    }

    fn later(&self, name: &str, stage: Option<usize>) -> Option<(bool, String)> {
        let stage = stage?;
        if stage == self.stage {
            return Some((
                false,
                format!("`{name}` is this stage itself, which can't be copied from"),
            ));
        }
        let message =
            || format!("the stage `{name}` comes later, and only earlier ones can be copied from");
        (stage > self.stage).then(|| (true, message()))
    }
}

/// Names that may stand alone as a platform: systems and architectures as Go spells them, and old
/// spellings.
const ALONE: &str = "aix android darwin dragonfly freebsd hurd illumos ios js linux nacl netbsd openbsd \
    plan9 solaris windows zos macos 386 amd64 amd64p32 arm armbe arm64 arm64be ppc64 ppc64le loong64 mips mipsle \
    mips64 mips64le mips64p32 mips64p32le ppc riscv riscv64 s390 s390x sparc sparc64 wasm i386 x86_64 \
    x86-64 aarch64 armhf armel";

/// Checks a platform: operating system, architecture and variant; one alone may be either of the
/// first two.
fn platform_problem(text: &str) -> Option<String> {
    let good = |part: &str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
        !part.is_empty() && part.bytes().all(plain)
    };
    let parts: Vec<&str> = text.split('/').collect();
    // A version of Windows may follow in brackets.
    let os = parts[0].split_once('(').filter(|(_, rest)| rest.ends_with(')'));
    let os = os.map_or(parts[0], |(os, _)| os);
    if text.is_empty() {
        return Some("the platform is empty".to_owned());
    }
    let known = |name: &str| ALONE.split_whitespace().any(|known| known.eq_ignore_ascii_case(name));
    let known = parts.len() > 1 || os.len() < parts[0].len() || known(os);
    if known && parts.len() <= 3 && good(os) && parts[1..].iter().all(|part| good(part)) {
        return None;
    }
    Some(format!(
        "`{text}` is no platform: it takes os/architecture/variant, such as linux/arm64/v8"
    ))
}
