//! Takes a file over as a blob: hashed where it lies, then moved, never copied.

use std::path::Path;
use std::thread;

use super::{INLINE_LIMIT, RecipeWriter, Store};
use crate::digest::{file, hex};
use crate::{Error, Meter, Result};

impl Store {
    /// Makes a blob of a file that is a whole one; answers its size.
    ///
    /// The file must lie on the store's file system, and nobody may write to it any more.
    /// It is gone afterwards: small ones into their recipe, others to their place among the
    /// contents, with the permissions of one. Fails with `DigestMismatch` where its bytes
    /// are not the promised ones; then, as after every failure but one to write the recipe, it
    /// is left where it was.
    pub fn take(&self, path: &Path, digest: &[u8; 32], meter: &Meter) -> Result<u64> {
        let wrap = |error| Error::io(path, error);
        // Held from before the hashing on: a prune would not know of the content.
        let mut recipe = RecipeWriter::create(&self.home)?;
        let found = std::fs::symlink_metadata(path).map_err(wrap)?;
        if !found.is_file() {
            return Err(Error::invalid(format!(
                "{}: no regular file",
                path.display()
            )));
        }
        let size = found.len();
        meter.expect(size);
        let (actual, hash) = both(path, meter)?;
        if actual != *digest {
            return Err(Error::DigestMismatch {
                what: hex::sha256(digest),
                expected: hex::sha256(digest),
                actual: hex::sha256(&actual),
            });
        }
        if size < INLINE_LIMIT {
            recipe.inline(&std::fs::read(path).map_err(wrap)?)?;
            recipe.commit(digest, size)?;
            std::fs::remove_file(path).map_err(wrap)?;
        } else {
            self.contents.commit(path, &hash, size)?;
            recipe.content(&hash, size)?;
            recipe.commit(digest, size)?;
        }
        Ok(size)
    }
}

/// SHA-256 and BLAKE3 of a file, side by side: what one reads, the other finds in memory.
fn both(path: &Path, meter: &Meter) -> Result<([u8; 32], [u8; 32])> {
    // Bytes count once, and who gives up gives both up.
    let beside = Meter::default();
    thread::scope(|scope| {
        let other = scope.spawn(|| file::blake3(path, 0, None, &beside));
        let digest = file::sha256(path, 0, None, meter).inspect_err(|_| beside.cancel());
        let hash = other
            .join()
            .map_err(|_| Error::internal("the hashing thread ended early"));
        Ok((digest?, hash??))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::sha256;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    fn arrived(bytes: &[u8]) -> (tempfile::TempDir, Store, std::path::PathBuf) {
        let home = tempfile::tempdir().unwrap();
        let store = Store::open(home.path()).unwrap();
        let path = home.path().join("upload");
        std::fs::write(&path, bytes).unwrap();
        (home, store, path)
    }

    fn bytes(length: usize) -> Vec<u8> {
        (0..length).map(|at| (at * 7 % 251) as u8).collect()
    }

    #[test]
    fn a_file_becomes_a_blob_without_a_copy() {
        let data = bytes(INLINE_LIMIT as usize + 5);
        let (_home, store, path) = arrived(&data);
        let inode = std::fs::metadata(&path).unwrap().ino();
        let digest = sha256::hash(&data);
        let meter = std::sync::Arc::new(Meter::default());
        assert_eq!(
            store.take(&path, &digest, &meter).unwrap(),
            data.len() as u64
        );
        assert_eq!(meter.done(), data.len() as u64);
        assert!(!path.exists());
        let content = store.contents().path(blake3::hash(&data).as_bytes());
        let meta = std::fs::metadata(content).unwrap();
        assert_eq!(meta.ino(), inode);
        assert_eq!(meta.permissions().mode() & 0o777, 0o444);
        store.verify(&digest, &meter).unwrap();
    }

    #[test]
    fn small_and_empty_files_end_in_their_recipes() {
        for length in [0, 1, INLINE_LIMIT as usize - 1] {
            let data = bytes(length);
            let (_home, store, path) = arrived(&data);
            let digest = sha256::hash(&data);
            let meter = std::sync::Arc::new(Meter::default());
            store.take(&path, &digest, &meter).unwrap();
            assert!(!path.exists());
            assert_eq!(store.size(&digest).unwrap(), Some(length as u64));
            store.verify(&digest, &meter).unwrap();
        }
    }

    #[test]
    fn other_bytes_are_refused_and_left() {
        for length in [9, INLINE_LIMIT as usize] {
            let (_home, store, path) = arrived(&bytes(length));
            let outcome = store.take(&path, &[7; 32], &Meter::default());
            assert!(matches!(outcome, Err(Error::DigestMismatch { .. })));
            assert_eq!(std::fs::read(&path).unwrap(), bytes(length));
            assert!(store.digests().unwrap().is_empty());
        }
    }

    #[test]
    fn cancels_links_and_missing_files_are_errors() {
        let data = bytes(100_000);
        let (home, store, path) = arrived(&data);
        let digest = sha256::hash(&data);
        let meter = Meter::default();
        meter.cancel();
        let cancelled = store.take(&path, &digest, &meter);
        assert!(matches!(cancelled, Err(Error::Cancelled)));
        let link = home.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let meter = Meter::default();
        let followed = store.take(&link, &digest, &meter);
        assert!(matches!(followed, Err(Error::Invalid { .. })));
        assert_eq!(std::fs::read(&path).unwrap(), data);
        let missing = store.take(&home.path().join("none"), &digest, &meter);
        assert!(matches!(missing, Err(Error::Io { .. })));
    }

    #[test]
    fn what_is_held_already_is_taken_again() {
        let data = bytes(100_000);
        let (_home, store, path) = arrived(&data);
        let digest = sha256::hash(&data);
        let meter = std::sync::Arc::new(Meter::default());
        store.take(&path, &digest, &meter).unwrap();
        std::fs::write(&path, &data).unwrap();
        store.take(&path, &digest, &meter).unwrap();
        assert!(!path.exists());
        store.verify(&digest, &meter).unwrap();
    }
}
