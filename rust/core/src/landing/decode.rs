//! Takes a verified compressed tar apart; its spool shrinks where a disk is short.
//!
//! What is decoded is hardly smaller than what it is decoded from, so a disk with room for
//! the files is enough: what is behind the decoder is given back. With more room the spool
//! stays whole to the end, and a run that is killed has nothing to fetch again. No file takes
//! its room ahead: that could be what another decoder or writer is about to be short of.

use std::cell::Cell;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};

use super::plan::{Shape, Sink};
use super::shared::Shared;
use super::state::slot_file;
use crate::tar::{Admitted, Guard, Reader};
use crate::target::Target;
use crate::{Error, Meter, Result};

/// A disk with less free than this is short: others write while a decoder is not looking.
pub const SHORT: u64 = 64 << 20;

/// What is worth giving back, as a journal has to be written first.
const STEP: u64 = 2 << 20;

/// Bytes written between two looks at the disk, which take a microsecond.
const LOOK_EVERY: u64 = 256 << 10;

/// A file takes this much at least.
const BLOCK: u64 = 4 << 10;

/// Bytes that all decoders of this process have behind them and could give back.
static BEHIND: AtomicU64 = AtomicU64::new(0);

/// Decodes the spool into staged files and a list of them.
///
/// With less than `short` bytes free on the disk, the spool is given back behind the decoder.
/// After that the landing cannot be finished if this fails: it has to be opened anew.
pub fn decode(shared: &Shared, short: u64, meter: &Meter) -> Result<()> {
    let Sink::Target { target, .. } = &shared.plan.sink else {
        return Err(Error::internal("the store decodes nothing"));
    };
    if shared.lock().given_back > 0 {
        let why = "a part of the blob was given back: the landing has to be opened anew";
        return Err(Error::invalid(why));
    }
    let drain = Drain::new(shared, target, short);
    let mut reader = Reader::new(drain.decoder()?, shared.plan.what());
    let mut guard = Guard::new(target.folds_case());
    let mut list = BufWriter::new(shared.staging.create("list", 0)?);
    let mut slot = 0;
    while let Some(member) = reader.next_member()? {
        let (name, is_file) = match guard.admit(&member)? {
            Admitted::File(name) => (name, true),
            Admitted::Directory(name) => (name, false),
        };
        if is_file {
            extract(&mut reader, &drain, slot, member.size, meter)?;
            slot += 1;
        }
        let mut line = vec![u8::from(is_file)];
        line.extend(member.mode.to_le_bytes());
        line.extend((name.as_bytes().len() as u16).to_le_bytes());
        line.extend(name.as_bytes());
        list.write_all(&line)
            .map_err(|error| Error::io(shared.staging.path("list"), error))?;
    }
    list.flush()
        .map_err(|error| Error::io(shared.staging.path("list"), error))
}

fn extract<R: Read>(
    reader: &mut Reader<R>,
    drain: &Drain<'_>,
    slot: u64,
    size: u64,
    meter: &Meter,
) -> Result<()> {
    let name = slot_file(slot);
    let staging = &drain.shared.staging;
    drain.expect(&name, size)?;
    let mut file = staging.create(&name, 0)?;
    let mut buffer = vec![0; size.min(LOOK_EVERY) as usize];
    loop {
        meter.check()?;
        drain.look(buffer.len() as u64)?;
        let read = reader.read_body(&mut buffer)?;
        if read == 0 {
            return Ok(());
        }
        file.write_all(&buffer[..read])
            .map_err(|error| Error::io(staging.path(&name), error))?;
    }
}

/// The spool of one landing while it is decoded.
struct Drain<'a> {
    shared: &'a Shared,
    target: &'a Target,
    short: u64,
    /// Bytes the decoder has taken.
    taken: Cell<u64>,
    /// Bytes of those whose room was given back.
    given: Cell<u64>,
    /// Bytes about to be written before the disk is looked at again.
    unlooked: Cell<u64>,
}

impl<'a> Drain<'a> {
    fn new(shared: &'a Shared, target: &'a Target, short: u64) -> Self {
        Self {
            shared,
            target,
            short,
            taken: Cell::new(0),
            given: Cell::new(0),
            unlooked: Cell::new(0),
        }
    }

    fn decoder(&self) -> Result<Box<dyn Read + '_>> {
        let source = BufReader::with_capacity(256 << 10, self);
        Ok(match self.shared.plan.shape {
            Shape::TarGzip => Box::new(flate2::bufread::MultiGzDecoder::new(source)),
            Shape::TarZstd => Box::new(
                zstd::stream::read::Decoder::with_buffer(source)
                    .map_err(|error| Error::io(self.shared.staging.path("spool"), error))?,
            ),
            Shape::Whole | Shape::Tar => {
                return Err(Error::internal("this landing is not compressed"));
            }
        })
    }

    /// Checks that a file of this size can fit, while the spool is still as whole as it is.
    fn expect(&self, file: &str, size: u64) -> Result<()> {
        if size < LOOK_EVERY {
            return Ok(());
        }
        // In this order what is given back in between is counted twice, not left out.
        let behind = BEHIND.load(Ordering::Relaxed);
        let ahead = self.shared.plan.size - self.taken.get();
        let free = self.target.free_space()?;
        if size > free.saturating_add(behind).saturating_add(ahead) {
            let path = self.shared.staging.path(file);
            return Err(Error::NoSpace { path });
        }
        Ok(())
    }

    /// Gives back what is behind the decoder, if the disk is short before `coming` bytes more.
    fn look(&self, coming: u64) -> Result<()> {
        self.unlooked.update(|bytes| bytes + coming.max(BLOCK));
        let behind = self.taken.get() - self.given.get();
        if self.unlooked.get() < LOOK_EVERY || behind < STEP {
            return Ok(());
        }
        self.unlooked.set(0);
        if self.target.free_space()? < self.short {
            self.shared.give_back(self.taken.get())?;
            self.given.set(self.taken.get());
            BEHIND.fetch_sub(behind, Ordering::Relaxed);
        }
        Ok(())
    }
}

impl Read for &Drain<'_> {
    /// Reads on from the spool without moving anybody else's position.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.shared.spool.read_at(buffer, self.taken.get())?;
        self.taken.update(|taken| taken + read as u64);
        BEHIND.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

impl Drop for Drain<'_> {
    fn drop(&mut self) {
        BEHIND.fetch_sub(self.taken.get() - self.given.get(), Ordering::Relaxed);
    }
}
