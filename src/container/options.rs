//! The rarer settings of a [`ContainerBuilder`].

use std::net::IpAddr;
use std::time::Duration;

use super::ContainerBuilder;
use crate::spec::{Healthcheck, IntoPlatform, NetworkMode, RestartPolicy, Ulimit};

impl ContainerBuilder {
    /// Sets the user to run as: a name, an id, or `user:group`. Default: the image's.
    pub fn with_user(mut self, user: impl Into<String>) -> Self {
        self.spec.user = Some(user.into());
        self
    }

    /// Sets the working directory. Default: the image's.
    pub fn with_working_dir(mut self, path: impl Into<String>) -> Self {
        self.spec.working_dir = Some(path.into());
        self
    }

    /// Sets the host name within the container. Default: the start of its id.
    pub fn with_hostname(mut self, name: impl Into<String>) -> Self {
        self.spec.hostname = Some(name.into());
        self
    }

    /// Adds a label. Keys that begin with `castoff.` are reserved for castoff.
    pub fn with_label(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.spec.labels.insert(key.into(), value.into());
        self
    }

    /// Replaces the container's own network: by the host's, none, or another container's. Excludes
    /// networks.
    pub fn with_network_mode(mut self, mode: NetworkMode) -> Self {
        self.spec.network_mode = Some(mode);
        self
    }

    /// Adds a line to `/etc/hosts`: a name and an IP, or `host-gateway` for the engine's machine.
    pub fn with_extra_host(mut self, name: impl Into<String>, ip: impl Into<String>) -> Self {
        self.spec.extra_hosts.insert(name.into(), ip.into());
        self
    }

    /// Adds a DNS server. Default: the engine's.
    pub fn with_dns(mut self, server: IpAddr) -> Self {
        self.spec.dns.push(server);
        self
    }

    /// Limits memory, in bytes. Default: no limit.
    pub fn with_memory(mut self, bytes: u64) -> Self {
        self.spec.resources.memory = Some(bytes);
        self
    }

    /// Limits memory and swap together, in bytes; -1 for no limit of swap. Default: twice the
    /// memory limit.
    pub fn with_memory_swap(mut self, bytes: i64) -> Self {
        self.spec.resources.memory_swap = Some(bytes);
        self
    }

    /// Limits the CPU time to a number of CPUs, `0.5` for half of one. Default: no limit.
    pub fn with_cpus(mut self, cpus: f64) -> Self {
        if cpus.is_finite() && cpus > 0.0 {
            self.spec.resources.nano_cpus = Some((cpus * 1e9) as u64);
        } else {
            let message = format!("{cpus} is not a number of CPUs above 0");
            self.refuse(crate::Error::invalid("cpus", message));
        }
        self
    }

    /// Limits the number of processes and threads. Default: the engine's.
    pub fn with_pids_limit(mut self, limit: i64) -> Self {
        self.spec.resources.pids_limit = Some(limit);
        self
    }

    /// Sets the size of `/dev/shm`, in bytes. Default: the engine's, 64 MiB for Docker.
    pub fn with_shm_size(mut self, bytes: u64) -> Self {
        self.spec.resources.shm_size = Some(bytes);
        self
    }

    /// Adds a limit of setrlimit(2) by its name in lower case, such as `nofile`.
    pub fn with_ulimit(mut self, name: impl Into<String>, soft: i64, hard: i64) -> Self {
        self.spec.resources.ulimits.push(Ulimit::new(name, soft, hard));
        self
    }

    /// Sets a kernel parameter of the container's namespaces.
    pub fn with_sysctl(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.spec.sysctls.insert(key.into(), value.into());
        self
    }

    /// Adds a capability, such as `NET_ADMIN`.
    pub fn with_capability(mut self, name: impl Into<String>) -> Self {
        self.spec.cap_add.push(name.into());
        self
    }

    /// Drops a capability; `ALL` for all of them.
    pub fn without_capability(mut self, name: impl Into<String>) -> Self {
        self.spec.cap_drop.push(name.into());
        self
    }

    /// Adds a security option, such as `no-new-privileges`.
    pub fn with_security_option(mut self, option: impl Into<String>) -> Self {
        self.spec.security_options.push(option.into());
        self
    }

    /// Runs with all capabilities and devices of the engine's machine.
    pub fn with_privileged(mut self) -> Self {
        self.spec.privileged = true;
        self
    }

    /// Runs a small init as process 1, which forwards signals and reaps children.
    pub fn with_init(mut self) -> Self {
        self.spec.init = true;
        self
    }

    /// Allocates a terminal: standard output and error become one stream.
    pub fn with_tty(mut self) -> Self {
        self.spec.tty = true;
        self
    }

    /// Makes the root file system read-only.
    pub fn with_read_only_root(mut self) -> Self {
        self.spec.read_only = true;
        self
    }

    /// Sets the restart policy for when the container ends. Default: no restart.
    pub fn with_restart_policy(mut self, policy: RestartPolicy) -> Self {
        self.spec.restart = policy;
        self
    }

    /// Sets the signal that stops the container. Default: the image's, else `SIGTERM`.
    pub fn with_stop_signal(mut self, signal: impl Into<String>) -> Self {
        self.spec.stop_signal = Some(signal.into());
        self
    }

    /// Sets how long a stop waits before it kills the container, in whole seconds, rounded up.
    /// Default: the engine's, 10 s. A drop kills at once.
    pub fn with_stop_timeout(mut self, grace: Duration) -> Self {
        self.spec.stop_timeout = Some(grace);
        self
    }

    /// Replaces the image's health check. The start waits for it, unless other waits are set.
    pub fn with_healthcheck(mut self, check: Healthcheck) -> Self {
        self.spec.healthcheck = Some(check);
        self
    }

    /// Sets the platform of the image, such as `linux/arm64`. Default: the engine's.
    pub fn with_platform(mut self, platform: impl IntoPlatform) -> Self {
        match platform.into_platform() {
            Ok(platform) => self.spec.platform = Some(platform),
            Err(error) => self.refuse(error),
        }
        self
    }
}
