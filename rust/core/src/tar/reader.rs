//! Reads a tar from a stream: members one by one, their bodies in between.

use std::io::{self, Read};

use super::decode::BLOCK;
use super::parser::{Found, Member, Parser};
use crate::{Error, Result};

/// A tar read in order from `source`, which may be a decoder.
///
/// The total length need not be known. Nothing is checked for safety: see
/// [`super::guard::Guard`].
pub struct Reader<R> {
    source: R,
    what: String,
    at: u64,
    body_left: u64,
    padding: u64,
    ended: bool,
}

impl<R: Read> Reader<R> {
    /// A reader of `source`; `what` names it in errors.
    pub fn new(source: R, what: impl Into<String>) -> Self {
        Self {
            source,
            what: what.into(),
            at: 0,
            body_left: 0,
            padding: 0,
            ended: false,
        }
    }

    /// The next member, `None` at the end; what is left of the last body is skipped.
    ///
    /// Behind the last member everything up to the end of the stream must be zeros.
    ///
    /// # Errors
    /// [`Error::Corrupt`] for what is no tar, or for one that ends too early or too late.
    pub fn next_member(&mut self) -> Result<Option<Member>> {
        self.skip_body()?;
        let mut parser = Parser::default();
        let first = self.at;
        while !self.ended {
            let at = self.at;
            let Some(block) = self.block()? else {
                self.ended = true;
                if at != first {
                    return Err(self.corrupt("ends after a header that describes a member"));
                }
                break;
            };
            match parser.header(&block, at, i64::MAX as u64)? {
                Found::End => self.check_tail()?,
                Found::Metadata(length) => parser.metadata(&self.metadata(length)?)?,
                Found::Member(member) => {
                    self.body_left = member.size;
                    self.padding = member.next() - member.end();
                    return Ok(Some(member));
                }
            }
        }
        Ok(None)
    }

    /// Reads the next bytes of the current member's body; 0 at its end.
    ///
    /// # Errors
    /// [`Error::Corrupt`] where the stream ends inside the body or cannot be decoded.
    pub fn read_body(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let wanted = self.body_left.min(buffer.len() as u64) as usize;
        if wanted == 0 {
            return Ok(0);
        }
        let read = self.some(&mut buffer[..wanted])?;
        if read == 0 {
            return Err(self.corrupt("ends inside a member"));
        }
        self.body_left -= read as u64;
        Ok(read)
    }

    fn skip_body(&mut self) -> Result<()> {
        let mut waste = [0u8; 16 * 1024];
        while self.read_body(&mut waste)? > 0 {}
        self.body_left = std::mem::take(&mut self.padding);
        while self.read_body(&mut waste)? > 0 {}
        Ok(())
    }

    /// One whole block, or `None` where the stream ends before it.
    fn block(&mut self) -> Result<Option<[u8; BLOCK as usize]>> {
        let mut block = [0u8; BLOCK as usize];
        match self.fill(&mut block)? {
            0 => Ok(None),
            512 => Ok(Some(block)),
            _ => Err(self.corrupt("ends inside a header")),
        }
    }

    fn metadata(&mut self, length: u64) -> Result<Vec<u8>> {
        let mut body = vec![0; length.next_multiple_of(BLOCK) as usize];
        if self.fill(&mut body)? < body.len() {
            return Err(self.corrupt("ends inside a header"));
        }
        body.truncate(length as usize);
        Ok(body)
    }

    /// Reads to the end of the stream, which must be zeros.
    fn check_tail(&mut self) -> Result<()> {
        self.ended = true;
        let mut tail = [0u8; 16 * 1024];
        loop {
            let read = self.some(&mut tail)?;
            if read == 0 {
                return Ok(());
            }
            if tail[..read].iter().any(|&byte| byte != 0) {
                return Err(self.corrupt("holds more data behind its end"));
            }
        }
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.some(&mut buffer[filled..])? {
                0 => break,
                read => filled += read,
            }
        }
        Ok(filled)
    }

    fn some(&mut self, buffer: &mut [u8]) -> Result<usize> {
        loop {
            match self.source.read(buffer) {
                Ok(read) => {
                    self.at += read as u64;
                    return Ok(read);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.failed(error)),
            }
        }
    }

    /// A source that reads from files or a store carries its own error inside.
    fn failed(&self, error: io::Error) -> Error {
        match error.downcast::<Error>() {
            Ok(inner) => inner,
            Err(error) => self.corrupt(&format!("cannot be decoded: {error}")),
        }
    }

    fn corrupt(&self, why: &str) -> Error {
        Error::corrupt(self.what.clone(), why)
    }
}
