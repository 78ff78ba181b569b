//! Control groups: one in each hierarchy of the host, which becomes the machine's root of that
//! hierarchy.

use std::fs;
use std::path::{Path, PathBuf};

use crate::Outcome;

/// A hierarchy of control groups on the host.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Hierarchy {
    /// The path where the host has mounted it.
    place: PathBuf,
    /// Its type, `cgroup` or `cgroup2`.
    kind: String,
    /// Its controllers, as options of a mount.
    options: String,
}

/// Returns the hierarchies of this process's mounts.
pub(crate) fn hierarchies() -> Outcome<Vec<Hierarchy>> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").map_err(|e| e.to_string())?;
    Ok(mounts.lines().filter_map(Hierarchy::read).collect())
}

impl Hierarchy {
    /// Parses a line of mountinfo (proc(5)).
    fn read(line: &str) -> Option<Self> {
        let (mount, rest) = line.split_once(" - ")?;
        let mut rest = rest.split(' ');
        let kind = rest.next().filter(|kind| ["cgroup", "cgroup2"].contains(kind))?.to_owned();
        let options = rest.nth(1)?.split(',').filter(|option| {
            !["rw", "ro", "nsdelegate", "memory_recursiveprot"].contains(option)
                && !option.starts_with("release_agent=")
        });
        let options = options.collect::<Vec<_>>().join(",");
        Some(Self { place: mount.split(' ').nth(4)?.into(), kind, options })
    }

    /// Returns the path of the group with this name.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.place.join(name)
    }

    /// Creates a group for processes in it.
    pub(crate) fn group(&self, name: &str) -> Outcome<PathBuf> {
        let group = self.path(name);
        fs::create_dir(&group).map_err(|e| format!("cannot make {}: {e}", group.display()))?;
        // Version 1 leaves these empty, and then no process may run there.
        for file in ["cpuset.cpus", "cpuset.mems"] {
            let inherited = fs::read_to_string(self.place.join(file));
            if let (Ok(inherited), true) = (inherited, group.join(file).exists()) {
                fs::write(group.join(file), inherited).map_err(|e| format!("{file}: {e}"))?;
            }
        }
        Ok(group)
    }

    /// Returns the shell command that mounts it at the same path below `$root`, for processes in a
    /// group, which becomes the root there.
    pub(crate) fn mount(&self) -> String {
        let (place, kind) = (self.place.display(), &self.kind);
        let option = if self.options.is_empty() { "rw" } else { &self.options };
        format!("mkdir -p \"$root{place}\"; mount -t {kind} -o {option} {kind} \"$root{place}\"")
    }

    /// Returns whether it is mounted below a folder: the tmpfs that contains hierarchies of version
    /// 1.
    pub(crate) fn below(&self, folder: &Path) -> bool {
        self.place != folder && self.place.starts_with(folder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_are_read_from_mountinfo() {
        let one =
            "32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct";
        let one = Hierarchy::read(one).unwrap();
        assert!(one.below(Path::new("/sys/fs/cgroup")));
        assert!(
            one.mount()
                .contains("mount -t cgroup -o cpu,cpuacct cgroup \"$root/sys/fs/cgroup/cpu\"")
        );
        let two =
            "29 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot";
        let two = Hierarchy::read(two).unwrap();
        assert!(!two.below(Path::new("/sys/fs/cgroup")));
        assert!(two.mount().ends_with("mount -t cgroup2 -o rw cgroup2 \"$root/sys/fs/cgroup\""));
        assert_eq!(Hierarchy::read("22 28 0:20 / /proc rw - proc proc rw"), None);
    }
}
