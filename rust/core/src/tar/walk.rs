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
#[derive(Debug, Clone)]
pub struct Walk {
    at: u64,
    seen: u64,
    total: u64,
    ended: bool,
}

impl Walk {
    /// A walk from the start of a tar of `total` bytes.
    pub fn new(total: u64) -> Self {
        Self {
            at: 0,
            seen: 0,
            total,
            ended: false,
        }
    }

    /// Where the next header starts.
    pub fn position(&self) -> u64 {
        self.at
    }

    /// Where the bytes end that it has looked at: nothing behind them was judged yet.
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// Reads the next member's headers through `read(offset, buffer)`.
    ///
    /// `read` answers whether it has the bytes; if not, the walk stays where it is and says
    /// which ones it needs.
    ///
    /// # Errors
    /// What `read` raises, and [`crate::Error::Corrupt`] for headers that cannot be right.
    pub fn step(&mut self, mut read: impl FnMut(u64, &mut [u8]) -> Result<bool>) -> Result<Step> {
        let mut parser = Parser::default();
        let mut at = self.at;
        let mut block = [0u8; BLOCK as usize];
        loop {
            if self.ended || at >= self.total {
                self.ended = true;
                return Ok(Step::End(self.at));
            }
            if self.total - at < BLOCK {
                self.seen = at;
                return Err(crate::Error::corrupt("tar", "ends inside a header"));
            }
            if !read(at, &mut block)? {
                return Ok(Step::Need(at, BLOCK));
            }
            self.seen = at + BLOCK;
            match parser.header(&block, at, self.total)? {
                Found::End => {
                    self.ended = true;
                    return Ok(Step::End(at));
                }
                Found::Member(member) => {
                    self.at = member.next();
                    return Ok(Step::Member(member));
                }
                Found::Metadata(length) => {
                    debug_assert!(length <= METADATA_LIMIT);
                    let mut body = vec![0; length as usize];
                    if !read(at + BLOCK, &mut body)? {
                        return Ok(Step::Need(at + BLOCK, length));
                    }
                    self.seen = at + BLOCK + length;
                    parser.metadata(&body)?;
                    at = (at + BLOCK + length).next_multiple_of(BLOCK);
                }
            }
        }
    }
}
