//! A Keycloak server: [`Keycloak`] describes one, [`KeycloakServer`] is a handle to a running one.
//!
//! **Not run in castoff's CI**, as its image is not available there: it is written from the image's
//! documentation. `cargo xtask test --registry` runs it if a registry is reachable.

use castoff::{Container, ContainerBuilder, Module, Result};

use crate::http::{Request, until_answer};
use crate::shape::{SLOW, Service, module, server};
use crate::url::encode;

/// The port that the server listens on in its container.
pub const PORT: u16 = 8080;

/// A description of a Keycloak server in development mode. Nothing happens before
/// [`start`](Self::start).
///
/// By default: image `quay.io/keycloak/keycloak:26.0`; administrator and password `admin`; its
/// database in the container. It is ready when the realm `master` responds.
#[must_use = "nothing is started before `start()`"]
pub struct Keycloak {
    container: ContainerBuilder,
    user: String,
    password: String,
    realms: Vec<Vec<u8>>,
}

impl Keycloak {
    /// Describes a server with all defaults.
    pub fn new() -> Self {
        Keycloak {
            container: Container::builder("quay.io/keycloak/keycloak:26.0")
                .with_port(PORT)
                .with_startup_timeout(SLOW),
            user: "admin".into(),
            password: "admin".into(),
            realms: Vec::new(),
        }
    }

    /// Sets the administrator's name.
    pub fn with_user(mut self, user: impl Into<String>) -> Self {
        self.user = user.into();
        self
    }

    /// Sets the administrator's password.
    pub fn with_password(mut self, password: impl Into<String>) -> Self {
        self.password = password.into();
        self
    }

    /// Adds a realm to import at the start, in Keycloak's own JSON. May be called several times.
    pub fn with_realm(mut self, json: impl Into<Vec<u8>>) -> Self {
        self.realms.push(json.into());
        self
    }

    /// Sets an environment variable of the image: `KC_FEATURES`.
    pub fn with_config(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.container = self.container.with_env(key, value);
        self
    }
}

module!(Keycloak => KeycloakServer, "quay.io/keycloak/keycloak");

impl Module for Keycloak {
    type Server = KeycloakServer;

    fn builder_mut(&mut self) -> &mut ContainerBuilder {
        &mut self.container
    }

    fn configure(&self, container: ContainerBuilder) -> Result<ContainerBuilder> {
        let mut container = container;
        for (number, realm) in self.realms.iter().enumerate() {
            let target = format!("/opt/keycloak/data/import/castoff-{number}.json");
            container = container.with_copy(realm.as_slice(), target);
        }
        if container.spec().command.is_none() {
            container = container.with_command(["start-dev", "--import-realm"]);
        }
        let realm = Request::new("GET", "/realms/master");
        Ok(container
            .with_env("KC_BOOTSTRAP_ADMIN_USERNAME", &self.user)
            .with_env("KC_BOOTSTRAP_ADMIN_PASSWORD", &self.password)
            .with_wait(until_answer("Keycloak's realm `master`", PORT, realm, |a| a.status == 200)))
    }

    async fn into_server(self, container: Container) -> Result<KeycloakServer> {
        Ok(KeycloakServer {
            service: Service::new(container, PORT)?,
            user: self.user,
            password: self.password,
        })
    }
}

/// A Keycloak server, removed with its data when this handle is dropped.
#[must_use = "the server is removed when its handle is dropped"]
pub struct KeycloakServer {
    service: Service,
    user: String,
    password: String,
}

server!(KeycloakServer);

impl KeycloakServer {
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

    /// Returns the URL of a realm, which is the issuer of its tokens for clients on this machine.
    #[must_use]
    pub fn realm_url(&self, realm: &str) -> String {
        format!("{}/realms/{}", self.url(), encode(realm))
    }

    /// Returns the administrator's name.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Returns the administrator's password.
    #[must_use]
    pub fn password(&self) -> &str {
        &self.password
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::json_of;

    #[test]
    fn keycloak_is_as_its_image_has_it() {
        insta::assert_snapshot!(json_of(Keycloak::new().with_realm("{}")));
    }
}
