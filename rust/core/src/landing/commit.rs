//! Publishes a verified blob, in steps that can be taken again after a crash.

use std::os::unix::fs::FileExt;

use super::decode::{SHORT, decode};
use super::members::Members;
use super::plan::Sink;
use super::record;
use super::shared::Shared;
use super::stamps::{self, Stamps};
use super::state::slot_file;
use crate::store::{Contents, RecipeWriter};
use crate::target::{Fate, RECORD, Target};
use crate::{Error, Meter, Result};

/// Publishes what is staged; the digest has been found right.
pub fn commit(shared: &Shared, meter: &Meter) -> Result<()> {
    match &shared.plan.sink {
        Sink::Store(home) => {
            begin(shared)?;
            into_store(shared, home)?;
            shared.staging.destroy()
        }
        Sink::Target { target, .. } => {
            if !shared.lock().committing {
                prepare(shared, target, meter)?;
                stamps::write(&Members::of(shared))?;
                begin(shared)?;
                if shared.plan.is_compressed() {
                    // All of it is in the files, and others may need the room.
                    shared.punch(0..shared.plan.size);
                }
            }
            publish(shared, target)
        }
    }
}

/// From here on the journal tells that missing partial files are published ones.
pub(super) fn begin(shared: &Shared) -> Result<()> {
    shared.lock().committing = true;
    shared.journal_now()
}

/// Every extent becomes a content, everything between stays inline in the recipe.
fn into_store(shared: &Shared, home: &std::path::Path) -> Result<()> {
    let contents = Contents::open(home)?;
    let mut recipe = RecipeWriter::create(home)?;
    let (placed, hashes) = {
        let state = shared.lock();
        (state.map.placed().to_vec(), state.hashes.clone())
    };
    if placed.len() != hashes.len() {
        return Err(Error::internal("a content was not hashed"));
    }
    for (placed, hash) in placed.iter().zip(&hashes) {
        recipe.inline_from(&shared.spool, recipe.size(), placed.offset - recipe.size())?;
        let file = slot_file(placed.slot);
        if shared.staging.size_of(&file)?.is_some() {
            contents.commit(&shared.staging.path(&file), hash, placed.length)?;
        } else if !contents.holds(hash, placed.length) {
            return Err(Error::corrupt(
                shared.plan.what(),
                "a content of it is gone",
            ));
        }
        recipe.content(hash, placed.length)?;
    }
    let size = shared.plan.size;
    recipe.inline_from(&shared.spool, recipe.size(), size - recipe.size())?;
    // A blob known by another digest is stored under its SHA-256 like all others.
    recipe.commit(&shared.digest(&Meter::default())?, size)
}

/// Checks everything that can be checked before the first file appears.
pub(super) fn prepare(shared: &Shared, target: &Target, meter: &Meter) -> Result<()> {
    if shared.plan.is_compressed() {
        decode(shared, SHORT, meter)?;
    }
    check_tail(shared)?;
    Members::of(shared).each(|entry| match entry.slot {
        Some(_) => target.fate(&entry.name).map(drop),
        None => target.check_directory(&entry.name),
    })
}

/// Behind the last member there must be zeros: nothing is hidden in a verified layer.
fn check_tail(shared: &Shared) -> Result<()> {
    let end = shared.lock().map.end;
    let mut at = end.unwrap_or(shared.plan.size);
    let mut buffer = vec![0; 64 << 10];
    while at < shared.plan.size {
        let length = (shared.plan.size - at).min(buffer.len() as u64) as usize;
        let bytes = &mut buffer[..length];
        let read = shared.spool.read_exact_at(bytes, at);
        read.map_err(|error| Error::io(shared.staging.path("spool"), error))?;
        if bytes.iter().any(|&byte| byte != 0) {
            let why = "holds more data behind its end";
            return Err(Error::corrupt(shared.plan.what(), why));
        }
        at += length as u64;
    }
    Ok(())
}

/// Folders first, so that they get their own modes; then the files, by rename.
fn publish(shared: &Shared, target: &Target) -> Result<()> {
    let members = Members::of(shared);
    members.each(|entry| match entry.slot {
        None => target.directory(&entry.name, entry.mode),
        Some(_) => Ok(()),
    })?;
    let mut record = record::Writer::new(&shared.staging, &shared.plan)?;
    members.each(|entry| {
        let Some(slot) = entry.slot else {
            return Ok(());
        };
        let fate = publish_one(shared, target, entry, slot)?;
        record.note(target, &entry.name, fate)
    })?;
    record.commit()?;
    shared.staging.remove("journal")?;
    shared.staging.clear_but(&[RECORD])
}

/// A staged file that is gone was published by the run that crashed.
///
/// One that is kept out stays staged: another run may have another rule.
pub(super) fn publish_one(
    shared: &Shared,
    target: &Target,
    entry: &super::members::Entry,
    slot: u64,
) -> Result<Fate> {
    let file = slot_file(slot);
    if shared.staging.size_of(&file)?.is_none() {
        if shared.lock().map.committing && !target.patterns().want(&entry.name) {
            return Ok(Fate::Skip);
        }
        if !shared.lock().map.committing {
            return Err(stamps::never_made(&entry.name));
        }
        let published = Stamps::open(&shared.staging)?.published(slot, target, &entry.name)?;
        let Some(size) = published else {
            let why = "was changed or removed since an earlier run published it";
            return Err(Error::corrupt(entry.name.to_string(), why));
        };
        target.count_published(1, size);
        target.note_of(&entry.name, &shared.plan.digest);
        return Ok(Fate::Write);
    }
    match target.fate(&entry.name)? {
        Fate::Write => {}
        Fate::Skip => return Ok(Fate::Skip),
        Fate::Keep => {
            target.count_kept(1);
            return Ok(Fate::Keep);
        }
    }
    let layer = Some(&shared.plan.digest);
    target.publish(&shared.staging, &file, &entry.name, Some(entry.mode), layer)
}
