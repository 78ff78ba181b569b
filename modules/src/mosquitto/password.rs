//! A line of Mosquitto's password file: `user:$7$iterations$salt$hash`.
//!
//! The format is that of `mosquitto_passwd`: PBKDF2 (RFC 8018) with HMAC (RFC 2104) by SHA-512,
//! twelve bytes of salt, 64 of hash.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pbkdf2::pbkdf2_hmac_array;
use sha2::{Digest, Sha512};

/// The number of `mosquitto_passwd`. A test's passwords protect no secrets.
const ITERATIONS: u32 = 101;
const SALT: usize = 12;
const HASH: usize = 64;

/// The line of a user. The salt comes from the name: the same module has to make the same file.
pub(super) fn line(user: &str, password: &str) -> String {
    let salt = &Sha512::digest(user)[..SALT];
    let hash = pbkdf2_hmac_array::<Sha512, HASH>(password.as_bytes(), salt, ITERATIONS);
    format!("{user}:$7${ITERATIONS}${}${}\n", STANDARD.encode(salt), STANDARD.encode(hash))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed by Python's `hashlib.pbkdf2_hmac`, also with a password longer than SHA-512's
    /// block.
    #[test]
    fn a_line_is_the_one_that_others_make() {
        let known = concat!(
            "ann:$7$101$zENi7mKGrQ+8t4Ju$",
            "2mFL18cRmPUOmXjSV42j+bdQqrgJm3bqohS8A23QKkpd",
            "XdbCTLvH0hsZZ4rAC6SvOCxubxIMdcMoGcG9Nrj9dQ==\n",
        );
        assert_eq!(line("ann", "sesame"), known);
        let known = concat!(
            "bob:$7$101$BBaia6VUM0KGsZVJ$",
            "i6KpmpOGDSkdDOPwaz4epWyBap0Q7ZNxuj1G67lzXUWX",
            "DMCKRYSE82Q56w6izm1ARGZLoNueLM4GtTXYDteX0Q==\n",
        );
        assert_eq!(line("bob", &"x".repeat(131)), known);
    }

    #[test]
    fn a_line_is_the_same_each_time() {
        let line = line("ann", "sesame");
        assert_eq!(line, super::line("ann", "sesame"));
        assert_ne!(line, super::line("ann", "sesam"));
    }
}
