//! Two threads for one feed: one fills buffers while the other hashes them.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};

use super::buffer::Buffer;
use super::feed::Filled;
use super::queue::Queue;
use super::sha256::State;
use super::track::{Filling, Track};
use crate::{Error, Result};

/// Buffers between the two: one at each, and one ready so that neither waits for the other.
const BUFFERS: usize = 3;

/// The thread that hashes.
pub(super) struct Partner {
    state: State,
    filled: Receiver<(Buffer, usize)>,
    hashed: Sender<(Buffer, State)>,
}

impl Partner {
    /// Hashes what comes until the other thread has no more.
    pub(super) fn hash(mut self) {
        for (buffer, count) in self.filled {
            self.state.update(&buffer[..count]);
            if self.hashed.send((buffer, self.state.clone())).is_err() {
                return;
            }
        }
    }
}

/// The thread that fills.
struct Filler<'a> {
    track: &'a mut Track,
    filled: Sender<(Buffer, usize)>,
    hashed: Receiver<(Buffer, State)>,
    under_way: usize,
}

/// Fills a dry track, with the help of an idle thread if there is one.
///
/// Comes back when the feed waits or has ended, or when the other thread is needed elsewhere.
pub(super) fn fill(track: &mut Track, queue: &Arc<Queue>) -> Filling {
    track.forget_pace();
    let (filled, theirs) = mpsc::channel();
    let (back, hashed) = mpsc::channel();
    let state = track.job().state.clone();
    if !queue.pair(Partner {
        state,
        filled: theirs,
        hashed: back,
    }) {
        return track.fill();
    }
    let filler = Filler {
        track: &mut *track,
        filled,
        hashed,
        under_way: 0,
    };
    let ran = filler.run(queue);
    queue.parted();
    match ran {
        Ok(Some(Filled::Waiting)) => Filling::Waiting,
        Ok(Some(Filled::End)) => Filling::Ended(Ok(())),
        Ok(Some(Filled::Bytes(_)) | None) => track.fill(),
        Err(error) => Filling::Ended(Err(error)),
    }
}

impl Filler<'_> {
    /// Fills until the feed has no bytes, or the partner must go; all is hashed afterwards.
    fn run(mut self, queue: &Queue) -> Result<Option<Filled>> {
        let mut last = Ok(None);
        while !queue.is_short() {
            let mut buffer = self.buffer()?;
            match self.track.job().fill(&mut buffer) {
                Ok(Filled::Bytes(count)) => self.send(buffer, count)?,
                other => {
                    last = other.map(Some);
                    break;
                }
            }
        }
        while self.under_way > 0 {
            self.receive()?;
        }
        last
    }

    fn buffer(&mut self) -> Result<Buffer> {
        if self.under_way == BUFFERS {
            return self.receive();
        }
        Ok(Buffer::take())
    }

    fn send(&mut self, buffer: Buffer, count: usize) -> Result<()> {
        self.under_way += 1;
        self.filled.send((buffer, count)).map_err(|_| lost())
    }

    fn receive(&mut self) -> Result<Buffer> {
        let (buffer, state) = self.hashed.recv().map_err(|_| lost())?;
        self.under_way -= 1;
        let job = self.track.job();
        job.state = state;
        job.hashed();
        Ok(buffer)
    }
}

fn lost() -> Error {
    Error::internal("a hashing thread is gone")
}
