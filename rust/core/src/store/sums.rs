//! The BLAKE3 of every file of a layer, taken as its bytes pass.

use std::fs::File;

use super::groups::Grouped;
use super::source::{Plan, Stat};
use super::stream::Taker;
use crate::Result;
use crate::digest::blake3_tree::{GROUP, Tree};

/// The digests of each file, in the order of the layer; or none, where nobody wants them.
pub(super) struct Sums {
    tree: Option<Box<Tree>>,
    done: Vec<Grouped>,
}

impl Sums {
    /// For a tar of two groups or two files and more: nobody asks parts of other layers.
    pub fn of(plan: &Plan, wanted: bool) -> Self {
        let sizes = || plan.stats.iter().flatten().map(|stat| stat.size);
        let parted = sizes().count() > 1 || sizes().any(|size| size > GROUP);
        let some = wanted && !plan.source.raw && parted;
        Self {
            tree: some.then(|| Box::new(Tree::grouping())),
            done: Vec::new(),
        }
    }

    /// The digests, once the whole layer has passed.
    pub fn finish(self) -> Option<Vec<Grouped>> {
        self.tree.map(|_| self.done)
    }
}

impl Taker for Sums {
    fn inline(&mut self, _bytes: &[u8]) -> Result<()> {
        Ok(())
    }

    fn begin(&mut self, _source: &File, _stat: &Stat) -> Result<Option<File>> {
        Ok(None)
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<()> {
        if let Some(tree) = &mut self.tree {
            tree.update(bytes);
        }
        Ok(())
    }

    fn end(&mut self) -> Result<()> {
        if let Some(tree) = &mut self.tree {
            let whole = std::mem::replace(&mut **tree, Tree::grouping());
            self.done.push(Grouped::of(whole)?);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::{Duration, UNIX_EPOCH};

    use super::super::{Blob, Compression, Departure, LayerSource, Member};
    use super::*;
    use crate::Meter;

    fn layer(folder: &std::path::Path, sizes: &[usize], raw: bool) -> LayerSource {
        let member = |size: &usize| {
            let path = folder.join(size.to_string());
            std::fs::write(&path, vec![7; *size]).unwrap();
            Member {
                name: size.to_string().into_bytes(),
                source: Some(path),
                mode: 0o644,
            }
        };
        let mut members: Vec<_> = sizes.iter().map(member).collect();
        if !raw {
            members.insert(
                0,
                Member {
                    name: b"dir".to_vec(),
                    source: None,
                    mode: 0o755,
                },
            );
        }
        LayerSource {
            members,
            compression: Compression::None,
            raw,
        }
    }

    #[test]
    fn a_departure_tells_what_reading_again_would() {
        let folder = tempfile::tempdir().unwrap();
        let source = layer(folder.path(), &[0, 1, 700_000, 9_000_001], false);
        let departure = Departure::hashing(source.clone(), true).unwrap();
        assert_eq!(departure.members(false, &Meter::default()).unwrap(), None);
        // In two goes, as after a connection that broke.
        let mut buffer = vec![0; 1_000_000];
        departure.read(0, &mut buffer).unwrap();
        departure.hash(&Arc::default()).unwrap();
        let meter = Meter::default();
        let told = departure.members(true, &meter).unwrap().unwrap();
        assert_eq!(meter.done(), 0, "no file is read again");
        let blob = Blob::of_source(source).unwrap();
        assert_eq!(told, blob.members(&Meter::default()).unwrap());
    }

    #[test]
    fn a_lone_file_of_two_groups_is_told_of_again_from_the_cache() {
        let folder = tempfile::tempdir().unwrap();
        let source = layer(folder.path(), &[GROUP as usize + 1], false);
        let settled = UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        let path = source.members[1].source.as_ref().unwrap();
        let file = File::options().write(true).open(path).unwrap();
        file.set_modified(settled).unwrap();
        std::thread::sleep(Duration::from_millis(2_100));
        let departure = Departure::hashing(source.clone(), true).unwrap();
        departure.hash(&Arc::default()).unwrap();
        let home = folder.path().join("home");
        departure.remember(&home).unwrap();
        let meter = Meter::default();
        let told = departure.members(false, &meter).unwrap().unwrap();
        assert_eq!(told[1].groups.len(), 64);
        let again = Departure::hashing(source.clone(), true).unwrap();
        assert!(again.recall(&home));
        assert_eq!(again.members(false, &meter).unwrap(), Some(told));
        assert_eq!(meter.done(), 0);
        for entry in std::fs::read_dir(home.join("cache/layers")).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some() {
                let mut bytes = std::fs::read(&path).unwrap();
                bytes[40] ^= 1;
                std::fs::write(path, bytes).unwrap();
            }
        }
        let damaged = Departure::hashing(source, true).unwrap();
        assert!(damaged.recall(&home));
        assert_eq!(damaged.members(false, &meter).unwrap(), None);
    }

    #[test]
    fn where_nobody_asks_parts_nothing_is_told() {
        let folder = tempfile::tempdir().unwrap();
        for (sizes, raw, wanted) in [
            (&[5, 6][..], false, false),
            (&[5], false, true),
            (&[5], true, true),
            (&[GROUP as usize], false, true),
            (&[GROUP as usize + 1], true, true),
        ] {
            let source = layer(folder.path(), sizes, raw);
            let departure = Departure::hashing(source, wanted).unwrap();
            departure.hash(&Arc::default()).unwrap();
            assert_eq!(departure.members(false, &Meter::default()).unwrap(), None);
        }
    }
}
