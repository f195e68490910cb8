//! Bytes down but still in memory: the hash need not read them back.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::digest::buffer::{Buffer, SIZE};
use crate::memory;

/// Bytes all landings together may hold: what eight connections have in flight, about.
const MOST: u64 = 64 << 20;

/// The share of a container's memory that this may be: the page cache needs the rest.
const SHARE: u64 = 16;

/// Buffers all landings may hold, as large as the memory limit allows.
static ROOM: LazyLock<usize> = LazyLock::new(|| {
    let share = memory::limit().map_or(MOST, |limit| limit / SHARE);
    (share.min(MOST) / SIZE as u64) as usize
});

/// Buffers all landings hold now.
static HELD: AtomicUsize = AtomicUsize::new(0);

/// Buffers with bytes that are in their files and not hashed yet.
///
/// This is a cache: what it has no room for is read from the file again.
#[derive(Debug, Default)]
pub struct Warm {
    buffers: BTreeMap<u64, (Buffer, usize)>,
}

impl Warm {
    /// Keeps the first `length` bytes of `buffer`, which belong at `offset` of the blob.
    ///
    /// Where there is no room, what the hash will need last has to go.
    pub fn put(&mut self, offset: u64, buffer: Buffer, length: usize) {
        if HELD.fetch_add(1, Ordering::Relaxed) >= *ROOM {
            HELD.fetch_sub(1, Ordering::Relaxed);
            match self.buffers.last_entry() {
                Some(last) if *last.key() > offset => drop(last.remove()),
                _ => return,
            }
        }
        if self.buffers.insert(offset, (buffer, length)).is_some() {
            HELD.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// The buffer that begins at `offset`; what lies before that is let go.
    pub fn take(&mut self, offset: u64) -> Option<(Buffer, usize)> {
        while let Some(first) = self.buffers.first_entry()
            && *first.key() <= offset
        {
            let (at, held) = first.remove_entry();
            HELD.fetch_sub(1, Ordering::Relaxed);
            if at == offset {
                return Some(held);
            }
        }
        None
    }

    /// As much of `range` as must be read from its file before the next buffer begins.
    pub fn before(&self, range: Range<u64>) -> Range<u64> {
        let next = self.buffers.range(range.clone()).next();
        range.start..next.map_or(range.end, |(&at, _)| at)
    }
}

impl Drop for Warm {
    fn drop(&mut self) {
        HELD.fetch_sub(self.buffers.len(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_come_out_where_they_begin_and_nowhere_else() {
        let mut warm = Warm::default();
        for offset in [0, 100, 250, 900] {
            warm.put(offset, Buffer::take(), 100);
        }
        assert_eq!(warm.before(120..800), 120..250);
        assert_eq!(warm.before(300..800), 300..800);
        assert_eq!(warm.take(100).unwrap().1, 100);
        assert!(warm.take(0).is_none(), "what lies behind is gone");
        assert!(warm.take(300).is_none());
        assert_eq!(warm.before(0..2000), 0..900);
        assert!(warm.take(900).is_some());
    }
}
