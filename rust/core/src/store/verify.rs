//! Verifies stored blobs: plays recipes, hashes every byte, side by side.

use std::collections::VecDeque;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use super::{Blob, Place, Recipe, Store};
use crate::digest::buffer::Buffer;
use crate::digest::feed::{Feed, Filled};
use crate::digest::hex;
use crate::digest::pool::Pool;
use crate::{Error, Meter, Result};

/// Blobs begun at a time for each core: enough to fill its lanes, few open files.
const BEGUN_PER_CORE: usize = 8;

impl Store {
    /// Hashes a whole blob: `DigestMismatch`, `Corrupt` or `NotFound` where it is not whole.
    pub fn verify(&self, digest: &[u8; 32], meter: &Arc<Meter>) -> Result<()> {
        let mut outcomes = self.verify_all(std::slice::from_ref(digest), meter)?;
        outcomes.pop().map_or(Ok(()), |(_, error)| Err(error))
    }

    /// Hashes many blobs side by side; answers those that are not whole, and why.
    ///
    /// Fails itself only when cancelled. The meter counts the blobs' bytes.
    pub fn verify_all(
        &self,
        digests: &[[u8; 32]],
        meter: &Arc<Meter>,
    ) -> Result<Vec<([u8; 32], Error)>> {
        let mut damaged = Vec::new();
        let mut waiting = VecDeque::new();
        for digest in digests {
            match self.blob(digest) {
                Ok(blob) => {
                    meter.expect(blob.size());
                    waiting.push_back((*digest, blob.size()));
                }
                Err(error) => damaged.push((*digest, error)),
            }
        }
        let (outcomes, results) = channel();
        let queue = Arc::new(Queue {
            store: self.clone(),
            waiting: Mutex::new(waiting),
            meter: meter.clone(),
        });
        let cores = crate::cores();
        for _ in 0..cores * BEGUN_PER_CORE {
            queue.begin_next(&outcomes);
        }
        drop((outcomes, queue));
        for (digest, outcome) in results {
            if let Err(error) = outcome {
                damaged.push((digest, error));
            }
        }
        meter.check()?;
        Ok(damaged)
    }

    /// Finds the piece of a wrong blob that is wrong itself, whatever sentinel it carries.
    fn find_damage(&self, digest: &[u8; 32]) -> Result<()> {
        let recipe = Recipe::open(&self.home, digest)?;
        for segment in recipe.segments() {
            match segment.place {
                Place::Inline => drop(recipe.inline(segment)?),
                Place::Content { .. } => self.contents.verify(&segment.hash, &Meter::default())?,
            }
        }
        Ok(())
    }
}

type Outcome = ([u8; 32], Result<()>);

struct Queue {
    store: Store,
    waiting: Mutex<VecDeque<([u8; 32], u64)>>,
    meter: Arc<Meter>,
}

impl Queue {
    fn begin_next(self: &Arc<Self>, outcomes: &Sender<Outcome>) {
        let next = || {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.pop_front()
        };
        while let Some((digest, _)) = next() {
            match self.store.blob(&digest) {
                Ok(blob) => {
                    return Pool::shared().submit(Box::new(Replay {
                        blob,
                        digest,
                        at: 0,
                        queue: self.clone(),
                        outcomes: outcomes.clone(),
                    }));
                }
                // The receiver waits for all the senders.
                Err(error) => drop(outcomes.send((digest, Err(error)))),
            }
        }
    }
}

/// A blob in the pool.
struct Replay {
    blob: Blob,
    digest: [u8; 32],
    at: u64,
    queue: Arc<Queue>,
    outcomes: Sender<Outcome>,
}

impl Feed for Replay {
    fn fill(&mut self, buffer: &mut Buffer) -> Result<Filled> {
        let left = self.blob.size() - self.at;
        let take = buffer
            .len()
            .min(usize::try_from(left).unwrap_or(usize::MAX));
        if take == 0 {
            return Ok(Filled::End);
        }
        self.blob.read(self.at, &mut buffer[..take])?;
        self.at += take as u64;
        self.queue.meter.advance(take as u64)?;
        Ok(Filled::Bytes(take))
    }

    fn done(self: Box<Self>, outcome: Result<[u8; 32]>) {
        let outcome = outcome.and_then(|actual| match actual == self.digest {
            true => Ok(()),
            false => self.queue.store.find_damage(&self.digest).and_then(|()| {
                Err(Error::DigestMismatch {
                    what: "the store".into(),
                    expected: hex::sha256(&self.digest),
                    actual: hex::sha256(&actual),
                })
            }),
        });
        // The receiver waits for all the senders.
        drop(self.outcomes.send((self.digest, outcome)));
        self.queue.begin_next(&self.outcomes);
    }
}
