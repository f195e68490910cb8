//! Keeps bytes as they pass: big files as contents, the rest inline.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::aside::Sum;
use super::groups::Grouped;
use super::source::Stat;
use super::stream::Taker;
use super::{Contents, INLINE_LIMIT, RecipeWriter};
use crate::{Error, Result};

/// From here on a thread of its own costs a content less than it saves.
const ASIDE: u64 = 16 << 20;

/// A content that is being written; dropped without `commit`, it leaves nothing.
pub(super) struct ContentWriter {
    temp: PathBuf,
    file: File,
    sum: Sum,
    size: u64,
    cloned: bool,
}

impl ContentWriter {
    pub fn create(contents: &Contents, sum: Sum) -> Result<Self> {
        let temp = contents.temp();
        let file = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&temp)
            .map_err(|error| Error::io(&temp, error))?;
        Ok(Self {
            temp,
            file,
            sum,
            size: 0,
            cloned: false,
        })
    }

    /// Shares the blocks of `source`, where the file system can; `write` then only hashes.
    pub fn clone_from(&mut self, source: &File) -> bool {
        self.cloned = rustix::fs::ioctl_ficlone(&self.file, source).is_ok();
        self.cloned
    }

    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        if !self.cloned {
            self.file
                .write_all(bytes)
                .map_err(|error| Error::io(&self.temp, error))?;
        }
        self.sum.update(bytes)?;
        self.size += bytes.len() as u64;
        Ok(())
    }

    pub fn size(&self) -> u64 {
        self.size
    }

    /// Moves the content to its place; answers its BLAKE3.
    pub fn commit(mut self, contents: &Contents) -> Result<Grouped> {
        let grouped = std::mem::replace(&mut self.sum, Sum::here()).finish()?;
        contents.commit(&self.temp, &grouped.hash, self.size)?;
        Ok(grouped)
    }

    /// The bytes so far, for a blob that turned out small.
    fn inline_into(&self, recipe: &mut RecipeWriter) -> Result<()> {
        recipe.inline_from(&self.file, 0, self.size)
    }

    /// Makes one segment of a recipe of all the bytes: inline when they are few.
    pub fn finish_into(self, contents: &Contents, recipe: &mut RecipeWriter) -> Result<()> {
        let size = self.size;
        if size < INLINE_LIMIT {
            return self.inline_into(recipe);
        }
        let hash = self.commit(contents)?.hash;
        recipe.content(&hash, size)
    }
}

impl Drop for ContentWriter {
    fn drop(&mut self) {
        // After a commit nothing has this name; a leftover is a prune's work.
        let _ = std::fs::remove_file(&self.temp);
    }
}

/// Builds a layer's recipe and its contents from the bytes that pass.
pub(super) struct Keeper {
    contents: Contents,
    recipe: RecipeWriter,
    content: Option<ContentWriter>,
    lone: bool,
}

impl Keeper {
    /// `lone` where the layer has the machine to itself: its contents are then hashed on a
    /// thread of their own.
    pub fn create(home: &Path, contents: &Contents, lone: bool) -> Result<Self> {
        Ok(Self {
            contents: contents.clone(),
            recipe: RecipeWriter::create(home)?,
            content: None,
            lone,
        })
    }

    /// Publishes the layer under its digest; answers its size.
    pub fn commit(self, digest: &[u8; 32]) -> Result<u64> {
        let size = self.recipe.size();
        self.recipe.commit(digest, size)?;
        Ok(size)
    }
}

impl Taker for Keeper {
    fn inline(&mut self, bytes: &[u8]) -> Result<()> {
        self.recipe.inline(bytes)
    }

    fn begin(&mut self, source: &File, stat: &Stat) -> Result<Option<File>> {
        if stat.size < INLINE_LIMIT {
            return Ok(None);
        }
        let sum = match self.lone && stat.size >= ASIDE {
            true => Sum::aside(),
            false => Sum::here(),
        };
        let content = ContentWriter::create(&self.contents, sum)?;
        let content = self.content.insert(content);
        if !content.clone_from(source) || stat.is_settled(SystemTime::now()) {
            return Ok(None);
        }
        // A write in this very moment may leave the times as they are: the clone is what
        // is kept, so the clone is what is hashed.
        let clone = content.file.try_clone();
        clone
            .map(Some)
            .map_err(|error| Error::io(&content.temp, error))
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<()> {
        match &mut self.content {
            Some(content) => content.write(bytes),
            None => self.recipe.inline(bytes),
        }
    }

    fn end(&mut self) -> Result<()> {
        let Some(content) = self.content.take() else {
            return Ok(());
        };
        let size = content.size();
        let Grouped { hash, values } = content.commit(&self.contents)?;
        self.contents.keep_groups(&hash, &values)?;
        self.recipe.content(&hash, size)
    }
}
