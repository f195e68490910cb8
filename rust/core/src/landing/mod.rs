//! A landing: takes one blob's bytes in any order, puts each where it belongs.
//!
//! Every byte is written once, at its place in its file: big members of a tar in files of
//! their own, the rest in a sparse spool in the blob's coordinates. Behind the writers the
//! front hashes what is contiguous: what came over a socket while it is still in memory, the
//! rest read back from the page cache. A journal lets a killed landing go on. Nothing appears under its final name before the digest is right.

mod commit;
mod decode;
mod front;
mod journal;
mod map;
mod members;
mod open;
mod plan;
mod ranges;
mod receive;
mod record;
mod shared;
mod stamps;
mod state;
mod warm;

#[cfg(test)]
mod tests;

pub use plan::{Check, PLACE_LIMIT, Plan, Shape, Sink};
pub use ranges::RangeSet;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::digest::{hex, pool::Pool};
use crate::target::{Fate, Staging};
use crate::{Error, Meter, Result};
use front::Front;
use shared::Shared;

/// How often a waiting call looks at its meter.
const LOOK: Duration = Duration::from_millis(50);

/// One blob on its way in. Dropped without [`Landing::keep`], it leaves what a kill leaves.
#[derive(Debug)]
pub struct Landing {
    plan: Plan,
    stage: Mutex<Stage>,
    reused: u64,
    warning: Option<String>,
}

#[derive(Debug)]
enum Stage {
    /// Taking bytes.
    Open(Arc<Shared>),
    /// Its bytes are where they belong, or a file that is kept has their name.
    Done,
    /// Kept or discarded.
    Closed,
}

impl Landing {
    /// Opens the landing of this blob; goes on where an earlier run stopped.
    ///
    /// # Errors
    /// [`Error::Busy`] while somebody else receives the same blob into the same place,
    /// [`Error::Exists`] where the file of a whole blob is there and must not be replaced,
    /// [`Error::NoSpace`] where the disk has no room for it.
    pub fn open(plan: Plan) -> Result<Self> {
        plan.check()?;
        let staging = plan
            .staging()?
            .ok_or_else(|| Error::Busy { what: plan.what() })?;
        let landing = Self {
            plan,
            stage: Mutex::new(Stage::Done),
            reused: 0,
            warning: None,
        };
        landing.begin(staging)
    }

    /// Whether files with this blob's names in the target may be an earlier run's own.
    ///
    /// Nothing is made. True also while somebody else receives it: opening it tells.
    ///
    /// # Errors
    /// Those of [`Landing::open`] for a plan that does not fit.
    pub fn has_published(plan: &Plan) -> Result<bool> {
        plan.check()?;
        let Sink::Target { target, .. } = &plan.sink else {
            return Ok(false);
        };
        if !target.has_staging(&plan.key())? {
            return Ok(false);
        }
        let Some(staging) = plan.staging()? else {
            return Ok(true);
        };
        let known = record::check(&staging, plan, target)?.is_some()
            || open::was_committing(plan, &staging)?;
        staging.release();
        Ok(known)
    }

    /// What an earlier run has left to fetch: half-open, ascending; `None` where there is none.
    ///
    /// Nothing is made, written or locked: somebody else may be receiving it.
    ///
    /// # Errors
    /// Those of [`Landing::open`] for a plan that does not fit, and of a disk.
    pub fn left(plan: &Plan) -> Result<Option<Vec<(u64, u64)>>> {
        plan.check()?;
        let Some(staging) = plan.staged()? else {
            return Ok(None);
        };
        if let Sink::Target { target, .. } = &plan.sink
            && record::check(&staging, plan, target)?.is_some()
        {
            return Ok(Some(Vec::new()));
        }
        match open::look(plan, &staging) {
            Err(Error::Corrupt { .. }) => Ok(None),
            found => Ok(found?.map(|state| gaps(&state.down, plan.size))),
        }
    }

    fn begin(mut self, staging: Staging) -> Result<Self> {
        if self.was_published(&staging)? {
            staging.release();
            self.reused = self.plan.size;
            return Ok(self);
        }
        let resumed = match open::resume(&self.plan, &staging) {
            Err(Error::Corrupt { why, .. }) => {
                self.warning = Some(format!("what an earlier run left is not used: it {why}"));
                None
            }
            outcome => outcome?,
        };
        let (state, spool) = match resumed {
            Some(opened) => opened,
            None if self.is_kept_out(&staging)? => return Ok(self),
            None => open::fresh(&self.plan, &staging)?,
        };
        self.reused = state.down.total();
        let mark = state.mark.sha256.clone();
        let shared = Arc::new(Shared::new(self.plan.clone(), staging, spool, state));
        Pool::shared().submit_from(Box::new(Front::new(shared.clone())), mark);
        self.stage = Mutex::new(Stage::Open(shared));
        Ok(self)
    }

    /// Whether an earlier run that was not finished has published all of this blob.
    fn was_published(&self, staging: &Staging) -> Result<bool> {
        let Sink::Target { target, .. } = &self.plan.sink else {
            return Ok(false);
        };
        let Some(told) = record::check(staging, &self.plan, target)? else {
            return Ok(false);
        };
        target.count_published(told.files, told.bytes);
        target.count_kept(told.kept);
        let layer = &self.plan.digest;
        told.names
            .iter()
            .for_each(|name| target.note_of(name, layer));
        Ok(true)
    }

    /// Whether the file of a whole blob is not wanted, or is there already and is kept.
    fn is_kept_out(&self, staging: &Staging) -> Result<bool> {
        let Sink::Target {
            target,
            name: Some(name),
            ..
        } = &self.plan.sink
        else {
            return Ok(false);
        };
        let fate = target.fate(name);
        if !matches!(fate, Ok(Fate::Write)) {
            staging.destroy()?;
            staging.release();
        }
        let fate = fate?;
        if fate == Fate::Keep {
            target.count_kept(1);
        }
        Ok(fate != Fate::Write)
    }

    /// Bytes of the blob.
    pub fn size(&self) -> u64 {
        self.plan.size
    }

    /// Bytes that were there when it was opened.
    pub fn reused(&self) -> u64 {
        self.reused
    }

    /// Why what an earlier run left could not be used.
    pub fn warning(&self) -> Option<&str> {
        self.warning.as_deref()
    }

    /// Bytes that are down.
    pub fn received(&self) -> u64 {
        self.look(|shared| shared.lock().down.total(), self.plan.size)
    }

    /// Bytes that are hashed.
    pub fn hashed(&self) -> u64 {
        self.look(Shared::hashed, self.plan.size)
    }

    /// What is not down yet: half-open, ascending.
    pub fn missing(&self) -> Vec<(u64, u64)> {
        self.look(
            |shared| gaps(&shared.lock().down, self.plan.size),
            Vec::new(),
        )
    }

    /// The header whose bytes are worth a request of their own now: (offset, length).
    pub fn wanted_header(&self) -> Option<(u64, u64)> {
        let wanted = |shared: &Shared| {
            let state = shared.lock();
            let mut coming = state.down.clone();
            state.flying.iter().for_each(|range| coming.insert(range));
            state.map.wanted(&coming, self.plan.size)
        };
        self.look(wanted, None)
    }

    /// Puts bytes of the blob where they belong, from any thread, in any order.
    ///
    /// Bytes that are down, or that another call is writing, are ignored.
    ///
    /// # Errors
    /// [`Error::Invalid`] beyond the blob or after the landing was closed,
    /// [`Error::NoSpace`], [`Error::UnsafeMember`] and [`Error::Exists`] as soon as a
    /// header shows that the tar cannot be unpacked here.
    pub fn write(&self, offset: u64, data: &[u8]) -> Result<()> {
        match self.open_one() {
            Some(shared) => shared.write(offset, data),
            None => Err(closed()),
        }
    }

    /// Waits until all is hashed, verifies, publishes.
    ///
    /// After [`Error::DigestMismatch`], [`Error::Corrupt`] and [`Error::UnsafeMember`]
    /// nothing of the blob is left; after any other error it is still open.
    pub fn finish(&self, meter: &Meter) -> Result<()> {
        let shared = match &*self.stage() {
            Stage::Open(shared) => shared.clone(),
            Stage::Done => return Ok(()),
            Stage::Closed => return Err(closed()),
        };
        let outcome = self
            .verify(&shared, meter)
            .and_then(|()| commit::commit(&shared, meter));
        match &outcome {
            Ok(()) => self.leave(&shared, Stage::Done),
            Err(
                Error::DigestMismatch { .. } | Error::Corrupt { .. } | Error::UnsafeMember { .. },
            ) => {
                shared.close();
                shared.staging.destroy()?;
                self.leave(&shared, Stage::Closed);
            }
            Err(_) => {}
        }
        outcome
    }

    fn verify(&self, shared: &Shared, meter: &Meter) -> Result<()> {
        let sha256 = shared.digest(meter)?;
        let state = shared.lock();
        let (actual, told) = match self.plan.check {
            Check::Sha256 => (sha256, hex::sha256(&sha256)),
            Check::Blake3 => {
                // A file without bytes has no extent that would have been hashed.
                let empty = || *blake3::hash(&[]).as_bytes();
                let found = state.hashes.first().copied().unwrap_or_else(empty);
                (found, hex::blake3(&found))
            }
            Check::Nothing => (self.plan.digest, String::new()),
        };
        if actual != self.plan.digest {
            return Err(Error::DigestMismatch {
                what: self.plan.what(),
                expected: self.plan.what(),
                actual: told,
            });
        }
        match &state.map.fault {
            Some(fault) if state.hopeless() => Err(fault.again()),
            _ => Ok(()),
        }
    }

    /// Writes the journal and closes: the same blob opened again goes on from here.
    ///
    /// A tar that cannot be unpacked here is not worth keeping: it is discarded.
    pub fn keep(&self) -> Result<()> {
        let Some(shared) = self.open_one() else {
            return Ok(());
        };
        shared.close();
        let hopeless = shared.lock().hopeless();
        let written = if hopeless {
            shared.staging.destroy()
        } else {
            shared.journal_now()
        };
        self.leave(&shared, Stage::Closed);
        written
    }

    /// Closes and removes everything of it that is not published.
    pub fn discard(&self) -> Result<()> {
        let Some(shared) = self.open_one() else {
            return Ok(());
        };
        shared.close();
        let removed = shared.staging.destroy();
        self.leave(&shared, Stage::Closed);
        removed
    }

    fn leave(&self, shared: &Shared, stage: Stage) {
        shared.staging.release();
        *self.stage() = stage;
    }

    fn stage(&self) -> std::sync::MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open_one(&self) -> Option<Arc<Shared>> {
        match &*self.stage() {
            Stage::Open(shared) => Some(shared.clone()),
            Stage::Done | Stage::Closed => None,
        }
    }

    fn look<T>(&self, ask: impl FnOnce(&Shared) -> T, otherwise: T) -> T {
        self.open_one().map_or(otherwise, |shared| ask(&shared))
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        if let Some(shared) = self.open_one() {
            shared.close();
            shared.staging.release();
        }
    }
}

fn gaps(down: &RangeSet, size: u64) -> Vec<(u64, u64)> {
    let gaps = down.missing(0..size);
    gaps.into_iter().map(|gap| (gap.start, gap.end)).collect()
}

fn closed() -> Error {
    Error::invalid("the landing is closed")
}
