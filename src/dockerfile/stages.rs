//! Resolves stage names, and finds the stages that another one needs, by BuildKit's rules.

use std::collections::{BTreeSet, HashMap};

use super::{Dockerfile, Instruction, RunMount, Stage, Word};

/// The numbers of stages by their names in lower case.
pub(super) struct Names<'a> {
    pub(super) stages: &'a [Stage],
    numbers: HashMap<String, Vec<usize>>,
}

impl<'a> Names<'a> {
    pub(super) fn new(stages: &'a [Stage]) -> Names<'a> {
        let mut numbers: HashMap<String, Vec<usize>> = HashMap::new();
        for (number, stage) in stages.iter().enumerate() {
            if let Some(name) = &stage.name {
                numbers.entry(name.to_ascii_lowercase()).or_default().push(number);
            }
        }
        Names { stages, numbers }
    }

    /// Returns the stage that a build's target names.
    pub(super) fn target(&self, name: &str) -> Option<usize> {
        let number = || name.parse().ok().filter(|number| *number < self.stages.len());
        self.named(name).or_else(number)
    }

    /// Returns the stage that a `--from` or a target names, in any case; the last one if several
    /// match.
    pub(super) fn named(&self, name: &str) -> Option<usize> {
        self.before(name, usize::MAX)
    }

    /// Returns the last stage of a name before the one with a given number.
    pub(super) fn before(&self, name: &str, number: usize) -> Option<usize> {
        let numbers = self.numbers.get(&name.to_ascii_lowercase())?;
        let end = numbers.partition_point(|at| *at < number);
        numbers[..end].last().copied()
    }

    /// Returns the stage that the `FROM` of a given stage refers to. Only lower-case names match
    /// here.
    pub(super) fn base(&self, image: &str, number: usize) -> Option<usize> {
        let lower = !image.bytes().any(|byte| byte.is_ascii_uppercase());
        self.before(image, number).filter(|_| lower)
    }
}

/// The value of a variable in a `FROM`, judging by the text alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Global {
    /// Not declared, and therefore empty.
    Undeclared,
    /// Declared with a default, which the build may replace.
    Default(String),
    /// Known only to the build.
    Build,
}

/// Arguments that BuildKit itself declares.
const AUTOMATIC: [&str; 11] = [
    "BUILDPLATFORM",
    "BUILDOS",
    "BUILDOSVERSION",
    "BUILDARCH",
    "BUILDVARIANT",
    "TARGETPLATFORM",
    "TARGETOS",
    "TARGETOSVERSION",
    "TARGETARCH",
    "TARGETVARIANT",
    "TARGETSTAGE",
];

/// The arguments before the first stage.
pub(super) struct Globals(HashMap<String, Global>);

/// Limit for the length of a value that is expanded, in bytes. Each argument may double the one
/// before it, and no image name comes near this length.
pub(super) const LONGEST: usize = 1024;

impl Globals {
    pub(super) fn new(file: &Dockerfile) -> Globals {
        let mut globals = Globals(HashMap::new());
        for arg in &file.args {
            let Ok(name) = arg.name.expand(|_| None) else { continue };
            let default = arg.default.as_ref().map(|value| globals.expand(value));
            let value = match default {
                Some(Some(Ok(text))) if text.len() <= LONGEST => Global::Default(text),
                _ => Global::Build,
            };
            globals.0.insert(name, value);
        }
        globals
    }

    pub(super) fn get(&self, name: &str) -> Global {
        match self.0.get(name) {
            Some(value) => value.clone(),
            None if AUTOMATIC.contains(&name) => Global::Build,
            None => Global::Undeclared,
        }
    }

    /// Expands a word with the default values of its variables. Returns `None` where only the build
    /// knows one.
    pub(super) fn expand(&self, word: &Word) -> Option<crate::error::Result<String>> {
        let names = word.variables();
        if names.iter().any(|name| self.get(name) == Global::Build) {
            return None;
        }
        Some(word.expand(|name| match self.get(name) {
            Global::Default(text) => Some(text),
            Global::Undeclared | Global::Build => None,
        }))
    }

    /// Returns whether no build argument can change the value of a word.
    pub(super) fn settle(&self, word: &Word) -> bool {
        word.variables().iter().all(|name| self.get(name) == Global::Undeclared)
    }
}

/// Returns the numbers of the stages that the build of one needs, itself included.
pub(super) fn needed(file: &Dockerfile, target: usize) -> BTreeSet<usize> {
    let globals = Globals::new(file);
    let names = Names::new(&file.stages);
    let mut needed = BTreeSet::new();
    let mut open = vec![target];
    // The number of first stages that are all needed, as a base may be any of them.
    let mut all = 0;
    while let Some(number) = open.pop() {
        let Some(stage) = file.stages.get(number) else { continue };
        if !needed.insert(number) {
            continue;
        }
        match globals.expand(&stage.from) {
            Some(image) => open.extend(names.base(&image.unwrap_or_default(), number)),
            None if number > all => {
                open.extend(all..number);
                all = number;
            }
            None => {}
        }
        for instruction in &stage.instructions {
            open.extend(sources(&names, instruction));
        }
    }
    needed
}

/// Returns the stages that an instruction, or a trigger's instruction, takes files from.
fn sources(names: &Names<'_>, instruction: &Instruction) -> Vec<usize> {
    match instruction {
        Instruction::OnBuild(trigger) => sources(names, trigger.instruction()),
        Instruction::Copy(copy) => {
            let name = copy.from.as_ref().and_then(Word::as_literal);
            name.and_then(|name| names.target(name)).into_iter().collect()
        }
        Instruction::Run(run) => {
            let from = |mount| mount_from(mount).and_then(Word::as_literal);
            run.mounts.iter().filter_map(from).filter_map(|name| names.named(name)).collect()
        }
        _ => Vec::new(),
    }
}

pub(super) fn mount_from(mount: &RunMount) -> Option<&Word> {
    match mount {
        RunMount::Bind(mount) => mount.from.as_ref(),
        RunMount::Cache(mount) => mount.from.as_ref(),
        _ => None,
    }
}
