//! BLAKE3 of a content, here or on a thread beside the one that writes it.

use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::{Builder, JoinHandle};

use super::groups::Grouped;
use crate::digest::blake3_tree::Tree;
use crate::{Error, Result};

/// Bytes handed over at a time, and how many such parcels may be on their way.
const PARCEL: usize = 512 << 10;
const PARCELS: usize = 4;

/// A BLAKE3 that is growing.
pub(super) enum Sum {
    /// Hashed as the bytes come.
    Here(Box<Tree>),
    /// Hashed by another thread: where one layer has the machine to itself, the thread
    /// that reads and writes it is the slowest, and a copy of warm bytes costs a quarter
    /// of their hash.
    Aside(Aside),
}

pub(super) struct Aside {
    filling: Vec<u8>,
    full: SyncSender<Vec<u8>>,
    empty: Receiver<Vec<u8>>,
    thread: JoinHandle<Result<Grouped>>,
}

impl Sum {
    pub fn here() -> Self {
        Self::Here(Box::new(Tree::grouping()))
    }

    /// A sum on a thread of its own, or here where no thread can be had.
    pub fn aside() -> Self {
        let (full, to_hash) = sync_channel(PARCELS);
        let (give_back, empty) = channel();
        for _ in 0..PARCELS {
            // The receiver is in our hands.
            drop(give_back.send(Vec::with_capacity(PARCEL)));
        }
        let started = Builder::new()
            .name("kitfast-blake3".into())
            .spawn(move || hash(&to_hash, &give_back));
        match started {
            Ok(thread) => Self::Aside(Aside {
                filling: Vec::with_capacity(PARCEL),
                full,
                empty,
                thread,
            }),
            Err(_) => Self::here(),
        }
    }

    pub fn update(&mut self, bytes: &[u8]) -> Result<()> {
        match self {
            Self::Here(tree) => {
                tree.update(bytes);
                Ok(())
            }
            Self::Aside(aside) => aside.update(bytes),
        }
    }

    pub fn finish(self) -> Result<Grouped> {
        match self {
            Self::Here(tree) => Grouped::of(*tree),
            Self::Aside(aside) => aside.finish(),
        }
    }
}

impl Aside {
    fn update(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            let take = bytes.len().min(PARCEL - self.filling.len());
            self.filling.extend_from_slice(&bytes[..take]);
            bytes = &bytes[take..];
            if self.filling.len() == PARCEL {
                let next = self.empty.recv().map_err(|_| gone())?;
                let parcel = std::mem::replace(&mut self.filling, next);
                self.full.send(parcel).map_err(|_| gone())?;
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<Grouped> {
        self.full.send(self.filling).map_err(|_| gone())?;
        drop(self.full);
        self.thread.join().map_err(|_| gone())?
    }
}

fn hash(to_hash: &Receiver<Vec<u8>>, give_back: &Sender<Vec<u8>>) -> Result<Grouped> {
    let mut tree = Tree::grouping();
    while let Ok(mut parcel) = to_hash.recv() {
        tree.update(&parcel);
        parcel.clear();
        // The writer wants none back once it has written everything.
        drop(give_back.send(parcel));
    }
    Grouped::of(tree)
}

fn gone() -> Error {
    Error::internal("the thread that hashes a content ended early")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::groups::Groups;

    #[test]
    fn both_ways_give_the_same() {
        for length in [0, 1, PARCEL - 1, PARCEL, PARCEL + 1, 11 * PARCEL + 7] {
            let data: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
            for mut sum in [Sum::here(), Sum::aside()] {
                for piece in data.chunks(100_000) {
                    sum.update(piece).unwrap();
                }
                let Grouped { hash, values } = sum.finish().unwrap();
                assert_eq!(hash, *blake3::hash(&data).as_bytes());
                Groups::of(&values, length as u64, &hash).unwrap();
            }
        }
    }
}
