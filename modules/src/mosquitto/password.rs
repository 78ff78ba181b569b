//! A line of Mosquitto's password file: `user:$7$iterations$salt$hash`.
//!
//! What `mosquitto_passwd` writes: PBKDF2 (RFC 8018) with HMAC (RFC 2104) by SHA-512, twelve bytes
//! of salt, 64 of hash.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha512};

/// As `mosquitto_passwd` has it. A test's passwords keep no secret.
const ITERATIONS: u32 = 101;
const SALT: usize = 12;
/// The block of SHA-512.
const BLOCK: usize = 128;

type Hash = [u8; 64];

/// The line of a user. The salt comes from the name: the same recipe has to make the same file.
pub(super) fn line(user: &str, password: &str) -> String {
    let salt = &hash(&[user.as_bytes()])[..SALT];
    let derived = pbkdf2(password.as_bytes(), salt, ITERATIONS);
    format!("{user}:$7${ITERATIONS}${}${}\n", STANDARD.encode(salt), STANDARD.encode(derived))
}

/// The first and only block.
fn pbkdf2(password: &[u8], salt: &[u8], iterations: u32) -> Hash {
    let mut last = hmac(password, &[salt, &1_u32.to_be_bytes()]);
    let mut derived = last;
    for _ in 1..iterations {
        last = hmac(password, &[&last]);
        derived.iter_mut().zip(last).for_each(|(derived, byte)| *derived ^= byte);
    }
    derived
}

fn hmac(key: &[u8], message: &[&[u8]]) -> Hash {
    let mut block = [0; BLOCK];
    let short = if key.len() > BLOCK { hash(&[key]).to_vec() } else { key.to_vec() };
    block.iter_mut().zip(short).for_each(|(place, byte)| *place = byte);
    let (inner, outer) = (block.map(|byte| byte ^ 0x36), block.map(|byte| byte ^ 0x5c));
    let inner = hash(&[&[&inner[..]], message].concat());
    hash(&[&outer, &inner])
}

fn hash(parts: &[&[u8]]) -> Hash {
    let mut sha = Sha512::new();
    parts.iter().for_each(|part| sha.update(part));
    sha.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn keys_are_hashed_as_rfc_4231_has_it() {
        let short = hmac(b"Jefe", &[b"what do ya want ", b"for nothing?"]);
        assert!(hex(&short).starts_with("164b7a7bfcf819e2e395fbe73b56e0a3"), "{}", hex(&short));
        let key = [0xaa; 131];
        let long = hmac(&key, &[b"Test Using Larger Than Block-Size Key - Hash Key First"]);
        assert!(hex(&long).starts_with("80b24263c7c1a3ebb71493c1dd7be8b4"), "{}", hex(&long));
    }

    /// By Python's `hashlib.pbkdf2_hmac`.
    #[test]
    fn passwords_are_derived_as_others_do() {
        assert!(
            hex(&pbkdf2(b"password", b"salt", 1)).starts_with("867f70cf1ade02cff3752599a3a53dc4")
        );
        assert!(
            hex(&pbkdf2(b"password", b"salt", 101)).starts_with("0899b1f8f12cd157a81fc4cc1f8f046f")
        );
    }

    #[test]
    fn a_line_is_the_same_each_time() {
        let line = line("ann", "sesame");
        assert!(line.starts_with("ann:$7$101$") && line.ends_with("==\n"), "{line}");
        assert_eq!(line, super::line("ann", "sesame"));
        assert_ne!(line, super::line("ann", "sesam"));
    }
}
