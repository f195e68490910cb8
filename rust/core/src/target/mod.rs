//! A folder that unpacked files appear in by rename, and that nothing can leave.

pub mod beneath;
pub mod patterns;
mod publish;
mod published;
mod ranks;
pub mod staging;
pub mod stamp;

pub use patterns::Patterns;
pub use ranks::Layer;
pub use staging::Staging;

use published::Published;
use ranks::Ranks;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use rustix::fs::{AtFlags, Dir, Mode, OFlags, fchmod, fstat, fstatvfs, openat, unlinkat};
use rustix::io::Errno;

use crate::tar::guard::{RESERVED, unsafe_member};
use crate::tar::{Guard, Name};
use crate::{Error, Result};

/// In a staging folder: what was published out of it, kept until the target is finished.
pub const RECORD: &str = "published";

/// Staging folders that are of no use once their process is gone.
const FRESH: &str = "fresh-";

/// What to do about a file that is already there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// Fail, before anything is published.
    Refuse,
    /// Replace it.
    Overwrite,
    /// Leave it as it is.
    Keep,
}

/// Whether a file would be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Yes.
    Write,
    /// No: one is there and is kept.
    Keep,
    /// No: it is not wanted.
    Skip,
}

/// The folder, held open: a link put in its place meanwhile changes nothing.
///
/// Every name is resolved beneath it without following links. Files are made in a staging
/// folder inside of it and renamed to their names when they are whole.
#[derive(Debug)]
pub struct Target {
    root: OwnedFd,
    path: PathBuf,
    existing: Existing,
    patterns: Patterns,
    umask: u32,
    folds_case: bool,
    modes: Mutex<Vec<(Name, u32)>>,
    made: Mutex<Vec<String>>,
    published: Published,
    ranks: Ranks,
    files: AtomicU64,
    bytes: AtomicU64,
    kept: AtomicU64,
}

impl Target {
    /// Opens the folder at `path`, made if need be.
    pub fn open(path: &Path, existing: Existing) -> Result<Self> {
        Self::open_for(path, existing, Patterns::default())
    }

    /// Opens the folder at `path` for those files alone that the patterns want.
    pub fn open_for(path: &Path, existing: Existing, patterns: Patterns) -> Result<Self> {
        std::fs::create_dir_all(path).map_err(|error| Error::io(path, error))?;
        let root = beneath::open_root(path).map_err(|error| Error::io(path, error.into()))?;
        let mut target = Self::over(root, path, existing, patterns);
        target.probe()?;
        Ok(target)
    }

    /// The folder at `path` if it is there, to be looked into: nothing is made or tried in it.
    pub fn look(path: &Path, patterns: Patterns) -> Result<Option<Self>> {
        match beneath::open_root(path) {
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(error) => Err(Error::io(path, error.into())),
            Ok(root) => Ok(Some(Self::over(root, path, Existing::Keep, patterns))),
        }
    }

    fn over(root: OwnedFd, path: &Path, existing: Existing, patterns: Patterns) -> Self {
        Self {
            root,
            path: path.to_path_buf(),
            existing,
            patterns,
            umask: 0o022,
            folds_case: false,
            modes: Mutex::default(),
            made: Mutex::default(),
            published: Published::default(),
            ranks: Ranks::default(),
            files: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            kept: AtomicU64::new(0),
        }
    }

    /// Learns the umask, which cannot be asked for without changing it, and the case rules.
    fn probe(&mut self) -> Result<()> {
        let staging = self.fresh_staging()?;
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
        let all = Mode::from_raw_mode(0o777);
        let probe = openat(staging.folder(), "probe", flags, all)
            .and_then(fstat)
            .map_err(|error| Error::io(staging.path("probe"), error.into()))?;
        self.umask = 0o777 & !probe.st_mode;
        self.folds_case = staging.size_of("PROBE")?.is_some();
        staging.destroy()
    }

    /// What happens to files that are there.
    pub fn existing(&self) -> Existing {
        self.existing
    }

    /// Which files are wanted.
    pub fn patterns(&self) -> &Patterns {
        &self.patterns
    }

    /// Whether the file system takes `A` and `a` for one name.
    pub fn folds_case(&self) -> bool {
        self.folds_case
    }

    /// Checks the names of files and folders that are to come as those of a tar are checked.
    ///
    /// # Errors
    /// [`Error::UnsafeMember`] where one leads out of the folder, or two would be one file here.
    pub fn check_names<T: AsRef<[u8]>>(&self, files: &[T], folders: &[T]) -> Result<()> {
        Guard::check_names(self.folds_case, files, folders)
    }

    /// Files published so far.
    pub fn files(&self) -> u64 {
        self.files.load(Ordering::Relaxed)
    }

    /// Bytes in the files published so far.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Files left alone because they were there.
    pub fn kept(&self) -> u64 {
        self.kept.load(Ordering::Relaxed)
    }

    /// Bytes this user may still write on the folder's file system.
    pub fn free_space(&self) -> Result<u64> {
        free_space(self.root.as_fd()).map_err(|error| Error::io(&self.path, error.into()))
    }

    /// The staging folder called `key`; `None` while somebody else uses it.
    pub fn staging(&self, key: &str) -> Result<Option<Staging>> {
        let name = format!("{RESERVED}staging");
        let path = self.path.join(&name);
        loop {
            let opened = beneath::make(self.root.as_fd(), name.as_bytes());
            let parent = opened.map_err(|error| Error::io(&path, error.into()))?;
            match Staging::open(parent.as_fd(), &path, key) {
                // Somebody who was done removed the staging folder in between.
                Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {}
                outcome => {
                    let opened = outcome?;
                    if opened.as_ref().is_some_and(Staging::is_new) && !key.starts_with(FRESH) {
                        self.made().push(key.to_owned());
                    }
                    return Ok(opened);
                }
            }
        }
    }

    /// Whether there is a staging folder called `key`.
    pub fn has_staging(&self, key: &str) -> Result<bool> {
        Ok(self.look_at_staging(key)?.is_some())
    }

    /// The staging folder called `key` if it is there, whoever uses it; to look into it.
    pub fn look_at_staging(&self, key: &str) -> Result<Option<Staging>> {
        let name = format!("{RESERVED}staging");
        let path = self.path.join(&name);
        match beneath::open_list(self.root.as_fd(), name.as_bytes()) {
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(Error::io(path, error.into())),
            Ok(folder) => Staging::look(folder.as_fd(), &path, key),
        }
    }

    fn made(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes what was staged through this target and did not stand there before.
    ///
    /// For a failure that no other try of the same can get past. What an earlier run was
    /// interrupted at stays.
    pub fn abandon(&self) -> Result<()> {
        let made = std::mem::take(&mut *self.made());
        for key in made {
            if self.has_staging(&key)?
                && let Some(staging) = self.staging(&key)?
            {
                staging.destroy()?;
            }
        }
        self.remove_staging_if_empty()
    }

    /// A staging folder nobody else has.
    pub fn fresh_staging(&self) -> Result<Staging> {
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        loop {
            let count = COUNTER.fetch_add(1, Ordering::Relaxed);
            let key = format!("{FRESH}{}-{count}", std::process::id());
            if let Some(staging) = self.staging(&key)? {
                staging.clear_but(&[])?;
                return Ok(staging);
            }
        }
    }

    /// Makes the directory `name` and those around it; an existing one keeps its mode, and
    /// one that is not wanted is made when a file in it is.
    ///
    /// Its mode (permission bits only, umask applied) takes full effect at
    /// [`Target::finish`]: until then its owner may write.
    pub fn directory(&self, name: &Name, mode: u32) -> Result<()> {
        if name.is_root() || !self.patterns.want(name) {
            return Ok(());
        }
        let (folder, last) = name.split();
        let parent = self.make(name, folder)?;
        let mode = mode & 0o777 & !self.umask;
        let made = beneath::make_one(parent.as_fd(), last, mode | 0o700);
        if !made.map_err(|error| self.error(name, error))? {
            return self.make(name, name.as_bytes()).map(drop);
        }
        if mode & 0o700 != 0o700 {
            let mut modes = self.modes.lock().unwrap_or_else(PoisonError::into_inner);
            modes.push((name.clone(), mode));
        }
        Ok(())
    }

    /// Applies directory modes, and removes what is staged and of no more use.
    pub fn finish(&self) -> Result<()> {
        self.apply_modes()?;
        self.sweep()
    }

    /// Applies directory modes, innermost first.
    fn apply_modes(&self) -> Result<()> {
        let modes = std::mem::take(&mut *self.modes.lock().unwrap_or_else(PoisonError::into_inner));
        for (name, mode) in modes.iter().rev() {
            let (folder, last) = name.split();
            beneath::open(self.root.as_fd(), folder)
                .and_then(|parent| beneath::open_list(parent.as_fd(), last))
                .and_then(|made| fchmod(&made, Mode::from_raw_mode(*mode)))
                .map_err(|error| self.error(name, error))?;
        }
        Ok(())
    }

    /// Removes staging folders nobody needs any more, and the folder around them if empty.
    ///
    /// Those of landings that were interrupted stay: they can go on.
    fn sweep(&self) -> Result<()> {
        let name = format!("{RESERVED}staging");
        let path = self.path.join(&name);
        let wrap = |error: Errno| Error::io(&path, error.into());
        let folder = match beneath::open_list(self.root.as_fd(), name.as_bytes()) {
            Err(Errno::NOENT) => return Ok(()),
            outcome => outcome.map_err(wrap)?,
        };
        for entry in Dir::read_from(&folder).map_err(wrap)? {
            let entry = entry.map_err(wrap)?;
            let Ok(key) = entry.file_name().to_str() else {
                continue;
            };
            if key.starts_with('.') {
                continue;
            }
            let Some(staging) = Staging::open(folder.as_fd(), &path, key)? else {
                continue;
            };
            let resumable = staging.size_of("journal")?.is_some();
            if !resumable || staging.size_of(RECORD)?.is_some() {
                staging.destroy()?;
            }
        }
        self.remove_staging_if_empty()
    }

    fn remove_staging_if_empty(&self) -> Result<()> {
        let name = format!("{RESERVED}staging");
        match unlinkat(&self.root, name.as_str(), AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT | Errno::NOTEMPTY | Errno::EXIST) => Ok(()),
            Err(error) => Err(Error::io(self.path.join(&name), error.into())),
        }
    }

    fn make(&self, name: &Name, folder: &[u8]) -> Result<OwnedFd> {
        beneath::make(self.root.as_fd(), folder).map_err(|error| self.blocked(name, error))
    }

    /// What an error on the way to `name` means.
    fn blocked(&self, name: &Name, error: Errno) -> Error {
        match error {
            Errno::LOOP => unsafe_member(name.as_bytes(), "a symbolic link stands on its way"),
            Errno::NOTDIR | Errno::EXIST => unsafe_member(
                name.as_bytes(),
                "a file or a link stands where it needs a directory",
            ),
            Errno::XDEV => unsafe_member(name.as_bytes(), "its way leads out of the folder"),
            error => self.error(name, error),
        }
    }

    fn exists(&self, name: &Name) -> Error {
        Error::Exists {
            path: self.path.join(name.as_path()),
        }
    }

    fn error(&self, name: &Name, error: Errno) -> Error {
        Error::io(self.path.join(name.as_path()), error.into())
    }
}

/// Bytes this user may still write on the file system `file` is on.
pub fn free_space(file: std::os::fd::BorrowedFd<'_>) -> rustix::io::Result<u64> {
    let stat = fstatvfs(file)?;
    if stat.f_blocks == 0 {
        // A file system without an end, or one that does not tell.
        return Ok(u64::MAX);
    }
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

#[cfg(test)]
mod tests;
