//! [`InMemory`]: the files of a container that are in memory, and how to copy to and from them.

use std::collections::{BTreeMap, VecDeque};

use bollard::models::{HostConfig, MountType};

use super::Client;
use super::archive::PathStat;
use super::container::CreateBody;
use super::failure::convert;
use crate::error::{Error, ErrorKind, Result};
use crate::spec::{ContainerSpec, Mount, MountKind};

/// Paths where every container has file systems of its own, which the engine's archive calls can't
/// see.
const OF_THE_KERNEL: [&str; 3] = ["/dev", "/proc", "/sys"];

/// Files that the engine mounts in every container, over anything copied there before.
const OF_THE_ENGINE: [&str; 3] = ["/etc/hosts", "/etc/hostname", "/etc/resolv.conf"];

const OF_ALL: usize = OF_THE_KERNEL.len() + OF_THE_ENGINE.len();

/// Limit for links on the way to a file, the same as Linux has (path_resolution(7)).
const MOST_LINKS: usize = 40;

/// Types of a `local` volume whose content is lost when no running container has it mounted.
const LOST: [&str; 2] = ["tmpfs", "ramfs"];

/// The way to copy to and from a path in a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Way {
    /// The engine's archive calls, whether the container runs or not.
    Engine,
    /// The same calls, while the container runs: otherwise a volume in memory keeps no files.
    EngineWhileRunning,
    /// No copy to it, as the engine has a file of its own there. The archive calls can read it.
    Owned,
    /// A command in the container, while it runs: nobody else sees its mounts.
    Command,
}

/// The mounts of a container, each with the way to its files.
#[derive(Clone, Debug)]
pub(crate) struct InMemory {
    mounts: Vec<(Vec<String>, Way)>,
}

impl InMemory {
    /// Reads the mounts of a spec. A volume may still turn out to be in memory.
    pub(crate) fn of(spec: &ContainerSpec) -> InMemory {
        let own = OF_THE_KERNEL.iter().map(|path| (parts(path), Way::Command));
        let own = own.chain(OF_THE_ENGINE.iter().map(|path| (parts(path), Way::Owned)));
        let mounts = spec.mounts.iter().map(|mount| {
            let way = match mount.kind {
                MountKind::Tmpfs { .. } => Way::Command,
                _ => Way::Engine,
            };
            (parts(&mount.target), way)
        });
        // The last of two mounts at one place counts.
        InMemory { mounts: own.chain(mounts).collect() }
    }

    /// Marks the volumes that are in memory, which the engine reports.
    pub(crate) async fn with_volumes(
        mut self,
        engine: &Client,
        spec: &ContainerSpec,
    ) -> Result<InMemory> {
        for mount in &spec.mounts {
            if let MountKind::Volume { name } = &mount.kind
                && !name.is_empty()
                && engine.loses_volume(name).await?
            {
                self.mounts.push((parts(&mount.target), Way::EngineWhileRunning));
            }
        }
        Ok(self)
    }

    /// Follows the links in front of mounts, such as `/var/run`. Asks the engine only if something
    /// is in memory.
    pub(crate) async fn through_links(mut self, engine: &Client, id: &str) -> Result<InMemory> {
        if self.has_any() {
            let mut known = BTreeMap::new();
            for (target, _) in self.mounts.iter_mut().skip(OF_ALL) {
                *target = real(engine, id, target, &mut known).await?;
            }
        }
        Ok(self)
    }

    /// Returns whether more is in memory than in every container.
    fn has_any(&self) -> bool {
        self.mounts.iter().skip(OF_ALL).any(|(_, way)| *way != Way::Engine)
    }

    /// Returns the way to `path`, by the nearest mount above it. Follows no links.
    pub(crate) fn way(&self, path: &str) -> Way {
        self.way_of(&parts(path))
    }

    fn way_of(&self, path: &[String]) -> Way {
        let around = self.mounts.iter().filter(|(target, _)| path.starts_with(target));
        around.max_by_key(|(target, _)| target.len()).map_or(Way::Engine, |(_, way)| *way)
    }

    /// Returns the way to `path` like [`way`](Self::way), but follows links in the container.
    /// `below` returns whether there is something to copy at a path below this one, where a mount
    /// may be.
    pub(crate) async fn way_to(
        &self,
        engine: &Client,
        id: &str,
        path: &str,
        below: impl Fn(&str) -> bool,
    ) -> Result<Way> {
        let by_name = parts(path);
        let way = self.way_of(&by_name);
        if way == Way::Command {
            return Ok(way);
        }
        let mut real_path = by_name;
        if self.has_any() {
            // The path itself may be a link, which is not followed unless its content is meant.
            let last = if path.ends_with("/.") { None } else { real_path.pop() };
            real_path = real(engine, id, &real_path, &mut BTreeMap::new()).await?;
            real_path.extend(last);
        }
        let deeper = self.mounts.iter().skip(OF_THE_KERNEL.len()).filter_map(|(target, way)| {
            let rest = target.strip_prefix(real_path.as_slice())?;
            (!rest.is_empty() && below(&rest.join("/"))).then_some(*way)
        });
        Ok(deeper.chain([self.way_of(&real_path)]).max().unwrap_or(way))
    }
}

/// Reads the mounts of a create body, which the user's edit may have changed.
pub(crate) fn mounts_of(body: &CreateBody) -> Vec<Mount> {
    let Some(HostConfig { mounts, tmpfs, binds, .. }) = &body.host_config else {
        return Vec::new();
    };
    let listed = mounts.iter().flatten().filter_map(|mount| {
        let (target, source) = (mount.target.clone()?, mount.source.clone().unwrap_or_default());
        let options = mount.volume_options.as_ref().and_then(|it| it.driver_config.as_ref());
        let kind = options.and_then(|it| it.options.as_ref()?.get("type").map(String::as_str));
        Some(match mount.typ? {
            MountType::TMPFS => Mount::tmpfs(target),
            // The engine can't be asked for a volume without a name; a command sees its files as
            // well.
            MountType::VOLUME if source.is_empty() && kind.is_some_and(|it| LOST.contains(&it)) => {
                Mount::tmpfs(target)
            }
            MountType::VOLUME => Mount::volume(source, target),
            _ => Mount::bind(source, target),
        })
    });
    let bound = binds.iter().flatten().filter_map(|bind| {
        let mut parts = bind.split(':');
        let (source, target) = (parts.next()?, parts.next()?);
        Some(match source.starts_with('/') {
            true => Mount::bind(source, target),
            false => Mount::volume(source, target),
        })
    });
    let memory = tmpfs.iter().flatten().map(|(target, _)| Mount::tmpfs(target));
    listed.chain(bound).chain(memory).collect()
}

/// Splits an absolute path in a container into its parts, without `.` and `..`.
fn parts(path: &str) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            _ => parts.push(part.to_owned()),
        }
    }
    parts
}

/// Resolves the links of a path in the container, up to the first part that does not exist.
async fn real(
    engine: &Client,
    id: &str,
    path: &[String],
    known: &mut BTreeMap<String, Option<PathStat>>,
) -> Result<Vec<String>> {
    let mut left: VecDeque<String> = path.iter().cloned().collect();
    let mut here: Vec<String> = Vec::new();
    let mut links = 0;
    while let Some(part) = left.pop_front() {
        if part == ".." {
            here.pop();
            continue;
        }
        here.push(part);
        let place = format!("/{}", here.join("/"));
        let stat = match known.get(&place) {
            Some(stat) => stat.clone(),
            None => engine.stat_path(id, &place).await?,
        };
        known.insert(place.clone(), stat.clone());
        let Some(stat) = stat else {
            here.extend(left.drain(..).filter(|part| part != ".."));
            break;
        };
        let Some(target) = stat.link else { continue };
        links += 1;
        if links > MOST_LINKS {
            let message =
                format!("`{place}` is a link that leads through more than {MOST_LINKS} others");
            return Err(Error::new(ErrorKind::Io, message));
        }
        here.pop();
        if target.starts_with('/') {
            here.clear();
        }
        let steps = target.split('/').filter(|part| !matches!(*part, "" | "."));
        for step in steps.rev() {
            left.push_front(step.to_owned());
        }
    }
    Ok(here)
}

impl Client {
    /// Returns whether a volume is in memory, and thus empty whenever no running container has it
    /// mounted.
    async fn loses_volume(&self, name: &str) -> Result<bool> {
        match self.docker().inspect_volume(name).await {
            Ok(volume) => {
                let kind = volume.options.get("type").map(String::as_str);
                Ok(volume.driver == "local" && kind.is_some_and(|kind| LOST.contains(&kind)))
            }
            Err(error) => {
                let error = convert("look for the volume", error);
                // The engine creates a missing volume, on a disk.
                if error.status() == Some(404) { Ok(false) } else { Err(error) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Mount;

    #[test]
    fn the_nearest_mount_tells_how_a_path_is_reached() {
        let mut spec = ContainerSpec::new("x");
        spec.mounts = vec![
            Mount::volume("v", "/data"),
            Mount::tmpfs("/data/cache/"),
            Mount::volume("v", "/data/cache/kept"),
            Mount::tmpfs("/run"),
            Mount::bind("/x", "/dev/mine"),
            Mount::bind("/x", "/etc/resolv.conf"),
        ];
        let memory = InMemory::of(&spec);
        for (path, way) in [
            ("/", Way::Engine),
            ("/runner", Way::Engine),
            ("/run", Way::Command),
            ("/srv/../run/./a", Way::Command),
            ("/data/a", Way::Engine),
            ("/data/cache/a", Way::Command),
            ("/data/cache/kept/a", Way::Engine),
            ("/dev/shm/a", Way::Command),
            ("/proc/1/status", Way::Command),
            ("/dev/mine/a", Way::Engine),
            ("/etc/hosts", Way::Owned),
            ("/etc/hosts.allow", Way::Engine),
            ("/etc/resolv.conf", Way::Engine),
        ] {
            assert_eq!(memory.way(path), way, "{path}");
        }
    }
}
