//! Recipes: a blob as inline bytes and extents of contents, opened, not loaded.
//!
//! A file `HOME/recipes/sha256/<hex>`, all numbers little endian:
//! `"KFR1"` ‖ inline bytes ‖ index of 64-byte entries ‖ footer of 88 bytes.
//! Entry: length, offset in the content or in the inline bytes, size of the content (0 for
//! inline), offset in the blob, BLAKE3 of the content or of the inline piece.
//! Footer: blob size, blob SHA-256, offset of the index, number of entries, BLAKE3 of the
//! index and the footer before it.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::condemn::{condemn, is_condemned};
use crate::digest::hex;
use crate::{Error, Result};

pub(super) const MAGIC: [u8; 4] = *b"KFR1";
pub(super) const ENTRY: usize = 64;
pub(super) const FOOTER: usize = 88;
/// What is wrong with a recipe that was condemned.
const DAMAGED: &str = "its bytes are not the ones it was written with; pack or pull it again";
/// Inline bytes are cut here, so that one piece can be checked in little memory.
pub(super) const PIECE: u64 = 1 << 20;

/// Where the bytes of a segment stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In the recipe itself.
    Inline,
    /// In a content of the store, which holds `size` bytes in all.
    Content {
        /// The size of the whole content.
        size: u64,
    },
}

/// One run of a blob's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// Where the run begins in the blob.
    pub blob_offset: u64,
    /// How long it is, at least 1.
    pub length: u64,
    /// Where it begins in the content, or in the recipe's inline bytes.
    pub at: u64,
    /// BLAKE3 of the whole content, or of this inline piece.
    pub hash: [u8; 32],
    /// Which of the two.
    pub place: Place,
}

impl Segment {
    /// The first offset of the blob behind this run.
    pub fn end(&self) -> u64 {
        self.blob_offset + self.length
    }

    /// Whether the run is a whole content.
    pub fn is_whole_content(&self) -> bool {
        self.place == Place::Content { size: self.length } && self.at == 0
    }

    pub(super) fn encode(&self) -> [u8; ENTRY] {
        let size = match self.place {
            Place::Inline => 0,
            Place::Content { size } => size,
        };
        let mut entry = [0; ENTRY];
        for (slot, value) in [self.length, self.at, size, self.blob_offset]
            .into_iter()
            .enumerate()
        {
            entry[slot * 8..slot * 8 + 8].copy_from_slice(&value.to_le_bytes());
        }
        entry[32..].copy_from_slice(&self.hash);
        entry
    }

    fn decode(entry: &[u8; ENTRY]) -> Self {
        let size = word(entry, 16);
        Self {
            length: word(entry, 0),
            at: word(entry, 8),
            blob_offset: word(entry, 24),
            hash: *entry[32..].first_chunk().expect("32 bytes are left"),
            place: match size {
                0 => Place::Inline,
                size => Place::Content { size },
            },
        }
    }
}

fn word(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(*bytes[at..].first_chunk().expect("callers stay inside"))
}

/// The folder of all recipes of the store at `home`.
pub fn folder(home: &Path) -> PathBuf {
    home.join("recipes/sha256")
}

/// A stored blob's recipe, checked; its inline bytes stay on the disk until they are read.
#[derive(Debug)]
pub struct Recipe {
    file: File,
    path: PathBuf,
    size: u64,
    digest: [u8; 32],
    segments: Vec<Segment>,
}

impl Recipe {
    /// Opens the recipe of the blob with this SHA-256 in the store at `home`.
    ///
    /// Fails with `NotFound`, or with `Corrupt` where the file does not add up.
    pub fn open(home: &Path, digest: &[u8; 32]) -> Result<Self> {
        let path = folder(home).join(hex::encode(digest));
        let file = File::open(&path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Error::NotFound {
                what: hex::sha256(digest),
            },
            _ => Error::io(&path, error),
        })?;
        let recipe = Self::read(file, path)?;
        if recipe.digest != *digest {
            return Err(recipe.corrupt("it is the recipe of another blob"));
        }
        Ok(recipe)
    }

    fn read(mut file: File, path: PathBuf) -> Result<Self> {
        let wrap = |error| Error::io(&path, error);
        let bad = |why: &str| Error::corrupt(path.display().to_string(), why);
        let meta = file.metadata().map_err(wrap)?;
        if is_condemned(&meta) {
            return Err(bad(DAMAGED));
        }
        let length = meta.len();
        if length < (MAGIC.len() + FOOTER) as u64 {
            return Err(bad("too short for a recipe"));
        }
        let mut footer = [0; FOOTER];
        file.read_exact_at(&mut footer, length - FOOTER as u64)
            .map_err(wrap)?;
        let (index_at, count) = (word(&footer, 40), word(&footer, 48));
        let index_length = count.checked_mul(ENTRY as u64);
        let end = index_length.and_then(|bytes| index_at.checked_add(bytes));
        if index_at < MAGIC.len() as u64 || end != Some(length - FOOTER as u64) {
            return Err(bad("its index lies outside the file"));
        }
        let mut magic = [0; 4];
        file.read_exact_at(&mut magic, 0).map_err(wrap)?;
        if magic != MAGIC {
            return Err(bad("not a recipe"));
        }
        file.seek(SeekFrom::Start(index_at)).map_err(wrap)?;
        let (segments, sum) = read_index(&mut file, count).map_err(wrap)?;
        let mut hasher = sum;
        hasher.update(&footer[..56]);
        if hasher.finalize().as_bytes()[..] != footer[56..] {
            return Err(bad("its checksum is wrong"));
        }
        let size = word(&footer, 0);
        check(&segments, size, index_at - MAGIC.len() as u64).map_err(bad)?;
        let digest = *footer[8..40].first_chunk().expect("32 bytes");
        Ok(Self {
            file,
            path,
            size,
            digest,
            segments,
        })
    }

    /// The blob's size.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The blob's SHA-256.
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// The blob's runs, in order, without gaps.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// The index of the segment that holds this offset of the blob, if it is inside.
    pub fn find(&self, offset: u64) -> Option<usize> {
        (offset < self.size).then(|| self.segments.partition_point(|s| s.end() <= offset))
    }

    /// Reads inline bytes, from `skip` in the segment, into the whole buffer, unchecked.
    pub fn read_inline(&self, segment: &Segment, skip: u64, buffer: &mut [u8]) -> Result<()> {
        let at = MAGIC.len() as u64 + segment.at + skip;
        self.file
            .read_exact_at(buffer, at)
            .map_err(|error| Error::io(&self.path, error))
    }

    /// Reads a whole inline segment and checks it against its hash.
    ///
    /// Where it is wrong the recipe is condemned: it does not open again, and a pull or a
    /// pack makes it anew.
    pub fn inline(&self, segment: &Segment) -> Result<Vec<u8>> {
        let length = usize::try_from(segment.length).map_err(|_| self.corrupt("huge piece"))?;
        let mut bytes = vec![0; length];
        self.read_inline(segment, 0, &mut bytes)?;
        if *blake3::hash(&bytes).as_bytes() != segment.hash {
            condemn(&self.file, &self.path);
            return Err(self.corrupt(DAMAGED));
        }
        Ok(bytes)
    }

    /// An error about this recipe.
    pub(crate) fn corrupt(&self, why: &str) -> Error {
        Error::corrupt(self.path.display().to_string(), why)
    }
}

fn read_index(file: &mut File, count: u64) -> std::io::Result<(Vec<Segment>, blake3::Hasher)> {
    let mut hasher = blake3::Hasher::new();
    let mut segments = Vec::new();
    let mut reader = std::io::BufReader::with_capacity(1 << 16, file);
    for _ in 0..count {
        let mut entry = [0; ENTRY];
        reader.read_exact(&mut entry)?;
        hasher.update(&entry);
        segments.push(Segment::decode(&entry));
    }
    Ok((segments, hasher))
}

/// Whether the segments follow each other from 0 to `size` and stay inside their places.
fn check(segments: &[Segment], size: u64, inline: u64) -> std::result::Result<(), &'static str> {
    let mut offset = 0u64;
    for segment in segments {
        if segment.blob_offset != offset || segment.length == 0 {
            return Err("its segments leave a gap or overlap");
        }
        let (limit, longest) = match segment.place {
            Place::Inline => (inline, PIECE),
            Place::Content { size } => (size, u64::MAX),
        };
        let end = segment.at.checked_add(segment.length);
        if segment.length > longest || end.is_none_or(|end| end > limit) {
            return Err("a segment lies outside its place");
        }
        offset = offset
            .checked_add(segment.length)
            .ok_or("its segments are longer than any blob")?;
    }
    if offset == size {
        Ok(())
    } else {
        Err("its segments do not add up to the blob's size")
    }
}

#[cfg(test)]
mod tests {
    use super::super::RecipeWriter;
    use super::*;
    use proptest::prelude::*;

    fn sample(home: &Path) -> [u8; 32] {
        let mut writer = RecipeWriter::create(home).unwrap();
        writer.inline(b"head").unwrap();
        writer.inline(b"er").unwrap();
        writer.content(&[1; 32], 100).unwrap();
        writer.content(&[2; 32], 0).unwrap();
        writer.extent(&[3; 32], 50, 10, 20).unwrap();
        writer.inline(&vec![9; (PIECE + 5) as usize]).unwrap();
        let size = writer.size();
        writer.commit(&[4; 32], size).unwrap();
        [4; 32]
    }

    #[test]
    fn reads_back_what_was_written() {
        let home = tempfile::tempdir().unwrap();
        let digest = sample(home.path());
        let recipe = Recipe::open(home.path(), &digest).unwrap();
        assert_eq!(recipe.size(), 6 + 100 + 20 + PIECE + 5);
        let segments = recipe.segments();
        assert_eq!(segments.len(), 5);
        assert_eq!(recipe.inline(&segments[0]).unwrap(), b"header");
        assert!(segments[1].is_whole_content());
        assert!(!segments[2].is_whole_content());
        assert_eq!(segments[2].at, 10);
        assert_eq!(recipe.inline(&segments[4]).unwrap(), [9; 5]);
        assert_eq!(recipe.find(5), Some(0));
        assert_eq!(recipe.find(6), Some(1));
        assert_eq!(recipe.find(recipe.size()), None);
        let mut part = [0; 3];
        recipe.read_inline(&segments[0], 2, &mut part).unwrap();
        assert_eq!(&part, b"ade");
        assert_eq!(
            std::fs::read_dir(folder(home.path())).unwrap().count(),
            1,
            "no temporary file is left"
        );
    }

    #[test]
    fn an_empty_blob_has_no_segments() {
        let home = tempfile::tempdir().unwrap();
        let writer = RecipeWriter::create(home.path()).unwrap();
        writer.commit(&[5; 32], 0).unwrap();
        assert_eq!(Recipe::open(home.path(), &[5; 32]).unwrap().size(), 0);
    }

    #[test]
    fn the_name_must_be_the_blobs_own() {
        let home = tempfile::tempdir().unwrap();
        let digest = sample(home.path());
        let folder = folder(home.path());
        std::fs::rename(
            folder.join(hex::encode(&digest)),
            folder.join(hex::encode(&[8; 32])),
        )
        .unwrap();
        let swapped = Recipe::open(home.path(), &[8; 32]);
        assert!(matches!(swapped, Err(Error::Corrupt { .. })));
    }

    #[test]
    fn damaged_inline_bytes_are_found() {
        let home = tempfile::tempdir().unwrap();
        let digest = sample(home.path());
        let path = folder(home.path()).join(hex::encode(&digest));
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[MAGIC.len() + 1] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        let recipe = Recipe::open(home.path(), &digest).unwrap();
        let piece = recipe.inline(&recipe.segments()[0]);
        assert!(matches!(piece, Err(Error::Corrupt { .. })));
        let again = Recipe::open(home.path(), &digest);
        assert!(matches!(again, Err(Error::Corrupt { .. })));
        sample(home.path());
        Recipe::open(home.path(), &digest).unwrap();
    }

    proptest! {
        #[test]
        fn any_damage_behind_the_inline_bytes_is_refused(
            position in 0usize..(5 * ENTRY + FOOTER),
            flip in 1u8..=255,
            cut in proptest::bool::ANY,
        ) {
            let home = tempfile::tempdir().unwrap();
            let digest = sample(home.path());
            let path = folder(home.path()).join(hex::encode(&digest));
            let mut bytes = std::fs::read(&path).unwrap();
            let at = bytes.len() - 1 - position;
            if cut {
                bytes.truncate(at);
            } else {
                bytes[at] ^= flip;
            }
            std::fs::write(&path, bytes).unwrap();
            let damaged = Recipe::open(home.path(), &digest);
            let refused = matches!(damaged, Err(Error::Corrupt { .. }));
            prop_assert!(refused);
        }

        #[test]
        fn segments_that_do_not_add_up_are_refused(
            blob_offset in 0u64..4, length in 0u64..=u64::MAX, at in 0u64..=u64::MAX,
        ) {
            let segment = Segment {
                blob_offset, length, at, hash: [0; 32], place: Place::Content { size: 10 },
            };
            let fits = blob_offset == 0 && length > 0 && at.checked_add(length).is_some_and(|e| e <= 10);
            prop_assert_eq!(check(&[segment], length, 0).is_ok(), fits);
        }
    }
}
