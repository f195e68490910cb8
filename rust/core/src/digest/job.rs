//! A feed with the state of its hash, whose faults stay its own.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::buffer::Buffer;
use super::feed::{Feed, Filled};
use super::sha256::State;
use crate::{Error, Result};

/// Buffers after a wait until a feed that no longer waits is worth a thread of its own.
const PATIENCE: u32 = 256;

/// A feed on its way through the pool.
pub(super) struct Job {
    feed: Box<dyn Feed>,
    /// Where the hash stands.
    pub(super) state: State,
    /// What went wrong while the feed was told something: its next answer.
    fault: Option<Error>,
    /// How many more buffers are counted as what came in while it waited.
    patience: u32,
}

impl Job {
    pub(super) fn new(feed: Box<dyn Feed>, state: State) -> Self {
        Self {
            feed,
            state,
            fault: None,
            patience: 0,
        }
    }

    /// Asks the feed for bytes; an answer that cannot be, or a panic, is an error.
    pub(super) fn fill(&mut self, buffer: &mut Buffer) -> Result<Filled> {
        if let Some(error) = self.fault.take() {
            return Err(error);
        }
        self.patience = self.patience.saturating_sub(1);
        match guarded(|| self.feed.fill(buffer))?? {
            Filled::Waiting => {
                self.patience = PATIENCE;
                Ok(Filled::Waiting)
            }
            Filled::Bytes(count) if count == 0 || count > buffer.len() => Err(Error::internal(
                format!("a feed filled {count} bytes of {}", buffer.len()),
            )),
            filled => Ok(filled),
        }
    }

    /// Whether its bytes come slower than they are hashed, as far as has been seen.
    pub(super) fn is_patient(&self) -> bool {
        self.patience > 0
    }

    /// Tells the feed how far the hash is.
    pub(super) fn hashed(&mut self) {
        if let Err(error) = guarded(|| self.feed.hashed(&self.state)) {
            self.fault.get_or_insert(error);
        }
    }

    /// Ends the feed: with its digest, or with what went wrong.
    pub(super) fn end(self, outcome: Result<()>) {
        let Self {
            feed, state, fault, ..
        } = self;
        let outcome = fault.map_or(outcome, Err).map(|()| state.finish());
        // The feed was told, and cannot be told of a panic in its own last call.
        let _told = guarded(|| feed.done(outcome));
    }
}

/// Runs a feed's code; its panic becomes an error of this feed alone.
fn guarded<T>(run: impl FnOnce() -> T) -> Result<T> {
    // The feed only hears `done` after a panic, which it must expect after any error.
    catch_unwind(AssertUnwindSafe(run)).map_err(|panic| {
        let text = panic
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        Error::internal(format!(
            "a feed panicked: {}",
            text.unwrap_or("without a text")
        ))
    })
}
