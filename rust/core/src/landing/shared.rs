//! What the writers, the front and the journal of one landing share.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::fs::{FallocateFlags, fallocate};

use super::plan::Plan;
use super::state::{Piece, State};
use crate::digest::buffer::Buffer;
use crate::digest::pool::Pool;
use crate::target::Staging;
use crate::{Error, Meter, Result};

/// How often the journal is written: what a crash can cost is this much network time.
const JOURNAL_EVERY: Duration = Duration::from_secs(1);

/// The front is woken when this much is ready for it: waking costs about 10 µs.
const WAKE_AT: u64 = 4 << 20;

/// Files that may be written at the same time.
const TURNS: usize = 16;

/// Blocks smaller than this cannot be given back to the file system.
const HOLE: u64 = 4 << 10;

/// One landing's files and its state.
#[derive(Debug)]
pub struct Shared {
    /// What arrives, and where it goes.
    pub plan: Plan,
    /// The folder of the partial files.
    pub staging: Staging,
    /// Bytes in the blob's coordinates: headers, small files, what is not mapped yet.
    pub spool: Arc<File>,
    /// Bytes the front has hashed: a number people watch.
    pub hashed: AtomicU64,
    state: Mutex<State>,
    changed: Condvar,
    journaling: Mutex<()>,
    /// Whose turn it is to write to a file: the kernel lets one in and the others spin.
    turns: [Mutex<()>; TURNS],
}

impl Shared {
    /// Puts the parts together.
    pub fn new(plan: Plan, staging: Staging, spool: Arc<File>, state: State) -> Self {
        Self {
            plan,
            staging,
            spool,
            hashed: AtomicU64::new(state.mark.sha256.length),
            state: Mutex::new(state),
            changed: Condvar::new(),
            journaling: Mutex::new(()),
            turns: Default::default(),
        }
    }

    /// The state, alone.
    pub fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while it is held is a bug of ours; the digest still judges the bytes.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a change, at most `limit`.
    pub fn wait<'a>(&self, state: MutexGuard<'a, State>, limit: Duration) -> MutexGuard<'a, State> {
        let waited = self.changed.wait_timeout(state, limit);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Tells everybody who waits.
    pub fn notify(&self) {
        self.changed.notify_all();
    }

    /// The end of a range, which must lie within the blob.
    pub fn end_of(&self, offset: u64, length: u64) -> Result<u64> {
        let end = offset.checked_add(length);
        end.filter(|&end| end <= self.plan.size).ok_or_else(|| {
            let size = self.plan.size;
            Error::invalid(format!("a write beyond the {size} bytes of the blob"))
        })
    }

    /// Puts bytes where they belong; those that are there or on their way are skipped.
    ///
    /// No byte is ever written twice: one that was hashed is the one that is published.
    pub fn write(&self, offset: u64, data: &[u8]) -> Result<()> {
        let (pieces, written) = self.put(offset, data)?;
        self.complete(&pieces, written, None)
    }

    /// The same with the first `length` bytes of a buffer that the front may hash from.
    pub fn write_buffer(&self, offset: u64, buffer: Buffer, length: usize) -> Result<()> {
        let (pieces, written) = self.put(offset, &buffer[..length])?;
        // Where somebody else wrote a part of it, what is in the file may differ.
        let own: u64 = pieces
            .iter()
            .map(|piece| piece.range.end - piece.range.start)
            .sum();
        let warm = (own == length as u64).then_some((offset, buffer, length));
        self.complete(&pieces, written, warm)
    }

    /// Claims what of the bytes is neither there nor on its way, and writes that.
    fn put(&self, offset: u64, data: &[u8]) -> Result<(Vec<Piece>, Result<()>)> {
        let end = self.end_of(offset, data.len() as u64)?;
        let pieces = self.claim(offset..end)?;
        let written = pieces.iter().try_for_each(|piece| {
            let from = (piece.range.start - offset) as usize;
            let to = (piece.range.end - offset) as usize;
            let file = piece.extent.map_or(0, |index| index + 1);
            let _turn = self.turns[file % TURNS]
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            piece
                .file
                .write_all_at(&data[from..to], piece.at)
                .map_err(|error| Error::io(self.path_of(piece), error))
        });
        Ok((pieces, written))
    }

    fn claim(&self, range: Range<u64>) -> Result<Vec<Piece>> {
        let mut state = self.lock();
        if let Some(error) = state.refusal() {
            return Err(error);
        }
        let mut pieces = Vec::new();
        for gap in state.down.missing(range) {
            for free in state.flying.missing(gap) {
                pieces.extend(state.pieces(free, &self.staging, &self.spool)?);
            }
        }
        for piece in &pieces {
            state.flying.insert(piece.range.clone());
        }
        Ok(pieces)
    }

    fn complete(
        &self,
        pieces: &[Piece],
        written: Result<()>,
        warm: Option<(u64, Buffer, usize)>,
    ) -> Result<()> {
        if pieces.is_empty() {
            return Ok(());
        }
        let mut state = self.lock();
        for piece in pieces {
            state.flying.remove(piece.range.clone());
        }
        let outcome = written.and_then(|()| self.note(&mut state, pieces));
        if let (Ok(()), Some((offset, buffer, length))) = (&outcome, warm) {
            state.warm.put(offset, buffer, length);
        }
        if let Err(error) = &outcome {
            state.broken.get_or_insert(error.again());
        }
        let front = state.front;
        let ready = state.down.end_from(front);
        let wake = state.parked && (ready - front >= WAKE_AT || ready == self.plan.size);
        state.parked &= !wake;
        let due = state.journaled.elapsed() >= JOURNAL_EVERY && outcome.is_ok();
        if due {
            state.journaled = Instant::now();
        }
        drop(state);
        self.notify();
        if wake {
            Pool::shared().wake();
        }
        if due {
            self.journal()?;
        }
        outcome
    }

    /// Counts written pieces as down and follows the headers among them.
    fn note(&self, state: &mut State, pieces: &[Piece]) -> Result<()> {
        for piece in pieces {
            state.down.insert(piece.range.clone());
            if piece.extent.is_none() {
                state.stray(piece.range.clone());
            }
        }
        state.advance(&self.plan, &self.staging, &self.spool)?;
        state.fault().map_or(Ok(()), Err)
    }

    /// Writes the journal, then gives back spool blocks it no longer speaks of.
    pub fn journal(&self) -> Result<()> {
        // Somebody else who is writing one writes a fresh enough one.
        match self.journaling.try_lock() {
            Ok(_alone) => self.write_journal(),
            Err(_) => Ok(()),
        }
    }

    /// The same, with what is known now: nobody else's will do.
    pub fn journal_now(&self) -> Result<()> {
        let _alone = self
            .journaling
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        self.write_journal()
    }

    fn write_journal(&self) -> Result<()> {
        let mut state = self.lock();
        let bytes = state.journal(&self.plan).encode();
        // What is not hashed yet would be read again after a restart.
        let hashed = state.mark.sha256.length;
        let settled = |hole: &mut Range<u64>| hole.end <= hashed;
        let holes: Vec<_> = state.holes.extract_if(.., settled).collect();
        drop(state);
        self.staging.replace("journal", &bytes)?;
        holes.into_iter().for_each(|hole| self.punch(hole));
        Ok(())
    }

    /// Gives the room of the spool before `until` back, where the file system can.
    ///
    /// The journal says so first: whoever goes on after a kill fetches these bytes again,
    /// and hashes the whole blob, before any of it is believed.
    pub fn give_back(&self, until: u64) -> Result<()> {
        let from = std::mem::replace(&mut self.lock().given_back, until);
        self.journal_now()?;
        self.punch(from..until);
        Ok(())
    }

    /// Frees the whole blocks of the spool in this range.
    pub fn punch(&self, hole: Range<u64>) {
        let start = hole.start.next_multiple_of(HOLE);
        let length = (hole.end - hole.end % HOLE).saturating_sub(start);
        if length > 0 {
            let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
            // Where the file system cannot, the room comes back with the commit.
            let _kept = fallocate(&*self.spool, flags, start, length);
        }
    }

    /// The SHA-256 of the blob, once all of it is hashed.
    ///
    /// # Errors
    /// [`Error::Invalid`] while bytes are missing that nobody is writing.
    pub fn digest(&self, meter: &Meter) -> Result<[u8; 32]> {
        let mut counted = self.hashed();
        meter.expect(self.plan.size - counted);
        let mut state = self.lock();
        loop {
            let hashed = self.hashed();
            meter.advance(hashed - counted)?;
            counted = hashed;
            match &state.outcome {
                Some(Ok(digest)) => return Ok(*digest),
                Some(Err(error)) => return Err(error.again()),
                None => {}
            }
            if let Some(error) = &state.broken {
                return Err(error.again());
            }
            let flying = state.flying.total();
            if state.down.total() + flying < self.plan.size {
                let missing = self.plan.size - state.down.total() - flying;
                return Err(Error::invalid(format!(
                    "{missing} bytes of the blob are missing"
                )));
            }
            state = self.wait(state, super::LOOK);
        }
    }

    /// Takes no more bytes, and waits until no thread touches the files.
    pub fn close(&self) {
        self.lock().closed = true;
        Pool::shared().wake();
        let mut state = self.lock();
        while state.outcome.is_none() || !state.flying.is_empty() {
            state = self.wait(state, super::LOOK);
        }
    }

    /// Keeps the BLAKE3 of a finished extent, in memory and beside the journal.
    pub fn note_hash(&self, index: usize, hash: [u8; 32]) -> Result<()> {
        let path = self.staging.path("hashes");
        let mut state = self.lock();
        if state.hash_file.is_none() {
            let opened = match self.staging.open_file("hashes")? {
                Some(file) => file,
                None => self.staging.create("hashes", 0)?,
            };
            state.hash_file = Some(Arc::new(opened));
        }
        let file = state.hash_file.clone();
        state.hashes.push(hash);
        drop(state);
        file.map_or(Ok(()), |file| file.write_all_at(&hash, index as u64 * 32))
            .map_err(|error| Error::io(path, error))
    }

    /// Bytes the front has hashed.
    pub fn hashed(&self) -> u64 {
        self.hashed.load(Ordering::Relaxed)
    }

    fn path_of(&self, piece: &Piece) -> std::path::PathBuf {
        match piece.extent {
            Some(_) => self.staging.path("member"),
            None => self.staging.path("spool"),
        }
    }
}
