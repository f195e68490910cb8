//! How files get their final names: by rename, and only where the rule allows it.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::sync::atomic::Ordering;

use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, RenameFlags, chmodat, openat, renameat, renameat_with,
};
use rustix::io::Errno;

use super::ranks::Turn;
use super::{Existing, Fate, Layer, Staging, Target, beneath};
use crate::tar::Name;
use crate::tar::guard::unsafe_member;
use crate::{Error, Result};

impl Target {
    /// Whether a file called `name` would be written.
    ///
    /// # Errors
    /// [`Error::Exists`] where one is there and must not be replaced,
    /// [`Error::UnsafeMember`] where a link stands on the way.
    pub fn fate(&self, name: &Name) -> Result<Fate> {
        if !self.patterns.want(name) {
            return Ok(Fate::Skip);
        }
        let (folder, last) = name.split();
        let parent = match beneath::open(self.root.as_fd(), folder) {
            Err(Errno::NOENT) => return Ok(Fate::Write),
            outcome => outcome.map_err(|error| self.blocked(name, error))?,
        };
        let there = beneath::look(parent.as_fd(), last).map_err(|error| self.error(name, error))?;
        let Some(there) = there else {
            return Ok(Fate::Write);
        };
        let is_folder = FileType::from_raw_mode(there.st_mode) == FileType::Directory;
        match self.existing {
            // Of layers of one run, whose it is shows when it is published.
            Existing::Keep if !is_folder && self.is_taken(name) => Ok(Fate::Write),
            Existing::Keep if !is_folder => Ok(Fate::Keep),
            Existing::Overwrite if !is_folder => Ok(Fate::Write),
            _ => Err(self.exists(name)),
        }
    }

    /// Checks that the directory `name` can be made, or is there.
    ///
    /// # Errors
    /// [`Error::Exists`] where a file has its name, [`Error::UnsafeMember`] where a link
    /// stands on the way.
    pub fn check_directory(&self, name: &Name) -> Result<()> {
        let (folder, last) = name.split();
        if name.is_root() {
            return Ok(());
        }
        let parent = match beneath::open(self.root.as_fd(), folder) {
            Err(Errno::NOENT) => return Ok(()),
            outcome => outcome.map_err(|error| self.blocked(name, error))?,
        };
        let there = beneath::look(parent.as_fd(), last).map_err(|error| self.error(name, error))?;
        match there.map(|there| FileType::from_raw_mode(there.st_mode)) {
            None | Some(FileType::Directory) => Ok(()),
            Some(FileType::Symlink) => Err(self.blocked(name, Errno::LOOP)),
            Some(_) => Err(self.exists(name)),
        }
    }

    /// Gives a whole staged file of a layer its mode and its name.
    ///
    /// [`Fate::Keep`] where another file is kept, [`Fate::Skip`] where another layer's is.
    /// `mode` loses setuid, setgid and sticky, and the umask's bits; without a mode (hard
    /// links share theirs) it stays as it is.
    ///
    /// # Errors
    /// [`Error::Exists`] where a file is there and must not be replaced.
    pub fn publish(
        &self,
        staging: &Staging,
        file: &str,
        name: &Name,
        mode: Option<u32>,
        layer: Option<&Layer>,
    ) -> Result<Fate> {
        let size = staging.size_of(file)?.unwrap_or_default();
        if let Some(mode) = mode {
            let mode = Mode::from_raw_mode(mode & 0o777 & !self.umask);
            chmodat(staging.folder(), file, mode, AtFlags::empty())
                .map_err(|error| Error::io(staging.path(file), error.into()))?;
        }
        let (folder, last) = name.split();
        let parent = self.make(name, folder)?;
        let last = OsStr::from_bytes(last);
        let mut turn = self.turn(name, layer);
        let taken = turn.as_ref().is_some_and(Turn::is_taken);
        let late = turn.as_ref().is_some_and(Turn::is_late);
        let replaces = match self.existing {
            Existing::Refuse => false,
            Existing::Overwrite => !late,
            Existing::Keep => late,
        };
        if taken && !replaces && self.existing != Existing::Refuse {
            staging.remove(file)?;
            return Ok(Fate::Skip);
        }
        let moved = if replaces {
            renameat(staging.folder(), file, &parent, last)
        } else {
            rename_to_nothing(staging, file, &parent, last)
        };
        match moved {
            Ok(()) => {
                self.count_published(u64::from(!taken), size);
                self.published.note(name);
                if let Some(turn) = &mut turn {
                    turn.take();
                }
                Ok(Fate::Write)
            }
            Err(Errno::EXIST) if self.existing == Existing::Keep => {
                self.count_kept(1);
                staging.remove(file)?;
                Ok(Fate::Keep)
            }
            Err(Errno::EXIST | Errno::ISDIR) => Err(self.exists(name)),
            Err(error) => Err(self.error(name, error)),
        }
    }

    /// Counts files an earlier run published.
    pub fn count_published(&self, files: u64, bytes: u64) {
        self.files.fetch_add(files, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Counts files that were left alone because they were there.
    pub fn count_kept(&self, files: u64) {
        self.kept.fetch_add(files, Ordering::Relaxed);
    }

    /// Writes a small file at once; `false` where one is there and is kept.
    ///
    /// One that is there with the same bytes is fine whatever the rule, and counts.
    pub fn put(&self, name: &Name, data: &[u8], mode: u32) -> Result<bool> {
        if name.is_root() {
            return Err(unsafe_member(b"", "it has no name"));
        }
        if self.patterns.want(name) && self.holds(name, data)? {
            self.published.note(name);
            match self.existing {
                // Whoever is going to vouch for it asks for verified bytes, not whose they are.
                Existing::Keep if !self.published.is_on() => self.count_kept(1),
                _ => self.count_published(1, data.len() as u64),
            }
            return Ok(true);
        }
        match self.fate(name)? {
            Fate::Write => {}
            Fate::Skip => return Ok(false),
            Fate::Keep => {
                self.count_kept(1);
                return Ok(false);
            }
        }
        let staging = self.fresh_staging()?;
        let written = staging.create("file", 0).and_then(|mut file| {
            file.write_all(data)
                .map_err(|error| Error::io(staging.path("file"), error))
        });
        let outcome = written.and_then(|()| self.publish(&staging, "file", name, Some(mode), None));
        staging
            .destroy()
            .and(outcome.map(|fate| fate == Fate::Write))
    }

    /// Whether the regular file `name` is there and holds exactly `data`.
    pub fn holds(&self, name: &Name, data: &[u8]) -> Result<bool> {
        let (folder, last) = name.split();
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let opened = beneath::open(self.root.as_fd(), folder)
            .and_then(|parent| openat(&parent, OsStr::from_bytes(last), flags, Mode::empty()));
        let Ok(file) = opened.map(File::from) else {
            return Ok(false);
        };
        let wrap = |error| Error::io(self.path.join(name.as_path()), error);
        let meta = file.metadata().map_err(wrap)?;
        if !meta.is_file() || meta.len() != data.len() as u64 {
            return Ok(false);
        }
        let mut bytes = Vec::with_capacity(data.len());
        file.take(data.len() as u64 + 1)
            .read_to_end(&mut bytes)
            .map_err(wrap)?;
        Ok(bytes == data)
    }
}

/// Renames where nothing is, atomically; file systems without that call get a look first.
fn rename_to_nothing(
    staging: &Staging,
    file: &str,
    parent: &OwnedFd,
    last: &OsStr,
) -> rustix::io::Result<()> {
    match renameat_with(staging.folder(), file, parent, last, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS) => {
            if beneath::look(parent.as_fd(), last.as_bytes())?.is_some() {
                return Err(Errno::EXIST);
            }
            renameat(staging.folder(), file, parent, last)
        }
        outcome => outcome,
    }
}
