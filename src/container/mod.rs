//! Layer 5: containers.
//!
//! [`ContainerBuilder`] describes a container, [`Container`] is the handle to one, which is removed
//! when the handle is dropped.

mod aliases;
mod builder;
mod built;
mod capture;
mod consumers;
mod copy;
mod exec;
mod files;
mod handle;
mod hooks;
mod host_port;
mod kept;
mod learn;
mod lifecycle;
mod lines;
mod link;
mod lock;
mod logs;
mod merge;
mod options;
mod pack;
mod plan;
mod restarts;
mod run;
mod shared;
mod start;
mod tarball;
mod tmpfs;
mod unpack;
mod without_target;

pub use aliases::IntoAliases;
pub use builder::ContainerBuilder;
pub use copy::CopySource;
pub use exec::{Exec, ExecStream};
pub use handle::Container;
pub use lock::ContainerLock;
pub use logs::{LogFrames, LogLine, LogLines, Logs};
