//! Prunes the store: drops blobs nobody wants, and contents no recipe names.

use std::collections::HashSet;
use std::fs::DirEntry;
use std::path::Path;

use super::groups::SUFFIX;
use super::{Hold, Place, Recipe, Store, recipe, remember};
use crate::digest::hex;
use crate::{Error, Meter, Result};

/// The store in the hands of one prune: until it is dropped, nobody builds a blob in it.
#[derive(Debug)]
pub struct Pruning {
    store: Store,
    _hold: Hold,
}

impl Store {
    /// Waits until no process is building a blob here, and keeps new ones waiting.
    ///
    /// What is to be kept must be found out after this, or a blob that another process
    /// finished meanwhile is taken for one nobody wants.
    pub fn begin_prune(&self, meter: &Meter) -> Result<Pruning> {
        Ok(Pruning {
            store: self.clone(),
            _hold: Hold::alone(self.home(), meter)?,
        })
    }
}

impl Pruning {
    /// Drops all blobs but `keep`, then every content no recipe is left for, and leftovers
    /// of killed processes; answers the bytes freed.
    ///
    /// A recipe to keep that cannot be read keeps all contents: losing one reader is
    /// better than losing its weights.
    pub fn run(self, keep: &[[u8; 32]], meter: &Meter) -> Result<u64> {
        self.store.prune(keep, meter)
    }
}

impl Store {
    fn prune(&self, keep: &[[u8; 32]], meter: &Meter) -> Result<u64> {
        let keep: HashSet<[u8; 32]> = keep.iter().copied().collect();
        let mut freed = 0;
        for entry in entries(&recipe::folder(self.home()))? {
            let kept = named(&entry).is_some_and(|digest| keep.contains(&digest));
            if !kept {
                freed += discard(&entry)?;
            }
        }
        for entry in entries(&self.contents().temp_folder())? {
            freed += discard(&entry)?;
        }
        freed += self.prune_notes(&keep)?;
        match self.named_contents(&keep, meter)? {
            Some(named_ones) => Ok(freed + self.prune_contents(&named_ones, meter)?),
            None => Ok(freed),
        }
    }

    /// The contents the kept recipes name; none when one of them cannot be read.
    fn named_contents(
        &self,
        keep: &HashSet<[u8; 32]>,
        meter: &Meter,
    ) -> Result<Option<HashSet<[u8; 32]>>> {
        let mut contents = HashSet::new();
        for digest in keep {
            meter.check()?;
            let recipe = match Recipe::open(self.home(), digest) {
                Ok(recipe) => recipe,
                Err(Error::NotFound { .. }) => continue,
                Err(Error::Corrupt { .. }) => return Ok(None),
                Err(error) => return Err(error),
            };
            let held = |segment: &&super::Segment| segment.place != Place::Inline;
            contents.extend(recipe.segments().iter().filter(held).map(|one| one.hash));
        }
        Ok(Some(contents))
    }

    fn prune_contents(&self, wanted: &HashSet<[u8; 32]>, meter: &Meter) -> Result<u64> {
        let mut freed = 0;
        let folder = self.contents().folder();
        for shelf in entries(folder)? {
            if shelf.path() == self.contents().temp_folder() {
                continue;
            }
            for entry in entries(&shelf.path())? {
                meter.check()?;
                let name = entry.file_name();
                let name = name
                    .to_str()
                    .map(|name| name.strip_suffix(SUFFIX).unwrap_or(name));
                let hash = name.and_then(|name| hex::decode(name).ok());
                let kept = hash.is_some_and(|hash| wanted.contains(&hash));
                if !kept {
                    freed += discard(&entry)?;
                }
            }
        }
        Ok(freed)
    }

    fn prune_notes(&self, keep: &HashSet<[u8; 32]>) -> Result<u64> {
        let mut freed = 0;
        let folder = remember::folder(self.home());
        if !folder.exists() {
            return Ok(0);
        }
        for entry in entries(&folder)? {
            // What stands beside an entry goes with it.
            let known = remember::recall(&entry.path().with_extension(""));
            if known.is_none_or(|known| !keep.contains(&known.digest)) {
                freed += discard(&entry)?;
            }
        }
        Ok(freed)
    }
}

fn entries(folder: &Path) -> Result<Vec<DirEntry>> {
    let wrap = |error| Error::io(folder, error);
    let listing = std::fs::read_dir(folder).map_err(wrap)?;
    listing.map(|entry| entry.map_err(wrap)).collect()
}

fn named(entry: &DirEntry) -> Option<[u8; 32]> {
    hex::decode(entry.file_name().to_str()?).ok()
}

/// Removes a file; answers the bytes its blocks took, nothing where it is hard-linked.
fn discard(entry: &DirEntry) -> Result<u64> {
    use std::os::unix::fs::MetadataExt;
    let path = entry.path();
    let wrap = |error| Error::io(&path, error);
    let meta = entry.metadata().map_err(wrap)?;
    if meta.is_dir() {
        return Ok(0);
    }
    std::fs::remove_file(&path).map_err(wrap)?;
    Ok(if meta.nlink() == 1 {
        meta.blocks() * 512
    } else {
        0
    })
}
