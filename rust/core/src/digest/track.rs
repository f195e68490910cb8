//! One feed in a thread's lanes: a buffer between what it fills and the hash.

use std::time::Duration;

use super::buffer::Buffer;
use super::feed::Filled;
use super::job::Job;
use super::lanes::Lane;
use super::sha256::BLOCK;
use crate::Result;

/// Buffers a feed must have filled without waiting before another thread is called for it.
const STEADY: u32 = 8;

/// What came of asking a feed for bytes.
pub(super) enum Filling {
    /// At least one block to hash.
    Blocks,
    /// Nothing now.
    Waiting,
    /// Nothing any more.
    Ended(Result<()>),
}

/// A feed, its hash and its buffer.
///
/// Bytes are filled in at `BLOCK`; the unfinished block of before is put in front of them, so
/// that whole blocks follow one another however the feed cuts its bytes.
pub(super) struct Track {
    job: Job,
    buffer: Buffer,
    at: usize,
    whole: usize,
    end: usize,
    steady: u32,
    filling: Duration,
    hashing: Duration,
}

impl Track {
    pub(super) fn new(job: Job, buffer: Option<Buffer>) -> Self {
        Self {
            job,
            buffer: buffer.unwrap_or_else(Buffer::take),
            at: BLOCK,
            whole: BLOCK,
            end: BLOCK,
            steady: 0,
            filling: Duration::ZERO,
            hashing: Duration::ZERO,
        }
    }

    /// The feed and the buffer, once all that was filled is hashed.
    pub(super) fn part(self) -> (Job, Buffer) {
        (self.job, self.buffer)
    }

    /// The feed, to be filled and told without this track's buffer, which must be dry.
    pub(super) fn job(&mut self) -> &mut Job {
        &mut self.job
    }

    /// Whether all whole blocks are hashed; the hash's state is complete then.
    pub(super) fn is_dry(&self) -> bool {
        self.at == self.whole
    }

    /// What is to be hashed next.
    pub(super) fn lane(&mut self) -> Lane<'_> {
        Lane {
            words: &mut self.job.state.words,
            blocks: self.buffer.whole()[self.at..self.whole].as_chunks().0,
        }
    }

    /// Notes that this many blocks of the lane were hashed, and how long that took.
    pub(super) fn advance(&mut self, blocks: usize, took: Duration) {
        self.at += blocks * BLOCK;
        self.hashing += took;
        if self.is_dry() {
            self.settle();
        }
    }

    /// Asks the feed until there is a block to hash, or there are no bytes.
    pub(super) fn fill(&mut self) -> Filling {
        loop {
            let begun = std::time::Instant::now();
            let filled = self.job.fill(&mut self.buffer);
            self.filling += begun.elapsed();
            match filled {
                Ok(Filled::Bytes(count)) => self.take(count),
                Ok(Filled::Waiting) => return Filling::Waiting,
                Ok(Filled::End) => return Filling::Ended(Ok(())),
                Err(error) => return Filling::Ended(Err(error)),
            }
            if !self.is_dry() {
                return Filling::Blocks;
            }
            self.settle();
        }
    }

    /// Whether it is as well off in a lane beside others.
    pub(super) fn is_patient(&self) -> bool {
        self.job.is_patient()
    }

    /// Whether a second thread would help: a steady feed whose bytes take a while to get.
    pub(super) fn wants_partner(&self) -> bool {
        let steady = self.steady >= STEADY && !self.is_patient();
        steady && self.filling * 4 >= self.hashing
    }

    /// Judges anew from here on whether a second thread would help.
    pub(super) fn forget_pace(&mut self) {
        self.steady = 0;
        self.filling = Duration::ZERO;
        self.hashing = Duration::ZERO;
    }

    fn take(&mut self, count: usize) {
        let state = &self.job.state;
        let tail = &state.tail[..state.tail_length()];
        self.at = BLOCK - tail.len();
        self.buffer.whole_mut()[self.at..BLOCK].copy_from_slice(tail);
        self.end = BLOCK + count;
        self.whole = self.end - (self.end - self.at) % BLOCK;
        self.steady += 1;
    }

    /// Completes the state with the unfinished block, and tells the feed.
    fn settle(&mut self) {
        let state = &mut self.job.state;
        let rest = &self.buffer.whole()[self.whole..self.end];
        state.length = state.length.wrapping_add((self.end - BLOCK) as u64);
        state.tail = [0; BLOCK];
        state.tail[..rest.len()].copy_from_slice(rest);
        (self.at, self.whole, self.end) = (BLOCK, BLOCK, BLOCK);
        self.job.hashed();
    }
}
