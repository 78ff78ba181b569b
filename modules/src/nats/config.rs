//! [`Options`], and the configuration file made from them.
//!
//! NATS documentation, "Server Configuration". The file is UTF-8, and double quotes may contain
//! characters escaped by a backslash.

use castoff::{Error, ErrorKind, Result};

use super::{MONITORING_PORT, PORT};

/// The directory of JetStream's data.
pub(super) const DATA: &str = "/data";
/// The account of clients outside of the pool.
pub(super) const MAIN: &str = "MAIN";
/// The user of clients without credentials, where they are allowed.
const ANYBODY: &str = "castoff-anybody";
/// The user of this module's own requests, in the system account.
pub(super) const SYSTEM: &str = "castoff-system";

pub(super) struct Options {
    pub(super) users: Vec<(String, String)>,
    pub(super) token: Option<String>,
    pub(super) accounts: u32,
    pub(super) jetstream: bool,
    pub(super) durable: bool,
    pub(super) monitoring: bool,
    pub(super) config: Vec<String>,
    #[cfg(feature = "tls")]
    pub(super) tls: Option<Vec<String>>,
}

impl Options {
    pub(super) fn check(&self) -> Result<()> {
        let refused = |what: String| Err(Error::new(ErrorKind::InvalidInput, what));
        if self.token.is_some() && !self.users.is_empty() {
            return refused("token: the server can't have users as well".into());
        }
        for (name, password) in &self.users {
            if name.is_empty() || name.starts_with("castoff-") {
                return refused(format!("user: {name:?} is empty or one of this module's own"));
            }
            if self.users.iter().filter(|(other, _)| other == name).count() > 1 {
                return refused(format!("user: {name:?} is there twice"));
            }
            check_secret("password", password)?;
        }
        self.token.iter().try_for_each(|token| check_secret("token", token))
    }

    /// Returns the number of accounts for tests.
    pub(super) fn pool(&self) -> u32 {
        // A server with a token has no users, and so no accounts.
        if self.token.is_some() { 0 } else { self.accounts }
    }

    /// Returns the configuration file. The last value of a name counts, so the user's text comes
    /// last.
    pub(super) fn file(&self) -> String {
        let mut text = format!("port: {PORT}\n");
        // A connection that only keeps an account does not answer pings. TCP detects dead ones.
        text.push_str("ping_interval: \"24h\"\n");
        if self.jetstream {
            text.push_str(&format!("jetstream {{ store_dir: {} }}\n", quoted(DATA)));
        }
        if self.monitoring {
            text.push_str(&format!("http_port: {MONITORING_PORT}\n"));
        }
        #[cfg(feature = "tls")]
        if self.tls.is_some() {
            let file = |name: &str| quoted(&format!("{}/{name}", crate::tls::DIRECTORY));
            let (certificate, key) = (file("server.crt"), file("server.key"));
            text.push_str(&format!("tls {{ cert_file: {certificate}, key_file: {key} }}\n"));
            // This module's own requests do not use TLS.
            text.push_str("allow_non_tls: true\n");
        }
        match &self.token {
            Some(token) => {
                text.push_str(&format!("authorization {{ token: {} }}\n", quoted(token)));
            }
            None => self.write_accounts(&mut text),
        }
        for more in &self.config {
            text.push_str(more);
            text.push('\n');
        }
        text
    }

    fn write_accounts(&self, text: &mut String) {
        let user = |name: &str, password: &str| {
            format!("{{ user: {}, password: {} }}", quoted(name), quoted(password))
        };
        let jetstream = if self.jetstream { "jetstream: enabled, " } else { "" };
        let mut users: Vec<String> =
            self.users.iter().map(|(name, password)| user(name, password)).collect();
        if users.is_empty() {
            users.push(user(ANYBODY, ANYBODY));
            text.push_str(&format!("no_auth_user: {ANYBODY}\n"));
        }
        text.push_str("system_account: SYS\naccounts {\n");
        text.push_str(&format!("  SYS {{ users: [{}] }}\n", user(SYSTEM, SYSTEM)));
        text.push_str(&format!("  {MAIN} {{ {jetstream}users: [{}] }}\n", users.join(", ")));
        for number in 1..=self.pool() {
            let (account, name) = (pooled_account(number), pooled_user(number));
            let user = user(&name, &name);
            text.push_str(&format!("  {account} {{ {jetstream}users: [{user}] }}\n"));
        }
        text.push_str("}\n");
    }
}

/// Returns the name of an account of the pool.
pub(super) fn pooled_account(number: u32) -> String {
    format!("CASTOFF_{number}")
}

/// Returns the name of that account's only user, which is also the password.
pub(super) fn pooled_user(number: u32) -> String {
    format!("castoff-{number}")
}

fn check_secret(what: &str, secret: &str) -> Result<()> {
    let why = if secret.is_empty() {
        "is empty"
    } else if secret.contains('\0') {
        "has a NUL in it"
    } else if secret.starts_with("$2") {
        // The server takes `$2a$..` for a bcrypt hash of a password.
        "begins as a hash of bcrypt does"
    } else {
        return Ok(());
    };
    Err(Error::new(ErrorKind::InvalidInput, format!("{what}: {why}")))
}

fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\0'..='\x1f' | '\x7f' => quoted.push_str(&format!("\\x{:02x}", u32::from(c))),
            _ => quoted.push(c),
        }
    }
    quoted + "\""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_quoted_arrives() {
        assert_eq!(quoted("a \"b\" \\ $c\r\nü"), "\"a \\\"b\\\" \\\\ $c\\x0d\\x0aü\"");
    }
}
