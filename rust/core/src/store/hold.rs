//! A process-wide hold on the store: a prune never removes what is being built.

use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};

use crate::{Error, Meter, Result};

/// How often a prune looks whether the store is free: soon for a person, cheap for a core.
const RETRY: Duration = Duration::from_millis(20);

/// Kept while contents are used that no recipe names yet; released when dropped.
///
/// Builders of blobs share the store; a prune has it alone. The lock is `flock` on
/// `HOME/lock`, so the kernel releases it when a process dies.
#[derive(Debug)]
pub struct Hold {
    _lock: File,
}

impl Hold {
    /// Shares the store at `home` with other builders; waits while a prune runs.
    ///
    /// A store on a disk that is mounted to be read only can be shared as well.
    pub fn shared(home: &Path) -> Result<Self> {
        let file = open(home).or_else(|error| open_read_only(home).ok_or(error))?;
        loop {
            match flock(&file, FlockOperation::LockShared) {
                Ok(()) => return Ok(Self { _lock: file }),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(Error::io(home.join("lock"), error.into())),
            }
        }
    }

    /// Takes the store alone; waits until no builder is left or the meter is cancelled.
    pub fn alone(home: &Path, meter: &Meter) -> Result<Self> {
        let file = open(home)?;
        loop {
            meter.check()?;
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Self { _lock: file }),
                Err(rustix::io::Errno::WOULDBLOCK | rustix::io::Errno::INTR) => {
                    std::thread::sleep(RETRY);
                }
                Err(error) => return Err(Error::io(home.join("lock"), error.into())),
            }
        }
    }
}

fn open(home: &Path) -> Result<File> {
    super::make_folder(home)?;
    let path = home.join("lock");
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|error| Error::io(path, error))
}

/// The lock to be read, where it is there and only writing it is refused.
fn open_read_only(home: &Path) -> Option<File> {
    let path = home.join("lock");
    let refused = OpenOptions::new().write(true).open(&path).err()?.kind();
    matches!(
        refused,
        ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied
    )
    .then(|| File::open(&path).ok())
    .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builders_share_and_a_prune_waits() {
        let home = tempfile::tempdir().unwrap();
        let first = Hold::shared(home.path()).unwrap();
        let second = Hold::shared(home.path()).unwrap();
        let meter = Meter::default();
        meter.cancel();
        assert!(matches!(
            Hold::alone(home.path(), &meter),
            Err(Error::Cancelled)
        ));
        drop((first, second));
        Hold::alone(home.path(), &Meter::default()).unwrap();
    }
}
