//! Opens folders beneath a folder, following no link and leaving it by no name.

use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{AtFlags, CWD, Mode, OFlags, Stat, mkdirat, openat, statat};
use rustix::io::{Errno, Result};

/// Holds a folder without the right to list it; macOS has no `O_PATH`.
#[cfg(target_os = "linux")]
const HANDLE: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
#[cfg(not(target_os = "linux"))]
const HANDLE: OFlags = OFlags::DIRECTORY.union(OFlags::CLOEXEC);

/// Opens `path`, relative and checked, beneath `folder`; no part of it may be a link.
///
/// A link in the way is `LOOP` or `NOTDIR`.
pub fn open(folder: BorrowedFd<'_>, path: &[u8]) -> Result<OwnedFd> {
    if path.is_empty() {
        return openat(folder, ".", HANDLE, Mode::empty());
    }
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{ResolveFlags, openat2};
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        match openat2(
            folder,
            OsStr::from_bytes(path),
            HANDLE,
            Mode::empty(),
            resolve,
        ) {
            // Old kernels lack the call; some sandboxes forbid what they do not know.
            Err(Errno::NOSYS | Errno::PERM) => {}
            outcome => return outcome,
        }
    }
    open_stepwise(folder, path)
}

/// The same, one part at a time, each without following a link.
fn open_stepwise(folder: BorrowedFd<'_>, path: &[u8]) -> Result<OwnedFd> {
    let mut here = openat(folder, ".", HANDLE, Mode::empty())?;
    for part in path.split(|&byte| byte == b'/') {
        let flags = HANDLE | OFlags::NOFOLLOW;
        here = openat(&here, OsStr::from_bytes(part), flags, Mode::empty())?;
    }
    Ok(here)
}

/// Opens `path` beneath `folder`, making the folders that are missing.
pub fn make(folder: BorrowedFd<'_>, path: &[u8]) -> Result<OwnedFd> {
    match open(folder, path) {
        Err(Errno::NOENT) if !path.is_empty() => {}
        outcome => return outcome,
    }
    let cut = path.iter().rposition(|&byte| byte == b'/');
    let (parent, name) = match cut {
        Some(at) => (make(folder, &path[..at])?, &path[at + 1..]),
        None => (open(folder, b"")?, path),
    };
    make_one(parent.as_fd(), name, 0o777)?;
    open(parent.as_fd(), name)
}

/// Makes one folder; whether it is new.
pub fn make_one(parent: BorrowedFd<'_>, name: &[u8], mode: u32) -> Result<bool> {
    match mkdirat(parent, OsStr::from_bytes(name), Mode::from_raw_mode(mode)) {
        Ok(()) => Ok(true),
        Err(Errno::EXIST) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Opens the folder `name` in `parent` itself, not as a handle only.
pub fn open_list(parent: BorrowedFd<'_>, name: &[u8]) -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(parent, OsStr::from_bytes(name), flags, Mode::empty())
}

/// What stands at `name` in `parent`, itself and not what it links to.
pub fn look(parent: BorrowedFd<'_>, name: &[u8]) -> Result<Option<Stat>> {
    match statat(parent, OsStr::from_bytes(name), AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(stat)),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Opens the folder a person named; links on the way to it are theirs.
pub fn open_root(path: &std::path::Path) -> Result<OwnedFd> {
    openat(
        CWD,
        path,
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_not_followed() {
        let root = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(outside.path(), root.path().join("link")).unwrap();
        let folder = open_root(root.path()).unwrap();
        make(folder.as_fd(), b"a/b/c").unwrap();
        for open in [open, open_stepwise, make] {
            assert!(open(folder.as_fd(), b"link").is_err());
            assert!(open(folder.as_fd(), b"link/x").is_err());
            assert!(open(folder.as_fd(), b"a/b/c").is_ok());
        }
        assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
    }
}
