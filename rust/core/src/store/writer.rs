//! Writes a recipe front to back into a temporary file; a rename publishes it.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::recipe::{FOOTER, MAGIC, PIECE, Place, Segment, folder};
use super::{Hold, fresh_name, make_folder};
use crate::digest::hex;
use crate::{Error, Result};

/// Writes a recipe front to back into a temporary file that `commit` renames.
///
/// Keeps a [`Hold`] on the store from `create` on, so that the contents committed
/// meanwhile are safe from a prune. Dropped without `commit`, it leaves nothing.
#[derive(Debug)]
pub struct RecipeWriter {
    out: BufWriter<File>,
    temp: PathBuf,
    folder: PathBuf,
    segments: Vec<Segment>,
    offset: u64,
    inline: u64,
    open: Option<(u64, blake3::Hasher)>,
    _hold: Hold,
}

impl RecipeWriter {
    /// Begins a recipe in the store at `home`.
    pub fn create(home: &Path) -> Result<Self> {
        let hold = Hold::shared(home)?;
        let folder = folder(home);
        make_folder(&folder)?;
        let temp = fresh_name(&folder);
        let file = File::create_new(&temp).map_err(|error| Error::io(&temp, error))?;
        let mut writer = Self {
            out: BufWriter::with_capacity(1 << 16, file),
            temp,
            folder,
            segments: Vec::new(),
            offset: 0,
            inline: 0,
            open: None,
            _hold: hold,
        };
        writer.put(&MAGIC)?;
        Ok(writer)
    }

    /// Bytes of the blob described so far.
    pub fn size(&self) -> u64 {
        self.offset
    }

    /// Appends bytes that stay in the recipe.
    pub fn inline(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            let start = self.inline;
            let (begin, hasher) = self
                .open
                .get_or_insert_with(|| (start, blake3::Hasher::new()));
            let room = PIECE - (start - *begin);
            let take = bytes
                .len()
                .min(usize::try_from(room).expect("a piece fits memory"));
            hasher.update(&bytes[..take]);
            let full = take as u64 == room;
            self.put(&bytes[..take])?;
            self.inline += take as u64;
            self.offset += take as u64;
            bytes = &bytes[take..];
            if full {
                self.close_piece();
            }
        }
        Ok(())
    }

    /// Appends `length` bytes of a file from `offset` on, to stay in the recipe.
    pub fn inline_from(&mut self, file: &File, offset: u64, length: u64) -> Result<()> {
        let mut buffer = vec![0; 1 << 16];
        let mut done = 0;
        while done < length {
            let step = (length - done).min(buffer.len() as u64) as usize;
            file.read_exact_at(&mut buffer[..step], offset + done)
                .map_err(|error| Error::io(&self.temp, error))?;
            self.inline(&buffer[..step])?;
            done += step as u64;
        }
        Ok(())
    }

    /// Appends a whole content of `size` bytes; one of no bytes is left out.
    pub fn content(&mut self, hash: &[u8; 32], size: u64) -> Result<()> {
        self.extent(hash, size, 0, size)
    }

    /// Appends `length` bytes from `at` on of a content that holds `size` bytes.
    pub fn extent(&mut self, hash: &[u8; 32], size: u64, at: u64, length: u64) -> Result<()> {
        if at.checked_add(length).is_none_or(|end| end > size) {
            return Err(Error::invalid("the extent leaves its content"));
        }
        if length == 0 {
            return Ok(());
        }
        self.close_piece();
        self.segments.push(Segment {
            blob_offset: self.offset,
            length,
            at,
            hash: *hash,
            place: Place::Content { size },
        });
        self.offset += length;
        Ok(())
    }

    /// Publishes the recipe under the blob's SHA-256; `size` is what the blob must have.
    pub fn commit(mut self, digest: &[u8; 32], size: u64) -> Result<()> {
        if size != self.offset {
            return Err(Error::invalid(format!(
                "the recipe has {} bytes, its blob {size}",
                self.offset
            )));
        }
        self.close_piece();
        self.put_index(digest)?;
        self.out
            .flush()
            .map_err(|error| Error::io(&self.temp, error))?;
        let path = self.folder.join(hex::encode(digest));
        std::fs::rename(&self.temp, &path).map_err(|error| Error::io(&path, error))
    }

    fn put_index(&mut self, digest: &[u8; 32]) -> Result<()> {
        let mut hasher = blake3::Hasher::new();
        let segments = std::mem::take(&mut self.segments);
        for segment in &segments {
            let entry = segment.encode();
            hasher.update(&entry);
            self.put(&entry)?;
        }
        let index_at = MAGIC.len() as u64 + self.inline;
        let mut footer = Vec::with_capacity(FOOTER);
        footer.extend(self.offset.to_le_bytes());
        footer.extend(digest);
        footer.extend(index_at.to_le_bytes());
        footer.extend((segments.len() as u64).to_le_bytes());
        hasher.update(&footer);
        footer.extend(hasher.finalize().as_bytes());
        self.put(&footer)
    }

    fn close_piece(&mut self) {
        let Some((at, hasher)) = self.open.take() else {
            return;
        };
        let length = self.inline - at;
        self.segments.push(Segment {
            blob_offset: self.offset - length,
            length,
            at,
            hash: *hasher.finalize().as_bytes(),
            place: Place::Inline,
        });
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.out
            .write_all(bytes)
            .map_err(|error| Error::io(&self.temp, error))
    }
}

impl Drop for RecipeWriter {
    fn drop(&mut self) {
        // After a commit there is nothing under this name; a leftover is a prune's work.
        let _ = std::fs::remove_file(&self.temp);
    }
}

#[cfg(test)]
mod tests {
    use super::super::Recipe;
    use super::*;

    #[test]
    fn nothing_is_left_of_a_dropped_or_refused_recipe() {
        let home = tempfile::tempdir().unwrap();
        let mut writer = RecipeWriter::create(home.path()).unwrap();
        writer.inline(b"x").unwrap();
        assert!(matches!(
            writer.commit(&[6; 32], 2),
            Err(Error::Invalid { .. })
        ));
        drop(RecipeWriter::create(home.path()).unwrap());
        assert_eq!(std::fs::read_dir(folder(home.path())).unwrap().count(), 0);
        let missing = Recipe::open(home.path(), &[6; 32]);
        assert!(matches!(missing, Err(Error::NotFound { .. })));
    }
}
