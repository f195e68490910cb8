//! Remembers which files stand under their names, for whoever vouches for the folder.

use std::os::fd::AsFd;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Target, beneath};
use crate::tar::Name;
use crate::{Error, Result};

/// The names, once somebody asked for them to be remembered.
#[derive(Debug, Default)]
pub(super) struct Published(Mutex<Option<Vec<Name>>>);

impl Published {
    fn lock(&self) -> MutexGuard<'_, Option<Vec<Name>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether names are remembered.
    pub(super) fn is_on(&self) -> bool {
        self.lock().is_some()
    }

    pub(super) fn note(&self, name: &Name) {
        if let Some(names) = &mut *self.lock() {
            names.push(name.clone());
        }
    }
}

impl Target {
    /// From now on, the names of files with verified bytes are remembered.
    pub fn remember(&self) {
        self.published.lock().get_or_insert_default();
    }

    /// The names of all files with verified bytes since [`Target::remember`], in no order.
    ///
    /// Files that were there and were kept are not among them.
    pub fn remembered(&self) -> Vec<Name> {
        self.published.lock().clone().unwrap_or_default()
    }

    /// Remembers a file that an earlier run published, verified.
    pub fn note(&self, name: &Name) {
        self.published.note(name);
    }

    /// Applies directory modes, and waits until all that was published is on the disk.
    ///
    /// What is staged stays: a run that is killed now knows its own files again. It is the
    /// whole file system that is waited for, as no other call covers names and folders too.
    pub fn settle(&self) -> Result<()> {
        self.apply_modes()?;
        // The handle on the root is good for names only.
        beneath::open_list(self.root.as_fd(), b".")
            .and_then(|folder| flush(folder.as_fd()))
            .map_err(|error| Error::io(&self.path, error.into()))
    }
}

#[cfg(target_os = "linux")]
fn flush(folder: std::os::fd::BorrowedFd<'_>) -> rustix::io::Result<()> {
    rustix::fs::syncfs(folder)
}

#[cfg(not(target_os = "linux"))]
fn flush(_folder: std::os::fd::BorrowedFd<'_>) -> rustix::io::Result<()> {
    rustix::fs::sync();
    Ok(())
}
