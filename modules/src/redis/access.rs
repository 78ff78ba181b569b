//! [`Access`]: the credentials and certificate of a server.

use std::fmt::Display;
use std::net::SocketAddr;

use castoff::{Container, Result};

use super::PORT;
use super::resp::Session;
use crate::url::encode;

#[derive(Clone, Default)]
pub(super) struct Access {
    pub(super) password: Option<String>,
    pub(super) ca: Option<String>,
}

impl Access {
    /// Returns the URL for the user `default`.
    pub(super) fn url(&self, addr: impl Display) -> String {
        match &self.password {
            Some(password) => self.url_as("", password, addr),
            None => format!("{}://{addr}", self.scheme()),
        }
    }

    pub(super) fn url_as(&self, user: &str, password: &str, addr: impl Display) -> String {
        format!("{}://{}:{}@{addr}", self.scheme(), encode(user), encode(password))
    }

    /// Returns the scheme that is registered with the IANA and that all clients know.
    fn scheme(&self) -> &'static str {
        if self.ca.is_some() { "rediss" } else { "redis" }
    }

    /// Opens a connection of the user `default`.
    pub(super) async fn session(&self, container: &Container) -> Result<Session> {
        let addr: SocketAddr = container.addr(PORT)?;
        Session::open(addr, self.password.as_deref()).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_has_the_password_encoded_if_there_is_one() {
        let mut access = Access::default();
        assert_eq!(access.url("127.0.0.1:6379"), "redis://127.0.0.1:6379");
        access.password = Some("p@ss/1".into());
        assert_eq!(access.url("cache:6379"), "redis://:p%40ss%2F1@cache:6379");
        access.ca = Some(String::new());
        assert_eq!(access.url_as("ä", "b", "cache:6380"), "rediss://%C3%A4:b@cache:6380");
    }
}
