//! Stages a blob's files in a target, several at a time.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::clone;
use super::unpack::{BUFFER, Body, Entry, Unpacking, staged_name};
use crate::{Error, Result};

/// Below this many files a thread of its own costs more than it saves.
const FILES_PER_THREAD: usize = 4;
/// Above this many bytes a thread of its own pays for any file.
const BIG: u64 = 4 << 20;

impl Unpacking<'_> {
    /// Stages all files; answers for each entry whether it is a link to a content.
    pub(super) fn stage_ranges(&self, entries: &[Entry]) -> Result<Vec<bool>> {
        self.meter.expect(entries.iter().map(size).sum());
        let next = AtomicUsize::new(0);
        let outcome = Mutex::new(Ok(vec![false; entries.len()]));
        let outcome = || outcome_of(&outcome);
        let work = || {
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(entry) = entries.get(index) else {
                    return;
                };
                match self.stage_range(index, entry) {
                    Ok(false) => {}
                    Ok(true) => {
                        if let Ok(linked) = &mut *outcome() {
                            linked[index] = true;
                        }
                    }
                    Err(error) => {
                        next.store(entries.len(), Ordering::Relaxed);
                        let mut outcome = outcome();
                        if outcome.is_ok() {
                            *outcome = Err(error);
                        }
                    }
                }
            }
        };
        thread::scope(|scope| {
            for _ in 1..threads(entries) {
                scope.spawn(work);
            }
            work();
        });
        std::mem::replace(&mut *outcome(), Ok(Vec::new()))
    }

    fn stage_range(&self, index: usize, entry: &Entry) -> Result<bool> {
        let Body::Range(at, size) = entry.body else {
            return Ok(false);
        };
        let name = staged_name(index);
        // A content's link has no mode of its own: a program would lose the right to run.
        let link = self.wish.link && entry.mode & 0o111 == 0;
        if let Some((hash, contents)) = self.blob.whole_content(at, size) {
            let staging = self.staging;
            return clone::stage(contents, &hash, size, staging, &name, link, self.meter);
        }
        let file = self.staging.create(&name, 0)?;
        self.copy_range(&file, &name, at, size).map(|()| false)
    }

    fn copy_range(&self, file: &File, name: &str, from: u64, size: u64) -> Result<()> {
        let most = usize::try_from(size).map_or(BUFFER, |size| size.min(BUFFER));
        let mut buffer = vec![0; most];
        let mut done = 0;
        while done < size {
            let left = usize::try_from(size - done).unwrap_or(BUFFER);
            let room = &mut buffer[..left.min(most)];
            self.blob.read(from + done, room)?;
            file.write_all_at(room, done)
                .map_err(|error| Error::io(self.staging.path(name), error))?;
            done += room.len() as u64;
            self.meter.advance(room.len() as u64)?;
        }
        Ok(())
    }
}

fn outcome_of<'a, T>(outcome: &'a Mutex<T>) -> std::sync::MutexGuard<'a, T> {
    outcome.lock().unwrap_or_else(PoisonError::into_inner)
}

fn size(entry: &Entry) -> u64 {
    match entry.body {
        Body::Range(_, size) => size,
        Body::Directory | Body::Decoded => 0,
    }
}

fn threads(entries: &[Entry]) -> usize {
    let cores = crate::cores();
    let big = entries.iter().filter(|entry| size(entry) > BIG).count();
    cores.min(big + entries.len() / FILES_PER_THREAD).max(1)
}
