//! Opens a landing: finds what an earlier run left, or starts clean.

use std::os::unix::fs::FileExt;
use std::sync::Arc;

use super::journal::{self, Journal, Mark};
use super::map::Map;
use super::members::Members;
use super::plan::{Check, Plan, Sink};
use super::stamps::Stamps;
use super::state::{State, slot_file};
use crate::store::Contents;
use crate::target::Staging;
use crate::{Error, Result};

/// The state and the spool of a landing.
pub type Opened = (State, Arc<std::fs::File>);

/// Starts clean: whatever is in the folder goes.
pub fn fresh(plan: &Plan, staging: &Staging) -> Result<Opened> {
    staging.clear_but(&[])?;
    let spool = staging.create("spool", 0)?;
    spool
        .set_len(plan.size)
        .map_err(|error| Error::io(staging.path("spool"), error))?;
    if plan.size == 0 {
        // An empty file has no extent that would make it.
        staging.create(&slot_file(0), 0)?;
    }
    let mut state = State::new(Map::new(plan));
    state.advance(plan, staging, &spool)?;
    Ok((state, Arc::new(spool)))
}

/// Goes on where a journal says an earlier run stopped; `None` without a journal.
///
/// # Errors
/// [`Error::Corrupt`] for a journal that does not fit the plan or the files.
pub fn resume(plan: &Plan, staging: &Staging) -> Result<Option<Opened>> {
    let journal = read_journal(plan, staging)?;
    journal.map(|one| restore(plan, staging, one)).transpose()
}

/// What an earlier run left, as `resume` finds it, with nothing made or written for it.
pub fn look(plan: &Plan, staging: &Staging) -> Result<Option<State>> {
    let opened = read_journal(plan, staging)?.map(|one| read_back(plan, staging, one));
    Ok(opened.transpose()?.map(|(state, _)| state))
}

/// Whether an earlier run of this boot was stopped while it gave files their names.
pub fn was_committing(plan: &Plan, staging: &Staging) -> Result<bool> {
    let committing = read_journal(plan, staging).and_then(|journal| match journal {
        Some(journal) if journal.committing => read_back(plan, staging, journal).map(|_| true),
        _ => Ok(false),
    });
    match committing {
        Err(Error::Corrupt { .. }) => Ok(false),
        outcome => outcome,
    }
}

fn is_fresh(journal: &Journal) -> bool {
    !journal.boot.is_empty() && journal.boot == journal::boot()
}

fn read_journal(plan: &Plan, staging: &Staging) -> Result<Option<Journal>> {
    let Some(file) = staging.open_file("journal")? else {
        return Ok(None);
    };
    let wrap = |error| Error::io(staging.path("journal"), error);
    let mut bytes = vec![0; file.metadata().map_err(wrap)?.len() as usize];
    file.read_exact_at(&mut bytes, 0).map_err(wrap)?;
    let journal = Journal::decode(&bytes, plan.size)?;
    if journal.identity != plan.identity() {
        return Err(stale("was written for another blob"));
    }
    Ok(Some(journal))
}

fn restore(plan: &Plan, staging: &Staging, journal: Journal) -> Result<Opened> {
    let (mut state, spool) = read_back(plan, staging, journal)?;
    if plan.is_compressed() && !state.committing {
        // What was decoded of it is decoded anew, and its room may be needed until then.
        staging.clear_but(&["journal", "spool"])?;
    }
    state.advance(plan, staging, &spool)?;
    let hashed = state.mark.sha256.length;
    if !state.strays.within(0..hashed).is_empty() {
        // They had no file when they were hashed, and get there when they are read.
        state.mark = Mark::default();
        state.hashes.clear();
        state.front = 0;
    }
    Ok((state, spool))
}

/// The state a journal tells of, held against the files.
fn read_back(plan: &Plan, staging: &Staging, journal: Journal) -> Result<Opened> {
    let spool = staging
        .open_file("spool")?
        .ok_or_else(|| stale("has lost its spool"))?;
    if staging.size_of("spool")? != Some(plan.size) {
        return Err(stale("does not fit its spool"));
    }
    let same_boot = is_fresh(&journal);
    if journal.committing && !same_boot {
        return Err(stale("was publishing when the machine stopped"));
    }
    if plan.check == Check::Nothing && !same_boot {
        return Err(stale("tells of bytes that nothing vouches for any more"));
    }
    let mut map = Map::new(plan);
    map.committing = journal.committing;
    while map.can_advance(&journal.down) {
        map.advance(&journal.down, &spool, plan)?;
    }
    let mut state = State::new(map);
    state.down = journal.down;
    state.strays = journal.strays;
    state.committing = journal.committing;
    state.made = usize::try_from(journal.placed).unwrap_or(usize::MAX);
    if state.made > state.map.placed().len() {
        return Err(stale("speaks of members its headers do not show"));
    }
    if same_boot {
        state.mark = journal.mark;
        state.hashes = read_hashes(staging, state.mark.hashed)?;
        check_tree(&state)?;
    }
    check_files(plan, staging, &state)?;
    if state.committing {
        check_published(plan, staging, &spool)?;
    }
    state.front = state.mark.sha256.length;
    Ok((state, Arc::new(spool)))
}

/// Every extent the journal counts as made must have its file, or be published already.
fn check_files(plan: &Plan, staging: &Staging, state: &State) -> Result<()> {
    for (index, placed) in state.map.placed()[..state.made].iter().enumerate() {
        if staging.size_of(&slot_file(placed.slot))? == Some(placed.length) {
            continue;
        }
        let published = match (&plan.sink, state.hashes.get(index)) {
            (Sink::Target { .. }, _) => true,
            (Sink::Store(home), Some(hash)) => Contents::open(home)?.holds(hash, placed.length),
            (Sink::Store(_), None) => false,
        };
        if !(state.committing && published) {
            return Err(stale("has lost a member's file"));
        }
    }
    Ok(())
}

/// Every file that is staged no more must stand under its name as it was published.
fn check_published(plan: &Plan, staging: &Staging, spool: &std::fs::File) -> Result<()> {
    let Sink::Target { target, .. } = &plan.sink else {
        return Ok(());
    };
    let stamps = Stamps::open(staging)?;
    let members = Members {
        plan,
        staging,
        spool,
    };
    members.each(|entry| match entry.slot {
        Some(slot)
            if target.patterns().want(&entry.name)
                && staging.size_of(&slot_file(slot))?.is_none()
                && stamps.published(slot, target, &entry.name)?.is_none() =>
        {
            let name = &entry.name;
            Err(stale(&format!(
                "had published {name}, which was changed or removed since"
            )))
        }
        _ => Ok(()),
    })
}

fn read_hashes(staging: &Staging, count: u64) -> Result<Vec<[u8; 32]>> {
    if count == 0 {
        return Ok(Vec::new());
    }
    let missing = || stale("has lost its hashes");
    let size = staging.size_of("hashes")?.ok_or_else(missing)?;
    if count > size / 32 {
        return Err(missing());
    }
    let file = staging.open_file("hashes")?.ok_or_else(missing)?;
    let mut bytes = vec![0; count as usize * 32];
    file.read_exact_at(&mut bytes, 0)
        .map_err(|error| Error::io(staging.path("hashes"), error))?;
    Ok(bytes.as_chunks::<32>().0.to_vec())
}

/// The saved BLAKE3 must stand inside the extent that is hashed next, over bytes that are down.
fn check_tree(state: &State) -> Result<()> {
    let Mark { hashed, tree, .. } = &state.mark;
    let position = tree.position();
    let fits = match state.map.placed().get(*hashed as usize) {
        Some(placed) => {
            let start = placed.offset;
            position < placed.length.max(1) && state.down.contains(start..start + position)
        }
        None => position == 0 && *hashed == state.map.placed().len() as u64,
    };
    if fits {
        Ok(())
    } else {
        Err(stale("has a hash that fits no member"))
    }
}

fn stale(why: &str) -> Error {
    Error::corrupt("journal", why)
}
