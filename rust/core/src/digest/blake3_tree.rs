//! BLAKE3 of one stream, in order, with a small state to save and restore.

use blake3::Hasher;
use blake3::hazmat::{
    ChainingValue, HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root,
};

use crate::{Error, Result};

/// Bytes between two places where the state can be saved.
///
/// A power of two of chunks, so that each group is a whole subtree (BLAKE3 paper, 2.1); small
/// enough that hashing one again after a restart costs a millisecond.
pub const GROUP: u64 = 4 << 20;

/// An incremental BLAKE3 of bytes that come in order.
#[derive(Debug, Clone)]
pub struct Tree {
    state: TreeState,
    group: Hasher,
    /// The chaining values of all groups to the left, where they were asked for.
    values: Option<Vec<u8>>,
}

/// Where a [`Tree`] stood at a border: the roots of the whole subtrees to the left of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TreeState {
    groups: u64,
    /// One subtree for each bit set in `groups`, the largest first.
    stack: Vec<ChainingValue>,
}

impl Default for Tree {
    fn default() -> Self {
        Self::new()
    }
}

impl Tree {
    /// A tree that has taken nothing.
    pub fn new() -> Self {
        Self::resume(TreeState::default())
    }

    /// A tree that keeps the chaining value of every group, 32 bytes each.
    pub fn grouping() -> Self {
        Self {
            values: Some(Vec::new()),
            ..Self::new()
        }
    }

    /// A tree that goes on at `state.position()`; at least one byte must follow if it is not 0.
    pub fn resume(state: TreeState) -> Self {
        let group = hasher_at(state.groups);
        Self {
            state,
            group,
            values: None,
        }
    }

    /// Bytes taken so far.
    pub fn length(&self) -> u64 {
        self.state.position() + self.group.count()
    }

    /// Takes `data` in.
    pub fn update(&mut self, mut data: &[u8]) {
        while !data.is_empty() {
            // Only now that a byte follows is it sure that this group is not the root.
            if self.group.count() == GROUP {
                let value = self.group.finalize_non_root();
                if let Some(values) = &mut self.values {
                    values.extend(value);
                }
                self.state.push(value);
                self.group = hasher_at(self.state.groups);
            }
            let room = (GROUP - self.group.count()).min(data.len() as u64) as usize;
            let (head, rest) = data.split_at(room);
            self.group.update(head);
            data = rest;
        }
    }

    /// The state at the last border that has at least one byte behind it, else at 0.
    pub fn state(&self) -> TreeState {
        self.state.clone()
    }

    /// The BLAKE3 of all bytes taken in.
    ///
    /// Fails with [`Error::Corrupt`] when no byte followed a state that was resumed, which no
    /// state of [`Tree::state`] allows: it was saved for other bytes.
    pub fn finish(self) -> Result<[u8; 32]> {
        self.finish_grouped().map(|(hash, _)| hash)
    }

    /// The BLAKE3, and the chaining values of all groups where the tree has kept them: none
    /// for bytes that are one group, whose root is the BLAKE3 itself.
    ///
    /// Fails as [`Tree::finish`].
    pub fn finish_grouped(mut self) -> Result<([u8; 32], Option<Vec<u8>>)> {
        if self.state.groups == 0 {
            return Ok((self.group.finalize().into(), self.values));
        }
        if self.group.count() == 0 {
            return Err(Error::corrupt(
                "BLAKE3 state",
                "no bytes follow its position",
            ));
        }
        let last = self.group.finalize_non_root();
        if let Some(values) = &mut self.values {
            values.extend(last);
        }
        Ok((self.state.close(last), self.values))
    }
}

impl TreeState {
    /// Bytes to the left of the border: a multiple of [`GROUP`].
    pub fn position(&self) -> u64 {
        self.groups * GROUP
    }

    /// The state as bytes for a journal: position (big-endian), then the subtrees.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.position().to_be_bytes().to_vec();
        bytes.extend(self.stack.iter().flatten());
        bytes
    }

    /// The state [`TreeState::to_bytes`] gave; [`Error::Corrupt`] if no tree can stand so.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let refuse = |why| Err(Error::corrupt("BLAKE3 state", why));
        let Some((position, stack)) = bytes.split_first_chunk::<8>() else {
            return refuse("shorter than a position");
        };
        let position = u64::from_be_bytes(*position);
        let (stack, rest) = stack.as_chunks::<32>();
        if !position.is_multiple_of(GROUP) {
            return refuse("not at a border");
        }
        let groups = position / GROUP;
        if !rest.is_empty() || stack.len() != groups.count_ones() as usize {
            return refuse("not the subtrees its position needs");
        }
        Ok(Self {
            groups,
            stack: stack.to_vec(),
        })
    }

    /// Takes in the root of a whole group that has at least one byte behind it.
    pub(super) fn push(&mut self, mut subtree: ChainingValue) {
        self.groups += 1;
        for _ in 0..self.groups.trailing_zeros() {
            if let Some(left) = self.stack.pop() {
                subtree = merge_subtrees_non_root(&left, &subtree, Mode::Hash);
            }
        }
        self.stack.push(subtree);
    }

    /// The BLAKE3 of all bytes, when `last` is the root of the group behind the border.
    pub(super) fn close(self, last: ChainingValue) -> [u8; 32] {
        let mut lefts = self.stack.into_iter();
        let top = lefts.next().expect("a border that is not the start");
        let right = lefts.rev().fold(last, |right, left| {
            merge_subtrees_non_root(&left, &right, Mode::Hash)
        });
        merge_subtrees_root(&top, &right, Mode::Hash).into()
    }
}

pub(super) fn hasher_at(groups: u64) -> Hasher {
    let mut hasher = Hasher::new();
    hasher.set_input_offset(groups * GROUP);
    hasher
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(length: usize) -> Vec<u8> {
        (0..length)
            .map(|index| (index * 31 + index / 251) as u8)
            .collect()
    }

    /// Lengths around every border up to the ninth group.
    fn lengths() -> impl Iterator<Item = usize> {
        let group = GROUP as usize;
        [0, 1, 1024, 1025]
            .into_iter()
            .chain((1..=8).flat_map(move |n| [n * group - 1, n * group, n * group + 1]))
    }

    #[test]
    fn every_shape_of_tree_gives_the_reference_digest() {
        let data = bytes(8 * GROUP as usize + 1);
        for length in lengths() {
            let mut tree = Tree::new();
            for part in data[..length].chunks(777_777) {
                tree.update(part);
            }
            assert_eq!(tree.length(), length as u64);
            let expected = *blake3::hash(&data[..length]).as_bytes();
            assert_eq!(tree.finish().unwrap(), expected, "{length} bytes");
        }
    }

    #[test]
    fn a_state_saved_anywhere_goes_on_to_the_same_digest() {
        let data = bytes(8 * GROUP as usize + 1);
        let expected = *blake3::hash(&data).as_bytes();
        for split in lengths() {
            let mut tree = Tree::new();
            tree.update(&data[..split]);
            let state = TreeState::from_bytes(&tree.state().to_bytes()).unwrap();
            assert_eq!(state, tree.state());
            assert!(state.position() <= split as u64 && state.position() + GROUP >= split as u64);
            let rest = &data[state.position() as usize..];
            let mut resumed = Tree::resume(state);
            resumed.update(rest);
            assert_eq!(resumed.finish().unwrap(), expected, "split at {split}");
        }
    }

    #[test]
    fn states_no_tree_can_have_are_refused() {
        let mut tree = Tree::new();
        tree.update(&bytes(3 * GROUP as usize + 1));
        let good = tree.state().to_bytes();
        assert_eq!(good.len(), 8 + 2 * 32);
        let mut off_border = good.clone();
        off_border[7] = 1;
        for bad in [
            &good[..7],
            &good[..40],
            &good[..good.len() - 1],
            &off_border,
        ] {
            let outcome = TreeState::from_bytes(bad);
            assert!(matches!(outcome, Err(Error::Corrupt { .. })));
        }
        let ended = Tree::resume(tree.state()).finish();
        assert!(matches!(ended, Err(Error::Corrupt { .. })));
    }
}
