//! A departure: sends a layer from its files, and hashes the bytes as they go.

use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::groups::Grouped;
use super::lane::{Lane, Line};
use super::remember::{self, Known};
use super::source::{LayerSource, Plan};
use super::stream::{Stream, Watch};
use super::sums::Sums;
use super::{Blob, Listed, Packed};
use crate::digest::pool::Pool;
use crate::digest::sha256::State;
use crate::{Error, Meter, Result};

/// One layer on its way out, straight from its files; its digest is known once all is hashed.
///
/// What is sent for the first time is hashed in the same pass, by the shared pool; what is
/// sent again is only sent. Every read fails with `Changed` once a file is no longer in the
/// state it had when the departure was made.
pub struct Departure {
    blob: Blob,
    plan: Arc<Plan>,
    front: Mutex<Front>,
}

/// How far the layer is hashed.
struct Front {
    state: State,
    /// None once all is hashed, while a call hashes on, and after one has failed.
    stream: Option<Stream<Sums>>,
    digest: Option<[u8; 32]>,
    /// The BLAKE3 of every file, when they were asked for and all is hashed.
    sums: Option<Vec<Grouped>>,
}

impl Departure {
    /// Takes the state of a layer's files; nothing is read.
    ///
    /// # Errors
    /// `Invalid` for a compressed layer, `Io` for files that are not there.
    pub fn of(source: LayerSource) -> Result<Self> {
        Self::hashing(source, false)
    }

    /// The same; with `sums` the files of a tar are hashed one by one, too, with BLAKE3.
    pub fn hashing(source: LayerSource, sums: bool) -> Result<Self> {
        let plan = Arc::new(Plan::of(source)?);
        let sums = Sums::of(&plan, sums);
        let blob = Blob::of_plan(plan.clone())?;
        // Not the meter of any call: a call that is cancelled must not lose the front.
        let stream = Stream::new(plan.clone(), sums, Watch::over(&Arc::default()));
        let departure = Self {
            blob,
            plan,
            front: Mutex::new(Front {
                state: State::default(),
                stream: None,
                digest: None,
                sums: None,
            }),
        };
        departure.settle(State::default(), Some(stream));
        Ok(departure)
    }

    /// Bytes of the layer.
    pub fn size(&self) -> u64 {
        self.blob.size()
    }

    /// The digest, once it is known.
    pub fn digest(&self) -> Option<[u8; 32]> {
        self.front().digest
    }

    /// Takes the digest, and those of the files, over from an earlier run on the same
    /// unchanged files, if there was one.
    pub fn recall(&self, home: &Path) -> bool {
        let path = remember::path(home, &self.plan);
        let known = remember::recall(&path).filter(|known| known.size == self.size());
        let mut front = self.front();
        if let Some(known) = known {
            front.digest = Some(known.digest);
            front.sums = remember::recall_sums(&path, &self.plan, &known.digest);
        }
        front.digest.is_some()
    }

    /// Writes the digest down for later runs, unless a change to a file might not show.
    pub fn remember(&self, home: &Path) -> Result<()> {
        let digest = self.digest();
        let digest = digest.ok_or_else(|| Error::invalid("the digest is not known yet"))?;
        let known = Known {
            digest,
            diff_id: digest,
            size: self.size(),
        };
        let path = remember::path(home, &self.plan);
        if let Some(sums) = &self.front().sums {
            remember::remember_sums(&path, &self.plan, &digest, sums)?;
        }
        remember::remember(&path, &self.plan, &known)
    }

    /// What packing the layer would give, once the digest is known.
    pub fn packed(&self) -> Option<Packed> {
        self.digest().map(|digest| Packed {
            digest,
            diff_id: digest,
            size: self.size(),
            reused: self.hashed() < self.size(),
        })
    }

    /// Every member of the tar; when its files were not hashed one by one, they are now with
    /// `read`, else there is no answer.
    pub fn members(&self, read: bool, meter: &Meter) -> Result<Option<Vec<Listed>>> {
        match self.front().sums.clone() {
            Some(sums) => self.blob.members_of(sums, meter).map(Some),
            None if read => self.blob.members(meter).map(Some),
            None => Ok(None),
        }
    }

    /// Bytes that have been hashed.
    pub fn hashed(&self) -> u64 {
        self.front().state.length
    }

    /// Fills the buffer from `offset` on; hashes what no call has hashed before.
    ///
    /// # Errors
    /// `Invalid` past the end, or when bytes before `offset` are not hashed yet.
    pub fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        self.blob.check(offset, buffer.len() as u64)?;
        let again = usize::try_from(self.again(offset, buffer.len() as u64)?);
        let (again, fresh) = buffer.split_at_mut(again.unwrap_or(usize::MAX));
        self.blob.read(offset, again)?;
        if fresh.is_empty() {
            return Ok(());
        }
        let (mut stream, mut state) = self.take_stream()?;
        if stream.fill(fresh)? < fresh.len() {
            return Err(Error::internal("a layer is shorter than its files"));
        }
        stream.check()?;
        state.update(fresh);
        self.settle(state, Some(stream));
        Ok(())
    }

    /// Writes bytes to a stream socket as [`Blob::send`] does; hashes what is fresh.
    ///
    /// After a connection broke, or the meter was cancelled, the same bytes can be sent again.
    ///
    /// # Errors
    /// As `read` and [`Blob::send`].
    pub fn send(
        &self,
        socket: BorrowedFd<'_>,
        offset: u64,
        length: u64,
        meter: &Arc<Meter>,
    ) -> Result<()> {
        self.blob.check(offset, length)?;
        let again = self.again(offset, length)?;
        self.blob.send(socket, offset, again, meter)?;
        if again == length {
            return Ok(());
        }
        let own = socket
            .try_clone_to_owned()
            .map_err(|source| Error::Connection { source })?;
        self.advance(length - again, Some(own), meter)
    }

    /// Hashes what is not hashed yet, without sending it.
    pub fn hash(&self, meter: &Arc<Meter>) -> Result<()> {
        let left = self.size() - self.hashed();
        match self.digest() {
            Some(_) => Ok(()),
            None => self.advance(left, None, meter),
        }
    }

    /// How many of these bytes need no hashing.
    fn again(&self, offset: u64, length: u64) -> Result<u64> {
        let front = self.front();
        if front.digest.is_some() {
            return Ok(length);
        }
        match front.state.length.checked_sub(offset) {
            Some(again) => Ok(again.min(length)),
            None => Err(Error::invalid("a layer is hashed from its start on")),
        }
    }

    fn advance(&self, length: u64, socket: Option<OwnedFd>, meter: &Arc<Meter>) -> Result<()> {
        let (stream, state) = self.take_stream()?;
        let socket = socket.map(Arc::new);
        let line = Arc::new(Line::default());
        let lane = Lane::new(stream, &state, length, socket.clone(), meter, &line);
        Pool::shared().submit_from(Box::new(lane), state);
        let ended = line.attend(socket.as_deref(), meter);
        self.settle(ended.state, ended.stream);
        ended.outcome
    }

    fn take_stream(&self) -> Result<(Stream<Sums>, State)> {
        let lost = || Error::invalid("the layer is being hashed, or could not be");
        let mut front = self.front();
        let stream = front.stream.take().ok_or_else(lost)?;
        Ok((stream, front.state.clone()))
    }

    /// Takes note of how far the layer is hashed; at its end, of its digest.
    fn settle(&self, state: State, stream: Option<Stream<Sums>>) {
        let ended = state.length == self.size() && stream.is_some();
        let (stream, passed) = if ended {
            (None, stream)
        } else {
            (stream, None)
        };
        *self.front() = Front {
            digest: ended.then(|| state.clone().finish()),
            sums: passed.and_then(|stream| stream.into_taker().finish()),
            stream,
            state,
        };
    }

    fn front(&self) -> MutexGuard<'_, Front> {
        self.front.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
