//! A HashiCorp Vault server: [`Vault`] describes one, [`VaultServer`] is a handle to a running one.
//!
//! **Not run in castoff's CI**, as its image is not available there: it is written from the image's
//! documentation. `cargo xtask test --registry` runs it if a registry is reachable.

use castoff::{Container, ContainerBuilder, Module, Result};

use crate::http::{Request, until_answer};
use crate::shape::{Service, module, server};

/// The port that the server listens on in its container.
pub const PORT: u16 = 8200;

/// A description of a Vault server in development mode. Nothing happens before
/// [`start`](Self::start).
///
/// By default: image `hashicorp/vault:1.18`; unsealed, with the root token `castoff`, a key-value
/// store at `secret/`, and all data in memory. It is ready when it is unsealed.
#[must_use = "nothing is started before `start()`"]
pub struct Vault {
    container: ContainerBuilder,
    token: String,
}

impl Vault {
    /// Describes a server with all defaults.
    pub fn new() -> Self {
        Vault {
            container: Container::builder("hashicorp/vault:1.18").with_port(PORT),
            token: "castoff".into(),
        }
    }

    /// Sets the root token. Default: `castoff`.
    pub fn with_token(mut self, token: impl Into<String>) -> Self {
        self.token = token.into();
        self
    }

    /// Sets an environment variable of the image: `VAULT_LOG_LEVEL`.
    pub fn with_config(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.container = self.container.with_env(key, value);
        self
    }
}

module!(Vault => VaultServer, "hashicorp/vault");

impl Module for Vault {
    type Server = VaultServer;

    fn builder_mut(&mut self) -> &mut ContainerBuilder {
        &mut self.container
    }

    fn configure(&self, container: ContainerBuilder) -> Result<ContainerBuilder> {
        let mut container = container;
        if container.spec().command.is_none() {
            container = container.with_command(["server", "-dev"]);
        }
        let health = Request::new("GET", "/v1/sys/health");
        Ok(container
            .with_capability("IPC_LOCK")
            .with_env("VAULT_DEV_ROOT_TOKEN_ID", &self.token)
            .with_env("VAULT_DEV_LISTEN_ADDRESS", format!("0.0.0.0:{PORT}"))
            .with_wait(until_answer("Vault to be unsealed", PORT, health, |a| a.status == 200)))
    }

    async fn into_server(self, container: Container) -> Result<VaultServer> {
        Ok(VaultServer { service: Service::new(container, PORT)?, token: self.token })
    }
}

/// A Vault server, removed with its data when this handle is dropped.
#[must_use = "the server is removed when its handle is dropped"]
pub struct VaultServer {
    service: Service,
    token: String,
}

server!(VaultServer);

impl VaultServer {
    /// Returns the URL for a client on this machine: `http://127.0.0.1:49153`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.addr())
    }

    /// Returns the URL for a client in a network that the server is in.
    #[must_use]
    pub fn network_url(&self) -> String {
        format!("http://{}", self.network_addr())
    }

    /// Returns the root token.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Writes to a path of Vault's API with the root token: a secret, as `{"data":{..}}` to
    /// `secret/data/name`, a policy, an auth method.
    ///
    /// # Errors
    /// Fails if Vault refuses, or can't be reached.
    ///
    /// # Cancel safety
    /// It may be written even if the future is dropped.
    pub async fn write(&self, path: &str, json: impl AsRef<str>) -> Result<()> {
        let request = Request::new("POST", format!("/v1/{}", path.trim_start_matches('/')));
        let request = request.with_header("X-Vault-Token", &self.token);
        request.with_json(json.as_ref()).send_ok(self.addr()).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::json_of;

    #[test]
    fn vault_is_as_its_image_has_it() {
        insta::assert_snapshot!(json_of(Vault::new().with_token("sesame")));
    }
}
