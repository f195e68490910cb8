//! Hashes a layer's bytes in the shared pool while a socket takes them.

use std::os::fd::OwnedFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::outlet::{send_some, wait};
use super::stream::Stream;
use super::sums::Sums;
use crate::digest::buffer::Buffer;
use crate::digest::feed::{Feed, Filled};
use crate::digest::pool::Pool;
use crate::digest::sha256::State;
use crate::{Error, Meter, Result};

/// The next bytes of a layer in the pool: read, sent, and hashed by the pool's lanes.
///
/// A socket that is full parks it: the pool's threads never wait for a network. Whoever
/// wants the bytes sent attends its [`Line`] and wakes it when there is room again.
pub(super) struct Lane {
    stream: Stream<Sums>,
    state: State,
    left: u64,
    socket: Option<Arc<OwnedFd>>,
    /// Bytes that wait for room in the socket, or for their hash.
    unsent: Vec<u8>,
    /// Why no more is sent. What was read is hashed all the same: stream and hash must
    /// stand at the same byte for a later call to go on.
    failure: Option<Error>,
    meter: Arc<Meter>,
    line: Arc<Line>,
}

/// How a lane ended: where it stands, and with what.
pub(super) struct Ended {
    pub state: State,
    /// None when the files cannot be read on.
    pub stream: Option<Stream<Sums>>,
    pub outcome: Result<()>,
}

/// Between a lane and the one who waits for it.
#[derive(Default)]
pub(super) struct Line {
    signal: Mutex<Signal>,
    changed: Condvar,
}

#[derive(Default)]
struct Signal {
    /// The socket was full; nobody has seen room in it since.
    full: bool,
    failure: Option<Error>,
    ended: Option<Ended>,
}

impl Lane {
    /// The next `length` bytes of a stream that is hashed up to `state`.
    pub fn new(
        stream: Stream<Sums>,
        state: &State,
        length: u64,
        socket: Option<Arc<OwnedFd>>,
        meter: &Arc<Meter>,
        line: &Arc<Line>,
    ) -> Self {
        Self {
            stream,
            state: state.clone(),
            left: length,
            socket,
            unsent: Vec::new(),
            failure: None,
            meter: meter.clone(),
            line: line.clone(),
        }
    }

    /// Whether more bytes may be read: false while the socket is full.
    fn has_room(&mut self) -> Result<bool> {
        self.meter.check()?;
        if self.line.is_full()? {
            return Ok(false);
        }
        let unsent = std::mem::take(&mut self.unsent);
        self.send(&unsent)?;
        if self.unsent.is_empty() {
            return Ok(true);
        }
        self.line.set_full();
        Ok(false)
    }

    /// Sends what the socket takes, and keeps the rest.
    fn send(&mut self, bytes: &[u8]) -> Result<()> {
        let mut sent = 0;
        if let Some(socket) = &self.socket {
            while sent < bytes.len() {
                match send_some(socket, &bytes[sent..])? {
                    0 => break,
                    count => sent += count,
                }
            }
            self.unsent.extend_from_slice(&bytes[sent..]);
        } else {
            sent = bytes.len();
        }
        self.meter.add(sent as u64);
        Ok(())
    }
}

impl Feed for Lane {
    fn fill(&mut self, buffer: &mut Buffer) -> Result<Filled> {
        if self.failure.is_some() {
            return Ok(Filled::End);
        }
        match self.has_room() {
            Ok(true) => {}
            Ok(false) => return Ok(Filled::Waiting),
            Err(error) => {
                self.failure = Some(error);
                return Ok(Filled::End);
            }
        }
        if self.left == 0 {
            return Ok(Filled::End);
        }
        let most = usize::try_from(self.left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let begun = Instant::now();
        let filled = self.stream.fill(&mut buffer[..most])?;
        self.meter.wrote(begun.elapsed());
        if filled == 0 {
            return Err(Error::internal("a layer is shorter than its files"));
        }
        self.left -= filled as u64;
        if self.left == 0 {
            self.stream.check()?;
        }
        if self.left == 0 && self.socket.is_some() {
            // The last bytes go when they are hashed: the answer to them may come at once,
            // and whoever gets it must find the layer hashed so far.
            self.unsent.extend_from_slice(&buffer[..filled]);
        } else {
            self.failure = self.send(&buffer[..filled]).err();
        }
        Ok(Filled::Bytes(filled))
    }

    fn hashed(&mut self, state: &State) {
        self.state = state.clone();
    }

    fn done(self: Box<Self>, outcome: Result<[u8; 32]>) {
        let Self {
            stream,
            state,
            failure,
            line,
            ..
        } = *self;
        line.end(Ended {
            state,
            stream: outcome.is_ok().then_some(stream),
            outcome: failure.map_or(outcome.map(|_| ()), Err),
        });
    }
}

impl Line {
    /// Sees to it that the lane goes on whenever the socket has room; returns at its end.
    pub fn attend(&self, socket: Option<&OwnedFd>, meter: &Meter) -> Ended {
        loop {
            let mut signal = self.lock();
            while signal.ended.is_none() && !signal.full {
                let waited = self.changed.wait(signal);
                signal = waited.unwrap_or_else(PoisonError::into_inner);
            }
            if let Some(ended) = signal.ended.take() {
                return ended;
            }
            drop(signal);
            let room = socket.map_or(Ok(()), |socket| wait(socket, meter));
            let mut signal = self.lock();
            signal.full = false;
            signal.failure = room.err();
            drop(signal);
            Pool::shared().wake();
        }
    }

    /// Whether the socket is still full; what waiting for it failed with.
    fn is_full(&self) -> Result<bool> {
        let mut signal = self.lock();
        signal.failure.take().map_or(Ok(signal.full), Err)
    }

    fn set_full(&self) {
        self.lock().full = true;
        self.changed.notify_all();
    }

    fn end(&self, ended: Ended) {
        self.lock().ended = Some(ended);
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Signal> {
        self.signal.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
