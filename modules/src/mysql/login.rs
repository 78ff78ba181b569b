//! [`Login`]: the data that a client of a MySQL or MariaDB server needs, besides the address.

use std::fmt::Display;

use crate::url::encode;

/// The data that a client needs, besides the address.
#[derive(Clone)]
pub(super) struct Login {
    pub(super) user: String,
    pub(super) password: String,
    pub(super) root: String,
    pub(super) database: String,
}

impl Login {
    /// Returns the URL of a database on the server at an address.
    pub(super) fn url(&self, addr: impl Display, database: &str) -> String {
        let (user, password) = (encode(&self.user), encode(&self.password));
        format!("mysql://{user}:{password}@{addr}/{}", encode(database))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_a_url_is_encoded() {
        let text = |text: &str| text.to_owned();
        let login = Login {
            user: text("a@b"),
            password: text("p/w:d"),
            root: text("r"),
            database: text(""),
        };
        assert_eq!(
            login.url("127.0.0.1:3306", "my db"),
            "mysql://a%40b:p%2Fw%3Ad@127.0.0.1:3306/my%20db"
        );
    }
}
