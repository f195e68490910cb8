//! Digests as text: lower-case hex, alone or behind the name of the algorithm.

use crate::{Error, Result};

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// The bytes as lower-case hex.
pub fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

/// The 32 bytes of exactly 64 lower-case hex digits.
///
/// Fails with [`Error::Invalid`] on anything else: OCI image-spec 1.1, descriptor, "Digests",
/// allows no capitals, so one digest has one spelling and one file name.
pub fn decode(text: &str) -> Result<[u8; 32]> {
    let refuse = || Error::invalid(format!("{text:?} is not 64 lower-case hex digits"));
    if text.len() != 64 {
        return Err(refuse());
    }
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let high = nibble(pair[0]).ok_or_else(refuse)?;
        let low = nibble(pair[1]).ok_or_else(refuse)?;
        *byte = high << 4 | low;
    }
    Ok(bytes)
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

/// `sha256:<hex>`, as descriptors and recipes spell it.
pub fn sha256(digest: &[u8; 32]) -> String {
    format!("sha256:{}", encode(digest))
}

/// The digest `sha256:<hex>` stands for; [`Error::Invalid`] on any other text.
pub fn parse_sha256(text: &str) -> Result<[u8; 32]> {
    parse("sha256:", text)
}

/// `blake3:<hex>`, as contents are named.
pub fn blake3(digest: &[u8; 32]) -> String {
    format!("blake3:{}", encode(digest))
}

/// The digest `blake3:<hex>` stands for; [`Error::Invalid`] on any other text.
pub fn parse_blake3(text: &str) -> Result<[u8; 32]> {
    parse("blake3:", text)
}

/// `unverified:<hex>`: a name for bytes that nothing is known of.
pub fn unverified(name: &[u8; 32]) -> String {
    format!("unverified:{}", encode(name))
}

/// The name `unverified:<hex>` stands for; [`Error::Invalid`] on any other text.
pub fn parse_unverified(text: &str) -> Result<[u8; 32]> {
    parse("unverified:", text)
}

fn parse(prefix: &str, text: &str) -> Result<[u8; 32]> {
    let hex = text
        .strip_prefix(prefix)
        .ok_or_else(|| Error::invalid(format!("{text:?} is no {prefix}<hex> digest")))?;
    decode(hex)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_bytes_convert_both_ways() {
        let bytes: [u8; 32] = std::array::from_fn(|index| (index * 9) as u8);
        assert_eq!(decode(&encode(&bytes)).unwrap(), bytes);
        assert_eq!(parse_sha256(&sha256(&bytes)).unwrap(), bytes);
        assert_eq!(parse_blake3(&blake3(&bytes)).unwrap(), bytes);
        assert!(encode(&bytes).starts_with("0009121b"));
    }

    #[test]
    fn every_other_spelling_is_refused() {
        let good = "a".repeat(64);
        assert!(decode(&good).is_ok());
        for bad in [
            "",
            &good[1..],
            &format!("{good}a"),
            &"A".repeat(64),
            &"g".repeat(64),
            &"é".repeat(32),
            &format!("{}+", &good[1..]),
        ] {
            assert!(matches!(decode(bad), Err(Error::Invalid { .. })), "{bad}");
        }
        for bad in [
            good.clone(),
            format!("sha512:{good}"),
            format!("SHA256:{good}"),
        ] {
            assert!(parse_sha256(&bad).is_err(), "{bad}");
        }
    }
}
