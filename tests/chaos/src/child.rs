//! A child: makes all sorts of things, until it ends.

use std::any::Any;
use std::io::Write;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use castoff::dockerfile::{Dockerfile, Stage};
use castoff::image::BuildContext;
use castoff::{Container, ContainerBuilder, Network, Volume, WaitFor};
use serde_json::{Value, json};

use crate::engine::{IMAGE, LABEL};
use crate::way::Way;

const VARIABLE: &str = "CASTOFF_CHAOS_ROLE";
/// Containers of a child at once.
const CONTAINERS: usize = 5;
/// The scope of what the sibling holds all the time.
pub(crate) const LIVING: &str = "chaos-living";

/// What a child is to do.
#[derive(Clone, Debug)]
pub(crate) struct Role {
    /// Its name, in a label of all that it makes.
    pub(crate) name: String,
    /// How it ends; none for the sibling that goes on.
    pub(crate) way: Option<Way>,
    /// When it ends, from its start.
    pub(crate) delay: Duration,
    pub(crate) seed: u64,
    /// With whom it shares.
    pub(crate) scope: String,
}

impl Role {
    pub(crate) fn variable(&self) -> (&'static str, String) {
        let way = self.way.map(Way::name);
        let delay = u64::try_from(self.delay.as_micros()).unwrap_or(u64::MAX);
        let role = json!({
            "name": self.name, "way": way, "delay": delay, "seed": self.seed, "scope": self.scope,
        });
        (VARIABLE, role.to_string())
    }

    pub(crate) fn of_this_process() -> Option<Role> {
        let role: Value = serde_json::from_str(&std::env::var(VARIABLE).ok()?).ok()?;
        let text = |key: &str| role[key].as_str().map(str::to_owned);
        Some(Role {
            name: text("name")?,
            way: text("way").and_then(|way| Way::named(&way)),
            delay: Duration::from_micros(role["delay"].as_u64()?),
            seed: role["seed"].as_u64()?,
            scope: text("scope")?,
        })
    }
}

/// What it holds, of any kind: never dropped unless it says so.
static HELD: Mutex<Vec<Box<dyn Any + Send>>> = Mutex::new(Vec::new());

fn hold(held: impl Any + Send) {
    HELD.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(held));
}

pub(crate) fn act(role: &Role) -> ExitCode {
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let Some(way) = role.way else {
        runtime.block_on(live(role));
        return ExitCode::SUCCESS;
    };
    let work = runtime.spawn(work(role.clone()));
    // From here on the delay counts: a container takes its time to start.
    println!("begins");
    std::thread::sleep(role.delay);
    end(way, runtime, work)
}

fn end(way: Way, runtime: tokio::runtime::Runtime, work: tokio::task::JoinHandle<()>) -> ExitCode {
    match way {
        Way::Return => {
            // Dropping the runtime would wait for what is under way.
            std::mem::drop(std::thread::spawn(move || drop(runtime)));
        }
        Way::Exit | Way::HostExits => std::process::exit(3),
        Way::Abort => std::process::abort(),
        Way::Panic => {
            let _runtime = std::mem::ManuallyDrop::new(runtime);
            panic!("on purpose");
        }
        Way::PanicAbort => {
            std::panic::set_hook(Box::new(|_| std::process::abort()));
            panic!("on purpose");
        }
        Way::StackOverflow => {
            println!("{}", deeper(0));
        }
        Way::Exec => {
            use std::os::unix::process::CommandExt;
            let error = std::process::Command::new("true").exec();
            eprintln!("{error}");
        }
        Way::Cancel => {
            work.abort();
            let _ = runtime.block_on(work);
            HELD.lock().unwrap_or_else(PoisonError::into_inner).clear();
            println!("dropped");
            let _ = std::io::stdout().flush();
            let _ = std::io::stdin().read_line(&mut String::new());
        }
        Way::Shutdown => runtime.shutdown_background(),
        Way::Interrupt
        | Way::Terminate
        | Way::Hangup
        | Way::Kill
        | Way::KillByName
        | Way::KillGroup
        | Way::KillUnit
        | Way::KillHost => loop {
            std::thread::park();
        },
    }
    ExitCode::SUCCESS
}

fn deeper(n: u64) -> u64 {
    if n == u64::MAX {
        return n;
    }
    let place = std::hint::black_box([n; 512]);
    deeper(n + 1) + place.iter().sum::<u64>()
}

/// The sibling: holds what it has, and says what that is.
async fn live(role: &Role) {
    let start = async || sleeper(role).start().await;
    let net = Network::builder().with_label(LABEL, &role.name).create().await;
    let both = (start().await, start().await, shared(role, &role.scope).await);
    let (Ok(net), (Ok(one), Ok(two), Ok(shared))) = (net, both) else {
        println!("failed");
        return;
    };
    println!("holds {} {} {}", one.id(), two.id(), shared.id());
    let _ = std::io::stdout().flush();
    let _ = tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new())).await;
    drop((net, one, two, shared));
}

fn sleeper(role: &Role) -> ContainerBuilder {
    let builder = Container::builder(IMAGE).with_label(LABEL, &role.name);
    builder.with_command(["sleep", "36000"])
}

/// Without a name of its own, so that all get the same.
async fn shared(role: &Role, scope: &str) -> castoff::Result<Container> {
    let builder = Container::builder(IMAGE).with_label("chaos.scope", scope);
    let made = builder.with_command(["sleep", "36000"]).shared_as(scope).await?;
    made.init_once("once", async || {
        made.exec(["true"]).await.map(drop).map_err(|error| {
            eprintln!("{}: set-up: {error}", role.name);
            error
        })
    })
    .await?;
    Ok(made)
}

/// Builds an image, over and over: without a name, so that it goes with what has it, or with the end.
async fn build(role: &Role, seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    loop {
        let context = BuildContext::empty().with_file("file", format!("{:x}", random.u64(..)));
        let stage = Stage::from_image(IMAGE)
            .label(LABEL, &role.name)
            .copy("file", "/file")
            .run(format!("head -c {} /dev/urandom > /more", random.u32(1..1_000_000)))
            .run("test -s /more");
        let build = Dockerfile::of(stage).builder().with_context(context);
        let Ok(image) = build.build().await else { continue };
        match random.u8(..3) {
            0 => drop(image),
            1 => drop(image.remove().await),
            _ => {
                if let Ok(container) = image.container().with_command(["sleep", "9"]).start().await
                {
                    hold(container);
                }
                hold(image);
                return;
            }
        }
    }
}

/// Makes things over and over, a few of them at a time, in an order that the seed decides.
async fn work(role: Role) {
    let mut random = fastrand::Rng::with_seed(role.seed);
    let net = Network::builder().with_label(LABEL, &role.name).create().await;
    let volume = Volume::builder().with_label(LABEL, &role.name).create().await;
    let (Ok(net), Ok(volume)) = (net, volume) else { return };
    let seeds: Vec<u64> = (0..CONTAINERS).map(|_| random.u64(..)).collect();
    let one = |seed| one(&role, &net, &volume, seed);
    let building = build(&role, random.u64(..));
    futures_util::join!(building, futures_util::future::join_all(seeds.into_iter().map(one)));
    hold(net);
    hold(volume);
    std::future::pending::<()>().await;
}

/// One container's life, as far as it gets. What fails here does so since the end is near.
async fn one(role: &Role, net: &Network, volume: &Volume, seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    loop {
        let mut builder = sleeper(role);
        if random.bool() {
            builder = builder.with_network(net, format!("c{}", random.u16(..)));
        }
        if random.bool() {
            builder = builder.with_volume(volume, "/data");
        }
        if random.bool() {
            builder = builder.with_copy(b"copied", "/copied");
        }
        if random.u8(..4) == 0 {
            builder = builder.with_wait(WaitFor::file("/never"));
            builder = builder.with_startup_timeout(Duration::from_millis(random.u64(100..2_000)));
        }
        let sharing = random.u8(..3) == 0;
        let started = if sharing {
            let scope = if random.bool() { LIVING } else { &role.scope };
            shared(role, scope).await
        } else {
            builder.start().await
        };
        let Ok(container) = started else { continue };
        if random.bool() {
            let _ = container.exec(["true"]).await;
        }
        if !sharing && random.u8(..4) == 0 {
            let name = format!("castoff.test/chaos-{:x}:1", random.u64(..));
            if let Ok(image) = container.commit(name).await {
                hold(image);
            }
        }
        match random.u8(..3) {
            0 => drop(container),
            1 => drop(container.remove().await),
            _ => {
                hold(container);
                return;
            }
        }
    }
}
