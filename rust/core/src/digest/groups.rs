//! The groups of a file: each is verified alone, against the BLAKE3 of the whole.

use blake3::hazmat::{ChainingValue, HasherExt};

use super::blake3_tree::{GROUP, TreeState, hasher_at};
use super::hex;
use crate::{Error, Result};

/// Chaining values of all groups of a file, which have been found to give its BLAKE3.
///
/// BLAKE3 is a tree (BLAKE3 paper, 2.1): the roots of its subtrees of [`GROUP`] bytes merge to
/// the digest, so whoever trusts the digest can trust them, and then each group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Groups {
    size: u64,
    root: [u8; 32],
    /// Empty for a file of one group.
    values: Vec<ChainingValue>,
}

/// Bytes of the chaining values of a file of `size` bytes: none for one group.
pub fn values_length(size: u64) -> u64 {
    match size.div_ceil(GROUP) {
        0 | 1 => 0,
        groups => groups * 32,
    }
}

impl Groups {
    /// Checks the chaining values that somebody says belong to a file.
    ///
    /// # Errors
    /// `Corrupt` when there are too few or too many, or when they do not give `root`.
    pub fn of(values: &[u8], size: u64, root: &[u8; 32]) -> Result<Self> {
        let refuse = |why: String| Err(Error::corrupt("chaining values", why));
        if values.len() as u64 != values_length(size) {
            let length = values.len();
            return refuse(format!("{length} bytes are not those of {size} bytes"));
        }
        let values = values.as_chunks::<32>().0.to_vec();
        if let Some((last, lefts)) = values.split_last() {
            let mut state = TreeState::default();
            lefts.iter().for_each(|value| state.push(*value));
            if state.close(*last) != *root {
                return refuse(format!("do not give {}", hex::blake3(root)));
            }
        }
        Ok(Self {
            size,
            root: *root,
            values,
        })
    }

    /// Bytes of the file.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Checks the bytes of one group, which begins at `index` times [`GROUP`].
    ///
    /// # Errors
    /// `Corrupt` when they are not the file's, `Invalid` when there is no such group.
    pub fn verify(&self, index: u64, bytes: &[u8]) -> Result<()> {
        let start = index.checked_mul(GROUP).filter(|start| *start < self.size);
        let Some(start) = start else {
            return Err(Error::invalid(format!("there is no group {index}")));
        };
        let right = bytes.len() as u64 == GROUP.min(self.size - start)
            && match self.values.get(index as usize) {
                Some(value) => hasher_at(index).update(bytes).finalize_non_root() == *value,
                None => *blake3::hash(bytes).as_bytes() == self.root,
            };
        if right {
            return Ok(());
        }
        let end = start + bytes.len() as u64;
        Err(Error::corrupt(
            format!("bytes {start} to {end} of {}", hex::blake3(&self.root)),
            "are not the file's",
        ))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::blake3_tree::Tree;
    use super::*;

    fn bytes(length: usize) -> Vec<u8> {
        (0..length)
            .map(|at| (at * 29 + at / 253 + (at >> 20)) as u8)
            .collect()
    }

    fn grouped(data: &[u8], split: usize) -> ([u8; 32], Vec<u8>) {
        let mut tree = Tree::grouping();
        data.chunks(split).for_each(|part| tree.update(part));
        let (hash, values) = tree.finish_grouped().unwrap();
        (hash, values.unwrap())
    }

    /// Sizes at and beside every border, and anywhere between.
    fn sizes() -> impl Strategy<Value = usize> {
        let group = GROUP as usize;
        prop_oneof![
            (0..=6usize, -1..=1isize)
                .prop_map(move |(count, beside)| (count * group).saturating_add_signed(beside)),
            0..7 * group,
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn values_give_the_digest_whatever_size_and_split(
            size in sizes(), split in 100_000usize..9_000_000,
        ) {
            let data = bytes(size);
            let (hash, values) = grouped(&data, split);
            prop_assert_eq!(hash, *blake3::hash(&data).as_bytes());
            let groups = Groups::of(&values, size as u64, &hash).unwrap();
            for (index, group) in data.chunks(GROUP as usize).enumerate() {
                groups.verify(index as u64, group).unwrap();
            }
        }

        #[test]
        fn a_flipped_bit_is_found(
            size in 1..3 * GROUP as usize + 2, at in any::<prop::sample::Index>(), bit in 0..8u8,
        ) {
            let mut data = bytes(size);
            let (hash, mut values) = grouped(&data, size);
            let groups = Groups::of(&values, size as u64, &hash).unwrap();
            let at = at.index(size);
            data[at] ^= 1 << bit;
            for (index, group) in data.chunks(GROUP as usize).enumerate() {
                let wrong = index == at / GROUP as usize;
                prop_assert_eq!(groups.verify(index as u64, group).is_err(), wrong);
            }
            if !values.is_empty() {
                let at = at % values.len();
                values[at] ^= 1 << bit;
                prop_assert!(Groups::of(&values, size as u64, &hash).is_err());
            }
        }
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let group = GROUP as usize;
        let data = bytes(2 * group + 5);
        let (hash, values) = grouped(&data, group);
        let size = data.len() as u64;
        for bad in [
            &values[..64],
            &values[..95],
            &[],
            &[values.clone(), vec![0; 32]].concat(),
        ] {
            let refused = Groups::of(bad, size, &hash);
            assert!(matches!(refused, Err(Error::Corrupt { .. })));
        }
        // A size of as many groups: found at the last group, whose bytes are not that many.
        let longer = Groups::of(&values, size + 1, &hash).unwrap();
        let last = [&data[2 * group..], &[0]].concat();
        assert!(matches!(
            longer.verify(2, &last),
            Err(Error::Corrupt { .. })
        ));
        let groups = Groups::of(&values, size, &hash).unwrap();
        for (index, bytes) in [(0, &data[1..=group]), (1, &data[..group]), (2, &data[..5])] {
            let refused = groups.verify(index, bytes);
            assert!(matches!(refused, Err(Error::Corrupt { .. })));
        }
        for index in [3, u64::MAX / GROUP, u64::MAX] {
            let refused = groups.verify(index, &data[..5]);
            assert!(matches!(refused, Err(Error::Invalid { .. })));
        }
        assert!(Groups::of(&[], u64::MAX, &hash).is_err());
    }
}
