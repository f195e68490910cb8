//! Tells a file from another, or from itself after a change, by `stat` alone.

use std::os::fd::AsFd;

use rustix::fs::{AtFlags, FileType, Stat, statat};
use rustix::io::Errno;

use super::{Staging, Target, beneath};
use crate::tar::Name;
use crate::{Error, Result};

/// Inode, size and time of change of a file's bytes; a rename changes none of them.
pub type Stamp = [u8; 24];

/// The size in a stamp.
pub fn size(stamp: &Stamp) -> u64 {
    u64::from_le_bytes(std::array::from_fn(|at| stamp[8 + at]))
}

impl Target {
    /// The stamp of a regular file, if there is one.
    pub fn stamp(&self, name: &Name) -> Result<Option<Stamp>> {
        let (folder, last) = name.split();
        let there = beneath::open(self.root.as_fd(), folder)
            .and_then(|parent| beneath::look(parent.as_fd(), last));
        match there {
            Ok(there) => Ok(there.as_ref().and_then(of)),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
            Err(error) => Err(self.error(name, error)),
        }
    }
}

impl Staging {
    /// The stamp of a regular file, if there is one.
    pub fn stamp(&self, file: &str) -> Result<Option<Stamp>> {
        match statat(self.folder(), file, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(there) => Ok(of(&there)),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(Error::io(self.path(file), error.into())),
        }
    }
}

#[allow(clippy::unnecessary_cast, reason = "signed on some systems")]
fn of(there: &Stat) -> Option<Stamp> {
    if FileType::from_raw_mode(there.st_mode) != FileType::RegularFile {
        return None;
    }
    let time = (there.st_mtime as u64)
        .wrapping_mul(1_000_000_000)
        .wrapping_add(there.st_mtime_nsec as u64);
    let mut stamp = [0; 24];
    let parts = [there.st_ino, there.st_size as u64, time];
    for (place, part) in stamp.chunks_exact_mut(8).zip(parts) {
        place.copy_from_slice(&part.to_le_bytes());
    }
    Some(stamp)
}
