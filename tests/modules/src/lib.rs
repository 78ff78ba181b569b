//! One suite that every module passes: a [`Fixture`] says how its service is used, and
//! [`conformance!`] makes the tests of it.
//!
//! Each module has a test binary of its own in `tests/`, which holds its fixture and the tests of
//! what only that module can do.

pub mod checks;

use std::error::Error;

use castoff_modules::castoff::{Container, Module};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Child;

/// The `Debug` of any error tells what is wrong.
pub type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

/// How a module's service is used, by the client that its users have.
pub trait Fixture: 'static {
    /// The module.
    type Module: Module<Server: AsRef<Container> + Send + Sync>;
    /// The usual client's connection.
    type Client: Send;

    /// How often it is started in a row. Fewer for those that take long.
    const STARTS: usize = 20;

    /// The server as its users start it, with credentials where it can have some.
    fn module() -> Self::Module;

    /// The same with this tag, by the module's own `with_tag`, and the variable `CASTOFF_TOLD`
    /// set to `yes`, by its `with_env`.
    fn tagged(tag: &str) -> Self::Module;

    /// A module that can't work, and the text by which its error has to name what is wrong.
    fn bad() -> (Self::Module, &'static str);

    /// Connects as a user does: by the handle's URL, without trying twice.
    fn connect(server: &Server<Self>) -> impl Future<Output = Outcome<Self::Client>> + Send;

    /// One operation that the server has to take part in, such as writing and reading back.
    fn operate(client: &mut Self::Client, n: usize) -> impl Future<Output = Outcome> + Send;

    /// Does as [`connect`](Self::connect) and [`operate`](Self::operate) with wrong credentials,
    /// and says what came of it. `None` where the service has no credentials.
    fn intrude(server: &Server<Self>) -> impl Future<Output = Option<Outcome>> + Send;

    /// What a container of the same network runs, and what it prints when it has reached the
    /// server by its in-network address: an image, a command and a part of the output.
    fn sibling(server: &Server<Self>) -> Sibling;
}

/// The name of the database that a child process says it has made: the rest of the line in which
/// `database ` stands.
///
/// # Errors
/// When its output is not piped, can't be read, or ends before that.
pub async fn named_by(child: &mut Child) -> Outcome<String> {
    let mut lines = BufReader::new(child.stdout.as_mut().ok_or("no output")?).lines();
    loop {
        let line = lines.next_line().await?.ok_or("the child ended")?;
        if let Some((_, name)) = line.split_once("database ") {
            return Ok(name.to_owned());
        }
    }
}

/// The running server of a fixture.
pub type Server<F> = <<F as Fixture>::Module as Module>::Server;

/// A container that reaches the server from within its network.
#[derive(Debug)]
#[non_exhaustive]
pub struct Sibling {
    /// The image to run, or `None` for the server's own.
    pub image: Option<&'static str>,
    /// What to run in it, in place of its entry point.
    pub command: Vec<String>,
    /// What it has to print.
    pub prints: &'static str,
}

impl Sibling {
    /// A command in the server's own image.
    #[must_use]
    pub fn command(command: &[&str], prints: &'static str) -> Self {
        let command = command.iter().map(|&word| word.to_owned()).collect();
        Sibling { image: None, command, prints }
    }

    /// A shell command in busybox, for images that have no client in them.
    #[must_use]
    pub fn busybox(lines: &str, prints: &'static str) -> Self {
        let command = ["sh", "-c", lines].map(str::to_owned).into();
        Sibling { image: Some("busybox:1"), command, prints }
    }
}

/// Makes the tests of a fixture, in a module `conformance`.
#[macro_export]
macro_rules! conformance {
    ($fixture:ty) => {
        mod conformance {
            use super::*;
            use $crate::{Outcome, checks};

            $crate::conformance! { @tests $fixture:
                the_first_operations_succeed
                it_is_ready_in_a_row
                wrong_credentials_are_refused
                a_restart_keeps_it_working
                two_run_side_by_side
                one_is_shared_across_processes
                a_sibling_reaches_it_in_their_network
                another_tag_and_environment_arrive
                a_dropped_handle_leaves_nothing
                a_bad_option_is_named
            }

            /// The other side of `one_is_shared_across_processes`.
            #[tokio::test]
            #[ignore = "needs a container engine"]
            async fn shared_child() -> Outcome {
                checks::shared_child::<$fixture>().await
            }
        }
    };
    (@tests $fixture:ty: $($check:ident)*) => {$(
        #[tokio::test]
        #[ignore = "needs a container engine"]
        async fn $check() -> Outcome {
            checks::$check::<$fixture>().await
        }
    )*};
}
