//! Random access to a blob: stored bytes, or a tar never written.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use super::source::{Compression, LayerSource, Plan, unchanged};
use super::{Contents, Place, Recipe};
use crate::tar::encode::{BLOCK, TRAILER, padding};
use crate::{Error, Meter, Result};

/// Open files and inline pieces kept: a few readers side by side, each in one or two.
const KEPT: usize = 16;

/// A blob's bytes by offset; any number of threads may read at once.
pub struct Blob {
    size: u64,
    parts: Parts,
    kept: Mutex<Vec<(usize, Kept)>>,
}

/// What was opened for a part, and checked.
#[derive(Clone)]
enum Kept {
    File(Arc<File>),
    Piece(Arc<Vec<u8>>),
}

enum Parts {
    Recipe(Recipe, Contents),
    Source(Arc<Plan>, Vec<u64>),
    Content(File, PathBuf),
}

impl Blob {
    pub(super) fn of_recipe(recipe: Recipe, contents: Contents) -> Self {
        Self {
            size: recipe.size(),
            parts: Parts::Recipe(recipe, contents),
            kept: Mutex::default(),
        }
    }

    pub(super) fn of_content(file: File, path: PathBuf, size: u64) -> Self {
        Self {
            size,
            parts: Parts::Content(file, path),
            kept: Mutex::default(),
        }
    }

    /// The tar (or raw file) of a layer's source files as they are now; nothing is stored.
    ///
    /// Reading fails with `Changed` once a file is no longer in this state.
    pub fn of_source(source: LayerSource) -> Result<Self> {
        Self::of_plan(Arc::new(Plan::of(source)?))
    }

    pub(super) fn of_plan(plan: Arc<Plan>) -> Result<Self> {
        if plan.source.compression != Compression::None {
            return Err(Error::invalid("a compressed layer must be packed first"));
        }
        let mut starts = Vec::with_capacity(plan.stats.len());
        let mut size = 0;
        for (index, stat) in plan.stats.iter().enumerate() {
            starts.push(size);
            let body = stat.map_or(0, |stat| stat.size);
            size += body;
            if !plan.source.raw {
                size += (plan.header(index)?.len() + padding(body)) as u64;
            }
        }
        if !plan.source.raw {
            size += TRAILER.len() as u64;
        }
        Ok(Self {
            size,
            parts: Parts::Source(plan, starts),
            kept: Mutex::default(),
        })
    }

    /// The blob's size.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Fills the whole buffer from `offset` on; `Invalid` past the end.
    pub fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        self.read_by(offset, buffer, &Meter::default())
    }

    /// The same; the meter can end a content's hashing, where that must be done first.
    pub(super) fn read_by(&self, offset: u64, buffer: &mut [u8], meter: &Meter) -> Result<()> {
        self.check(offset, buffer.len() as u64)?;
        let mut done = 0;
        while done < buffer.len() {
            let at = offset + done as u64;
            done += match &self.parts {
                Parts::Recipe(recipe, contents) => {
                    self.read_recipe(recipe, contents, at, &mut buffer[done..], meter)?
                }
                Parts::Source(plan, starts) => {
                    self.read_source(plan, starts, at, &mut buffer[done..])?
                }
                Parts::Content(file, path) => {
                    read_exact(file, path.clone(), at, &mut buffer[done..])?;
                    buffer.len() - done
                }
            };
        }
        Ok(())
    }

    /// Fails with `Invalid` for what is not inside the blob.
    pub(super) fn check(&self, offset: u64, length: u64) -> Result<()> {
        let end = offset.checked_add(length);
        if end.is_none_or(|end| end > self.size) {
            return Err(Error::invalid(format!(
                "{length} bytes at {offset} are not inside a blob of {}",
                self.size
            )));
        }
        Ok(())
    }

    /// The file that holds the stored bytes at `at`, where in it they are, and how many.
    ///
    /// A content that is not believed is hashed first; the meter can end that.
    pub(super) fn stored_at(
        &self,
        at: u64,
        meter: &Meter,
    ) -> Result<Option<(Arc<File>, u64, u64)>> {
        let Parts::Recipe(recipe, contents) = &self.parts else {
            return Ok(None);
        };
        let Some(index) = recipe.find(at) else {
            return Ok(None);
        };
        let segment = &recipe.segments()[index];
        let Place::Content { size } = segment.place else {
            return Ok(None);
        };
        let skip = at - segment.blob_offset;
        let opened = self.keep(index, || {
            let file = contents.get(&segment.hash, size, meter)?;
            Ok(Kept::File(Arc::new(file)))
        })?;
        Ok(match opened {
            Kept::File(file) => Some((file, segment.at + skip, segment.length - skip)),
            Kept::Piece(_) => None,
        })
    }

    fn read_recipe(
        &self,
        recipe: &Recipe,
        contents: &Contents,
        at: u64,
        room: &mut [u8],
        meter: &Meter,
    ) -> Result<usize> {
        let missing = || recipe.corrupt("an offset lies in no segment");
        let index = recipe.find(at).ok_or_else(missing)?;
        let segment = &recipe.segments()[index];
        let skip = at - segment.blob_offset;
        let room = limit(room, segment.length - skip);
        let opened = self.keep(index, || match segment.place {
            Place::Inline => Ok(Kept::Piece(Arc::new(recipe.inline(segment)?))),
            Place::Content { size } => {
                let file = contents.get(&segment.hash, size, meter)?;
                Ok(Kept::File(Arc::new(file)))
            }
        })?;
        match opened {
            Kept::Piece(piece) => Ok(copy_from(&piece, skip, room)),
            Kept::File(file) => {
                let path = contents.path(&segment.hash);
                read_exact(&file, path, segment.at + skip, room)?;
                Ok(room.len())
            }
        }
    }

    fn read_source(&self, plan: &Plan, starts: &[u64], at: u64, room: &mut [u8]) -> Result<usize> {
        let index = starts.partition_point(|start| *start <= at);
        let Some(index) = index.checked_sub(1) else {
            return Ok(copy_from(&TRAILER, at, room));
        };
        let skip = at - starts[index];
        let header = match plan.source.raw {
            true => Vec::new(),
            false => plan.header(index)?,
        };
        let head = header.len() as u64;
        if skip < head {
            return Ok(copy_from(&header, skip, room));
        }
        let skip = skip - head;
        let body = plan.stats[index].map_or(0, |stat| stat.size);
        if skip < body {
            return self.read_member(plan, index, skip, limit(room, body - skip));
        }
        let skip = skip - body;
        let gap = padding(body) as u64;
        if skip < gap {
            return Ok(copy_from(&[0; BLOCK][..padding(body)], skip, room));
        }
        Ok(copy_from(&TRAILER, skip - gap, room))
    }

    fn read_member(&self, plan: &Plan, index: usize, at: u64, room: &mut [u8]) -> Result<usize> {
        let (Some(path), Some(stat)) = (&plan.source.members[index].source, plan.stats[index])
        else {
            return Err(Error::internal("a directory has no bytes"));
        };
        let none = || Error::internal("a directory has no bytes");
        let opened = self.keep(index, || {
            let (file, ..) = plan.open(index)?.ok_or_else(none)?;
            Ok(Kept::File(Arc::new(file)))
        })?;
        let Kept::File(file) = opened else {
            return Err(none());
        };
        read_exact(&file, path.clone(), at, room)?;
        unchanged(&file, path, &stat)?;
        Ok(room.len())
    }

    /// What is kept of a part; opened, and something older let go, where it is not.
    fn keep(&self, index: usize, open: impl FnOnce() -> Result<Kept>) -> Result<Kept> {
        let all = || self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, kept)) = all().iter().find(|(of, _)| *of == index) {
            return Ok(kept.clone());
        }
        let opened = open()?;
        let mut all = all();
        if all.len() == KEPT {
            all.remove(0);
        }
        all.push((index, opened.clone()));
        Ok(opened)
    }

    /// The content that is exactly these bytes of the blob, if one is.
    pub(super) fn whole_content(&self, at: u64, size: u64) -> Option<([u8; 32], &Contents)> {
        let Parts::Recipe(recipe, contents) = &self.parts else {
            return None;
        };
        let segment = &recipe.segments()[recipe.find(at)?];
        let exact = segment.is_whole_content() && segment.blob_offset == at;
        (exact && segment.length == size).then_some((segment.hash, contents))
    }
}

fn limit(room: &mut [u8], most: u64) -> &mut [u8] {
    let length = room.len().min(usize::try_from(most).unwrap_or(usize::MAX));
    &mut room[..length]
}

fn copy_from(bytes: &[u8], skip: u64, room: &mut [u8]) -> usize {
    let rest = &bytes[usize::try_from(skip).map_or(bytes.len(), |skip| skip.min(bytes.len()))..];
    let take = rest.len().min(room.len());
    room[..take].copy_from_slice(&rest[..take]);
    take
}

fn read_exact(file: &File, path: PathBuf, at: u64, room: &mut [u8]) -> Result<()> {
    file.read_exact_at(room, at)
        .map_err(|error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => Error::Changed { path },
            _ => Error::io(path, error),
        })
}
