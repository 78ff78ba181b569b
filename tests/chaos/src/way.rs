//! The ways in which a child ends.

use rustix::process::Signal;

/// How a child ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Way {
    /// `main` returns with everything still held.
    Return,
    Exit,
    Abort,
    /// In `main`, with everything still held.
    Panic,
    /// As a program does that is built with `panic = "abort"`.
    PanicAbort,
    StackOverflow,
    /// Another program takes its place.
    Exec,
    /// The future of all that is under way is dropped with all handles; the program lives on.
    Cancel,
    /// The runtime is shut down with all that is under way.
    Shutdown,
    Interrupt,
    Terminate,
    Hangup,
    /// What the kernel sends when memory runs out, too.
    Kill,
}

impl Way {
    pub(crate) const ALL: [Way; 13] = [
        Way::Return,
        Way::Exit,
        Way::Abort,
        Way::Panic,
        Way::PanicAbort,
        Way::StackOverflow,
        Way::Exec,
        Way::Cancel,
        Way::Shutdown,
        Way::Interrupt,
        Way::Terminate,
        Way::Hangup,
        Way::Kill,
    ];

    pub(crate) fn name(self) -> String {
        format!("{self:?}")
    }

    pub(crate) fn named(name: &str) -> Option<Way> {
        Way::ALL.into_iter().find(|way| way.name() == name)
    }

    /// What is sent to the child for it; the other ways it goes by itself.
    pub(crate) fn signal(self) -> Option<Signal> {
        match self {
            Way::Interrupt => Some(Signal::INT),
            Way::Terminate => Some(Signal::TERM),
            Way::Hangup => Some(Signal::HUP),
            Way::Kill => Some(Signal::KILL),
            _ => None,
        }
    }
}
