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
    /// `pkill -KILL -f` with what is on its command line.
    KillByName,
    /// The whole process group, as a shell's `kill -9 %1` or a runner that gives up does.
    KillGroup,
    /// Everything in its control group, its guardian too, as when a systemd unit is killed: the
    /// next session has to sweep.
    KillUnit,
    /// It is process 1 of a container, and exits.
    HostExits,
    /// It is process 1 of a container that is killed: the next session in one has to sweep.
    KillHost,
}

impl Way {
    pub(crate) const ALL: [Way; 18] = [
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
        Way::KillByName,
        Way::KillGroup,
        Way::KillUnit,
        Way::HostExits,
        Way::KillHost,
    ];

    pub(crate) fn name(self) -> String {
        format!("{self:?}")
    }

    pub(crate) fn named(name: &str) -> Option<Way> {
        Way::ALL.into_iter().find(|way| way.name() == name)
    }

    /// Whether the child is process 1 of a container.
    pub(crate) fn in_a_container(self) -> bool {
        matches!(self, Way::HostExits | Way::KillHost)
    }

    /// Whether nobody is left who would remove: the next session does.
    pub(crate) fn leaves_it_to_the_next(self) -> bool {
        matches!(self, Way::KillUnit | Way::KillHost)
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
