//! Bytes done, bytes total, cancelled: the only wire to a running call.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::{Error, Result};

/// Shared between a long call and whoever watches or stops it.
///
/// Counters are relaxed: a reader may see a value a moment old, never a torn one.
#[derive(Debug, Default)]
pub struct Meter {
    done: AtomicU64,
    total: AtomicU64,
    cancelled: AtomicBool,
}

impl Meter {
    /// A meter that expects `total` bytes.
    pub fn new(total: u64) -> Self {
        Self {
            total: AtomicU64::new(total),
            ..Self::default()
        }
    }

    /// Bytes handled so far.
    pub fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// Bytes expected in all, as far as is known.
    pub fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }

    /// Counts `bytes` as handled.
    pub fn add(&self, bytes: u64) {
        self.done.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Raises the number of bytes expected.
    pub fn expect(&self, bytes: u64) {
        self.total.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Asks the running call to stop at its next check.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// Whether the call was asked to stop.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    /// Fails with [`Error::Cancelled`] once the meter is cancelled.
    pub fn check(&self) -> Result<()> {
        if self.is_cancelled() {
            return Err(Error::Cancelled);
        }
        Ok(())
    }

    /// Counts `bytes` as handled and checks for a cancel: one call per buffer.
    pub fn advance(&self, bytes: u64) -> Result<()> {
        self.add(bytes);
        self.check()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_cancels() {
        let meter = Meter::new(10);
        meter.expect(5);
        meter.advance(4).unwrap();
        assert_eq!((meter.done(), meter.total()), (4, 15));
        meter.cancel();
        assert!(matches!(meter.advance(1), Err(Error::Cancelled)));
        assert_eq!(meter.done(), 5);
    }
}
