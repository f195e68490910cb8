//! The BLAKE3 of every file of a layer, taken as its bytes pass.

use std::fs::File;

use super::source::{LayerSource, Stat};
use super::stream::Taker;
use crate::Result;

/// One digest a file, in the order of the layer; or none at all, where nobody wants them.
pub(super) struct Sums {
    hasher: Option<Box<blake3::Hasher>>,
    done: Vec<[u8; 32]>,
}

impl Sums {
    /// For a tar of two files or more: of one file, and of a raw layer, nobody asks parts.
    pub fn of(source: &LayerSource, wanted: bool) -> Self {
        let files = source.members.iter().filter(|one| one.source.is_some());
        let some = wanted && !source.raw && files.count() > 1;
        Self {
            hasher: some.then(Box::default),
            done: Vec::new(),
        }
    }

    /// The digests, once the whole layer has passed.
    pub fn finish(self) -> Option<Vec<[u8; 32]>> {
        self.hasher.map(|_| self.done)
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
        if let Some(hasher) = &mut self.hasher {
            hasher.update(bytes);
        }
        Ok(())
    }

    fn end(&mut self) -> Result<()> {
        if let Some(hasher) = &mut self.hasher {
            self.done.push(hasher.finalize().into());
            hasher.reset();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::{Blob, Compression, Departure, Member};
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
        let source = layer(folder.path(), &[0, 1, 700_000, 3_000_001], false);
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
    fn where_nobody_asks_parts_nothing_is_told() {
        let folder = tempfile::tempdir().unwrap();
        for (sizes, raw, wanted) in [
            (&[5, 6][..], false, false),
            (&[5], false, true),
            (&[5], true, true),
        ] {
            let source = layer(folder.path(), sizes, raw);
            let departure = Departure::hashing(source, wanted).unwrap();
            departure.hash(&Arc::default()).unwrap();
            assert_eq!(departure.members(false, &Meter::default()).unwrap(), None);
        }
    }
}
