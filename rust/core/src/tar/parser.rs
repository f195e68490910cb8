//! Joins the headers that describe one member: PAX records, long names, the header.

use super::decode::{BLOCK, Header, Kind, decode};
use crate::{Error, Result};

/// Longest body of a header that describes the next one (names, PAX records).
///
/// Go's reader stops at 1 MiB too; no honest name comes near it.
pub const METADATA_LIMIT: u64 = 1 << 20;

/// Most headers that describe one member: the known kinds, each a few times over.
///
/// Without a limit a tar of nothing but such headers would be one member of any size.
const HEADERS_LIMIT: u32 = 64;

/// One member: what it is called, and where its bytes lie in the tar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its name as the tar spells it; see [`super::guard::Name`] for a checked one.
    pub name: Vec<u8>,
    /// Permission bits, setuid, setgid and sticky included.
    pub mode: u32,
    /// File, directory, or something that is never unpacked.
    pub kind: Kind,
    /// Where its first header starts, PAX and long-name headers included.
    pub header: u64,
    /// Where its body starts.
    pub body: u64,
    /// Bytes of its body.
    pub size: u64,
}

impl Member {
    /// Where its body ends.
    pub fn end(&self) -> u64 {
        self.body + self.size
    }

    /// Where the next header starts: the end of the body, padded to a block.
    pub fn next(&self) -> u64 {
        self.end().next_multiple_of(BLOCK)
    }
}

/// What a header block turned out to be.
#[derive(Debug)]
pub enum Found {
    /// This many bytes of metadata follow (then padding): give them to [`Parser::metadata`].
    Metadata(u64),
    /// A member, its body next.
    Member(Member),
    /// A block of zeros: the tar ends here.
    End,
}

/// Takes header blocks and metadata in order and gives whole members.
#[derive(Debug, Clone, Default)]
pub struct Parser {
    headers: u32,
    start: Option<u64>,
    pending: Option<Kind>,
    name: Option<Vec<u8>>,
    path: Option<Vec<u8>>,
    size: Option<u64>,
}

impl Parser {
    /// Takes the header block that stands at `at` of a tar of `total` bytes.
    ///
    /// # Errors
    /// [`Error::Corrupt`] for a broken header or a body that does not fit into the tar.
    pub fn header(&mut self, block: &[u8; 512], at: u64, total: u64) -> Result<Found> {
        let Some(header) = decode(block)? else {
            return match self.start {
                None => Ok(Found::End),
                Some(_) => Err(corrupt("ends after a header that describes a member")),
            };
        };
        let start = *self.start.get_or_insert(at);
        if header.kind.is_metadata() {
            fits(at + BLOCK, header.size, total)?;
            if header.size > METADATA_LIMIT {
                return Err(corrupt("has a name or record longer than 1 MiB"));
            }
            self.headers += 1;
            if self.headers > HEADERS_LIMIT {
                return Err(corrupt("describes one member with more than 64 headers"));
            }
            self.pending = Some(header.kind);
            return Ok(Found::Metadata(header.size));
        }
        let member = std::mem::take(self).finish(header, start, at + BLOCK);
        fits(member.body, member.size, total)?;
        Ok(Found::Member(member))
    }

    /// Takes the body that [`Found::Metadata`] announced, without its padding.
    ///
    /// # Errors
    /// [`Error::Corrupt`] for records that cannot be read or mean a sparse file.
    pub fn metadata(&mut self, body: &[u8]) -> Result<()> {
        match self.pending.take() {
            Some(Kind::LongName) => self.name = Some(until_nul(body).to_vec()),
            Some(Kind::Pax) => self.records(body)?,
            Some(Kind::PaxGlobal) => refuse_global(body)?,
            _ => {}
        }
        Ok(())
    }

    fn records(&mut self, body: &[u8]) -> Result<()> {
        for_each_record(body, |key, value| {
            match key {
                b"path" => self.path = Some(value.to_vec()),
                b"size" => self.size = Some(decimal(value).ok_or_else(bad_record)?),
                _ if key.starts_with(b"GNU.sparse.") => return Err(sparse()),
                _ => {}
            }
            Ok(())
        })
    }

    fn finish(self, header: Header, start: u64, body: u64) -> Member {
        let name = self.path.or(self.name).unwrap_or(header.name);
        let kind = match header.kind {
            Kind::File if name.ends_with(b"/") => Kind::Directory,
            kind => kind,
        };
        let size = match kind {
            Kind::Directory | Kind::Other(b'1'..=b'6') => 0,
            _ => self.size.unwrap_or(header.size),
        };
        Member {
            name,
            mode: header.mode,
            kind,
            header: start,
            body,
            size,
        }
    }
}

fn fits(body: u64, size: u64, total: u64) -> Result<()> {
    match body.checked_add(size) {
        Some(end) if end <= total => Ok(()),
        _ => Err(corrupt("has a member that reaches beyond its end")),
    }
}

/// Global records would rename or resize every member that follows: nobody writes that.
fn refuse_global(body: &[u8]) -> Result<()> {
    for_each_record(body, |key, _| {
        if key == b"path" || key == b"size" || key.starts_with(b"GNU.sparse.") {
            return Err(corrupt("sets a name or size for all its members at once"));
        }
        Ok(())
    })
}

/// Walks records of the form `length key=value\n`, the length counting itself.
fn for_each_record(
    mut rest: &[u8],
    mut each: impl FnMut(&[u8], &[u8]) -> Result<()>,
) -> Result<()> {
    while !rest.is_empty() {
        let blank = rest
            .iter()
            .position(|&b| b == b' ')
            .ok_or_else(bad_record)?;
        let length = decimal(&rest[..blank]).ok_or_else(bad_record)?;
        let length = usize::try_from(length).map_err(|_| bad_record())?;
        if length <= blank + 1 || length > rest.len() || rest[length - 1] != b'\n' {
            return Err(bad_record());
        }
        let record = &rest[blank + 1..length - 1];
        let equal = record
            .iter()
            .position(|&b| b == b'=')
            .ok_or_else(bad_record)?;
        each(&record[..equal], &record[equal + 1..])?;
        rest = &rest[length..];
    }
    Ok(())
}

fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > 19 {
        return None;
    }
    digits.iter().try_fold(0u64, |value, &digit| {
        digit
            .is_ascii_digit()
            .then(|| value * 10 + u64::from(digit - b'0'))
    })
}

fn until_nul(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
    &bytes[..end]
}

fn corrupt(why: &str) -> Error {
    Error::corrupt("tar", why)
}

fn bad_record() -> Error {
    corrupt("has a PAX record that cannot be read")
}

fn sparse() -> Error {
    corrupt("holds a sparse file")
}
