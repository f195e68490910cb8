//! The SHA-256 of many files at once, through the shared pool.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Sender};

use super::buffer::Buffer;
use super::feed::{Feed, Filled};
use super::file::Range;
use super::pool::Pool;
use crate::{Error, Meter, Result};

/// The SHA-256 of each file, in the order of `paths`; whole files, hashed side by side.
///
/// Counts bytes on `meter` and stops when it is cancelled. The first failure stops the rest
/// and is returned; what can fail, and how, is as with [`super::file::sha256`].
pub fn sha256(paths: &[PathBuf], meter: &Arc<Meter>) -> Result<Vec<[u8; 32]>> {
    let (outcomes, received) = mpsc::channel();
    let stop = Arc::new(AtomicBool::new(false));
    for (index, path) in paths.iter().enumerate() {
        Pool::shared().submit(Box::new(FileFeed {
            path: path.clone(),
            open: None,
            index,
            meter: meter.clone(),
            stop: stop.clone(),
            outcomes: outcomes.clone(),
        }));
    }
    drop(outcomes);
    let mut digests = vec![[0; 32]; paths.len()];
    let mut failure = None;
    let mut ended = 0;
    // Until all have ended, even after a failure: nothing reads on behind the caller's back.
    for (index, outcome) in received {
        ended += 1;
        match outcome {
            Ok(digest) => digests[index] = digest,
            Err(error) => {
                stop.store(true, Ordering::Relaxed);
                failure.get_or_insert(error);
            }
        }
    }
    match failure {
        Some(error) => Err(error),
        None if ended < paths.len() => Err(Error::internal("a file was not hashed")),
        None => Ok(digests),
    }
}

/// A file, opened when its turn comes: there may be more files than descriptors.
struct FileFeed {
    path: PathBuf,
    open: Option<Range>,
    index: usize,
    meter: Arc<Meter>,
    stop: Arc<AtomicBool>,
    outcomes: Sender<(usize, Result<[u8; 32]>)>,
}

impl Feed for FileFeed {
    fn fill(&mut self, buffer: &mut Buffer) -> Result<Filled> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(Error::Cancelled);
        }
        self.meter.check()?;
        let count = match &mut self.open {
            Some(range) => range.read(buffer)?,
            closed => closed
                .insert(Range::open(&self.path, 0, None)?)
                .read(buffer)?,
        };
        if count == 0 {
            return Ok(Filled::End);
        }
        self.meter.add(count as u64);
        Ok(Filled::Bytes(count))
    }

    fn done(self: Box<Self>, outcome: Result<[u8; 32]>) {
        // The receiver stays until every sender is gone, unless its thread died.
        let _gone = self.outcomes.send((self.index, outcome));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::sha256;

    #[test]
    fn digests_come_in_order_and_failures_stop_the_rest() {
        let folder = tempfile::tempdir().unwrap();
        let contents: Vec<Vec<u8>> = (0..40)
            .map(|index| vec![index as u8; index * 9999])
            .collect();
        let path = |index: usize| folder.path().join(index.to_string());
        let paths: Vec<PathBuf> = (0..40).map(path).collect();
        for (path, content) in paths.iter().zip(&contents) {
            std::fs::write(path, content).unwrap();
        }
        let meter = Arc::new(Meter::default());
        let expected: Vec<_> = contents
            .iter()
            .map(|content| sha256::hash(content))
            .collect();
        assert_eq!(super::sha256(&paths, &meter).unwrap(), expected);
        assert_eq!(
            meter.done(),
            contents.iter().map(|content| content.len() as u64).sum()
        );
        assert_eq!(super::sha256(&[], &meter).unwrap(), Vec::<[u8; 32]>::new());

        std::fs::remove_file(&paths[20]).unwrap();
        let outcome = super::sha256(&paths, &meter);
        assert!(matches!(outcome, Err(Error::Io { path, .. }) if path == paths[20]));
        meter.cancel();
        assert!(matches!(
            super::sha256(&paths[..3], &meter),
            Err(Error::Cancelled)
        ));
    }
}
