//! The pool's buffers, handed on by whoever fills them so that no byte is copied.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Mutex;

use super::sha256::BLOCK;

/// Bytes in a buffer: four of them fit a second-level cache of 1 MiB.
pub const SIZE: usize = 256 << 10;

/// Buffers nobody uses that are kept: taking one of them touches no fresh memory.
const SPARE: usize = 64;

static SPARES: Mutex<Vec<Box<[u8]>>> = Mutex::new(Vec::new());

/// A buffer of [`SIZE`] bytes; what is in a fresh one is anybody's guess.
///
/// In front of them the pool has room for one block, where it puts the unfinished block of
/// the buffer before: so buffers can be swapped, and whole blocks still follow one another.
pub struct Buffer(Box<[u8]>);

impl Buffer {
    /// A buffer that was used before, or a fresh one.
    pub fn take() -> Self {
        // Whoever would have to wait makes one: the lock may also be held across a fork.
        let spare = SPARES.try_lock().ok().and_then(|mut spares| spares.pop());
        Self(spare.unwrap_or_else(|| vec![0; BLOCK + SIZE].into()))
    }

    /// The room for a block, then the bytes.
    pub(super) fn whole(&self) -> &[u8] {
        &self.0
    }

    /// The same, to be changed.
    pub(super) fn whole_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0[BLOCK..]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0[BLOCK..]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Ok(mut spares) = SPARES.try_lock()
            && spares.len() < SPARE
        {
            spares.push(std::mem::take(&mut self.0));
        }
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Buffer({SIZE} bytes)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_used_again() {
        let mut first = Buffer::take();
        assert_eq!(first.len(), SIZE);
        first.fill(7);
        assert!(first.whole()[..BLOCK].iter().all(|&byte| byte == 0));
        let many: Vec<_> = (0..2 * SPARE).map(|_| Buffer::take()).collect();
        drop(many);
        drop(first);
        assert!(SPARES.lock().unwrap().len() <= SPARE);
        assert_eq!(Buffer::take().whole().len(), BLOCK + SIZE);
    }
}
