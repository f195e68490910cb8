//! Compresses a layer on its way out, with one piece of it in memory at a time.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::Packed;
use super::compress::compress;
use super::remember::{self, Known};
use super::source::{Compression, LayerSource, Plan};
use super::stream::{Stream, Watch};
use crate::digest::sha256::Hasher;
use crate::{Error, Meter, Result};

/// How soon a call that waits for a piece hears of a cancel.
const LISTEN: Duration = Duration::from_millis(50);

/// Compresses a plan's bytes; `take` gets the blob, front to back.
///
/// The watch's meter counts the files' bytes, and how long it took to read them.
pub(super) fn squeeze(
    plan: &Arc<Plan>,
    threads: usize,
    watch: &Watch,
    mut take: impl FnMut(&[u8]) -> Result<()>,
) -> Result<Known> {
    let mut stream = Stream::new(plan.clone(), (), watch.clone());
    let (mut plain, mut blob) = (Hasher::new(), Hasher::new());
    let mut size = 0;
    compress(
        plan.source.compression,
        threads,
        |buffer| {
            let begun = Instant::now();
            let filled = stream.fill(buffer)?;
            watch.meter.wrote(begun.elapsed());
            plain.update(&buffer[..filled]);
            Ok(filled)
        },
        |bytes| {
            blob.update(bytes);
            size += bytes.len() as u64;
            take(bytes)
        },
    )?;
    Ok(Known {
        digest: blob.finish(),
        diff_id: plain.finish(),
        size,
    })
}

/// One compressed layer on its way out, straight from its files.
///
/// Its bytes are the ones that packing gives, and the same each time: what is no longer in
/// memory is made anew. Every read of a file fails with `Changed` once it is no longer in
/// the state it had when this was made. One call at a time.
pub struct Squeeze {
    plan: Arc<Plan>,
    /// Bytes of every piece but the last, which has one at least.
    length: usize,
    known: Mutex<Option<Known>>,
    front: Mutex<Front>,
}

#[derive(Default)]
struct Front {
    /// What is in memory; before the first seek, nothing.
    window: Piece,
    /// Makes the piece after it.
    run: Option<Run>,
}

/// Some bytes of the blob.
#[derive(Default)]
struct Piece {
    start: u64,
    bytes: Vec<u8>,
    /// The files' bytes that were read before its first byte, and before its end.
    files: (u64, u64),
    /// What the layer is, with its last piece.
    known: Option<Known>,
}

impl Piece {
    fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }
}

impl Squeeze {
    /// Takes the state of a layer's files; nothing is read.
    ///
    /// # Errors
    /// `Invalid` for a layer that is not compressed, `Io` for files that are not there.
    pub fn of(source: LayerSource, length: usize) -> Result<Self> {
        if source.compression == Compression::None {
            return Err(Error::invalid("the layer is not to be compressed"));
        }
        Ok(Self {
            plan: Arc::new(Plan::of(source)?),
            length: length.max(1),
            known: Mutex::default(),
            front: Mutex::default(),
        })
    }

    /// Bytes of all the files.
    pub fn file_bytes(&self) -> u64 {
        self.plan.file_bytes
    }

    /// Takes over what an earlier run found on the same unchanged files, if there was one.
    pub fn recall(&self, home: &Path) -> bool {
        let known = remember::recall(&remember::path(home, &self.plan));
        let found = known.is_some();
        *lock(&self.known) = known;
        found
    }

    /// Writes down what was found for later runs, unless a change to a file might not show.
    pub fn remember(&self, home: &Path) -> Result<()> {
        let known = *lock(&self.known);
        let known = known.ok_or_else(|| Error::invalid("the digest is not known yet"))?;
        remember::remember(&remember::path(home, &self.plan), &self.plan, &known)
    }

    /// What packing the layer would give, once the digest is known.
    pub fn packed(&self) -> Option<Packed> {
        lock(&self.known).map(|known| Packed::new(known, false))
    }

    /// Brings the piece with the byte at `offset` into memory; past the end, the last one.
    ///
    /// The meter tells how long the files kept it waiting.
    pub fn seek(&self, offset: u64, meter: &Meter) -> Result<()> {
        let mut front = lock(&self.front);
        if offset < front.window.start {
            *front = Front::default();
        }
        while front.window.known.is_none() && front.window.end() <= offset {
            let run = match front.run.take() {
                Some(run) => run,
                None => Run::begin(&self.plan, self.length)?,
            };
            // Let go before it is waited for the next: two pieces at most are in memory. A
            // failure here ends the run, and a later call begins at the start.
            front.window = Piece::default();
            front.window = run.next(meter)?;
            front.run = Some(run);
        }
        if let Some(known) = front.window.known {
            *lock(&self.known) = Some(known);
        }
        Ok(())
    }

    /// Where the piece in memory begins and ends in the blob, and whether it is the last.
    pub fn window(&self) -> (u64, u64, bool) {
        let window = &lock(&self.front).window;
        (window.start, window.end(), window.known.is_some())
    }

    /// Of the files' bytes, about how many lie before this byte of the piece in memory.
    pub fn files(&self, offset: u64) -> u64 {
        let window = &lock(&self.front).window;
        let (before, after) = window.files;
        let length = window.bytes.len().max(1) as u128;
        let into = u128::from(offset.saturating_sub(window.start)).min(length);
        before + (u128::from(after - before) * into / length) as u64
    }

    /// Fills the buffer from `offset` on; `Invalid` for what is not in memory.
    pub fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        let window = &lock(&self.front).window;
        let begin = offset.checked_sub(window.start);
        let bytes = begin
            .and_then(|begin| usize::try_from(begin).ok())
            .and_then(|begin| window.bytes.get(begin..)?.get(..buffer.len()))
            .ok_or_else(|| Error::invalid("the bytes are not in memory"))?;
        buffer.copy_from_slice(bytes);
        Ok(())
    }

    /// Ends what works ahead, and lets the memory go.
    pub fn stop(&self) {
        *lock(&self.front) = Front::default();
    }
}

/// Compresses a layer once, from its start to its end.
struct Run {
    /// None once it is to end.
    pieces: Option<Receiver<Result<Piece>>>,
    watch: Watch,
    thread: Option<JoinHandle<()>>,
}

impl Run {
    fn begin(plan: &Arc<Plan>, length: usize) -> Result<Self> {
        // Room for none: one piece is made while the one before it is in use.
        let (sender, pieces) = sync_channel(0);
        let (plan, watch) = (plan.clone(), Watch::default());
        let own = watch.clone();
        let work = move || {
            let give = |piece| sender.send(Ok(piece)).map_err(|_| Error::Cancelled);
            if let Err(error) = cut(&plan, length, &own, give) {
                // Nobody listens when it was told to end.
                let _ = sender.send(Err(error));
            }
        };
        let thread = thread::Builder::new().name("squeeze".into()).spawn(work);
        let thread = thread.map_err(|error| Error::internal(format!("no thread: {error}")))?;
        Ok(Self {
            pieces: Some(pieces),
            watch,
            thread: Some(thread),
        })
    }

    fn next(&self, meter: &Meter) -> Result<Piece> {
        let gone = || Error::internal("a compressing thread ended early");
        let pieces = self.pieces.as_ref().ok_or_else(gone)?;
        let (begun, read) = (Instant::now(), self.watch.meter.writing());
        let piece = loop {
            meter.check()?;
            match pieces.recv_timeout(LISTEN) {
                Ok(piece) => break piece,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Err(gone()),
            }
        };
        let reading = self.watch.meter.writing().saturating_sub(read);
        meter.wrote(reading.min(begun.elapsed()));
        piece
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.watch.failed.store(true, Ordering::Relaxed);
        drop(self.pieces.take());
        if let Some(thread) = self.thread.take() {
            // It has told of its failure, or nobody is left to hear it.
            let _ = thread.join();
        }
    }
}

/// Compresses a plan, and gives the blob out in pieces of this length.
fn cut(
    plan: &Arc<Plan>,
    length: usize,
    watch: &Watch,
    mut give: impl FnMut(Piece) -> Result<()>,
) -> Result<()> {
    let mut piece = Piece::default();
    let threads = crate::cores();
    let known = squeeze(plan, threads, watch, |mut bytes| {
        while piece.bytes.len() + bytes.len() > length {
            let (head, rest) = bytes.split_at(length - piece.bytes.len());
            piece.bytes.extend_from_slice(head);
            piece.files.1 = watch.meter.done();
            let next = Piece {
                start: piece.end(),
                files: (piece.files.1, piece.files.1),
                ..Piece::default()
            };
            give(std::mem::replace(&mut piece, next))?;
            bytes = rest;
        }
        piece.bytes.extend_from_slice(bytes);
        Ok(())
    })?;
    piece.files.1 = watch.meter.done();
    piece.known = Some(known);
    give(piece)
}

fn lock<T>(held: &Mutex<T>) -> MutexGuard<'_, T> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
