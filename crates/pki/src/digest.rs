//! The digests that certificates and keys are known by.

use qm_core::Sha256;
use sha1::Sha1;
use sha2::Digest;

/// SHA-256 of a certificate's DER: how a connection finds its device.
pub fn fingerprint(certificate: &[u8]) -> Sha256 {
    sha256(certificate)
}

/// SHA-1 of a certificate's DER as 40 upper-case hexadecimal digits: how Windows names it.
pub fn thumbprint(certificate: &[u8]) -> String {
    hex::encode_upper(Sha1::digest(certificate))
}

/// SHA-256 of a SubjectPublicKeyInfo's DER: tells whether a key was certified before.
pub fn public_key_digest(public_key_info: &[u8]) -> Sha256 {
    sha256(public_key_info)
}

fn sha256(bytes: &[u8]) -> Sha256 {
    Sha256(sha2::Sha256::digest(bytes).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_match_the_published_vectors_for_abc() {
        assert_eq!(thumbprint(b"abc"), "A9993E364706816ABA3E25717850C26C9CD0D89D");
        let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(fingerprint(b"abc").to_string(), sha256);
        assert_eq!(public_key_digest(b"abc").to_string(), sha256);
    }
}
