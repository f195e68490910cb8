//! Remembers what one blob published into a target, until the target is finished.
//!
//! A run that is killed later, within another blob, then knows its own files again.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};

use super::journal;
use super::plan::Plan;
use crate::tar::Name;
use crate::target::stamp::{self, Stamp};
use crate::target::{Existing, Fate, RECORD, Staging, Target};
use crate::{Error, Result};

/// Added to a name's length: the file was there before, and was kept.
const KEPT: u32 = 1 << 31;

/// What a record tells of an earlier run.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Files it published.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files it kept.
    pub kept: u64,
    /// The names of those it published.
    pub names: Vec<Name>,
}

/// Writes down names and what `stat` says of them.
pub struct Writer<'a> {
    staging: &'a Staging,
    out: BufWriter<File>,
    sum: blake3::Hasher,
}

impl<'a> Writer<'a> {
    /// Begins a record for this plan.
    pub fn new(staging: &'a Staging, plan: &Plan) -> Result<Self> {
        let file = staging.create("record", 0)?;
        let mut writer = Self {
            staging,
            out: BufWriter::new(file),
            sum: blake3::Hasher::new(),
        };
        writer.put(&head(plan))?;
        Ok(writer)
    }

    /// Notes one file as it stands now, unless it was not wanted.
    pub fn note(&mut self, target: &Target, name: &Name, fate: Fate) -> Result<()> {
        let kept = match fate {
            Fate::Skip => return Ok(()),
            Fate::Keep => KEPT,
            Fate::Write => 0,
        };
        let stamp = target.stamp(name)?.unwrap_or_default();
        self.put(&(name.as_bytes().len() as u32 | kept).to_le_bytes())?;
        self.put(name.as_bytes())?;
        self.put(&stamp)
    }

    /// Makes the record count.
    pub fn commit(mut self) -> Result<()> {
        let sum = self.sum.finalize();
        self.put(&u32::MAX.to_le_bytes())?;
        self.put(sum.as_bytes())?;
        self.out.flush().map_err(|error| self.failed(error))?;
        self.staging.rename("record", RECORD)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.sum.update(bytes);
        self.out
            .write_all(bytes)
            .map_err(|error| self.failed(error))
    }

    fn failed(&self, error: std::io::Error) -> Error {
        Error::io(self.staging.path("record"), error)
    }
}

/// What an earlier run published, if all of it is as it left it.
///
/// Files it kept because they were there are settled only for a run with the same rule.
pub fn check(staging: &Staging, plan: &Plan, target: &Target) -> Result<Option<Told>> {
    let Some(file) = staging.open_file(RECORD)? else {
        return Ok(None);
    };
    let mut input = Input {
        file: BufReader::new(file),
        sum: blake3::Hasher::new(),
    };
    let expected = head(plan);
    if input.take(expected.len()).as_ref() != Some(&expected) {
        return Ok(None);
    }
    let mut told = Told::default();
    loop {
        let sum = input.sum.finalize();
        match input.number() {
            Some(u32::MAX) => {
                let whole = input
                    .take(32)
                    .is_some_and(|stated| stated == sum.as_bytes());
                return Ok(whole.then_some(told));
            }
            Some(stated) if stated & !KEPT <= 4096 => {
                let (length, kept) = (stated & !KEPT, stated & KEPT != 0);
                let name = input
                    .take(length as usize)
                    .and_then(|raw| Name::check(&raw).ok());
                let (Some(name), Some(stamp)) = (name, input.stamp()) else {
                    return Ok(None);
                };
                if target.stamp(&name)?.is_none_or(|now| now != stamp) {
                    return Ok(None);
                }
                if kept && target.existing() != Existing::Keep {
                    return Ok(None);
                }
                told.kept += u64::from(kept);
                if !kept {
                    told.files += 1;
                    told.bytes += stamp::size(&stamp);
                    told.names.push(name);
                }
            }
            _ => return Ok(None),
        }
    }
}

/// The page cache outlives the process, not the machine: a record counts for one boot.
fn head(plan: &Plan) -> Vec<u8> {
    let mut head = plan.identity();
    head.extend(journal::boot());
    let mut framed = (head.len() as u32).to_le_bytes().to_vec();
    framed.extend(head);
    framed
}

struct Input {
    file: BufReader<File>,
    sum: blake3::Hasher,
}

impl Input {
    fn take(&mut self, length: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.file.read_exact(&mut bytes).ok()?;
        self.sum.update(&bytes);
        Some(bytes)
    }

    fn stamp(&mut self) -> Option<Stamp> {
        self.take(24)?.try_into().ok()
    }

    fn number(&mut self) -> Option<u32> {
        let bytes = self.take(4)?;
        Some(u32::from_le_bytes(*bytes.first_chunk()?))
    }
}
