//! Unpacks stored blobs: staged first, published when all is well.

use super::{Blob, Hold, Store};
use crate::tar::guard::{Admitted, Guard, Name};
use crate::tar::walk::{Step, Walk};
use crate::target::{Fate, Staging, Target};
use crate::{Error, Meter, Result};

pub(super) const BUFFER: usize = 256 << 10;

/// What a blob is, and so what unpacking makes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// The bytes of one file.
    Whole,
    /// A tar.
    Tar,
}

/// How a blob is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// Not at all.
    None,
    /// gzip, of any number of members.
    Gzip,
    /// Zstandard, of any number of frames.
    Zstd,
}

/// How to unpack one blob.
#[derive(Debug, Clone)]
pub struct Wish {
    /// What the blob is.
    pub shape: Shape,
    /// How it is compressed.
    pub packing: Packing,
    /// The file a whole blob becomes, and its mode.
    pub file: Option<(Name, u32)>,
    /// Hard-link whole contents instead of copying them: read only, and shared.
    pub link: bool,
}

/// A member on its way into the target.
pub(super) struct Entry {
    pub name: Name,
    pub mode: u32,
    pub body: Body,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Body {
    Directory,
    /// Bytes of the blob, from here on, this many.
    Range(u64, u64),
    /// Staged already, out of a compressed blob.
    Decoded,
}

impl Store {
    /// Unpacks a blob; the target's rule says what happens to files that are there.
    ///
    /// All files are staged inside the target and get their names when the last one is
    /// whole. The meter counts the files' bytes. Fails with `Corrupt` where a content is
    /// damaged and with `UnsafeMember` where the tar is hostile; nothing is published then.
    pub fn unpack(
        &self,
        digest: &[u8; 32],
        wish: &Wish,
        target: &Target,
        meter: &Meter,
    ) -> Result<()> {
        let _hold = Hold::shared(self.home())?;
        let blob = self.blob(digest)?;
        let staging = target.fresh_staging()?;
        let outcome = Unpacking {
            digest,
            blob: &blob,
            wish,
            target,
            staging: &staging,
            meter,
        }
        .run();
        let cleared = staging.destroy();
        outcome.and(cleared)
    }
}

pub(super) struct Unpacking<'a> {
    pub digest: &'a [u8; 32],
    pub blob: &'a Blob,
    pub wish: &'a Wish,
    pub target: &'a Target,
    pub staging: &'a Staging,
    pub meter: &'a Meter,
}

impl Unpacking<'_> {
    fn run(&self) -> Result<()> {
        let entries = match (self.wish.shape, self.wish.packing) {
            (Shape::Whole, Packing::None) => self.whole()?,
            (Shape::Tar, Packing::None) => self.map()?,
            (Shape::Whole, _) => return self.publish(&self.stage_decoded_file()?, &[false]),
            (Shape::Tar, _) => {
                let entries = self.stage_decoded_tar()?;
                return self.publish(&entries, &vec![false; entries.len()]);
            }
        };
        let linked = self.stage_ranges(&entries)?;
        self.publish(&entries, &linked)
    }

    pub(super) fn file(&self) -> Result<(Name, u32)> {
        let missing = || Error::invalid("a blob that is one file needs a name");
        self.wish.file.clone().ok_or_else(missing)
    }

    fn whole(&self) -> Result<Vec<Entry>> {
        let (name, mode) = self.file()?;
        self.admit(name, mode, Body::Range(0, self.blob.size()))
            .map(|entry| entry.into_iter().collect())
    }

    /// The entry, unless it is not wanted, or a file that is there is kept.
    pub(super) fn admit(&self, name: Name, mode: u32, body: Body) -> Result<Option<Entry>> {
        match self.target.fate(&name)? {
            Fate::Write => return Ok(Some(Entry { name, mode, body })),
            Fate::Keep => self.target.count_kept(1),
            Fate::Skip => {}
        }
        Ok(None)
    }

    /// All members of a tar, each checked, by hopping from header to header.
    fn map(&self) -> Result<Vec<Entry>> {
        let mut guard = Guard::new(self.target.folds_case());
        let mut walk = Walk::new(self.blob.size());
        let mut entries = Vec::new();
        loop {
            self.meter.check()?;
            match walk.step(|at, room| self.blob.read(at, room).map(|()| true))? {
                Step::Need(..) => return Err(Error::internal("the blob is there, yet asked for")),
                Step::End(at) => {
                    self.check_tail(at)?;
                    return Ok(entries);
                }
                Step::Member(member) => match guard.admit(&member)? {
                    Admitted::Directory(name) => entries.push(Entry {
                        name,
                        mode: member.mode,
                        body: Body::Directory,
                    }),
                    Admitted::File(name) => {
                        let body = Body::Range(member.body, member.size);
                        entries.extend(self.admit(name, member.mode, body)?);
                    }
                },
            }
        }
    }

    fn check_tail(&self, mut at: u64) -> Result<()> {
        let mut buffer = vec![0; BUFFER];
        while at < self.blob.size() {
            self.meter.check()?;
            let left = usize::try_from(self.blob.size() - at).unwrap_or(BUFFER);
            let room = &mut buffer[..left.min(BUFFER)];
            self.blob.read(at, room)?;
            if room.iter().any(|byte| *byte != 0) {
                return Err(Error::corrupt("tar", "holds more data behind its end"));
            }
            at += room.len() as u64;
        }
        Ok(())
    }

    /// Gives the staged files their names; a file that is a link keeps its content's mode.
    fn publish(&self, entries: &[Entry], linked: &[bool]) -> Result<()> {
        for (index, entry) in entries.iter().enumerate() {
            self.meter.check()?;
            if entry.body == Body::Directory {
                self.target.directory(&entry.name, entry.mode)?;
                continue;
            }
            let mode = (!linked[index]).then_some(entry.mode);
            let staged = staged_name(index);
            self.target
                .publish(self.staging, &staged, &entry.name, mode, Some(self.digest))?;
        }
        Ok(())
    }
}

/// What the entry with this index is called until it is published.
pub(super) fn staged_name(index: usize) -> String {
    index.to_string()
}
