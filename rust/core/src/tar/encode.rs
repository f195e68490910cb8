//! Encodes tar headers to the byte as Go's `archive/tar` does with kit's fields.
//!
//! Times zero, uid 1000, gid 0, no names of users. USTAR (POSIX.1-1988) where every value
//! fits, PAX (POSIX.1-2001) where one does not: the same choice in the same order, because
//! layer digests must be the ones every other ModelKit tool computes.

use crate::{Error, Result};

/// The unit of a tar: headers and padded bodies are whole blocks.
pub const BLOCK: usize = 512;
/// Two zero blocks end a tar.
pub const TRAILER: [u8; 2 * BLOCK] = [0; 2 * BLOCK];

const NAME: usize = 100;
const PREFIX: usize = 155;
/// Sizes from here on need PAX: eleven octal digits are full.
const OCTAL_LIMIT: u64 = 1 << 33;
const UID: u64 = 1000;

/// What a member is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file of this many bytes.
    File(u64),
    /// A directory.
    Directory,
}

/// The bytes before a member's body: its header, with the PAX records it needs in front.
///
/// `name` is relative with `/` between its parts. kit writes directories without a `/` at
/// the end, so one that is there is left out. `mode` keeps permissions, setuid, setgid and sticky.
/// Fails with `Invalid` for a name no tar can hold.
pub fn header(name: &[u8], kind: Kind, mode: u32) -> Result<Vec<u8>> {
    let name = match kind {
        Kind::Directory => name.strip_suffix(b"/").unwrap_or(name),
        Kind::File(_) => name,
    };
    check_name(name)?;
    let size = match kind {
        Kind::File(size) => size,
        Kind::Directory => 0,
    };
    let flag = if kind == Kind::Directory { b'5' } else { b'0' };
    let long = name.len() > NAME || !name.is_ascii();
    let split = split_ustar(name);
    if size < OCTAL_LIMIT && (!long || split.is_some()) {
        let (prefix, suffix) = split.unwrap_or((b"", name));
        return Ok(member_block(suffix, prefix, flag, mode, size).to_vec());
    }
    let mut bytes = Vec::with_capacity(4 * BLOCK);
    pax_records(&mut bytes, name, long, size);
    let ascii = to_ascii(name);
    bytes.extend(member_block(&ascii, b"", flag, mode, size));
    Ok(bytes)
}

/// Bytes of zeros behind a body of `size` bytes.
pub fn padding(size: u64) -> usize {
    const UNIT: u64 = BLOCK as u64;
    ((UNIT - size % UNIT) % UNIT) as usize
}

fn check_name(name: &[u8]) -> Result<()> {
    let printed = || String::from_utf8_lossy(name).into_owned();
    if name.is_empty() {
        return Err(Error::invalid("a member of a tar needs a name"));
    }
    if name.contains(&0) {
        return Err(Error::invalid(format!("{:?} holds a NUL", printed())));
    }
    if name.ends_with(b"/") {
        return Err(Error::invalid(format!("{:?} ends in a slash", printed())));
    }
    Ok(())
}

/// Prefix and suffix of a long ASCII name, as USTAR can hold them.
fn split_ustar(name: &[u8]) -> Option<(&[u8], &[u8])> {
    if name.len() <= NAME || !name.is_ascii() {
        return None;
    }
    let reach = name.len().min(PREFIX + 1);
    let slash = name[..reach].iter().rposition(|byte| *byte == b'/')?;
    let suffix = &name[slash + 1..];
    let fits = slash > 0 && slash <= PREFIX && !suffix.is_empty() && suffix.len() <= NAME;
    fits.then(|| (&name[..slash], suffix))
}

/// The extended header: a small file of its own with the values USTAR cannot hold.
fn pax_records(out: &mut Vec<u8>, name: &[u8], long: bool, size: u64) {
    let mut records = Vec::new();
    if long {
        pax_record(&mut records, "path", name);
    }
    if size >= OCTAL_LIMIT {
        pax_record(&mut records, "size", size.to_string().as_bytes());
    }
    out.extend(pax_block(name, records.len() as u64));
    out.extend(&records);
    out.resize(out.len() + padding(records.len() as u64), 0);
}

/// `LENGTH KEY=VALUE\n`, where LENGTH counts its own digits too.
fn pax_record(out: &mut Vec<u8>, key: &str, value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + rest.to_string().len();
    length = rest + length.to_string().len();
    out.extend(format!("{length} {key}=").as_bytes());
    out.extend(value);
    out.push(b'\n');
}

fn pax_block(name: &[u8], size: u64) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    let slash = name.iter().rposition(|byte| *byte == b'/');
    let (folder, file) = slash.map_or((&b""[..], name), |at| (&name[..at], &name[at + 1..]));
    let parts = [folder, b"PaxHeaders.0", file];
    let parts: Vec<&[u8]> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    let mut path = to_ascii(&parts.join(&b'/'));
    path.truncate(NAME);
    while path.ends_with(b"/") {
        path.pop();
    }
    put_text(&mut block[..NAME], &path);
    put_octal(&mut block[100..108], 0);
    put_octal(&mut block[108..116], 0);
    put_octal(&mut block[116..124], 0);
    put_octal(&mut block[124..136], size);
    put_octal(&mut block[136..148], 0);
    block[156] = b'x';
    seal(block)
}

fn member_block(name: &[u8], prefix: &[u8], flag: u8, mode: u32, size: u64) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    put_text(&mut block[..NAME], name);
    put_octal(&mut block[100..108], u64::from(mode & 0o7777));
    put_octal(&mut block[108..116], UID);
    put_octal(&mut block[116..124], 0);
    put_octal(
        &mut block[124..136],
        if size < OCTAL_LIMIT { size } else { 0 },
    );
    put_octal(&mut block[136..148], 0);
    block[156] = flag;
    put_octal(&mut block[329..337], 0);
    put_octal(&mut block[337..345], 0);
    put_text(&mut block[345..500], prefix);
    seal(block)
}

/// Sets the magic, the version and the checksum.
fn seal(mut block: [u8; BLOCK]) -> [u8; BLOCK] {
    block[257..265].copy_from_slice(b"ustar\x0000");
    block[148..156].fill(b' ');
    let sum = block.iter().map(|byte| u64::from(*byte)).sum();
    put_octal(&mut block[148..155], sum);
    block
}

/// Copies as much as fits; a name cut behind a slash loses the slash, lest a reader takes
/// the file for a directory.
fn put_text(field: &mut [u8], text: &[u8]) {
    let length = text.len().min(field.len());
    field[..length].copy_from_slice(&text[..length]);
    if text.len() > field.len() && field.ends_with(b"/") {
        let kept = field.iter().rposition(|byte| *byte != b'/');
        field[kept.map_or(0, |last| last + 1)] = 0;
    }
}

/// Octal digits with leading zeros and a NUL behind them.
fn put_octal(field: &mut [u8], value: u64) {
    let width = field.len() - 1;
    let digits = format!("{value:0width$o}");
    field[..width].copy_from_slice(digits.as_bytes());
    field[width] = 0;
}

fn to_ascii(text: &[u8]) -> Vec<u8> {
    text.iter().copied().filter(u8::is_ascii).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8]) -> String {
        let end = bytes.iter().position(|byte| *byte == 0);
        String::from_utf8_lossy(&bytes[..end.unwrap_or(bytes.len())]).into_owned()
    }

    #[test]
    fn short_names_take_one_block() {
        let bytes = header(b"c/s", Kind::File(4), 0o4755).unwrap();
        assert_eq!(bytes.len(), BLOCK);
        assert_eq!(text(&bytes[100..108]), "0004755");
        assert_eq!(text(&bytes[108..116]), "0001750");
        assert_eq!(text(&bytes[124..136]), "00000000004");
        assert_eq!(bytes[156], b'0');
        assert_eq!(bytes[155], b' ');
    }

    #[test]
    fn directories_have_no_slash_at_the_end() {
        let bytes = header(b"src/", Kind::Directory, 0o755).unwrap();
        assert_eq!(text(&bytes[..100]), "src");
        assert_eq!(bytes[156], b'5');
        assert_eq!(bytes, header(b"src", Kind::Directory, 0o755).unwrap());
    }

    #[test]
    fn sizes_over_8_gib_need_pax() {
        let below = header(b"w", Kind::File(OCTAL_LIMIT - 1), 0o644).unwrap();
        assert_eq!(below.len(), BLOCK);
        let bytes = header(b"d/w", Kind::File(OCTAL_LIMIT), 0o644).unwrap();
        assert_eq!(bytes.len(), 3 * BLOCK);
        assert_eq!(text(&bytes[..100]), "d/PaxHeaders.0/w");
        assert_eq!(text(&bytes[BLOCK..]), "19 size=8589934592\n");
        assert_eq!(text(&bytes[2 * BLOCK + 124..][..12]), "00000000000");
        assert_eq!(text(&bytes[2 * BLOCK..][..100]), "d/w");
    }

    #[test]
    fn a_split_name_of_a_big_file_is_still_recorded() {
        let name = [&[b'a'; 60][..], b"/", &[b'b'; 60]].concat();
        assert_eq!(header(&name, Kind::File(1), 0o644).unwrap().len(), BLOCK);
        let bytes = header(&name, Kind::File(OCTAL_LIMIT), 0o644).unwrap();
        assert!(text(&bytes[BLOCK..]).starts_with("131 path=aaa"));
        assert!(text(&bytes[BLOCK..]).ends_with("19 size=8589934592\n"));
    }

    #[test]
    fn record_lengths_count_their_own_digits() {
        for length in [80, 88, 89, 90, 91, 92, 988, 989, 990, 991, 992] {
            let mut record = Vec::new();
            pax_record(&mut record, "path", &vec![b'x'; length]);
            let said: usize = text(&record).split(' ').next().unwrap().parse().unwrap();
            assert_eq!(said, record.len());
        }
    }

    #[test]
    fn names_no_tar_can_hold_are_refused() {
        for (name, kind) in [
            (&b""[..], Kind::File(0)),
            (b"", Kind::Directory),
            (b"a\0b", Kind::File(0)),
            (b"/", Kind::Directory),
            (b"a/", Kind::File(0)),
            (b"a//", Kind::Directory),
        ] {
            assert!(matches!(header(name, kind, 0), Err(Error::Invalid { .. })));
        }
    }
}
