//! Hashes many feeds at once on as many threads as there are cores.

use std::process;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, Ordering};

use super::feed::Feed;
use super::job::Job;
use super::queue::Queue;
use super::sha256::State;

/// Threads that hash feeds, started when feeds come, gone when there are none for a while.
///
/// Feeds are spread evenly over the threads; a thread with several hashes up to four of them
/// in interleaved lanes, and a thread left over fills while another hashes, where that pays.
/// Memory is bounded: 1 MiB of buffers a thread, whatever the number of feeds.
pub struct Pool {
    queue: Arc<Queue>,
    /// A fork takes the pool's memory along, but not its threads.
    process: u32,
}

impl Pool {
    /// The one pool of this process, with a thread for every core it may use.
    pub fn shared() -> &'static Self {
        static SHARED: AtomicPtr<Pool> = AtomicPtr::new(ptr::null_mut());
        loop {
            let current = SHARED.load(Ordering::Acquire);
            // SAFETY: what is stored below is never freed and never changed.
            if let Some(pool) = unsafe { current.as_ref() }
                && pool.process == process::id()
            {
                return pool;
            }
            let cores = crate::cores();
            let fresh = Box::into_raw(Box::new(Self::with_threads(cores)));
            let swapped =
                SHARED.compare_exchange(current, fresh, Ordering::AcqRel, Ordering::Acquire);
            if swapped.is_err() {
                // SAFETY: `fresh` came from a box just now, and nobody else has seen it.
                drop(unsafe { Box::from_raw(fresh) });
            }
        }
    }

    /// A pool of its own of at most `limit` threads.
    pub fn with_threads(limit: usize) -> Self {
        Self {
            queue: Arc::new(Queue::new(limit.max(1))),
            process: process::id(),
        }
    }

    /// Hashes `feed` from its first byte; it hears of the outcome through `done`.
    pub fn submit(&self, feed: Box<dyn Feed>) {
        self.submit_from(feed, State::default());
    }

    /// Hashes `feed`, whose first `state.length` bytes were hashed before.
    pub fn submit_from(&self, feed: Box<dyn Feed>, state: State) {
        self.queue.push(Job::new(feed, state));
    }

    /// Asks all waiting feeds again; cheap when none waits.
    pub fn wake(&self) {
        self.queue.wake();
    }
}
