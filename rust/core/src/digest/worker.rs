//! One thread of the pool: keeps its lanes full and hashes them together.

use std::sync::Arc;
use std::time::Instant;

use super::buffer::Buffer;
use super::job::Job;
use super::lanes::{LANES, advance};
use super::pair;
use super::queue::{Queue, Task};
use super::track::{Filling, Track};

/// A thread of the pool with the feeds it hashes.
pub(super) struct Worker {
    queue: Arc<Queue>,
    tracks: Vec<Track>,
    /// Buffers of tracks that have ended.
    spare: Vec<Buffer>,
}

impl Worker {
    pub(super) fn new(queue: Arc<Queue>) -> Self {
        Self {
            queue,
            tracks: Vec::with_capacity(LANES),
            spare: Vec::new(),
        }
    }

    /// Works until there is nothing to do for a while.
    pub(super) fn run(mut self) {
        while let Some(task) = self.queue.next() {
            match task {
                Task::Partner(partner) => partner.hash(),
                Task::Feed(job) => {
                    self.start(job);
                    while !self.tracks.is_empty() {
                        self.hash();
                        self.refill();
                    }
                }
            }
        }
    }

    /// Takes blocks into all lanes, until the first lane runs dry.
    fn hash(&mut self) {
        let begun = Instant::now();
        let count = match &mut *self.tracks {
            [a] => advance(&mut [a.lane()]),
            [a, b] => advance(&mut [a.lane(), b.lane()]),
            [a, b, c] => advance(&mut [a.lane(), b.lane(), c.lane()]),
            [a, b, c, d] => advance(&mut [a.lane(), b.lane(), c.lane(), d.lane()]),
            _ => 0,
        };
        let took = begun.elapsed();
        for track in &mut self.tracks {
            track.advance(count, took);
        }
    }

    /// Fills the tracks that have run dry, and takes on more feeds if that is fair.
    fn refill(&mut self) {
        let mut index = 0;
        while index < self.tracks.len() {
            if self.tracks[index].is_dry() {
                let track = self.tracks.swap_remove(index);
                let last = self.tracks.len();
                self.go_on(track);
                // Back to its place, so that the one swapped in is looked at too.
                if self.tracks.len() > last {
                    self.tracks.swap(index, last);
                    index += 1;
                }
            } else {
                index += 1;
            }
        }
        while !self.tracks.is_empty()
            && let Some(job) = self.queue.more(self.tracks.len())
        {
            self.start(job);
        }
    }

    fn start(&mut self, job: Job) {
        let track = Track::new(job, self.spare.pop());
        self.go_on(track);
    }

    /// Gets the next bytes of a dry track, or lets it go.
    fn go_on(&mut self, mut track: Track) {
        if !track.is_patient() && self.queue.is_surplus(self.tracks.len() + 1) {
            let job = self.dismiss(track);
            return self.queue.give_back(job);
        }
        loop {
            let seen = self.queue.wakes();
            let alone = self.tracks.is_empty() && track.wants_partner();
            let filling = if alone {
                pair::fill(&mut track, &self.queue)
            } else {
                track.fill()
            };
            match filling {
                Filling::Blocks => return self.tracks.push(track),
                Filling::Ended(outcome) => {
                    self.queue.ended();
                    return self.dismiss(track).end(outcome);
                }
                Filling::Waiting => {
                    let job = self.dismiss(track);
                    let Some(job) = self.queue.park(job, seen) else {
                        return;
                    };
                    track = Track::new(job, self.spare.pop());
                }
            }
        }
    }

    fn dismiss(&mut self, track: Track) -> Job {
        let (job, buffer) = track.part();
        self.spare.push(buffer);
        job
    }
}
