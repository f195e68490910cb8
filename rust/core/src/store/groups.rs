//! Keeps the chaining values of a content beside it, for who publishes them.

use std::path::PathBuf;

use super::{Contents, fresh_name, put};
use crate::Result;
use crate::digest::blake3_tree::Tree;
use crate::digest::groups::{Groups, values_length};
use crate::digest::hex;

/// What follows a content's name in that of its chaining values.
pub(super) const SUFFIX: &str = ".groups";

/// The BLAKE3 of a file, and the chaining values of its groups: none where it is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Grouped {
    pub hash: [u8; 32],
    pub values: Vec<u8>,
}

impl Grouped {
    /// What a tree of [`Tree::grouping`] gives.
    pub fn of(tree: Tree) -> Result<Self> {
        let (hash, values) = tree.finish_grouped()?;
        Ok(Self {
            hash,
            values: values.unwrap_or_default(),
        })
    }
}

impl Contents {
    /// Writes the chaining values of a content's groups down; nothing for a single group.
    ///
    /// They are checked against its BLAKE3 whenever they are read, so they need no sync.
    pub fn keep_groups(&self, hash: &[u8; 32], values: &[u8]) -> Result<()> {
        let path = self.groups_path(hash);
        if values.is_empty() || path.exists() {
            return Ok(());
        }
        put(&fresh_name(&self.temp_folder()), &path, values)
    }

    /// The chaining values of a content of `size` bytes; none when they are not there, or not
    /// what they should be: they are then gone, and can be kept again.
    pub fn groups(&self, hash: &[u8; 32], size: u64) -> Option<Vec<u8>> {
        if values_length(size) == 0 {
            return Some(Vec::new());
        }
        let path = self.groups_path(hash);
        let length = std::fs::metadata(&path).ok()?.len();
        let read = || std::fs::read(&path).ok();
        let values = (length == values_length(size)).then(read).flatten();
        let good = values.filter(|values| Groups::of(values, size, hash).is_ok());
        if good.is_none() {
            // Who cannot remove it reads the content again each time.
            let _ = std::fs::remove_file(&path);
        }
        good
    }

    fn groups_path(&self, hash: &[u8; 32]) -> PathBuf {
        let name = format!("{}{SUFFIX}", hex::encode(hash));
        self.path(hash).with_file_name(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_given_back_while_they_are_right() {
        let home = tempfile::tempdir().unwrap();
        let contents = Contents::open(home.path()).unwrap();
        let size = 9_000_000;
        let mut tree = Tree::grouping();
        tree.update(&vec![7; size]);
        let Grouped { hash, values } = Grouped::of(tree).unwrap();
        let size = size as u64;
        assert_eq!(values.len(), 3 * 32);
        assert_eq!(contents.groups(&hash, size), None);
        contents.keep_groups(&hash, &values).unwrap();
        assert_eq!(contents.groups(&hash, size), Some(values.clone()));
        assert_eq!(contents.groups(&hash, 4 << 20), Some(Vec::new()));
        let path = contents.groups_path(&hash);
        for damaged in [&values[..64], &[0; 96], b""] {
            std::fs::write(&path, damaged).unwrap();
            assert_eq!(contents.groups(&hash, size), None);
            assert!(!path.exists());
            contents.keep_groups(&hash, &values).unwrap();
            assert_eq!(contents.groups(&hash, size), Some(values.clone()));
        }
        let left = std::fs::read_dir(contents.temp_folder()).unwrap();
        assert_eq!(left.count(), 0);
    }
}
