//! Lists the members of a tar blob, each file with the BLAKE3 of its bytes.

use super::Blob;
use super::groups::Grouped;
use crate::digest::blake3_tree::Tree;
use crate::tar::{Admitted, Guard, Name, Step, Walk};
use crate::{Error, Meter, Result};

/// Bytes read at a time of files whose BLAKE3 no recipe tells.
const STEP: usize = 256 << 10;

/// One member of a tar blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its name, checked.
    pub name: Name,
    /// Where its bytes begin in the blob.
    pub offset: u64,
    /// Its bytes.
    pub size: u64,
    /// Its permission bits.
    pub mode: u32,
    /// The BLAKE3 of a file's bytes; a folder has none.
    pub hash: Option<[u8; 32]>,
    /// The chaining values of a file's groups; see [`crate::digest::groups`].
    pub groups: Vec<u8>,
}

impl Blob {
    /// Every member of this tar, in its order.
    ///
    /// Files that are contents of the store are not read, where their digests are kept there.
    /// The meter counts the others. Fails with `Corrupt` and `UnsafeMember` as unpacking does.
    pub fn members(&self, meter: &Meter) -> Result<Vec<Listed>> {
        self.members_of(Vec::new(), meter)
    }

    /// The same, where the digests of the first so many files are known.
    pub(super) fn members_of(&self, known: Vec<Grouped>, meter: &Meter) -> Result<Vec<Listed>> {
        let mut known = known.into_iter();
        let mut guard = Guard::new(false);
        let mut walk = Walk::new(self.size());
        let mut found = Vec::new();
        loop {
            meter.check()?;
            let step = walk.step(|at, room| self.read(at, room).map(|()| true))?;
            let member = match step {
                Step::Member(member) => member,
                Step::End(_) => return Ok(found),
                Step::Need(..) => {
                    return Err(Error::internal("the blob is there, yet asked for"));
                }
            };
            let (name, grouped) = match guard.admit(&member)? {
                Admitted::Directory(name) => (name, None),
                Admitted::File(name) => {
                    let grouped = match known.next() {
                        Some(grouped) => grouped,
                        None => self.grouped(member.body, member.size, meter)?,
                    };
                    (name, Some(grouped))
                }
            };
            found.push(Listed {
                name,
                offset: member.body,
                size: grouped.as_ref().map_or(0, |_| member.size),
                mode: member.mode,
                hash: grouped.as_ref().map(|one| one.hash),
                groups: grouped.map_or_else(Vec::new, |one| one.values),
            });
        }
    }

    /// The digests of a file: a content's are kept in the store, others are found by reading.
    fn grouped(&self, offset: u64, size: u64, meter: &Meter) -> Result<Grouped> {
        let content = self.whole_content(offset, size);
        if let Some((hash, contents)) = content
            && let Some(values) = contents.groups(&hash, size)
        {
            return Ok(Grouped { hash, values });
        }
        let grouped = self.read_grouped(offset, size, meter)?;
        if let Some((hash, contents)) = content {
            if grouped.hash != hash {
                // Says so, and that it is to be made anew.
                contents.verify(&hash, meter)?;
                let why = "its bytes are not the ones it was stored with; pack or pull it again";
                return Err(Error::corrupt(
                    contents.path(&hash).display().to_string(),
                    why,
                ));
            }
            // In a store that can only be read, they are read anew each time.
            let _ = contents.keep_groups(&hash, &grouped.values);
        }
        Ok(grouped)
    }

    fn read_grouped(&self, offset: u64, size: u64, meter: &Meter) -> Result<Grouped> {
        let mut tree = Tree::grouping();
        let mut buffer = vec![0; size.min(STEP as u64) as usize];
        let mut done = 0;
        while done < size {
            let length = (size - done).min(STEP as u64) as usize;
            self.read(offset + done, &mut buffer[..length])?;
            tree.update(&buffer[..length]);
            done += length as u64;
            meter.advance(length as u64)?;
        }
        Grouped::of(tree)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::{LayerSource, Member, Store};
    use super::*;
    use crate::digest::groups::Groups;

    #[test]
    fn stored_and_source_blobs_list_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let sizes = [0, 1, 40_000, 9_000_000];
        let mut members = vec![Member {
            name: b"dir".to_vec(),
            source: None,
            mode: 0o750,
        }];
        for size in sizes {
            let path = folder.path().join(size.to_string());
            std::fs::write(&path, vec![7; size]).unwrap();
            members.push(Member {
                name: format!("dir/{size}").into_bytes(),
                source: Some(path),
                mode: 0o640,
            });
        }
        let source = LayerSource {
            members,
            compression: super::super::Compression::None,
            raw: false,
        };
        let store = Store::open(&folder.path().join("store")).unwrap();
        let packed = store
            .pack(vec![source.clone()], false, &Arc::default())
            .unwrap();
        let meter = Meter::default();
        let stored = store.blob(&packed[0].digest).unwrap();
        let listed = stored.members(&meter).unwrap();
        // Only what stands inline in the recipe was read.
        assert_eq!(meter.done(), 1);
        let large = listed[4].hash.unwrap();
        Groups::of(&listed[4].groups, 9_000_000, &large).unwrap();
        // Lost values are found by reading, once.
        let values = store.contents().path(&large).with_extension("groups");
        std::fs::remove_file(&values).unwrap();
        for read in [9_000_001, 1] {
            let meter = Meter::default();
            assert_eq!(listed, stored.members(&meter).unwrap());
            assert_eq!(meter.done(), read);
        }
        let fresh = Blob::of_source(source).unwrap();
        assert_eq!(listed, fresh.members(&Meter::default()).unwrap());
        assert_eq!(listed[0].hash, None);
        for (member, size) in listed[1..].iter().zip(sizes) {
            let mut bytes = vec![0; size];
            stored.read(member.offset, &mut bytes).unwrap();
            assert_eq!(bytes, vec![7; size]);
            assert_eq!(member.hash, Some(*blake3::hash(&bytes).as_bytes()));
            assert_eq!((member.size, member.mode), (size as u64, 0o640));
            let hash = member.hash.unwrap();
            let content = store.content(&hash, size as u64).unwrap();
            // Small files have no content of their own.
            assert_eq!(content.is_some(), size >= 40_000);
            if let Some(content) = content {
                content.read(0, &mut bytes).unwrap();
                assert_eq!(bytes, vec![7; size]);
            }
        }
    }

    #[test]
    fn what_is_no_tar_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let digest = store.put(&[7; 1024]).unwrap();
        let blob = store.blob(&digest).unwrap();
        let refused = blob.members(&Meter::default());
        assert!(matches!(refused, Err(Error::Corrupt { .. })));
    }
}
