//! Advice from cache misses: when the source is copied before dependencies are installed.

use super::BuildBackend;
use super::report::{StepReport, line};
use crate::dockerfile::{Command, CopyFiles, Dockerfile, Instruction, Source, Stage};

/// Commands that install dependencies, and the files that each needs.
const INSTALLERS: [(&str, &str); 21] = [
    ("npm install", "package.json and package-lock.json"),
    ("npm ci", "package.json and package-lock.json"),
    ("yarn", "package.json and yarn.lock"),
    ("pnpm install", "package.json and pnpm-lock.yaml"),
    ("bun install", "package.json and bun.lock"),
    ("pip install", "requirements.txt"),
    ("pip3 install", "requirements.txt"),
    ("uv sync", "pyproject.toml and uv.lock"),
    ("uv pip install", "requirements.txt"),
    ("poetry install", "pyproject.toml and poetry.lock"),
    ("pipenv install", "Pipfile and Pipfile.lock"),
    ("go mod download", "go.mod and go.sum"),
    ("go get", "go.mod and go.sum"),
    ("cargo fetch", "Cargo.toml and Cargo.lock"),
    ("bundle install", "Gemfile and Gemfile.lock"),
    ("composer install", "composer.json and composer.lock"),
    ("dotnet restore", "the project files"),
    ("mvn dependency", "pom.xml"),
    ("apt-get install", "nothing"),
    ("apk add", "nothing"),
    ("dnf install", "nothing"),
];

/// Returns advice for stages in which a copy of the source was not cached, so that a later
/// installation had to run again.
pub(super) fn advice(
    file: &Dockerfile,
    backend: BuildBackend,
    steps: &[StepReport],
) -> Vec<String> {
    let told = |number: usize, instruction: usize| {
        let name = step_name(file, number, instruction)?;
        steps.iter().find(|step| name.is_of(backend, &step.name)).map(|step| step.cached)
    };
    let stages = file.stages.iter().enumerate();
    stages.filter_map(|(number, stage)| of_stage(number, stage, &|at| told(number, at))).collect()
}

fn of_stage(
    number: usize,
    stage: &Stage,
    cached: &dyn Fn(usize) -> Option<bool>,
) -> Option<String> {
    // The first uncached instruction causes all later ones to run.
    let missed = (0..stage.instructions.len()).find(|index| cached(*index) == Some(false))?;
    let Instruction::Copy(copy) = &stage.instructions[missed] else { return None };
    if copy.from.is_some() || !takes_the_source(copy) {
        return None;
    }
    let behind = stage.instructions.iter().enumerate().skip(missed + 1);
    let ran = behind.filter(|(index, _)| cached(*index) == Some(false));
    let (command, needs) = ran.map(|(_, instruction)| instruction).find_map(installs)?;
    let name = stage.name.clone().unwrap_or_else(|| number.to_string());
    let sources = paths(copy).join(" ");
    let command = line(&command);
    let first = match needs {
        "nothing" => "install first, and copy then".to_owned(),
        needs => format!("copy {needs} first, install, and copy the rest then"),
    };
    Some(format!(
        "stage {name}: `COPY {sources}` stands before `{command}`, so every change of the source \
         installs the dependencies again; {first}"
    ))
}

/// The names that the builders give to a step.
struct StepName {
    /// The stage in BuildKit's name, and the number among the instructions that create layers.
    stage: String,
    number: String,
    /// The classic builder's number, among all instructions.
    classic: String,
}

impl StepName {
    fn is_of(&self, backend: BuildBackend, name: &str) -> bool {
        let Some((inside, _)) = name.strip_prefix('[').and_then(|rest| rest.split_once("] "))
        else {
            return false;
        };
        match (backend, inside.rsplit_once(' ')) {
            // Its total includes labels that were added after the Dockerfile's own steps.
            (BuildBackend::Classic, _) => inside.split('/').next() == Some(&self.classic),
            // A platform may precede the stage.
            (BuildBackend::BuildKit, Some((before, number))) => {
                number == self.number && before.rsplit(' ').next() == Some(&self.stage)
            }
            (BuildBackend::BuildKit, None) => self.stage.is_empty() && inside == self.number,
        }
    }
}

fn step_name(file: &Dockerfile, stage: usize, instruction: usize) -> Option<StepName> {
    let of = &file.stages[stage];
    let counts = |instruction: &Instruction| {
        matches!(
            instruction,
            Instruction::Run(_)
                | Instruction::Copy(_)
                | Instruction::Add(_)
                | Instruction::Workdir(_)
        )
    };
    if !counts(of.instructions.get(instruction)?) {
        return None;
    }
    let before = of.instructions[..=instruction].iter().filter(|one| counts(one)).count();
    let all = of.instructions.iter().filter(|one| counts(one)).count();
    let name = match &of.name {
        Some(name) => name.to_ascii_lowercase(),
        None if file.stages.len() == 1 => String::new(),
        None => format!("stage-{stage}"),
    };
    let earlier: usize = file.stages[..stage].iter().map(|one| one.instructions.len() + 1).sum();
    Some(StepName {
        stage: name,
        number: format!("{}/{}", before + 1, all + 1),
        classic: (earlier + instruction + 2).to_string(),
    })
}

/// Returns whether it copies a whole directory, and not just some files by name.
fn takes_the_source(copy: &CopyFiles) -> bool {
    paths(copy).iter().any(|path| {
        let path = path.trim_end_matches('/');
        let last = path.rsplit('/').next().unwrap_or(path);
        matches!(last, "." | "" | "*") || !last.contains('.')
    })
}

fn paths(copy: &CopyFiles) -> Vec<String> {
    let path = |source: &Source| match source {
        Source::Path(path) => Some(path.to_string()),
        Source::Heredoc(_) => None,
    };
    copy.sources.iter().filter_map(path).collect()
}

/// Returns the command and the files that it needs, if it installs dependencies.
fn installs(instruction: &Instruction) -> Option<(String, &'static str)> {
    let Instruction::Run(run) = instruction else { return None };
    let text = match &run.command {
        Command::Shell(text) => text.clone(),
        Command::Exec(words) => words.join(" "),
    };
    let needs = |(command, needs): &(&str, &'static str)| {
        let at = text.find(command)?;
        let before = text[..at].chars().next_back();
        // A path counts as well, as in `/venv/bin/pip install`.
        let starts = before.is_none_or(|char| !char.is_alphanumeric() && char != '-');
        let after = text[at + command.len()..].chars().next();
        let ends = after.is_none_or(|char| char.is_whitespace() || ":;&|".contains(char));
        (starts && ends).then_some(*needs)
    };
    let needs = INSTALLERS.iter().find_map(needs)?;
    Some((format!("RUN {text}"), needs))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn step(name: &str, cached: bool) -> StepReport {
        StepReport { name: name.into(), cached, took: Duration::ZERO }
    }

    #[test]
    fn the_source_before_the_dependencies_is_told() {
        let file = Dockerfile::parse(
            "FROM node AS Build\nWORKDIR /app\nCOPY . .\nRUN npm ci\nFROM scratch\nCOPY --from=build /a /",
        );
        let kit = [
            step("[linux/arm64 build 1/4] FROM node", true),
            step("[linux/arm64 build 2/4] WORKDIR /app", true),
            step("[linux/arm64 build 3/4] COPY . .", false),
            step("[linux/arm64 build 4/4] RUN npm ci", false),
        ];
        let told = advice(&file.dockerfile, BuildBackend::BuildKit, &kit);
        assert_eq!(told.len(), 1);
        assert!(told[0].contains("`COPY .` stands before `RUN npm ci`"), "{told:?}");
        assert!(told[0].contains("copy package.json and package-lock.json first"), "{told:?}");
        let classic = [
            step("[2/6] WORKDIR /app", true),
            step("[3/6] COPY . .", false),
            step("[4/6] RUN npm ci", false),
        ];
        assert_eq!(advice(&file.dockerfile, BuildBackend::Classic, &classic), told);
        // Every step ran, as in a first build: it shows nothing about the order.
        let first = kit.clone().map(|step| StepReport { cached: false, ..step });
        assert!(advice(&file.dockerfile, BuildBackend::BuildKit, &first).is_empty());
        // All cached.
        let second = kit.map(|step| StepReport { cached: true, ..step });
        assert!(advice(&file.dockerfile, BuildBackend::BuildKit, &second).is_empty());
    }

    #[test]
    fn dependencies_first_is_as_it_should_be() {
        let file = Dockerfile::parse(
            "FROM python\nCOPY requirements.txt .\nRUN pip install -r requirements.txt\nCOPY app app\nRUN pip check",
        );
        let steps = [
            step("[1/5] FROM python", true),
            step("[2/5] COPY requirements.txt .", true),
            step("[3/5] RUN pip install -r requirements.txt", true),
            step("[4/5] COPY app app", false),
            step("[5/5] RUN pip check", false),
        ];
        assert!(advice(&file.dockerfile, BuildBackend::BuildKit, &steps).is_empty());
    }
}
