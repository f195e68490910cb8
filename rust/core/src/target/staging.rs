//! A locked folder of unfinished files, held open so that nobody can swap it.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, Dir, FallocateFlags, FileType, FlockOperation, Mode, OFlags, fallocate, flock, fstat,
    fstatfs, ftruncate, openat, renameat, statat, unlinkat,
};
use rustix::io::Errno;

use super::beneath;
use crate::{Error, Result};

const FOLDER: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);
const FILE: OFlags = OFlags::RDWR.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Files in the making. The lock is `flock`, so it ends with the process that holds it.
#[derive(Debug)]
pub struct Staging {
    folder: OwnedFd,
    parent: OwnedFd,
    name: String,
    path: PathBuf,
    is_new: bool,
    flags: OFlags,
}

impl Staging {
    /// Opens the folder `name` in `parent` (at `path`), made if need be.
    ///
    /// `None` where another user of it, in this process or another, holds its lock.
    pub fn open(parent: BorrowedFd<'_>, path: &Path, name: &str) -> Result<Option<Self>> {
        let path = path.join(name);
        let wrap = |error: Errno| Error::io(&path, error.into());
        loop {
            let is_new = beneath::make_one(parent, name.as_bytes(), 0o700).map_err(wrap)?;
            let folder = match openat(parent, name, FOLDER, Mode::empty()) {
                Err(Errno::NOENT) => continue,
                outcome => outcome.map_err(wrap)?,
            };
            match flock(&folder, FlockOperation::NonBlockingLockExclusive) {
                Err(Errno::WOULDBLOCK) => return Ok(None),
                Err(Errno::INTR) => continue,
                outcome => outcome.map_err(wrap)?,
            }
            // Its last user may have removed it between our open and our lock.
            let ours = fstat(&folder).map_err(wrap)?;
            let there = beneath::look(parent, name.as_bytes()).map_err(wrap)?;
            if there.is_some_and(|there| there.st_ino == ours.st_ino) {
                let parent = parent
                    .try_clone_to_owned()
                    .map_err(|error| Error::io(&path, error))?;
                return Ok(Some(Self {
                    folder,
                    parent,
                    name: name.into(),
                    path,
                    is_new,
                    flags: FILE,
                }));
            }
        }
    }

    /// Opens a folder that is there to look into it: nothing is locked, made or written.
    pub fn look(parent: BorrowedFd<'_>, path: &Path, name: &str) -> Result<Option<Self>> {
        let path = path.join(name);
        let folder = match openat(parent, name, FOLDER, Mode::empty()) {
            Err(Errno::NOENT) => return Ok(None),
            outcome => outcome.map_err(|error| Error::io(&path, error.into()))?,
        };
        let parent = parent
            .try_clone_to_owned()
            .map_err(|error| Error::io(&path, error))?;
        Ok(Some(Self {
            folder,
            parent,
            name: name.into(),
            path,
            is_new: false,
            flags: FILE.difference(OFlags::RDWR),
        }))
    }

    /// Whether it was made by opening it.
    pub fn is_new(&self) -> bool {
        self.is_new
    }

    /// The folder itself.
    pub fn folder(&self) -> BorrowedFd<'_> {
        self.folder.as_fd()
    }

    /// Where a file of it stands: for messages, and for folders nobody else writes to.
    pub fn path(&self, file: &str) -> PathBuf {
        self.path.join(file)
    }

    /// Makes the file anew, `size` bytes long, its room on the disk taken where possible.
    pub fn create(&self, file: &str, size: u64) -> Result<File> {
        let flags = FILE | OFlags::CREATE | OFlags::TRUNC;
        let mode = Mode::from_raw_mode(0o600);
        let made = match openat(&self.folder, file, flags, mode) {
            Err(Errno::NOENT) => {
                let parent = file.split_once('/').map_or("", |(folder, _)| folder);
                beneath::make_one(self.folder(), parent.as_bytes(), 0o700)
                    .and_then(|_| openat(&self.folder, file, flags, mode))
            }
            outcome => outcome,
        };
        let made = made.map_err(|error| self.error(file, error))?;
        reserve(&made, size).map_err(|error| self.error(file, error))?;
        Ok(File::from(made))
    }

    /// Opens a file that is there.
    pub fn open_file(&self, file: &str) -> Result<Option<File>> {
        match openat(&self.folder, file, self.flags, Mode::empty()) {
            Ok(opened) => Ok(Some(File::from(opened))),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(self.error(file, error)),
        }
    }

    /// The size of a regular file, if there is one.
    pub fn size_of(&self, file: &str) -> Result<Option<u64>> {
        match statat(&self.folder, file, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile => {
                Ok(Some(stat.st_size as u64))
            }
            Ok(_) | Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(self.error(file, error)),
        }
    }

    /// Replaces a file whole: a reader sees the old bytes or the new ones.
    pub fn replace(&self, file: &str, bytes: &[u8]) -> Result<()> {
        let temp = format!("{file}.new");
        let mut made = self.create(&temp, 0)?;
        made.write_all(bytes)
            .map_err(|error| Error::io(self.path(&temp), error))?;
        self.rename(&temp, file)
    }

    /// Gives a file of the folder another name in it, replacing what has that name.
    pub fn rename(&self, from: &str, to: &str) -> Result<()> {
        renameat(&self.folder, from, &self.folder, to).map_err(|error| self.error(to, error))
    }

    /// Removes one file; one that is not there is fine.
    pub fn remove(&self, file: &str) -> Result<()> {
        match unlinkat(&self.folder, file, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(self.error(file, error)),
        }
    }

    /// Removes all files but these, the folder stays.
    pub fn clear_but(&self, kept: &[&str]) -> Result<()> {
        empty(&self.folder, kept).map_err(|error| self.error("", error))
    }

    /// Removes the folder and all in it; the last thing to do with it.
    pub fn destroy(&self) -> Result<()> {
        self.clear_but(&[])?;
        unlinkat(&self.parent, &self.name, AtFlags::REMOVEDIR)
            .map_err(|error| self.error("", error))
    }

    /// Lets others in, whoever still has a handle on this one.
    pub fn release(&self) {
        // A lock that stays ends with the process: others wait longer, nothing is lost.
        let _stays = flock(&self.folder, FlockOperation::Unlock);
    }

    fn error(&self, file: &str, error: Errno) -> Error {
        Error::io(self.path(file), error.into())
    }
}

/// Removes what is in a folder of ours but these files; links are removed, never followed.
fn empty(folder: &OwnedFd, kept: &[&str]) -> rustix::io::Result<()> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        let name = entry?.file_name().to_owned();
        let is_kept = kept.iter().any(|kept| kept.as_bytes() == name.to_bytes());
        if !is_kept && !matches!(name.to_bytes(), b"." | b"..") {
            names.push(name);
        }
    }
    for name in names {
        let name = std::ffi::OsStr::from_bytes(name.to_bytes());
        match unlinkat(folder, name, AtFlags::empty()) {
            Err(Errno::ISDIR | Errno::PERM) => {
                empty(&openat(folder, name, FOLDER, Mode::empty())?, &[])?;
                unlinkat(folder, name, AtFlags::REMOVEDIR)?;
            }
            outcome => outcome?,
        }
    }
    Ok(())
}

/// Gives a new file its size, and its room, so that a full disk is noticed now.
fn reserve(file: &OwnedFd, size: u64) -> rustix::io::Result<()> {
    if size == 0 {
        return Ok(());
    }
    if is_memory(file) {
        if super::free_space(file.as_fd())? < size {
            return Err(Errno::NOSPC);
        }
        return ftruncate(file, size);
    }
    match fallocate(file, FallocateFlags::empty(), 0, size) {
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => ftruncate(file, size),
        outcome => outcome,
    }
}

/// In a tmpfs room is memory, and taking it takes as long as filling it.
fn is_memory(file: &OwnedFd) -> bool {
    const TMPFS: u64 = 0x0102_1994;
    fstatfs(file).is_ok_and(|stat| stat.f_type as u64 == TMPFS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_user_at_a_time() {
        let root = tempfile::tempdir().unwrap();
        let parent = beneath::open_root(root.path()).unwrap();
        let open = || Staging::open(parent.as_fd(), root.path(), "x").unwrap();
        let first = open().unwrap();
        assert!(open().is_none());
        first.create("1/2", 10).unwrap();
        first.replace("journal", b"text").unwrap();
        drop(first);
        let second = open().unwrap();
        assert_eq!(second.size_of("1/2").unwrap(), Some(10));
        assert_eq!(second.size_of("1").unwrap(), None);
        assert!(second.open_file("nothing").unwrap().is_none());
        second.destroy().unwrap();
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 0);
        assert!(open().is_some());
    }
}
