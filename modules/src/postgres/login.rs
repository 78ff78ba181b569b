//! [`Login`]: the data that a client of a PostgreSQL server needs, besides the address.

use std::fmt::Display;

use crate::url::encode;

/// The data that a client needs, besides the address.
#[derive(Clone)]
pub(super) struct Login {
    pub(super) user: String,
    pub(super) password: String,
    pub(super) database: String,
}

impl Login {
    /// Returns the URL of a database on the server at an address.
    pub(super) fn url(&self, addr: impl Display, database: &str) -> String {
        let (user, password) = (encode(&self.user), encode(&self.password));
        format!("postgres://{user}:{password}@{addr}/{}", encode(database))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_a_url_is_encoded() {
        let login = |user: &str, password: &str| Login {
            user: user.into(),
            password: password.into(),
            database: String::new(),
        };
        assert_eq!(
            login("a@b", "p/w:d").url("127.0.0.1:5432", "my db"),
            "postgres://a%40b:p%2Fw%3Ad@127.0.0.1:5432/my%20db"
        );
        assert_eq!(login("u", "p").url("[::1]:5432", "d"), "postgres://u:p@[::1]:5432/d");
    }
}
