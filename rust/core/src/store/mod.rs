//! The local store: every content once, every blob a recipe.

mod aside;
pub mod blob;
mod clone;
mod compress;
mod condemn;
pub mod contents;
pub mod departure;
mod groups;
pub mod hold;
mod inflate;
mod keep;
mod lane;
pub mod members;
mod outlet;
pub mod pack;
pub mod prune;
pub mod recipe;
mod remember;
pub mod source;
pub mod squeeze;
mod stage;
mod stream;
mod sums;
mod take;
pub mod unpack;
mod verify;
pub mod writer;

pub use blob::Blob;
pub use contents::Contents;
pub use departure::Departure;
pub use hold::Hold;
pub use members::Listed;
pub use pack::Packed;
pub use recipe::{Place, Recipe, Segment};
pub use source::{Compression, LayerSource, Member};
pub use squeeze::Squeeze;
pub use unpack::{Packing, Shape, Wish};
pub use writer::RecipeWriter;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::digest::{hex, sha256};
use crate::{Error, Meter, Result};

/// Files of tars below this size stay inline beside their headers: thousands of small
/// files then cost one recipe and no file of their own. At 32 KiB a file of its own costs
/// less than an eighth in block rounding, and weights never stay inline.
pub const INLINE_LIMIT: u64 = 32 << 10;

/// A store in a folder; any number of processes may use it at once.
#[derive(Debug, Clone)]
pub struct Store {
    home: PathBuf,
    contents: Contents,
}

impl Store {
    /// Opens the store at `home`, creating its folders where they are missing.
    pub fn open(home: &Path) -> Result<Self> {
        make_folder(&recipe::folder(home))?;
        Ok(Self {
            contents: Contents::open(home)?,
            home: home.to_path_buf(),
        })
    }

    /// The folder of the store.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// The store's contents.
    pub fn contents(&self) -> &Contents {
        &self.contents
    }

    /// The size of a blob that is held whole; none when anything of it is missing, or was
    /// found damaged.
    pub fn size(&self, digest: &[u8; 32]) -> Result<Option<u64>> {
        let recipe = match Recipe::open(&self.home, digest) {
            Ok(recipe) => recipe,
            Err(Error::NotFound { .. } | Error::Corrupt { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let held = recipe.segments().iter().all(|segment| match segment.place {
            Place::Inline => true,
            Place::Content { size } => self.contents.holds(&segment.hash, size),
        });
        Ok(held.then_some(recipe.size()))
    }

    /// Stores a small blob in its recipe; answers its SHA-256.
    pub fn put(&self, data: &[u8]) -> Result<[u8; 32]> {
        let digest = sha256::hash(data);
        let mut recipe = RecipeWriter::create(&self.home)?;
        recipe.inline(data)?;
        recipe.commit(&digest, data.len() as u64)?;
        Ok(digest)
    }

    /// The digests of all blobs, in no order; whether each is whole is not looked at.
    pub fn digests(&self) -> Result<Vec<[u8; 32]>> {
        let folder = recipe::folder(&self.home);
        let wrap = |error| Error::io(&folder, error);
        let mut digests = Vec::new();
        for entry in std::fs::read_dir(&folder).map_err(wrap)? {
            let name = entry.map_err(wrap)?.file_name();
            // Temporary files have names of another shape.
            if let Some(digest) = name.to_str().and_then(|name| hex::decode(name).ok()) {
                digests.push(digest);
            }
        }
        Ok(digests)
    }

    /// Forgets a blob; its contents stay until a prune. `NotFound` where there is none.
    pub fn remove(&self, digest: &[u8; 32]) -> Result<()> {
        let path = recipe::folder(&self.home).join(hex::encode(digest));
        std::fs::remove_file(&path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Error::NotFound {
                what: hex::sha256(digest),
            },
            _ => Error::io(&path, error),
        })
    }

    /// Random access to a blob's bytes; its contents are checked as they are opened.
    pub fn blob(&self, digest: &[u8; 32]) -> Result<Blob> {
        let recipe = Recipe::open(&self.home, digest)?;
        Ok(Blob::of_recipe(recipe, self.contents.clone()))
    }

    /// Random access to a content, whatever blobs it came in; none when it is not held.
    ///
    /// Fails with `Corrupt` where its bytes are no longer the ones it is named by.
    pub fn content(&self, hash: &[u8; 32], size: u64) -> Result<Option<Blob>> {
        if !self.contents.holds(hash, size) {
            return Ok(None);
        }
        let file = self.contents.get(hash, size, &Meter::default())?;
        Ok(Some(Blob::of_content(file, self.contents.path(hash), size)))
    }
}

/// A name in `folder` that no other process and no other call uses.
pub(crate) fn fresh_name(folder: &Path) -> PathBuf {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let clock = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos());
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    folder.join(format!(".tmp-{}-{count}-{clock:x}", std::process::id()))
}

/// Writes a small file as `temp` and gives it its name, in a folder that is made for it.
fn put(temp: &Path, path: &Path, bytes: &[u8]) -> Result<()> {
    make_folder(path.parent().expect("a file has a folder"))?;
    let written = std::fs::write(temp, bytes).and_then(|()| std::fs::rename(temp, path));
    written.map_err(|error| {
        // The write's error is the one to tell.
        let _ = std::fs::remove_file(temp);
        Error::io(path, error)
    })
}

/// Creates `folder` and what it stands in.
pub(crate) fn make_folder(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(|error| Error::io(folder, error))
}
