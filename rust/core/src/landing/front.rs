//! Follows the writers: hashes what is contiguous, and settles it where it belongs.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::plan::{PLACE_LIMIT, Sink};
use super::shared::Shared;
use super::state::{Piece, State, slot_file};
use crate::digest::blake3_tree::Tree;
use crate::digest::buffer::Buffer;
use crate::digest::feed::{Feed, Filled};
use crate::digest::sha256;
use crate::store::Contents;
use crate::tar::decode::Kind;
use crate::tar::{Member, Step, Walk};
use crate::{Error, Result};

/// The feed of one landing: hashes what is down, from memory while it is there.
pub struct Front {
    shared: Arc<Shared>,
    at: u64,
    trees: Option<Trees>,
    small: Option<SmallFiles>,
}

impl Front {
    /// A front that goes on where the state's mark stands.
    pub fn new(shared: Arc<Shared>) -> Self {
        let state = shared.lock();
        let at = state.mark.sha256.length;
        let for_store = matches!(shared.plan.sink, Sink::Store(_));
        let trees = shared.plan.needs_trees().then(|| Trees::resume(&state));
        let small = (!for_store && shared.plan.is_mapped()).then(|| SmallFiles::after(at, &shared));
        drop(state);
        Self {
            shared,
            at,
            trees,
            small,
        }
    }

    /// What is to be hashed next, at most `most` bytes; whether to stop or wait instead.
    fn next(&self, most: u64) -> Result<std::result::Result<Next, Filled>> {
        let mut state = self.shared.lock();
        if state.closed {
            return Err(Error::Cancelled);
        }
        let size = self.shared.plan.size;
        let end = state.down.end_from(self.at).min(self.at + most);
        if self.at == end {
            if end == size {
                return Ok(Err(Filled::End));
            }
            state.parked = true;
            state.front = self.at;
            return Ok(Err(Filled::Waiting));
        }
        let mut range = self.at..end;
        let mut warm = state.warm.take(self.at);
        if let Some((_, length)) = &warm {
            range.end = self.at + *length as u64;
            // These bytes have to move to another file, which reading them does.
            if !state.strays.within(range.clone()).is_empty() {
                warm = None;
            }
        } else {
            range = state.warm.before(range);
        }
        let pieces = state.pieces(range, &self.shared.staging, &self.shared.spool)?;
        let warm = warm.map(|(buffer, _)| buffer);
        Ok(Ok(Next { pieces, warm }))
    }

    /// Writes the small files that lie before the front.
    fn settle(&mut self) -> Result<()> {
        match &mut self.small {
            Some(small) => small.write_until(self.at, &self.shared),
            None => Ok(()),
        }
    }

    /// Reads one piece, and moves what of it strayed into the spool.
    fn read(&self, piece: &Piece, buffer: &mut [u8]) -> Result<()> {
        let wrap = |error| Error::io(self.shared.staging.path("member"), error);
        piece.file.read_exact_at(buffer, piece.at).map_err(wrap)?;
        if piece.extent.is_none() {
            return Ok(());
        }
        let strays = self.shared.lock().strays.within(piece.range.clone());
        for stray in &strays {
            let from = (stray.start - piece.range.start) as usize;
            let to = (stray.end - piece.range.start) as usize;
            let bytes = &mut buffer[from..to];
            self.shared
                .spool
                .read_exact_at(bytes, stray.start)
                .map_err(wrap)?;
            piece
                .file
                .write_all_at(bytes, piece.at + from as u64)
                .map_err(wrap)?;
        }
        let mut state = self.shared.lock();
        for stray in strays {
            state.strays.remove(stray.clone());
            state.holes.push(stray);
        }
        Ok(())
    }
}

/// What the front hashes next.
struct Next {
    pieces: Vec<Piece>,
    /// Their bytes, where they need not be read back.
    warm: Option<Buffer>,
}

impl Feed for Front {
    fn fill(&mut self, buffer: &mut Buffer) -> Result<Filled> {
        let Next { pieces, warm } = match self.next(buffer.len() as u64)? {
            Ok(pieces) => pieces,
            Err(Filled::End) => {
                // All may have been hashed by an earlier run that was then refused.
                self.settle()?;
                return Ok(Filled::End);
            }
            Err(other) => return Ok(other),
        };
        let is_warm = warm.is_some();
        if let Some(warm) = warm {
            *buffer = warm;
        }
        let mut filled = 0;
        for piece in &pieces {
            let length = (piece.range.end - piece.range.start) as usize;
            let bytes = &mut buffer[filled..filled + length];
            if !is_warm {
                self.read(piece, bytes)?;
            }
            if let Some(trees) = &mut self.trees {
                trees.take(piece, bytes, &self.shared)?;
            }
            filled += length;
        }
        self.at += filled as u64;
        self.settle()?;
        Ok(Filled::Bytes(filled))
    }

    fn hashed(&mut self, hash: &sha256::State) {
        self.shared.hashed.store(hash.length, Ordering::Relaxed);
        let mut state = self.shared.lock();
        if state.hopeless() {
            // From here on small files are not written: a run with another rule must.
            return;
        }
        state.mark.sha256 = hash.clone();
        if let Some(trees) = &self.trees {
            state.mark.hashed = trees.index as u64;
            state.mark.tree = trees.tree.state();
        }
    }

    fn done(self: Box<Self>, outcome: Result<[u8; 32]>) {
        let mut state = self.shared.lock();
        if let Err(error) = &outcome {
            state.broken.get_or_insert(error.again());
        }
        state.outcome = Some(outcome);
        drop(state);
        self.shared.notify();
    }
}

/// The BLAKE3 of every extent, one after the other.
struct Trees {
    index: usize,
    tree: Tree,
}

impl Trees {
    fn resume(state: &State) -> Self {
        Self {
            index: state.hashes.len(),
            tree: match state.mark.tree.position() {
                0 => Tree::grouping(),
                _ => Tree::resume(state.mark.tree.clone()),
            },
        }
    }

    /// Takes the bytes of a piece in, as far as they are news.
    fn take(&mut self, piece: &Piece, bytes: &[u8], shared: &Shared) -> Result<()> {
        // Extents before the index were hashed before a restart.
        if piece.extent != Some(self.index) {
            return Ok(());
        }
        let placed = shared.lock().map.placed()[self.index];
        self.catch_up(&piece.file, piece.at)?;
        let known = (self.tree.length() - piece.at).min(bytes.len() as u64) as usize;
        self.tree.update(&bytes[known..]);
        if self.tree.length() == placed.length {
            self.finish(shared)?;
        }
        Ok(())
    }

    /// Hashes what lies between a saved state and `until`: up to 4 MiB after a restart.
    fn catch_up(&mut self, file: &File, until: u64) -> Result<()> {
        let mut buffer = vec![0; 0];
        while self.tree.length() < until {
            buffer.resize((until - self.tree.length()).min(1 << 20) as usize, 0);
            file.read_exact_at(&mut buffer, self.tree.length())
                .map_err(|error| Error::io("member", error))?;
            self.tree.update(&buffer);
        }
        Ok(())
    }

    fn finish(&mut self, shared: &Shared) -> Result<()> {
        let tree = std::mem::replace(&mut self.tree, Tree::grouping());
        let (hash, values) = tree.finish_grouped()?;
        if let (Some(values), Sink::Store(home)) = (values, &shared.plan.sink) {
            // Before the blob is verified: they are believed for what their hash says alone.
            Contents::open(home)?.keep_groups(&hash, &values)?;
        }
        shared.note_hash(self.index, hash)?;
        self.index += 1;
        Ok(())
    }
}

/// Copies members too small for a place of their own out of the spool, once they are whole.
struct SmallFiles {
    walk: Walk,
    slot: u64,
    next: Option<Member>,
    /// Members that end here or before were written before a restart.
    written: u64,
}

impl SmallFiles {
    fn after(written: u64, shared: &Shared) -> Self {
        Self {
            walk: Walk::new(shared.plan.size),
            slot: 0,
            next: None,
            written,
        }
    }

    /// Writes every small file whose last byte lies before `until`.
    fn write_until(&mut self, until: u64, shared: &Shared) -> Result<()> {
        // What cannot be published need not be written.
        while shared.lock().map.fault.is_none() {
            if self.next.is_none() {
                self.next = self.find(until, shared)?;
            }
            match self.next.take() {
                Some(member) if member.end() <= until => self.write(&member, shared)?,
                waiting => {
                    self.next = waiting;
                    break;
                }
            }
        }
        Ok(())
    }

    fn find(&mut self, until: u64, shared: &Shared) -> Result<Option<Member>> {
        let step = self.walk.step(|offset, buffer| {
            if offset + buffer.len() as u64 > until {
                return Ok(false);
            }
            let read = shared.spool.read_exact_at(buffer, offset);
            read.map_err(|error| Error::io(shared.staging.path("spool"), error))?;
            Ok(true)
        })?;
        match step {
            Step::Member(member) => Ok(Some(member)),
            Step::Need(..) | Step::End(_) => Ok(None),
        }
    }

    /// Whether an earlier run wrote this file. What is gone while it is published has its
    /// name already.
    fn was_written(&self, member: &Member, file: &str, shared: &Shared) -> Result<bool> {
        Ok(member.end() <= self.written
            && (shared.lock().map.committing || shared.staging.size_of(file)? == Some(member.size)))
    }

    fn write(&mut self, member: &Member, shared: &Shared) -> Result<()> {
        if member.kind != Kind::File {
            return Ok(());
        }
        let name = slot_file(self.slot);
        self.slot += 1;
        if member.size >= PLACE_LIMIT || self.was_written(member, &name, shared)? {
            return Ok(());
        }
        let mut bytes = vec![0; member.size as usize];
        let read = shared.spool.read_exact_at(&mut bytes, member.body);
        read.map_err(|error| Error::io(shared.staging.path("spool"), error))?;
        let file = shared.staging.create(&name, member.size)?;
        file.write_all_at(&bytes, 0)
            .map_err(|error| Error::io(shared.staging.path(&name), error))
    }
}
