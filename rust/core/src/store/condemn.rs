//! Marks files of the store whose bytes were found wrong, to be made anew.

use std::fs::{File, FileTimes, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

/// Modification time of a condemned file, in seconds after the epoch.
///
/// Not the sentinel of believed contents. Whoever writes to the file again takes it away.
const CONDEMNED: i64 = 2;

/// Says that a file is not what its name says: a pull or a pack then makes it anew.
///
/// Nothing is deleted, for bytes that are wrong in one place may be all that somebody has.
/// A file that has another name, such as in a folder unpacked with links, belongs to whoever
/// changed it there: it loses its name in the store alone. Where neither is allowed, as in a
/// store shared read only, nothing could be made anew, either.
pub(super) fn condemn(file: &File, path: &Path) {
    let shared = file.metadata().is_ok_and(|meta| meta.nlink() > 1);
    let outcome = if shared {
        std::fs::remove_file(path)
    } else {
        let then = UNIX_EPOCH + Duration::from_secs(CONDEMNED.unsigned_abs());
        file.set_times(FileTimes::new().set_modified(then).set_accessed(then))
    };
    // The caller tells of the damage, which is what matters.
    drop(outcome);
}

/// Whether this was said of a file, and nobody has written to it since.
pub(super) fn is_condemned(meta: &Metadata) -> bool {
    meta.mtime() == CONDEMNED
}
