//! A feed with the state of its hash, whose faults stay its own.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::feed::{Feed, Filled};
use super::sha256::State;
use crate::{Error, Result};

/// A feed on its way through the pool.
pub(super) struct Job {
    feed: Box<dyn Feed>,
    /// Where the hash stands.
    pub(super) state: State,
    /// What went wrong while the feed was told something: its next answer.
    fault: Option<Error>,
}

impl Job {
    pub(super) fn new(feed: Box<dyn Feed>, state: State) -> Self {
        Self {
            feed,
            state,
            fault: None,
        }
    }

    /// Asks the feed for bytes; an answer that cannot be, or a panic, is an error.
    pub(super) fn fill(&mut self, buffer: &mut [u8]) -> Result<Filled> {
        if let Some(error) = self.fault.take() {
            return Err(error);
        }
        match guarded(|| self.feed.fill(buffer))?? {
            Filled::Bytes(count) if count == 0 || count > buffer.len() => Err(Error::internal(
                format!("a feed filled {count} bytes of {}", buffer.len()),
            )),
            filled => Ok(filled),
        }
    }

    /// Tells the feed how far the hash is.
    pub(super) fn hashed(&mut self) {
        if let Err(error) = guarded(|| self.feed.hashed(&self.state)) {
            self.fault.get_or_insert(error);
        }
    }

    /// Ends the feed: with its digest, or with what went wrong.
    pub(super) fn end(self, outcome: Result<()>) {
        let Self { feed, state, fault } = self;
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
