//! Knows files a killed run had published, and those that were changed since.
//!
//! Beside the journal, 24 bytes a file in the order of their slots, written before the first
//! rename. The journal that says that publishing has begun comes after them and is believed
//! within one boot only, so they need no checksum of their own.

use std::fs::File;
use std::io::{BufWriter, ErrorKind, Write};
use std::os::unix::fs::FileExt;

use super::members::Members;
use crate::tar::Name;
use crate::target::stamp::{self, Stamp};
use crate::target::{Staging, Target};
use crate::{Error, Result};

const FILE: &str = "stamps";

/// Writes down what each staged file is.
pub fn write(members: &Members<'_>) -> Result<()> {
    let staging = members.staging;
    let mut out = BufWriter::new(staging.create(FILE, 0)?);
    let wrap = |error| Error::io(staging.path(FILE), error);
    members.each(|entry| {
        let Some(slot) = entry.slot else {
            return Ok(());
        };
        let stamp = staging.stamp(&super::state::slot_file(slot))?;
        let stamp = stamp.ok_or_else(|| never_made(&entry.name))?;
        out.write_all(&stamp).map_err(wrap)
    })?;
    out.flush().map_err(wrap)
}

/// The stamps that an earlier run wrote.
pub struct Stamps<'a> {
    staging: &'a Staging,
    file: Option<File>,
}

impl<'a> Stamps<'a> {
    /// Opens what there is; without any, no file is known.
    pub fn open(staging: &'a Staging) -> Result<Self> {
        let file = staging.open_file(FILE)?;
        Ok(Self { staging, file })
    }

    /// The size of the file `name`, if it is the one that was staged in this slot, untouched.
    pub fn published(&self, slot: u64, target: &Target, name: &Name) -> Result<Option<u64>> {
        let (Some(file), Some(now)) = (&self.file, target.stamp(name)?) else {
            return Ok(None);
        };
        let mut then = Stamp::default();
        let at = slot.saturating_mul(size_of::<Stamp>() as u64);
        match file.read_exact_at(&mut then, at) {
            Ok(()) => Ok((then == now).then(|| stamp::size(&now))),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(Error::io(self.staging.path(FILE), error)),
        }
    }
}

/// A file that a fault of ours left out.
pub fn never_made(name: &Name) -> Error {
    Error::internal(format!("{name} was never made"))
}
