//! [`Access`]: the parts of a server's URL that all its clients share.

use std::fmt::Display;

use super::session::Login;
use crate::url::encode;

/// The parts of a server's URL that all clients share.
#[derive(Clone)]
pub(super) struct Access {
    pub(super) ca: Option<String>,
}

impl Access {
    pub(super) fn url(&self, login: &Login, addr: impl Display) -> String {
        let scheme = if self.ca.is_some() { "tls" } else { "nats" };
        match login {
            Login::Nobody => format!("{scheme}://{addr}"),
            Login::Token(token) => format!("{scheme}://{}@{addr}", encode(token)),
            Login::User(name, password) => {
                format!("{scheme}://{}:{}@{addr}", encode(name), encode(password))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_has_the_credentials_encoded_if_there_are_some() {
        let mut access = Access { ca: None };
        assert_eq!(access.url(&Login::Nobody, "127.0.0.1:4222"), "nats://127.0.0.1:4222");
        assert_eq!(access.url(&Login::Token("a b".into()), "q:4222"), "nats://a%20b@q:4222");
        access.ca = Some(String::new());
        let user = Login::User("a".into(), "p@ss/1".into());
        assert_eq!(access.url(&user, "q:4222"), "tls://a:p%40ss%2F1@q:4222");
    }
}
