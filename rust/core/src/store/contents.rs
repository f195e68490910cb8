//! Contents: a file's bytes, once, named by BLAKE3, shared by all layers.

use std::fs::{File, FileTimes, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::condemn::{condemn, is_condemned};
use super::{fresh_name, make_folder};
use crate::digest::hex;
use crate::{Error, Meter, Result};

/// Bytes hashed between two looks at the meter.
const VERIFY_STEP: usize = 1 << 20;

/// The folder `HOME/contents`, and what makes its files believable.
///
/// A content that was hashed carries a sentinel as its modification time, one second after
/// the epoch. Whoever writes to the file, or copies it without its times, takes the
/// sentinel away; the content is then hashed again before it is used. The nanoseconds say
/// for how long it is believed: none for ever, because its bytes were read back after a
/// boot or synced; otherwise until this boot of the machine ends, because a power cut may
/// lose bytes that were only in memory. So nothing waits for the disk, and nothing that
/// the disk lost is ever used.
#[derive(Debug, Clone)]
pub struct Contents {
    folder: PathBuf,
}

impl Contents {
    /// Opens the contents of the store at `home`, creating their folders.
    pub fn open(home: &Path) -> Result<Self> {
        let folder = home.join("contents");
        make_folder(&folder.join("tmp"))?;
        Ok(Self { folder })
    }

    /// The name of a new temporary file on the contents' file system; nothing is created.
    ///
    /// Only for as long as a [`super::Hold`] is kept (a `RecipeWriter` keeps one): a prune
    /// that has the store alone removes every file there.
    pub fn temp(&self) -> PathBuf {
        fresh_name(&self.folder.join("tmp"))
    }

    /// The folder of all contents.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder of [`Self::temp`].
    pub fn temp_folder(&self) -> PathBuf {
        self.folder.join("tmp")
    }

    /// Where the content with this BLAKE3 stands, or would.
    pub fn path(&self, hash: &[u8; 32]) -> PathBuf {
        let name = hex::encode(hash);
        self.folder.join(&name[..2]).join(name)
    }

    /// Whether a file of this size stands under the hash that was not found damaged; it may
    /// still have to be verified.
    pub fn holds(&self, hash: &[u8; 32], size: u64) -> bool {
        std::fs::symlink_metadata(self.path(hash))
            .is_ok_and(|meta| meta.is_file() && meta.len() == size && !is_condemned(&meta))
    }

    /// Moves a complete temporary file, whose BLAKE3 the caller has computed, to its place.
    ///
    /// Where a believed content of that name is there already, the temporary file is
    /// dropped. Returns whether the bytes are new to the store. Needs a [`super::Hold`].
    pub fn commit(&self, temp: &Path, hash: &[u8; 32], size: u64) -> Result<bool> {
        let path = self.path(hash);
        if self.is_believed(&path, size) {
            std::fs::remove_file(temp).map_err(|error| Error::io(temp, error))?;
            return Ok(false);
        }
        let file = File::open(temp).map_err(|error| Error::io(temp, error))?;
        seal(&file, temp, size)?;
        make_folder(path.parent().expect("a content has a folder"))?;
        std::fs::rename(temp, &path).map_err(|error| Error::io(&path, error))?;
        Ok(true)
    }

    /// Opens a content for reading; hashes it first where its sentinel is gone.
    pub fn get(&self, hash: &[u8; 32], size: u64, meter: &Meter) -> Result<File> {
        let path = self.path(hash);
        let (file, meta) = self.stat(hash, &path)?;
        if meta.len() != size {
            return Err(wrong_size(&path, meta.len(), size));
        }
        if !believed(&meta) {
            check(&file, &path, hash, meter)?;
            stamp(&file, &path, &durable())?;
        }
        Ok(file)
    }

    /// Hashes a content whatever its sentinel says.
    pub fn verify(&self, hash: &[u8; 32], meter: &Meter) -> Result<()> {
        let path = self.path(hash);
        let (file, _) = self.stat(hash, &path)?;
        check(&file, &path, hash, meter)
    }

    fn stat(&self, hash: &[u8; 32], path: &Path) -> Result<(File, Metadata)> {
        let file = File::open(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Error::corrupt(
                path.display().to_string(),
                format!("content {} is missing from the store", hex::encode(hash)),
            ),
            _ => Error::io(path, error),
        })?;
        let meta = file.metadata().map_err(|error| Error::io(path, error))?;
        Ok((file, meta))
    }

    fn is_believed(&self, path: &Path, size: u64) -> bool {
        std::fs::symlink_metadata(path)
            .is_ok_and(|meta| meta.is_file() && meta.len() == size && believed(&meta))
    }
}

fn wrong_size(path: &Path, actual: u64, expected: u64) -> Error {
    Error::corrupt(
        path.display().to_string(),
        format!("holds {actual} bytes instead of {expected}; pack or pull it again"),
    )
}

/// Hashes the whole file and compares; condemns it where it is wrong.
fn check(file: &File, path: &Path, hash: &[u8; 32], meter: &Meter) -> Result<()> {
    use std::os::unix::fs::FileExt;
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; VERIFY_STEP];
    let mut offset = 0;
    loop {
        meter.check()?;
        let read = file
            .read_at(&mut buffer, offset)
            .map_err(|error| Error::io(path, error))?;
        if read == 0 {
            break;
        }
        hasher.update(&buffer[..read]);
        offset += read as u64;
    }
    if hasher.finalize().as_bytes() == hash {
        return Ok(());
    }
    condemn(file, path);
    Err(Error::corrupt(
        path.display().to_string(),
        "its bytes are not the ones it was stored with; pack or pull it again",
    ))
}

/// Makes a temporary file read only and stamps it, after a look at its size.
fn seal(file: &File, path: &Path, size: u64) -> Result<()> {
    let wrap = |error| Error::io(path, error);
    let length = file.metadata().map_err(wrap)?.len();
    if length != size {
        return Err(wrong_size(path, length, size));
    }
    file.set_permissions(Permissions::from_mode(0o444))
        .map_err(wrap)?;
    match this_boot() {
        Some(sentinel) => stamp(file, path, &sentinel),
        None => {
            file.sync_data().map_err(wrap)?;
            stamp(file, path, &durable())
        }
    }
}

fn stamp(file: &File, path: &Path, sentinel: &SystemTime) -> Result<()> {
    let times = FileTimes::new()
        .set_modified(*sentinel)
        .set_accessed(*sentinel);
    match file.set_times(times) {
        // A store shared read only, or owned by somebody else: believed anew each time.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        other => other.map_err(|error| Error::io(path, error)),
    }
}

fn believed(meta: &Metadata) -> bool {
    meta.mtime() == 1
        && (meta.mtime_nsec() == 0
            || boot_nanos().is_some_and(|nanos| i64::from(nanos) == meta.mtime_nsec()))
}

fn durable() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1)
}

fn this_boot() -> Option<SystemTime> {
    boot_nanos().map(|nanos| UNIX_EPOCH + Duration::new(1, nanos))
}

/// This boot of the machine as nanoseconds, never 0; none where the kernel does not tell.
fn boot_nanos() -> Option<u32> {
    static NANOS: OnceLock<Option<u32>> = OnceLock::new();
    *NANOS.get_or_init(|| {
        let id = std::fs::read("/proc/sys/kernel/random/boot_id").ok()?;
        let word = u32::from_le_bytes(*blake3::hash(&id).as_bytes().first_chunk()?);
        Some(1 + word % 999_999_999)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(text: &[u8]) -> (tempfile::TempDir, Contents, [u8; 32]) {
        let home = tempfile::tempdir().unwrap();
        let contents = Contents::open(home.path()).unwrap();
        let hash = *blake3::hash(text).as_bytes();
        let temp = contents.temp();
        std::fs::write(&temp, text).unwrap();
        assert!(contents.commit(&temp, &hash, text.len() as u64).unwrap());
        (home, contents, hash)
    }

    fn rewrite(path: &Path, text: &[u8]) {
        std::fs::set_permissions(path, Permissions::from_mode(0o644)).unwrap();
        std::fs::write(path, text).unwrap();
    }

    #[test]
    fn commits_once_and_read_only() {
        let (_home, contents, hash) = store(b"weights");
        let meta = std::fs::metadata(contents.path(&hash)).unwrap();
        assert_eq!(meta.permissions().mode() & 0o777, 0o444);
        assert_eq!(meta.mtime(), 1);
        let again = contents.temp();
        std::fs::write(&again, b"weights").unwrap();
        assert!(!contents.commit(&again, &hash, 7).unwrap());
        assert!(!again.exists());
    }

    #[test]
    fn refuses_a_temporary_file_of_the_wrong_size() {
        let home = tempfile::tempdir().unwrap();
        let contents = Contents::open(home.path()).unwrap();
        let temp = contents.temp();
        std::fs::write(&temp, b"short").unwrap();
        let outcome = contents.commit(&temp, &[7; 32], 6);
        assert!(matches!(outcome, Err(Error::Corrupt { .. })));
        assert!(!contents.holds(&[7; 32], 6));
    }

    #[test]
    fn finds_changed_truncated_and_missing_bytes() {
        let (_home, contents, hash) = store(b"weights");
        let path = contents.path(&hash);
        let meter = Meter::default();
        rewrite(&path, b"weightz");
        let changed = contents.get(&hash, 7, &meter);
        assert!(matches!(changed, Err(Error::Corrupt { .. })));
        assert!(
            !contents.holds(&hash, 7),
            "what was found wrong is not there"
        );
        rewrite(&path, b"weights");
        assert!(
            contents.holds(&hash, 7),
            "who writes to it may have mended it"
        );
        contents.get(&hash, 7, &meter).unwrap();
        rewrite(&path, b"weigh");
        let truncated = contents.get(&hash, 7, &meter);
        assert!(matches!(truncated, Err(Error::Corrupt { .. })));
        std::fs::remove_file(&path).unwrap();
        let missing = contents.get(&hash, 7, &meter);
        assert!(matches!(missing, Err(Error::Corrupt { .. })));
    }

    #[test]
    fn a_commit_replaces_damaged_bytes() {
        let (_home, contents, hash) = store(b"weights");
        rewrite(&contents.path(&hash), b"weightz");
        let temp = contents.temp();
        std::fs::write(&temp, b"weights").unwrap();
        assert!(contents.commit(&temp, &hash, 7).unwrap());
        contents.get(&hash, 7, &Meter::default()).unwrap();
        contents.verify(&hash, &Meter::default()).unwrap();
    }

    #[test]
    fn right_bytes_without_the_sentinel_are_stamped_again() {
        let (_home, contents, hash) = store(b"weights");
        let path = contents.path(&hash);
        rewrite(&path, b"weights");
        contents.get(&hash, 7, &Meter::default()).unwrap();
        assert!(believed(&std::fs::metadata(&path).unwrap()));
    }

    #[test]
    fn another_boot_is_not_believed() {
        let (_home, contents, hash) = store(b"weights");
        let path = contents.path(&hash);
        let file = File::open(&path).unwrap();
        let other = boot_nanos().map_or(5, |nanos| nanos % 999_999_998 + 1);
        stamp(&file, &path, &(UNIX_EPOCH + Duration::new(1, other))).unwrap();
        assert!(!believed(&std::fs::metadata(&path).unwrap()));
        contents.get(&hash, 7, &Meter::default()).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().mtime_nsec(), 0);
    }
}
