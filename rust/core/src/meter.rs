//! Bytes done, bytes total, cancelled: the only wire to a running call.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::{Error, Result};

/// Shared between a long call and whoever watches or stops it.
///
/// Counters are relaxed: a reader may see a value a moment old, never a torn one.
#[derive(Debug, Default)]
pub struct Meter {
    done: AtomicU64,
    total: AtomicU64,
    cancelled: AtomicBool,
    waiting: AtomicU64,
    writing: AtomicU64,
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

    /// How long the call has waited for bytes to come, or for room to send them.
    pub fn waiting(&self) -> Duration {
        Duration::from_nanos(self.waiting.load(Ordering::Relaxed))
    }

    /// How long the call has spent on writing bytes to files, or reading them.
    pub fn writing(&self) -> Duration {
        Duration::from_nanos(self.writing.load(Ordering::Relaxed))
    }

    /// Counts time spent waiting for the other side.
    pub fn waited(&self, time: Duration) {
        self.waiting.fetch_add(nanos(time), Ordering::Relaxed);
    }

    /// Counts time spent writing or reading files.
    pub fn wrote(&self, time: Duration) {
        self.writing.fetch_add(nanos(time), Ordering::Relaxed);
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

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
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

    #[test]
    fn adds_up_times() {
        let meter = Meter::default();
        meter.waited(Duration::from_millis(3));
        meter.waited(Duration::from_millis(4));
        meter.wrote(Duration::from_millis(5));
        assert_eq!(meter.waiting(), Duration::from_millis(7));
        assert_eq!(meter.writing(), Duration::from_millis(5));
    }
}
