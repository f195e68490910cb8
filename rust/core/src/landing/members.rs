//! The members of a whole tar, as they are about to be published.

use std::fs::File;
use std::io::{BufReader, Read};
use std::os::unix::fs::FileExt;

use super::plan::{Plan, Shape, Sink};
use super::shared::Shared;
use crate::tar::decode::Kind;
use crate::tar::{Name, Step, Walk};
use crate::target::Staging;
use crate::{Error, Result};

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
