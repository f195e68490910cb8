//! Hashes layers straight from their files; nothing is stored.

use std::sync::atomic::Ordering;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use super::pack::{BEGUN_PER_CORE, Packed};
use super::source::{Compression, LayerSource, Plan};
use super::stream::{Stream, Watch};
use crate::digest::feed::{Feed, Filled};
use crate::digest::pool::Pool;
use crate::{Error, Meter, Result};

/// The digests and sizes that `Store::pack` would give, in the order of the layers.
///
/// Compressed layers are `Invalid`: their bytes would have to be kept to be sent. The
/// meter counts the files' bytes. The first failure ends all.
pub fn hash_layers(layers: Vec<LayerSource>, meter: &Arc<Meter>) -> Result<Vec<Packed>> {
    let mut waiting = Vec::with_capacity(layers.len());
    for (index, layer) in layers.into_iter().enumerate() {
        meter.check()?;
        if layer.compression != Compression::None {
            return Err(Error::invalid("a compressed layer must be packed first"));
        }
        let plan = Plan::of(layer)?;
        meter.expect(plan.file_bytes);
        waiting.push((index, Arc::new(plan)));
    }
    let mut packed = vec![None; waiting.len()];
    // Taken from the end: the largest first, so that none is left over to be read alone.
    waiting.sort_by_key(|(_, plan)| plan.file_bytes);
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let queue = Arc::new(Queue {
        waiting: Mutex::new(waiting),
        watch: Watch::over(meter),
    });
    let (outcomes, results) = channel();
    for _ in 0..cores * BEGUN_PER_CORE {
        queue.begin_next(&outcomes);
    }
    drop(outcomes);
    let mut failure = None;
    // Until every lane has ended, also after a failure: none may go on unseen.
    for (index, outcome) in results {
        match outcome {
            Ok(one) => packed[index] = Some(one),
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    if let Some(error) = failure {
        return Err(error);
    }
    let lost = || Error::internal("a layer was not hashed");
    packed.into_iter().map(|one| one.ok_or_else(lost)).collect()
}

type Outcome = (usize, Result<Packed>);

/// Layers that wait for their turn: few are open at a time.
struct Queue {
    waiting: Mutex<Vec<(usize, Arc<Plan>)>>,
    watch: Watch,
}

impl Queue {
    fn begin_next(self: &Arc<Self>, outcomes: &Sender<Outcome>) {
        let next = || {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.pop()
        };
        let Some((index, plan)) = next() else {
            return;
        };
        Pool::shared().submit(Box::new(Lane {
            index,
            stream: Stream::new(plan, (), self.watch.clone()),
            size: 0,
            queue: self.clone(),
            outcomes: outcomes.clone(),
        }));
    }
}

/// A layer in the pool.
struct Lane {
    index: usize,
    stream: Stream<()>,
    size: u64,
    queue: Arc<Queue>,
    outcomes: Sender<Outcome>,
}

impl Feed for Lane {
    fn fill(&mut self, buffer: &mut [u8]) -> Result<Filled> {
        let filled = self.stream.fill(buffer)?;
        self.size += filled as u64;
        Ok(match filled {
            0 => Filled::End,
            filled => Filled::Bytes(filled),
        })
    }

    fn done(self: Box<Self>, outcome: Result<[u8; 32]>) {
        let failed = outcome.is_err();
        let packed = outcome.map(|digest| Packed {
            digest,
            diff_id: digest,
            size: self.size,
            reused: false,
        });
        // The receiver waits for all the senders. Told before the others stop, a failure
        // comes before theirs.
        drop(self.outcomes.send((self.index, packed)));
        if failed {
            self.queue.watch.failed.store(true, Ordering::Relaxed);
        }
        self.queue.begin_next(&self.outcomes);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Member, Store};
    use super::*;

    fn layer(files: &[&std::path::Path], raw: bool) -> LayerSource {
        let member = |path: &&std::path::Path| Member {
            name: path.file_name().unwrap().as_encoded_bytes().to_vec(),
            source: Some(path.to_path_buf()),
            mode: 0o644,
        };
        LayerSource {
            members: files.iter().map(member).collect(),
            compression: Compression::None,
            raw,
        }
    }

    #[test]
    fn the_digests_are_the_ones_of_a_pack() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (folder.path().join("one"), folder.path().join("two"));
        std::fs::write(&one, vec![7; 3_000_001]).unwrap();
        std::fs::write(&two, b"").unwrap();
        let layers = || {
            let mut layers = vec![layer(&[&one, &two], false), layer(&[&one], true)];
            layers.extend((0..50).map(|_| layer(&[&two], false)));
            layers.push(layer(&[], false));
            layers
        };
        let meter = Arc::new(Meter::default());
        let hashed = hash_layers(layers(), &meter).unwrap();
        let store = Store::open(&folder.path().join("store")).unwrap();
        let packed = store.pack(layers(), false, &Arc::default()).unwrap();
        assert_eq!(hashed, packed);
        assert_eq!(meter.done(), 6_000_002);
    }

    #[test]
    fn failures_and_cancels_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        std::fs::write(&path, b"bytes").unwrap();
        let mut zipped = layer(&[&path], false);
        zipped.compression = Compression::Gzip;
        let refused = hash_layers(vec![zipped], &Arc::default());
        assert!(matches!(refused, Err(Error::Invalid { .. })));
        let missing = layer(&[&folder.path().join("no")], false);
        let refused = hash_layers(vec![missing], &Arc::default());
        assert!(matches!(refused, Err(Error::Io { .. })));
        let meter = Arc::new(Meter::default());
        meter.cancel();
        let stopped = hash_layers(vec![layer(&[&path], false)], &meter);
        assert!(matches!(stopped, Err(Error::Cancelled)));
    }
}
