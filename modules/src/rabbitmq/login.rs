//! [`Login`]: the data that a client of a RabbitMQ broker needs, besides the address.

use std::fmt::Display;

use crate::http::Request;
use crate::url::encode;

/// The data that a client needs, besides the address.
#[derive(Clone)]
pub(super) struct Login {
    pub(super) user: String,
    pub(super) password: String,
    pub(super) vhost: String,
}

impl Login {
    /// Returns the URL of a virtual host on the server at an address.
    pub(super) fn url(&self, addr: impl Display, vhost: &str) -> String {
        let (user, password) = (encode(&self.user), encode(&self.password));
        format!("amqp://{user}:{password}@{addr}/{}", encode(vhost))
    }

    /// Returns a request to the management interface.
    pub(super) fn request(&self, method: &'static str, path: &str) -> Request {
        Request::new(method, format!("/api/{path}")).with_basic_auth(&self.user, &self.password)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_a_url_is_encoded() {
        let login = Login { user: "a@b".into(), password: "p/w:d".into(), vhost: "/".into() };
        assert_eq!(login.url("127.0.0.1:5672", "/"), "amqp://a%40b:p%2Fw%3Ad@127.0.0.1:5672/%2F");
    }
}
