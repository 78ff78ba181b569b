//! Layer 0: Dockerfiles as values.
//!
//! A [`Dockerfile`] is a list of stages. A [`Stage`] begins with `FROM`, and [`Instruction`]s
//! follow. [`Dockerfile::render`] writes the text with the quoting that each position needs, and
//! [`Dockerfile::parse`] reads any text to the same values, with [`Diagnostic`]s for what an engine
//! would refuse. Neither does any I/O.
//!
//! ```
//! use castoff::dockerfile::{Dockerfile, Run, Stage};
//!
//! let file = Dockerfile::new()
//!     .stage(Stage::from_image("golang:1.22").named("builder")
//!         .workdir("/app")
//!         .copy(["go.mod", "go.sum"], "./")
//!         .run(Run::shell("go mod download").cache("/go/pkg/mod"))
//!         .copy(".", ".")
//!         .run("CGO_ENABLED=0 go build -o server ."))
//!     .stage(Stage::scratch().copy_from("builder", "/app/server", "/server")
//!         .user("65532").entrypoint(["/server"]));
//! # file.render().unwrap();
//! ```
//!
//! A value that no Dockerfile can express does not compile. An instruction belongs to a stage, a
//! trigger of `ONBUILD` is no `FROM`, a mount has the options of its type, and only `ADD` has a
//! checksum:
//!
//! ```compile_fail,E0599
//! castoff::dockerfile::Dockerfile::new().run("make");
//! ```
//! ```compile_fail,E0277
//! use castoff::dockerfile::Stage;
//! Stage::scratch().on_build(Stage::from_image("debian"));
//! ```
//! ```compile_fail,E0599
//! castoff::dockerfile::RunMount::tmpfs("/tmp").id("x");
//! ```
//! ```compile_fail,E0599
//! castoff::dockerfile::CopyFiles::new(["a"], "/").checksum("sha256:00");
//! ```
//!
//! Sources: the Dockerfile reference, and BuildKit's parser where the reference leaves a question
//! open.

mod check;
mod command;
mod copy;
mod diagnostic;
mod file;
mod flags;
mod healthcheck;
mod heredoc;
mod instruction;
mod json;
mod lex;
mod lines;
mod mount;
mod mounts;
mod parse;
mod pattern;
mod read;
mod render;
mod run;
mod stage;
mod stages;
mod steps;
mod word;

pub use command::Command;
pub use copy::{Add, CopyFiles, IntoWords, Source};
pub use diagnostic::{Diagnostic, Severity, Span};
pub use file::Dockerfile;
pub use heredoc::Heredoc;
pub use instruction::{Arg, Instruction, Trigger};
pub use mount::{BindMount, CacheMount, CacheSharing, RunMount, SecretMount, SshMount, TmpfsMount};
pub use parse::{Parsed, StageSpans};
pub use run::{Run, RunNetwork, RunSecurity};
pub use stage::Stage;
pub use word::{Modifier, Part, Variable, Word};

#[cfg(test)]
mod check_tests;
#[cfg(test)]
mod tests;
