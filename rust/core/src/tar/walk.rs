//! Hops from header to header of a tar whose bytes arrive in any order.

use super::decode::BLOCK;
use super::parser::{Found, METADATA_LIMIT, Member, Parser};
use crate::Result;

/// What [`Walk::step`] found.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// These bytes (offset, length) are needed before it can go on.
    Need(u64, u64),
    /// The next member; the walk stands behind it.
    Member(Member),
    /// The tar's members end at this offset; what follows should be zeros.
    End(u64),
}

/// Where a walk over a tar's headers stands.
///
/// A member may have many headers: those that were read are not read again.
#[derive(Debug, Clone)]
pub struct Walk {
    at: u64,
    /// The next header of the member that begins at `at`, behind those the parser has.
    next: u64,
    parser: Parser,
    /// Bytes of metadata that stand there instead of a header.
    metadata: Option<u64>,
    seen: u64,
    total: u64,
    ended: bool,
}

impl Walk {
    /// A walk from the start of a tar of `total` bytes.
    pub fn new(total: u64) -> Self {
        Self {
            at: 0,
            next: 0,
            parser: Parser::default(),
            metadata: None,
            seen: 0,
            total,
            ended: false,
        }
    }

    /// Where the next member's first header starts.
    pub fn position(&self) -> u64 {
        self.at
    }

    /// Where the bytes end that it has looked at: nothing behind them was judged yet.
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// Reads the next member's headers through `read(offset, buffer)`.
    ///
    /// `read` answers whether it has the bytes; if not, the walk says which ones it needs, and
    /// goes on with those.
    ///
    /// # Errors
    /// What `read` raises, and [`crate::Error::Corrupt`] for headers that cannot be right.
    pub fn step(&mut self, mut read: impl FnMut(u64, &mut [u8]) -> Result<bool>) -> Result<Step> {
        loop {
            if let Some(length) = self.metadata {
                let mut body = vec![0; length as usize];
                if !read(self.next, &mut body)? {
                    return Ok(Step::Need(self.next, length));
                }
                self.metadata = None;
                self.next += length;
                self.seen = self.next;
                self.next = self.next.next_multiple_of(BLOCK);
                self.parser.metadata(&body)?;
            }
            let at = self.next;
            if self.ended || at >= self.total {
                self.ended = true;
                return Ok(Step::End(self.at));
            }
            if self.total - at < BLOCK {
                self.seen = at;
                return Err(crate::Error::corrupt("tar", "ends inside a header"));
            }
            let mut block = [0u8; BLOCK as usize];
            if !read(at, &mut block)? {
                return Ok(Step::Need(at, BLOCK));
            }
            self.seen = at + BLOCK;
            match self.parser.header(&block, at, self.total)? {
                Found::End => {
                    self.ended = true;
                    return Ok(Step::End(at));
                }
                Found::Member(member) => {
                    self.at = member.next();
                    self.next = self.at;
                    return Ok(Step::Member(member));
                }
                Found::Metadata(length) => {
                    debug_assert!(length <= METADATA_LIMIT);
                    self.metadata = Some(length);
                    self.next = at + BLOCK;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;

    fn header(flag: u8, size: u64, name: &str) -> Vec<u8> {
        let mut block = vec![0; BLOCK as usize];
        block[..name.len()].copy_from_slice(name.as_bytes());
        block[100..107].copy_from_slice(b"0000644");
        block[124..135].copy_from_slice(format!("{size:011o}").as_bytes());
        block[156] = flag;
        block[257..265].copy_from_slice(b"ustar\x0000");
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
        block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        block
    }

    /// A tar of one empty file behind so many headers, with bodies of `size` bytes.
    fn described(headers: usize, size: u64) -> Vec<u8> {
        let mut tar = Vec::new();
        for _ in 0..headers {
            tar.extend(header(b'L', size, "long"));
            tar.extend(vec![b'n'; size as usize]);
            tar.resize(tar.len().next_multiple_of(BLOCK as usize), 0);
        }
        tar.extend(header(b'0', 0, "file"));
        tar.extend([0; 1024]);
        tar
    }

    #[test]
    fn what_was_read_is_not_read_again() {
        let tar = described(50, 700);
        let mut walk = Walk::new(tar.len() as u64);
        let (mut held, mut given, mut needs) = (0..0, 0, 0);
        let member = loop {
            // Only what was asked for last is there, as in a window that moves on.
            let step = walk.step(|at, room| {
                if held != (at..at + room.len() as u64) {
                    return Ok(false);
                }
                given += room.len();
                room.copy_from_slice(&tar[at as usize..][..room.len()]);
                Ok(true)
            });
            match step.unwrap() {
                Step::Need(at, length) => held = at..at + length,
                Step::Member(member) => break member,
                Step::End(at) => panic!("ended at {at}"),
            }
            needs += 1;
        };
        assert_eq!((member.header, member.name.len()), (0, 700));
        assert_eq!((needs, given), (101, 51 * 512 + 50 * 700));
    }

    #[test]
    fn a_member_with_headers_without_end_is_refused() {
        for (headers, fine) in [(64, true), (65, false)] {
            let tar = described(headers, 0);
            let mut walk = Walk::new(tar.len() as u64);
            let step = walk.step(|at, room| {
                room.copy_from_slice(&tar[at as usize..][..room.len()]);
                Ok(true)
            });
            match step {
                Ok(Step::Member(member)) => assert!(fine, "{member:?}"),
                Err(Error::Corrupt { .. }) => assert!(!fine),
                other => panic!("{other:?}"),
            }
        }
    }
}
