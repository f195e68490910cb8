//! A layer's uncompressed bytes, front to back, straight from its source files.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::source::{Plan, Stat, unchanged};
use crate::tar::encode::{TRAILER, padding};
use crate::{Error, Meter, Result};

/// Takes the bytes a stream gives out, while they are warm.
pub(super) trait Taker: Send {
    /// Headers, padding and trailer.
    fn inline(&mut self, bytes: &[u8]) -> Result<()>;
    /// A file begins. May answer with a copy that is to be read in its place.
    fn begin(&mut self, source: &File, stat: &Stat) -> Result<Option<File>>;
    /// The next bytes of that file.
    fn bytes(&mut self, bytes: &[u8]) -> Result<()>;
    /// The file has ended, unchanged.
    fn end(&mut self) -> Result<()>;
}

/// Where nothing is to be done with the bytes beside hashing them.
impl Taker for () {
    fn inline(&mut self, _bytes: &[u8]) -> Result<()> {
        Ok(())
    }
    fn begin(&mut self, _source: &File, _stat: &Stat) -> Result<Option<File>> {
        Ok(None)
    }
    fn bytes(&mut self, _bytes: &[u8]) -> Result<()> {
        Ok(())
    }
    fn end(&mut self) -> Result<()> {
        Ok(())
    }
}

/// What stops a stream: its caller's meter, or the failure of a layer beside it.
#[derive(Debug, Clone, Default)]
pub(super) struct Watch {
    pub meter: Arc<Meter>,
    pub failed: Arc<AtomicBool>,
}

impl Watch {
    pub fn over(meter: &Arc<Meter>) -> Self {
        Self {
            meter: meter.clone(),
            failed: Arc::default(),
        }
    }

    fn advance(&self, bytes: u64) -> Result<()> {
        if self.failed.load(Ordering::Relaxed) {
            return Err(Error::Cancelled);
        }
        self.meter.advance(bytes)
    }
}

/// Bytes read, kept and hashed at a time: they stay in the core's own cache meanwhile.
const STEP: usize = 64 << 10;

pub(super) struct Stream<T> {
    plan: Arc<Plan>,
    taker: T,
    watch: Watch,
    next: usize,
    ended: bool,
    pending: Vec<u8>,
    pending_at: usize,
    reading: Option<Reading>,
}

struct Reading {
    source: File,
    copy: Option<File>,
    path: PathBuf,
    stat: Stat,
    at: u64,
}

impl<T: Taker> Stream<T> {
    pub fn new(plan: Arc<Plan>, taker: T, watch: Watch) -> Self {
        Self {
            plan,
            taker,
            watch,
            next: 0,
            ended: false,
            pending: Vec::new(),
            pending_at: 0,
            reading: None,
        }
    }

    pub fn into_taker(self) -> T {
        self.taker
    }

    /// Fills the whole buffer unless the stream ends; answers how much was filled.
    pub fn fill(&mut self, buffer: &mut [u8]) -> Result<usize> {
        self.watch.advance(0)?;
        let mut filled = 0;
        while filled < buffer.len() {
            let room = &mut buffer[filled..];
            if self.pending_at < self.pending.len() {
                filled += self.give_pending(room)?;
            } else if self.reading.is_some() {
                filled += self.give_file(room)?;
            } else if !self.advance()? {
                break;
            }
        }
        Ok(filled)
    }

    /// Fails with `Changed` when the file being read is no longer as it was.
    pub fn check(&self) -> Result<()> {
        self.reading.as_ref().map_or(Ok(()), |reading| {
            unchanged(&reading.source, &reading.path, &reading.stat)
        })
    }

    fn give_pending(&mut self, room: &mut [u8]) -> Result<usize> {
        let rest = &self.pending[self.pending_at..];
        let take = rest.len().min(room.len());
        room[..take].copy_from_slice(&rest[..take]);
        self.taker.inline(&rest[..take])?;
        self.pending_at += take;
        Ok(take)
    }

    fn give_file(&mut self, room: &mut [u8]) -> Result<usize> {
        let Some(reading) = &mut self.reading else {
            return Ok(0);
        };
        let left = reading.stat.size - reading.at;
        if left == 0 {
            self.close()?;
            return Ok(0);
        }
        let take = room
            .len()
            .min(usize::try_from(left).unwrap_or(STEP))
            .min(STEP);
        let file = reading.copy.as_ref().unwrap_or(&reading.source);
        let read = file
            .read_at(&mut room[..take], reading.at)
            .map_err(|error| Error::io(&reading.path, error))?;
        if read == 0 {
            return Err(Error::Changed {
                path: reading.path.clone(),
            });
        }
        reading.at += read as u64;
        self.taker.bytes(&room[..read])?;
        self.watch.advance(read as u64)?;
        Ok(read)
    }

    fn close(&mut self) -> Result<()> {
        let Some(reading) = self.reading.take() else {
            return Ok(());
        };
        unchanged(&reading.source, &reading.path, &reading.stat)?;
        self.taker.end()?;
        if !self.plan.source.raw {
            self.pend(vec![0; padding(reading.stat.size)]);
        }
        Ok(())
    }

    /// Goes to the next member; false when there is nothing more.
    fn advance(&mut self) -> Result<bool> {
        let raw = self.plan.source.raw;
        if self.next < self.plan.source.members.len() {
            let index = self.next;
            self.next += 1;
            if !raw {
                self.pend(self.plan.header(index)?);
            }
            let opened = self.plan.open(index)?;
            self.reading = opened.map(|(source, path, stat)| Reading {
                path: path.to_path_buf(),
                source,
                copy: None,
                stat,
                at: 0,
            });
            return self.begin().map(|()| true);
        }
        if raw || self.ended {
            return Ok(false);
        }
        self.ended = true;
        self.pend(TRAILER.to_vec());
        Ok(true)
    }

    fn begin(&mut self) -> Result<()> {
        if let Some(reading) = &mut self.reading {
            reading.copy = self.taker.begin(&reading.source, &reading.stat)?;
        }
        Ok(())
    }

    fn pend(&mut self, bytes: Vec<u8>) {
        self.pending = bytes;
        self.pending_at = 0;
    }
}
