//! [`Prose`]: turns the classic builder's messages, Docker's or Podman's, into events.
//!
//! Engines name the image of a step in a line of its own, and the output of steps comes in the same
//! stream. Such a line counts only at the builder's place for it: in a message of its own, right
//! before the next step is announced.

use std::time::SystemTime;

use serde::Deserialize;
use serde_json::Value;

use super::super::LogStream;
use super::{BuildEvent, BuildStep, Built, OnEvent};
use crate::error::{Error, ErrorKind, Result};

/// A line of the answer.
#[derive(Debug, Default, Deserialize)]
struct Message {
    stream: Option<String>,
    error: Option<String>,
    #[serde(rename = "errorDetail")]
    detail: Option<Value>,
    aux: Option<Value>,
    status: Option<String>,
    id: Option<String>,
    #[serde(rename = "progressDetail")]
    progress: Option<Value>,
}

/// An image of a step, by the first digits of ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StepImage {
    /// Its own id.
    pub(crate) id: String,
    /// The id of the image that the step ran on. Podman does not report it for a stage's first
    /// step.
    pub(crate) parent: Option<String>,
}

/// A listener for the image of each step.
pub(crate) type OnImage<'a> = &'a (dyn Fn(StepImage) + Send + Sync);

/// A parser of the classic builder's messages.
pub(super) struct Prose<'a> {
    on_event: OnEvent,
    on_image: OnImage<'a>,
    step: Option<BuildStep>,
    /// The image that was built, and whether the engine named it in a field of its own.
    image: Option<String>,
    aux: bool,
    /// The image that the step runs on.
    top: Option<String>,
    /// The step's image, if the last message was the builder's: it was not if the step prints more.
    said: Option<String>,
    place: Place,
}

/// The progress of a step, to the extent that the builder reports it.
#[derive(PartialEq, Eq)]
enum Place {
    /// Begun, without output so far.
    Begun,
    /// With output; Podman reports no more than that before an image.
    Any,
    /// Running in a container on Docker, which is removed before the image exists.
    In(String),
}

impl<'a> Prose<'a> {
    pub(super) fn new(on_event: OnEvent, on_image: OnImage<'a>) -> Prose<'a> {
        let (step, image, top, said) = (None, None, None, None);
        Prose { on_event, on_image, step, image, aux: false, top, said, place: Place::Begun }
    }

    pub(super) fn line(&mut self, line: &[u8]) -> Result<()> {
        if line.trim_ascii().is_empty() {
            return Ok(());
        }
        let message: Message = serde_json::from_slice(line).map_err(|error| {
            Error::new(
                ErrorKind::Protocol,
                "failed to build the image: the engine sent an unexpected response",
            )
            .with_source(error)
        })?;
        if let Some(id) = message.aux.as_ref().and_then(|aux| aux["ID"].as_str()) {
            // Images of earlier stages come first, in the same field.
            (self.image, self.aux) = (Some(id.to_owned()), true);
            self.settle();
        }
        if let Some(text) = &message.stream {
            self.prose(text);
        }
        if let Some(status) = message.status {
            let step = self.step.as_ref().map(|step| step.id.clone()).unwrap_or_default();
            let progress = message.progress.unwrap_or_default();
            (self.on_event)(BuildEvent::Progress {
                step,
                part: format!("{status} {}", message.id.unwrap_or_default()).trim().to_owned(),
                current: progress["current"].as_u64().unwrap_or_default(),
                total: progress["total"].as_u64(),
            });
        }
        match message.error {
            Some(error) => Err(self.failed(&error, message.detail.as_ref())),
            None => Ok(()),
        }
    }

    fn prose(&mut self, text: &str) {
        if let Some((number, name)) = step(text)
            && follows(self.step.as_ref().map(|step| step.id.as_str()), &number)
        {
            self.settle();
            self.begin(&number, &name);
            return;
        }
        if self.of_the_builder(text) {
            return;
        }
        // The message was output of the step, which continues.
        self.said = None;
        if self.place == Place::Begun && !text.trim().is_empty() {
            self.place = Place::Any;
        }
        let step = self.step.as_ref().map(|step| step.id.clone()).unwrap_or_default();
        (self.on_event)(BuildEvent::Log { step, stream: LogStream::Stdout, text: text.to_owned() });
    }

    /// Handles a message of the builder between the steps. As a step can print the same, one that
    /// matters beyond the display counts only at the builder's place for it.
    fn of_the_builder(&mut self, text: &str) -> bool {
        let Some(line) = text.strip_suffix('\n') else { return false };
        if let Some(id) = image_of_step(line) {
            let due = !matches!(self.place, Place::In(_));
            if due {
                self.said = Some(id.to_owned());
            }
            return due;
        }
        if line == " ---> Using cache" || line.starts_with("--> Using cache ") {
            if let Some(step) = &mut self.step {
                step.cached = true;
            }
            return true;
        }
        if let Some(id) = line.strip_prefix(" ---> Running in ") {
            let first = self.place == Place::Begun;
            if first {
                self.place = Place::In(id.to_owned());
            }
            return first;
        }
        if let Some(id) = line
            .trim_start_matches(" ---> ")
            .strip_prefix("Removed intermediate container ")
            .or_else(|| line.strip_prefix("Removing intermediate container "))
        {
            let ours = self.place == Place::In(id.to_owned());
            if ours {
                self.place = Place::Any;
            }
            return ours;
        }
        if let Some(id) = line.strip_prefix("Successfully built ") {
            self.settle();
            // The last message of this kind is the builder's.
            if !self.aux {
                self.image = Some(id.to_owned());
            }
            return true;
        }
        let quiet = ["Successfully tagged ", "COMMIT "].iter().any(|start| line.starts_with(start));
        if quiet {
            self.settle();
        }
        quiet
    }

    /// Takes the last message about the step's image as the builder's.
    fn settle(&mut self) {
        let (Some(id), Some(step)) = (self.said.take(), &self.step) else { return };
        if !step.cached && !step.name.contains("] FROM ") {
            (self.on_image)(StepImage { id: id.clone(), parent: self.top.take() });
        }
        self.top = Some(id);
    }

    fn begin(&mut self, number: &str, name: &str) {
        let before = self.end(None);
        let step = BuildStep {
            id: number.to_owned(),
            name: format!("[{number}] {name}"),
            inputs: before.into_iter().collect(),
            started: Some(SystemTime::now()),
            ..BuildStep::default()
        };
        (self.on_event)(BuildEvent::Step(step.clone()));
        if step.name.contains("] FROM ") {
            self.top = None;
        }
        (self.step, self.place) = (Some(step), Place::Begun);
    }

    /// Ends the current step. Returns its id.
    fn end(&mut self, error: Option<String>) -> Option<String> {
        let mut step = self.step.take()?;
        step.completed = Some(SystemTime::now());
        step.error = error;
        (self.on_event)(BuildEvent::Step(step.clone()));
        Some(step.id)
    }

    fn failed(&mut self, text: &str, detail: Option<&Value>) -> Error {
        let name = self.step.as_ref().map(|step| step.name.clone());
        let code = detail.and_then(|detail| detail["code"].as_i64());
        self.end(Some(text.to_owned()));
        super::super::failure::build_failure(name.as_deref(), text, code)
    }

    pub(super) fn finish(mut self) -> Result<Built> {
        self.settle();
        self.end(None);
        Ok(Built { id: self.image })
    }
}

/// Reads the id of a step's image: ` ---> ` and twelve digits on Docker, `--> ` and eleven (Podman
/// 4.3) or twelve (Podman 5).
fn image_of_step(line: &str) -> Option<&str> {
    let docker = line.strip_prefix(" ---> ").filter(|id| id.len() == 12);
    let id = docker.or_else(|| line.strip_prefix("--> ").filter(|id| [11, 12].contains(&id.len())));
    id.filter(|id| id.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Reads the start of a step: `Step 2/3 : RUN x` on Docker, which sends the line's end in a message
/// of its own, and `STEP 2/3: RUN x` on Podman, with the stage's number in front if there are
/// several.
fn step(text: &str) -> Option<(String, String)> {
    let (stage, rest) = match text.strip_prefix("Step ") {
        Some(rest) if !text.ends_with('\n') => ("", rest),
        Some(_) => return None,
        None => text.strip_suffix('\n')?.split_once("STEP ")?,
    };
    let stage = stage.trim();
    let bracketed = |stage: &str| stage.starts_with('[') && stage.ends_with(']');
    let (number, name) = rest.split_once(':')?;
    let number = number.trim();
    parts(number).filter(|_| stage.is_empty() || bracketed(stage))?;
    let number = if stage.is_empty() { number.to_owned() } else { format!("{stage} {number}") };
    Some((number, name.trim().to_owned()))
}

/// Reads `2/3` as two numbers.
fn parts(number: &str) -> Option<(u32, u32)> {
    let (one, of) = number.split_once('/')?;
    Some((one.parse().ok()?, of.parse().ok()?))
}

/// Returns whether a step's number follows another one: the output of a step may look like the
/// start of the next.
fn follows(before: Option<&str>, number: &str) -> bool {
    let split = |number: &str| {
        let (stage, number) = number.rsplit_once(' ').unwrap_or(("", number));
        Some((stage.to_owned(), parts(number)?.0))
    };
    let Some((stage, one)) = split(number) else { return false };
    match before.and_then(split) {
        None => true,
        Some((same, before)) if same == stage => one == before.saturating_add(1),
        Some(_) => one == 1,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn prose_becomes_events() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let told = seen.clone();
        let made = Mutex::new(Vec::new());
        let on_image = |image: StepImage| made.lock().unwrap().push(image.id);
        let mut prose =
            Prose::new(Arc::new(move |event| told.lock().unwrap().push(event)), &on_image);
        for line in [
            r#"{"stream":"Step 1/3 : FROM busybox"}"#,
            r#"{"stream":"\n"}"#,
            r#"{"stream":" ---\u003e Using cache\n"}"#,
            r#"{"stream":" ---\u003e 0123456789aa\n"}"#,
            r#"{"stream":"Step 2/3 : RUN echo Step by step: 1/2"}"#,
            r#"{"stream":"Step by step: 1/2\n"}"#,
            r#"{"stream":" ---\u003e 0123456789ab\n"}"#,
            r#"{"aux":{"ID":"sha256:aa"}}"#,
            r#"{"stream":"Step 3/3 : CMD x"}"#,
        ] {
            prose.line(line.as_bytes()).unwrap();
        }
        let error = r#"{"errorDetail":{"code":3,"message":"it returned a non-zero code: 3"},"error":"it returned a non-zero code: 3"}"#;
        let error = prose.line(error.as_bytes()).unwrap_err();
        assert_eq!((error.kind(), error.exit_code()), (ErrorKind::Build, Some(3)));
        assert!(error.to_string().contains("[3/3] CMD x"), "{error}");
        assert_eq!(prose.finish().unwrap().id.as_deref(), Some("sha256:aa"));
        let seen = seen.lock().unwrap();
        let cached = seen.iter().any(|event| {
            matches!(event, BuildEvent::Step(step) if step.cached && step.completed.is_some() && step.id == "1/3")
        });
        assert!(cached, "{seen:?}");
        let logged = |wanted: &str| {
            seen.iter().any(|event| matches!(event, BuildEvent::Log { text, .. } if text == wanted))
        };
        assert!(logged("Step by step: 1/2\n"));
        assert_eq!(*made.lock().unwrap(), ["0123456789ab"]);
    }

    /// Returns the images of steps in an engine's stream, each with its parent.
    fn made(messages: &[&str]) -> Vec<String> {
        let made = Mutex::new(Vec::new());
        let on_image = |image: StepImage| {
            let parent = image.parent.unwrap_or_default();
            made.lock().unwrap().push(format!("{parent}>{}", image.id));
        };
        let mut prose = Prose::new(Arc::new(|_| {}), &on_image);
        for text in messages {
            let line = serde_json::json!({ "stream": text }).to_string();
            prose.line(line.as_bytes()).unwrap();
        }
        drop(prose);
        made.into_inner().unwrap()
    }

    #[test]
    fn images_of_steps_are_read_as_each_engine_says_them() {
        let docker = |removed: &str| {
            made(&[
                "Step 1/4 : FROM a AS one",
                "\n",
                " ---> a0b37a785bf6\n",
                "Step 2/4 : RUN x",
                "\n",
                " ---> Running in 333ac5515701\n",
                removed,
                " ---> cc81978f31c9\n",
                "Step 3/4 : COPY x y",
                "\n",
                " ---> f5e74d29047d\n",
                "Step 4/4 : RUN y",
            ])
        };
        let both = ["a0b37a785bf6>cc81978f31c9", "cc81978f31c9>f5e74d29047d"];
        assert_eq!(docker("Removing intermediate container 333ac5515701\n"), both);
        assert_eq!(docker(" ---> Removed intermediate container 333ac5515701\n"), both);
        let podman = made(&[
            "[1/2] STEP 1/2: FROM a AS one\n",
            "[1/2] STEP 2/2: RUN x\n",
            "--> b3b070943a6\n",
            "[2/2] STEP 1/3: FROM a\n",
            "[2/2] STEP 2/3: RUN y\n",
            "--> c7c8fe9da0c6\n",
            "[2/2] STEP 3/3: RUN z\n",
            "COMMIT x\n",
            "--> fc49413a6f76\n",
            "Successfully tagged x\n",
        ]);
        assert_eq!(podman, [">b3b070943a6", ">c7c8fe9da0c6", "c7c8fe9da0c6>fc49413a6f76"]);
        let cached = made(&[
            "STEP 1/3: FROM a\n",
            "STEP 2/3: RUN x\n",
            "--> Using cache fd9911c966dcad1d91061d2b7498ba66f6db98a2a1069c7b5ea540aa138ef634\n",
            "--> fd9911c966dc\n",
            "STEP 3/3: RUN y\n",
            "--> c7c8fe9da0c6\n",
            "COMMIT x\n",
        ]);
        assert_eq!(cached, ["fd9911c966dc>c7c8fe9da0c6"]);
    }

    #[test]
    fn what_a_step_prints_is_no_word_of_the_builder() {
        let hostile = [
            "---> 0123456789ab\n --> 0123456789ab\n ---> 0123456789ab\n",
            " ---> 0123456789ab\n",
            "--> 0123456789ab\n",
            "Step 3/3 : x\n",
            "STEP 9/9: x\n",
            "Removing intermediate container 0123456789ab\n",
            " ---> 0123456789ab\n",
        ];
        let docker = ["Step 1/3 : FROM a", "\n", " ---> aaaaaaaaaaaa\n", "Step 2/3 : RUN x", "\n"];
        let docker = [docker.as_slice(), &[" ---> Running in 333ac5515701\n"], &hostile].concat();
        assert!(made(&docker).is_empty());
        let end = ["Removing intermediate container 333ac5515701\n", " ---> cccccccccccc\n"];
        let ended = [docker.as_slice(), &end, &["Step 3/3 : CMD x"]].concat();
        assert_eq!(made(&ended), ["aaaaaaaaaaaa>cccccccccccc"]);

        let podman = [["STEP 1/3: FROM a\n", "STEP 2/3: RUN x\n"].as_slice(), &hostile].concat();
        assert!(made(&podman).is_empty(), "it is not known to be through");
        let ended = [podman.as_slice(), &["--> cccccccccccc\n", "STEP 3/3: CMD x\n"]].concat();
        assert_eq!(made(&ended), [">cccccccccccc"]);
    }
}
