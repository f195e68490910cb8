//! Decodes one tar header block: USTAR, GNU and old headers; hostile until checked.
//!
//! Follows POSIX.1-2024 `pax` (ustar interchange format) and what Go's `archive/tar` reads.

use crate::{Error, Result};

/// Tar files are made of blocks of this many bytes.
pub const BLOCK: u64 = 512;

/// What a header announces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// GNU: the body is the next member's name.
    LongName,
    /// GNU: the body is the next member's link target.
    LongLink,
    /// PAX: the body holds records for the next member.
    Pax,
    /// PAX: the body holds records for all members that follow.
    PaxGlobal,
    /// Anything else: links, devices, sparse files; never unpacked.
    Other(u8),
}

impl Kind {
    /// Whether the body belongs to the next header and is no member of its own.
    pub fn is_metadata(self) -> bool {
        matches!(
            self,
            Self::LongName | Self::LongLink | Self::Pax | Self::PaxGlobal
        )
    }
}

/// One decoded header block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The name as it stands, prefix joined; not checked for safety.
    pub name: Vec<u8>,
    /// Bytes of the body that follows.
    pub size: u64,
    /// Permission bits, setuid, setgid and sticky included.
    pub mode: u32,
    /// What the header announces.
    pub kind: Kind,
}

/// Decodes `block`; `None` is a block of zeros, which ends the tar.
///
/// # Errors
/// [`Error::Corrupt`] where the checksum or a number is wrong.
pub fn decode(block: &[u8; BLOCK as usize]) -> Result<Option<Header>> {
    if block.iter().all(|&byte| byte == 0) {
        return Ok(None);
    }
    check_sum(block)?;
    let name = join_prefix(block);
    let mode = number(&block[100..108], "mode")?;
    let size = number(&block[124..136], "size")?;
    let kind = match kind(block[156]) {
        Kind::File if name.ends_with(b"/") => Kind::Directory,
        kind => kind,
    };
    Ok(Some(Header {
        size: if has_body(kind) { size } else { 0 },
        mode: (mode & 0o7777) as u32,
        name,
        kind,
    }))
}

fn kind(flag: u8) -> Kind {
    match flag {
        b'0' | b'\0' | b'7' => Kind::File,
        b'5' => Kind::Directory,
        b'L' => Kind::LongName,
        b'K' => Kind::LongLink,
        b'x' => Kind::Pax,
        b'g' => Kind::PaxGlobal,
        other => Kind::Other(other),
    }
}

/// Links, devices, directories and pipes have no body whatever their size field says.
fn has_body(kind: Kind) -> bool {
    !matches!(kind, Kind::Directory | Kind::Other(b'1'..=b'6'))
}

/// The header's sum with its own field taken as blanks; old writers summed signed bytes.
fn check_sum(block: &[u8; 512]) -> Result<()> {
    let stated = number(&block[148..156], "checksum")?;
    let (mut unsigned, mut signed) = (0u64, 0i64);
    for (at, &byte) in block.iter().enumerate() {
        let byte = if (148..156).contains(&at) { b' ' } else { byte };
        unsigned += u64::from(byte);
        signed += i64::from(byte.cast_signed());
    }
    if stated == unsigned || i64::try_from(stated) == Ok(signed) {
        return Ok(());
    }
    Err(Error::corrupt("tar header", "its checksum does not match"))
}

fn join_prefix(block: &[u8; 512]) -> Vec<u8> {
    let name = until_nul(&block[..100]);
    let prefix = match (&block[257..263], &block[508..512]) {
        (b"ustar\0", b"tar\0") => until_nul(&block[345..476]),
        (b"ustar\0", _) => until_nul(&block[345..500]),
        _ => b"",
    };
    if prefix.is_empty() {
        return name.to_vec();
    }
    [prefix, name].join(&b'/')
}

fn until_nul(field: &[u8]) -> &[u8] {
    let end = field.iter().position(|&b| b == 0).unwrap_or(field.len());
    &field[..end]
}

/// A number in octal digits, or in base 256 when its first bit is set.
fn number(field: &[u8], what: &str) -> Result<u64> {
    let value = if field[0] & 0x80 != 0 {
        base256(field)
    } else {
        octal(field)
    };
    value
        .filter(|&value| i64::try_from(value).is_ok())
        .ok_or_else(|| Error::corrupt("tar header", format!("its {what} is no usable number")))
}

/// Negative numbers (first byte 0xff) have no meaning here and are refused.
fn base256(field: &[u8]) -> Option<u64> {
    if field[0] & 0x40 != 0 {
        return None;
    }
    let first = u64::from(field[0] & 0x3f);
    field[1..].iter().try_fold(first, |value, &byte| {
        Some(value.checked_mul(256)? | u64::from(byte))
    })
}

fn octal(field: &[u8]) -> Option<u64> {
    let blank = |&byte: &u8| byte == b' ' || byte == 0;
    let start = field.iter().position(|b| !blank(b)).unwrap_or(field.len());
    let rest = &field[start..];
    let end = rest.iter().position(blank).unwrap_or(rest.len());
    if !rest[end..].iter().all(blank) {
        return None;
    }
    rest[..end].iter().try_fold(0u64, |value, &digit| {
        matches!(digit, b'0'..=b'7').then(|| value * 8 + u64::from(digit - b'0'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        assert_eq!(octal(b"0000644\0"), Some(0o644));
        assert_eq!(octal(b"   644 \0"), Some(0o644));
        assert_eq!(octal(b"\0\0\0\0"), Some(0));
        assert_eq!(octal(b"-0000644"), None);
        assert_eq!(octal(b"12 34\0"), None);
        assert_eq!(octal(b"00089\0"), None);
        let big = b"\x80\0\0\0\0\0\0\x02\0\0\0\0";
        assert_eq!(number(big, "size").unwrap(), 2 << 32);
        assert!(number(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", "size").is_err());
        assert!(number(b"\x80\x01\0\0\0\0\0\0\0\0\0\0", "size").is_err());
        assert!(number(b"\x80\0\0\0\x80\0\0\0\0\0\0\0", "size").is_err());
    }

    #[test]
    fn a_flipped_bit_is_seen() {
        let mut block = [0u8; 512];
        block[..3].copy_from_slice(b"abc");
        block[124..135].copy_from_slice(b"00000000017");
        block[156] = b'0';
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|&b| u32::from(b)).sum();
        block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        let header = decode(&block).unwrap().unwrap();
        assert_eq!((header.name.as_slice(), header.size), (&b"abc"[..], 15));
        block[1] ^= 4;
        assert!(decode(&block).is_err());
        assert_eq!(decode(&[0; 512]).unwrap(), None);
    }
}
