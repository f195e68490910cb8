//! What a landing knows at one moment, behind its one lock.

use std::collections::VecDeque;
use std::fs::File;
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use super::journal::{Journal, Mark};
use super::map::Map;
use super::plan::Plan;
use super::ranges::RangeSet;
use super::warm::Warm;
use crate::target::Staging;
use crate::{Error, Result};

/// Files kept open: enough for every connection and the front, far below any limit.
const OPEN_FILES: usize = 32;

/// The name of the file for a slot, a thousand to a folder.
pub fn slot_file(slot: u64) -> String {
    format!("{:x}/{:x}", slot >> 10, slot & 0x3ff)
}

/// Everything that changes, guarded by [`super::Shared::state`].
#[derive(Debug)]
pub struct State {
    /// Bytes that are in their files.
    pub down: RangeSet,
    /// Bytes some thread is writing now.
    pub flying: RangeSet,
    /// Bytes that are in the spool although their extent has a file.
    pub strays: RangeSet,
    /// Which bytes belong where.
    pub map: Map,
    /// Extents whose files are made.
    pub made: usize,
    /// Bytes that are down and still in memory.
    pub warm: Warm,
    /// How far the hashes are, and how to go on from there.
    pub mark: Mark,
    /// The BLAKE3 of each finished extent (store only).
    pub hashes: Vec<[u8; 32]>,
    /// The file those are kept in, once there is one.
    pub hash_file: Option<Arc<File>>,
    /// The blob's SHA-256 once all of it is hashed, or why it never will be.
    pub outcome: Option<Result<[u8; 32]>>,
    /// Where the front stood when it last had to wait.
    pub front: u64,
    /// The front waits for bytes.
    pub parked: bool,
    /// No more writes, and the front shall stop.
    pub closed: bool,
    /// The digest was right and publishing has begun.
    pub committing: bool,
    /// When the journal was written last.
    pub journaled: Instant,
    /// Spool bytes nobody needs once the next journal is written.
    pub holes: Vec<Range<u64>>,
    /// Bytes from the start of the spool on that are verified, decoded and no longer there.
    pub given_back: u64,
    /// Why no more bytes can be taken.
    pub broken: Option<Error>,
    open: VecDeque<(u64, Arc<File>)>,
}

/// A run of blob bytes within one file.
#[derive(Debug, Clone)]
pub struct Piece {
    /// The bytes of the blob.
    pub range: Range<u64>,
    /// The extent they belong to, if it has a file.
    pub extent: Option<usize>,
    /// The file they go to.
    pub file: Arc<File>,
    /// Where in that file the run starts.
    pub at: u64,
}

impl State {
    /// The state of a landing with this map, of which nothing is down.
    pub fn new(map: Map) -> Self {
        Self {
            down: RangeSet::default(),
            flying: RangeSet::default(),
            strays: RangeSet::default(),
            map,
            made: 0,
            warm: Warm::default(),
            mark: Mark::default(),
            hashes: Vec::new(),
            hash_file: None,
            outcome: None,
            front: 0,
            parked: false,
            closed: false,
            committing: false,
            journaled: Instant::now(),
            holes: Vec::new(),
            given_back: 0,
            broken: None,
            open: VecDeque::new(),
        }
    }

    /// A handle on an extent's file.
    pub fn file(&mut self, slot: u64, staging: &Staging) -> Result<Arc<File>> {
        if let Some((_, file)) = self.open.iter().find(|(open, _)| *open == slot) {
            return Ok(file.clone());
        }
        let name = slot_file(slot);
        let opened = staging.open_file(&name)?;
        let file =
            Arc::new(opened.ok_or_else(|| {
                Error::corrupt(staging.path(&name).display().to_string(), "is gone")
            })?);
        self.keep_open(slot, file.clone());
        Ok(file)
    }

    fn keep_open(&mut self, slot: u64, file: Arc<File>) {
        if self.open.len() >= OPEN_FILES {
            self.open.pop_front();
        }
        self.open.push_back((slot, file));
    }

    /// The files a range of the blob goes to.
    ///
    /// # Errors
    /// Why one of them could not be made: what the front passed over without a file to put
    /// it in would be missing there.
    pub fn pieces(
        &mut self,
        range: Range<u64>,
        staging: &Staging,
        spool: &Arc<File>,
    ) -> Result<Vec<Piece>> {
        let cut = self.map.pieces(range);
        let mut pieces = Vec::with_capacity(cut.len());
        for (extent, range) in cut {
            if extent.is_some_and(|index| index >= self.made) {
                let unknown = || Error::internal("a member's file was not made");
                return Err(self.broken.as_ref().map_or_else(unknown, Error::again));
            }
            let (file, at) = match extent.map(|index| self.map.placed()[index]) {
                Some(placed) => (
                    self.file(placed.slot, staging)?,
                    range.start - placed.offset,
                ),
                None => (spool.clone(), range.start),
            };
            pieces.push(Piece {
                range,
                extent,
                file,
                at,
            });
        }
        Ok(pieces)
    }

    /// Follows headers as far as bytes are down, and makes the files they ask for.
    pub fn advance(&mut self, plan: &Plan, staging: &Staging, spool: &File) -> Result<()> {
        loop {
            while self.made < self.map.placed().len() {
                let placed = self.map.placed()[self.made];
                let file = staging.create(&slot_file(placed.slot), placed.length)?;
                self.keep_open(placed.slot, Arc::new(file));
                for range in self.down.within(placed.range()) {
                    self.strays.insert(range);
                }
                self.made += 1;
            }
            if !self.map.can_advance(&self.down) {
                return Ok(());
            }
            self.map.advance(&self.down, spool, plan)?;
        }
    }

    /// Notes bytes in the spool that have an extent by now: it was found meanwhile.
    pub fn stray(&mut self, range: Range<u64>) {
        for (extent, part) in self.map.pieces(range) {
            if extent.is_some_and(|index| index < self.made) {
                self.strays.insert(part);
            }
        }
    }

    /// Why writing on makes no sense, if it does not.
    pub fn refusal(&self) -> Option<Error> {
        if self.closed {
            return Some(Error::invalid("the landing is closed"));
        }
        if let Some(error) = &self.broken {
            return Some(error.again());
        }
        if let Some(Err(error)) = &self.outcome {
            return Some(error.again());
        }
        self.fault()
    }

    /// Why the tar will never be unpacked here, if a header has shown it.
    pub fn fault(&self) -> Option<Error> {
        match &self.map.fault {
            // A header that makes no sense may be damage: the digest decides at the end.
            None | Some(Error::Corrupt { .. }) => None,
            Some(error) if !self.map.takes_anything() => Some(error.again()),
            Some(_) => None,
        }
    }

    /// Whether the tar cannot be unpacked here, be its digest right or wrong.
    pub fn hopeless(&self) -> bool {
        self.map.fault.is_some() && !self.map.takes_anything()
    }

    /// What a journal would say now.
    pub fn journal(&self, plan: &Plan) -> Journal {
        let (mut mark, mut down) = (self.mark.clone(), self.down.clone());
        // Once publishing has begun the spool is not looked at any more.
        if self.given_back > 0 && !self.committing {
            down.remove(0..self.given_back);
            mark = Mark::default();
        }
        Journal {
            identity: plan.identity(),
            boot: super::journal::boot().to_vec(),
            committing: self.committing,
            placed: self.made as u64,
            mark,
            down,
            strays: self.strays.clone(),
        }
    }
}
