//! A stream of bytes that is hashed in order by the shared pool.

use super::buffer::Buffer;
use super::sha256::State;
use crate::Result;

/// What one call of [`Feed::fill`] produced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filled {
    /// This many bytes stand at the start of the buffer; never none.
    Bytes(usize),
    /// Nothing now; the pool asks again after `Pool::wake`.
    Waiting,
    /// The stream has ended.
    End,
}

/// A source of bytes whose SHA-256 is wanted.
///
/// Whatever else must be done with the same bytes (BLAKE3, a copy to a file) belongs into
/// `fill`, while they are warm, so that every byte is read once. The pool calls from one
/// thread at a time, though not always from the same one.
pub trait Feed: Send {
    /// Puts the next bytes of the stream at the start of `buffer`.
    ///
    /// A feed that has them in a buffer already may swap the two instead of copying.
    ///
    /// Fills the buffer as far as it can without waiting: short answers cost lanes. An error
    /// ends the stream and comes back through [`Feed::done`].
    fn fill(&mut self, buffer: &mut Buffer) -> Result<Filled>;

    /// Tells that the first `state.length` bytes are hashed, with a state to resume from.
    ///
    /// Trust `state.length` alone: more bytes may have been filled already, which are not
    /// hashed yet.
    fn hashed(&mut self, _state: &State) {}

    /// The stream has ended with this digest, or broke with this error; called once.
    fn done(self: Box<Self>, outcome: Result<[u8; 32]>);
}
