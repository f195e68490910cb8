//! Which layer wins where several bring a file of one name: as if they came in turn.
//!
//! Layers are unpacked side by side, and who is first is chance. Unpacked one after the other,
//! as kit does it, the last one wins where files are replaced, and the first one where they
//! are kept. Both rules hold among the layers of one run, whatever order they come in.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Target;
use crate::tar::Name;

/// The SHA-256 of a layer.
pub type Layer = [u8; 32];

/// The order of the layers, and whose each published file is.
#[derive(Debug, Default)]
pub(super) struct Ranks {
    keys: RandomState,
    order: Mutex<HashMap<Layer, u32>>,
    owners: Mutex<Owners>,
}

/// The rank of whoever published a name last; names are kept as keyed hashes, as in a guard.
type Owners = HashMap<u64, u32>;

/// What a layer may do under one name; held while it does it.
pub(super) struct Turn<'a> {
    owners: MutexGuard<'a, Owners>,
    key: u64,
    rank: u32,
}

impl Turn<'_> {
    /// Whether a layer with a higher rank has this name.
    pub(super) fn is_late(&self) -> bool {
        self.owners.get(&self.key).is_some_and(|&it| it > self.rank)
    }

    /// Whether any layer of this run has it.
    pub(super) fn is_taken(&self) -> bool {
        self.owners.contains_key(&self.key)
    }

    /// Says that the layer has published it.
    pub(super) fn take(&mut self) {
        self.owners.insert(self.key, self.rank);
    }
}

impl Target {
    /// Ranks a layer above all that were ranked before: those of a kit in its order.
    pub fn rank(&self, layer: &Layer) {
        let mut order = lock(&self.ranks.order);
        let next = order.len() as u32;
        order.insert(*layer, next);
    }

    /// Whether a layer of this run has published a file of this name.
    pub(super) fn is_taken(&self, name: &Name) -> bool {
        lock(&self.ranks.owners).contains_key(&self.key(name))
    }

    /// Says that an earlier run has published a file of this layer.
    pub fn note_of(&self, name: &Name, layer: &Layer) {
        self.note(name);
        if let Some(mut turn) = self.turn(name, Some(layer))
            && !turn.is_late()
        {
            turn.take();
        }
    }

    /// The turn of a layer under a name; none where it is alone, and nothing need be kept.
    pub(super) fn turn(&self, name: &Name, layer: Option<&Layer>) -> Option<Turn<'_>> {
        let rank = {
            let order = lock(&self.ranks.order);
            *order.get(layer?).filter(|_| order.len() > 1)?
        };
        Some(Turn {
            owners: lock(&self.ranks.owners),
            key: self.key(name),
            rank,
        })
    }

    fn key(&self, name: &Name) -> u64 {
        if self.folds_case {
            let folded = String::from_utf8_lossy(name.as_bytes()).to_lowercase();
            return self.ranks.keys.hash_one(folded.as_bytes());
        }
        self.ranks.keys.hash_one(name.as_bytes())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
