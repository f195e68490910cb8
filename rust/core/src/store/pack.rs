//! Packs layers: every byte read once, hashed and kept while warm.

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use super::aside::Sum;
use super::keep::{ContentWriter, Keeper};
use super::remember::{self, Known};
use super::source::{Compression, LayerSource, Plan};
use super::squeeze::squeeze;
use super::stream::{Stream, Watch};
use super::{Contents, RecipeWriter, Store};
use crate::digest::buffer::Buffer;
use crate::digest::feed::{Feed, Filled};
use crate::digest::pool::Pool;
use crate::digest::sha256::Hasher;
use crate::{Error, Meter, Result};

/// Buffers between the thread that reads a lone layer and the one that hashes it.
const AHEAD: usize = 4;
const BUFFER: usize = 1 << 20;
/// Layers begun at a time for each core: enough to fill its lanes, few open files.
const BEGUN_PER_CORE: usize = 8;

/// Layers compressed side by side at most: each has a few blocks of its own in memory.
const SQUEEZED_AT_ONCE: usize = 8;

/// A layer in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packed {
    /// SHA-256 of the blob.
    pub digest: [u8; 32],
    /// SHA-256 of the uncompressed tar or file.
    pub diff_id: [u8; 32],
    /// Bytes of the blob.
    pub size: u64,
    /// Nothing was read: the files are as they were when it was packed before.
    pub reused: bool,
}

impl Packed {
    pub(super) fn new(known: Known, reused: bool) -> Self {
        Self {
            digest: known.digest,
            diff_id: known.diff_id,
            size: known.size,
            reused,
        }
    }
}

/// A layer that must be read.
struct Job {
    index: usize,
    plan: Arc<Plan>,
    note: Option<PathBuf>,
}

type Outcome = (usize, Result<Known>);

impl Store {
    /// Packs layers side by side; answers them in the order given.
    ///
    /// `cached` lets unchanged files go unread where the same layer was packed before. The
    /// meter counts the files' bytes. The first failure ends all and leaves nothing behind
    /// but whole layers.
    pub fn pack(
        &self,
        layers: Vec<LayerSource>,
        cached: bool,
        meter: &Arc<Meter>,
    ) -> Result<Vec<Packed>> {
        let mut packed = vec![None; layers.len()];
        let mut jobs = Vec::new();
        for (index, layer) in layers.into_iter().enumerate() {
            meter.check()?;
            let plan = Plan::of(layer)?;
            meter.expect(plan.file_bytes);
            let note = cached.then(|| remember::path(self.home(), &plan));
            if let Some(known) = note.as_deref().and_then(|path| self.recall(path)) {
                meter.add(plan.file_bytes);
                packed[index] = Some(Packed::new(known, true));
                continue;
            }
            let plan = Arc::new(plan);
            jobs.push(Job { index, plan, note });
        }
        for (index, known) in self.pack_all(jobs, meter)? {
            packed[index] = Some(Packed::new(known, false));
        }
        let lost = || Error::internal("a layer was not packed");
        packed.into_iter().map(|one| one.ok_or_else(lost)).collect()
    }

    fn recall(&self, path: &std::path::Path) -> Option<Known> {
        let known = remember::recall(path)?;
        let held = self.size(&known.digest).ok()??;
        (held == known.size).then_some(known)
    }

    fn pack_all(&self, jobs: Vec<Job>, meter: &Arc<Meter>) -> Result<Vec<(usize, Known)>> {
        let watch = Watch::over(meter);
        let cores = crate::cores();
        let total: u64 = jobs.iter().map(|job| job.plan.file_bytes).sum();
        let (compressed, plain): (Vec<_>, Vec<_>) = jobs
            .into_iter()
            .partition(|job| job.plan.source.compression != Compression::None);
        // A layer with more than a core's share of the bytes would be read alone at the
        // end: it gets a second thread instead of a lane beside others.
        let share = total / cores as u64;
        let (lone, lanes): (Vec<_>, Vec<_>) = plain
            .into_iter()
            .partition(|job| job.plan.file_bytes > share.max(BUFFER as u64));
        let (outcomes, results) = channel();
        thread::scope(|scope| {
            let hall = Hall::open(self, lanes, &watch, &outcomes, cores * BEGUN_PER_CORE);
            for job in lone {
                let (watch, outcomes) = (watch.clone(), outcomes.clone());
                scope.spawn(move || {
                    let known = self.pack_lone(&job, &watch);
                    tell(&outcomes, &watch, &job, known);
                });
            }
            scope.spawn({
                let (watch, outcomes) = (watch.clone(), outcomes.clone());
                move || self.pack_all_compressed(compressed, cores, &watch, &outcomes)
            });
            drop((outcomes, hall));
            gather(&results, &watch)
        })
    }

    /// One layer on three threads: one reads and writes, two hash.
    fn pack_lone(&self, job: &Job, watch: &Watch) -> Result<Known> {
        let keeper = Keeper::create(self.home(), self.contents(), true)?;
        let mut stream = Stream::new(job.plan.clone(), keeper, watch.clone());
        let (full, to_hash) = sync_channel::<(Vec<u8>, usize)>(AHEAD);
        let (empty, to_fill) = channel();
        for _ in 0..AHEAD {
            let _ = empty.send(vec![0; BUFFER]);
        }
        thread::scope(|scope| {
            let hashing = scope.spawn(move || {
                let mut hasher = Hasher::new();
                while let Ok((buffer, filled)) = to_hash.recv() {
                    hasher.update(&buffer[..filled]);
                    // The reader is gone once it has read everything.
                    let _ = empty.send(buffer);
                }
                hasher.finish()
            });
            let gone = || Error::internal("the hashing thread ended early");
            loop {
                let mut buffer = to_fill.recv().map_err(|_| gone())?;
                let filled = stream.fill(&mut buffer)?;
                if filled == 0 {
                    break;
                }
                full.send((buffer, filled)).map_err(|_| gone())?;
            }
            drop(full);
            let digest = hashing.join().map_err(|_| gone())?;
            commit(stream.into_taker(), digest)
        })
    }

    /// Layers with more than a core's share one after the other, each on all cores; then
    /// the others side by side, as a short one has too few blocks to keep all cores busy.
    fn pack_all_compressed(
        &self,
        jobs: Vec<Job>,
        cores: usize,
        watch: &Watch,
        outcomes: &Sender<Outcome>,
    ) {
        let pack = |job: &Job, threads| {
            let known = self.pack_compressed(job, threads, watch);
            tell(outcomes, watch, job, known);
        };
        let total: u64 = jobs.iter().map(|job| job.plan.file_bytes).sum();
        let share = total / cores as u64;
        let (long, mut short): (Vec<_>, Vec<_>) = jobs
            .into_iter()
            .partition(|job| job.plan.file_bytes > share);
        for job in &long {
            pack(job, cores);
        }
        // The last is begun first: the largest, so that no large one is left over.
        short.sort_by_key(|job| job.plan.file_bytes);
        let side_by_side = short.len().min(cores).min(SQUEEZED_AT_ONCE);
        let waiting = Mutex::new(short);
        let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).pop();
        thread::scope(|scope| {
            for _ in 0..side_by_side {
                scope.spawn(|| {
                    while let Some(job) = next() {
                        pack(&job, cores.div_ceil(side_by_side));
                    }
                });
            }
        });
    }

    fn pack_compressed(&self, job: &Job, threads: usize, watch: &Watch) -> Result<Known> {
        let mut recipe = RecipeWriter::create(self.home())?;
        let mut content = ContentWriter::create(self.contents(), Sum::here())?;
        let known = squeeze(&job.plan, threads, watch, |bytes| content.write(bytes))?;
        content.finish_into(self.contents(), &mut recipe)?;
        recipe.commit(&known.digest, known.size)?;
        Ok(known)
    }
}

fn commit(keeper: Keeper, digest: [u8; 32]) -> Result<Known> {
    let size = keeper.commit(&digest)?;
    Ok(Known {
        digest,
        diff_id: digest,
        size,
    })
}

/// Sends a layer's outcome to the one who gathers; a failure stops the layers beside it.
fn tell(outcomes: &Sender<Outcome>, watch: &Watch, job: &Job, known: Result<Known>) {
    let known = known.and_then(|known| {
        if let Some(path) = &job.note {
            remember::remember(path, &job.plan, &known)?;
        }
        Ok(known)
    });
    let failed = known.is_err();
    // The receiver waits for all the senders. Told before the others stop, the failure
    // comes before theirs.
    drop(outcomes.send((job.index, known)));
    if failed {
        watch.failed.store(true, Ordering::Relaxed);
    }
}

/// Waits for all the layers, also after a failure: nothing of this call may go on behind
/// its caller's back. Answers the failure that came first.
fn gather(results: &Receiver<Outcome>, watch: &Watch) -> Result<Vec<(usize, Known)>> {
    let mut packed = Vec::new();
    let mut failure = None;
    for (index, known) in results {
        match known {
            Ok(known) => packed.push((index, known)),
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    watch.meter.check()?;
    failure.map_or(Ok(packed), Err)
}

/// The layers that wait for a lane in the pool: a bounded number is begun at a time.
struct Hall {
    waiting: Mutex<Vec<Job>>,
    contents: Contents,
    home: PathBuf,
    watch: Watch,
}

impl Hall {
    fn open(
        store: &Store,
        mut lanes: Vec<Job>,
        watch: &Watch,
        outcomes: &Sender<Outcome>,
        begun: usize,
    ) -> Arc<Self> {
        // The last is begun first: the largest, so that no large one is left over.
        lanes.sort_by_key(|job| job.plan.file_bytes);
        let hall = Arc::new(Self {
            waiting: Mutex::new(lanes),
            contents: store.contents().clone(),
            home: store.home().to_path_buf(),
            watch: watch.clone(),
        });
        for _ in 0..begun {
            hall.begin_next(outcomes);
        }
        hall
    }

    fn begin_next(self: &Arc<Self>, outcomes: &Sender<Outcome>) {
        let waiting = || {
            self.waiting
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .pop()
        };
        while let Some(job) = waiting() {
            match Keeper::create(&self.home, &self.contents, false) {
                Ok(keeper) => {
                    let stream = Stream::new(job.plan.clone(), keeper, self.watch.clone());
                    return Pool::shared().submit(Box::new(Lane {
                        stream,
                        job,
                        hall: self.clone(),
                        outcomes: outcomes.clone(),
                    }));
                }
                Err(error) => tell(outcomes, &self.watch, &job, Err(error)),
            }
        }
    }
}

/// A layer in the pool.
struct Lane {
    stream: Stream<Keeper>,
    job: Job,
    hall: Arc<Hall>,
    outcomes: Sender<Outcome>,
}

impl Feed for Lane {
    fn fill(&mut self, buffer: &mut Buffer) -> Result<Filled> {
        Ok(match self.stream.fill(buffer)? {
            0 => Filled::End,
            filled => Filled::Bytes(filled),
        })
    }

    fn done(self: Box<Self>, outcome: Result<[u8; 32]>) {
        let Self {
            stream,
            job,
            hall,
            outcomes,
        } = *self;
        // Consumed here in any case: a failed layer's temporary files are gone before its
        // failure is told.
        let known = match outcome {
            Ok(digest) => commit(stream.into_taker(), digest),
            Err(error) => {
                drop(stream);
                Err(error)
            }
        };
        tell(&outcomes, &hall.watch, &job, known);
        hall.begin_next(&outcomes);
    }
}
