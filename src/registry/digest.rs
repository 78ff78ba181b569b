//! Digests of content (OCI Image Specification, "Digests"): computed and compared.

use sha2::{Digest, Sha256, Sha512};

/// Returns whether a digest can be checked: `sha256:` with 64 hex digits, or `sha512:` with 128.
pub(super) fn is_known(digest: &str) -> bool {
    let length = match digest.split_once(':') {
        Some(("sha256", _)) => 64,
        Some(("sha512", _)) => 128,
        _ => return false,
    };
    let hex = &digest["sha256:".len()..];
    hex.len() == length && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Returns the digest of content, by SHA-256.
pub(super) fn of(content: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(content)))
}

/// Returns the digest of content, by the algorithm of another digest.
pub(super) fn like(digest: &str, content: &[u8]) -> String {
    match digest.starts_with("sha512:") {
        true => format!("sha512:{}", hex::encode(Sha512::digest(content))),
        false => of(content),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values() {
        let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(of(b""), empty);
        assert_eq!(like(empty, b""), empty);
        let long = like("sha512:", b"");
        assert!(long.starts_with("sha512:cf83e1357eefb8bd"), "{long}");
        assert!(is_known(empty) && is_known(&long));
        for bad in ["", "sha256:", "sha256:../x", &empty[..70], &empty.to_uppercase(), "md5:00"] {
            assert!(!is_known(bad), "{bad}");
        }
    }
}
