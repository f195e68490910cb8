//! The members of a whole tar, as they are about to be published.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::os::unix::fs::FileExt;

use super::plan::{Plan, Shape, Sink};
use super::shared::Shared;
use super::state::slot_file;
use crate::tar::decode::Kind;
use crate::tar::{Admitted, Guard, Name, Reader, Step, Walk};
use crate::target::Staging;
use crate::{Error, Meter, Result};

/// A file or directory that is staged.
#[derive(Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it goes.
    pub name: Name,
    /// Its permission bits.
    pub mode: u32,
    /// The number of its file; a directory has none.
    pub slot: Option<u64>,
}

/// The staged members of one landing, which can be gone through more than once.
pub struct Members<'a> {
    /// What landed.
    pub plan: &'a Plan,
    /// Where it is staged.
    pub staging: &'a Staging,
    /// A tar's headers.
    pub spool: &'a File,
}

impl<'a> Members<'a> {
    /// The members of this landing.
    pub fn of(shared: &'a Shared) -> Self {
        Self {
            plan: &shared.plan,
            staging: &shared.staging,
            spool: &shared.spool,
        }
    }

    /// Shows every member in order.
    pub fn each(&self, visit: impl FnMut(&Entry) -> Result<()>) -> Result<()> {
        match self.plan.shape {
            Shape::Whole => self.each_whole(visit),
            Shape::Tar => self.each_spooled(visit),
            Shape::TarGzip | Shape::TarZstd => self.each_listed(visit),
        }
    }

    fn each_whole(&self, mut visit: impl FnMut(&Entry) -> Result<()>) -> Result<()> {
        match &self.plan.sink {
            Sink::Target {
                name: Some(name),
                mode,
                ..
            } => visit(&Entry {
                name: name.clone(),
                mode: *mode,
                slot: Some(0),
            }),
            _ => Ok(()),
        }
    }

    /// Names were judged when they arrived; here they are only read again.
    fn each_spooled(&self, mut visit: impl FnMut(&Entry) -> Result<()>) -> Result<()> {
        let mut walk = Walk::new(self.plan.size);
        let mut slot = 0;
        loop {
            let step = walk.step(|offset, buffer| {
                let read = self.spool.read_exact_at(buffer, offset);
                read.map_err(|error| Error::io(self.staging.path("spool"), error))?;
                Ok(true)
            })?;
            let Step::Member(member) = step else {
                return Ok(());
            };
            let is_file = member.kind == Kind::File;
            let entry = Entry {
                name: Name::check(&member.name)?,
                mode: member.mode,
                slot: is_file.then_some(slot),
            };
            slot += u64::from(is_file);
            visit(&entry)?;
        }
    }

    /// They were listed while the tar was decoded.
    fn each_listed(&self, mut visit: impl FnMut(&Entry) -> Result<()>) -> Result<()> {
        let lost = || {
            Error::corrupt(
                self.staging.path("list").display().to_string(),
                "is damaged",
            )
        };
        let file = self.staging.open_file("list")?.ok_or_else(lost)?;
        let mut input = BufReader::new(file);
        let mut slot = 0;
        let mut head = [0u8; 7];
        while input.read_exact(&mut head).is_ok() {
            let [is_file, a, b, c, d, e, f] = head;
            let mut name = vec![0; usize::from(u16::from_le_bytes([e, f]))];
            input.read_exact(&mut name).map_err(|_| lost())?;
            visit(&Entry {
                name: Name::check(&name)?,
                mode: u32::from_le_bytes([a, b, c, d]),
                slot: (is_file == 1).then_some(slot),
            })?;
            slot += u64::from(is_file == 1);
        }
        Ok(())
    }
}

/// Decodes a verified compressed tar from the spool into staged files and a list of them.
pub fn decode(shared: &Shared, meter: &Meter) -> Result<()> {
    let Sink::Target { target, .. } = &shared.plan.sink else {
        return Err(Error::internal("the store decodes nothing"));
    };
    let spool = Positioned {
        file: &shared.spool,
        at: 0,
    };
    let source: Box<dyn Read + '_> = match shared.plan.shape {
        Shape::TarGzip => Box::new(flate2::bufread::MultiGzDecoder::new(buffered(spool))),
        Shape::TarZstd => Box::new(
            zstd::stream::read::Decoder::with_buffer(buffered(spool))
                .map_err(|error| Error::io(shared.staging.path("spool"), error))?,
        ),
        Shape::Whole | Shape::Tar => return Ok(()),
    };
    let mut reader = Reader::new(source, shared.plan.what());
    let mut guard = Guard::new(target.folds_case());
    let mut list = BufWriter::new(shared.staging.create("list", 0)?);
    let mut slot = 0;
    while let Some(member) = reader.next_member()? {
        let (name, is_file) = match guard.admit(&member)? {
            Admitted::File(name) => (name, true),
            Admitted::Directory(name) => (name, false),
        };
        if is_file {
            extract(&mut reader, shared, slot, member.size, meter)?;
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
    shared: &Shared,
    slot: u64,
    size: u64,
    meter: &Meter,
) -> Result<()> {
    let name = slot_file(slot);
    let mut file = shared.staging.create(&name, size)?;
    let mut buffer = vec![0; size.min(256 << 10) as usize];
    loop {
        meter.check()?;
        let read = reader.read_body(&mut buffer)?;
        if read == 0 {
            return Ok(());
        }
        file.write_all(&buffer[..read])
            .map_err(|error| Error::io(shared.staging.path(&name), error))?;
    }
}

fn buffered<R: Read>(source: R) -> BufReader<R> {
    BufReader::with_capacity(256 << 10, source)
}

/// Reads a shared file from its start without moving anybody else's position.
struct Positioned<'a> {
    file: &'a File,
    at: u64,
}

impl Read for Positioned<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.file.read_at(buffer, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}
