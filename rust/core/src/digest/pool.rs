//! Hashes many feeds at once on as many threads as there are cores.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use super::feed::{Feed, Filled};
use super::sha256::State;
use crate::{Error, Result};

/// Bytes a feed is asked for at a time.
const BUFFER: usize = 256 << 10;

/// How long a thread without work stays.
const IDLE: Duration = Duration::from_secs(5);

/// Threads, started when feeds come and gone when there are none for a while.
pub struct Pool {
    inner: Arc<Inner>,
}

struct Inner {
    limit: usize,
    work: Mutex<Work>,
    arrived: Condvar,
}

#[derive(Default)]
struct Work {
    ready: VecDeque<Job>,
    parked: Vec<Job>,
    wakes: u64,
    threads: usize,
    idle: usize,
}

struct Job {
    feed: Box<dyn Feed>,
    state: State,
}

impl Pool {
    /// The one pool of this process, with a thread for every core it may use.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Pool> = OnceLock::new();
        SHARED.get_or_init(|| {
            Self::with_threads(thread::available_parallelism().map_or(1, usize::from))
        })
    }

    /// A pool of its own of at most `limit` threads.
    pub fn with_threads(limit: usize) -> Self {
        Self {
            inner: Arc::new(Inner {
                limit: limit.max(1),
                work: Mutex::default(),
                arrived: Condvar::new(),
            }),
        }
    }

    /// Hashes `feed` from its first byte; it hears of the outcome through `done`.
    pub fn submit(&self, feed: Box<dyn Feed>) {
        self.submit_from(feed, State::default());
    }

    /// Hashes `feed`, whose first `state.length` bytes were hashed before.
    pub fn submit_from(&self, feed: Box<dyn Feed>, state: State) {
        self.inner.push(Job { feed, state });
    }

    /// Asks all waiting feeds again.
    pub fn wake(&self) {
        let mut work = self.inner.lock();
        work.wakes += 1;
        let parked = std::mem::take(&mut work.parked);
        drop(work);
        for job in parked {
            self.inner.push(job);
        }
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, Work> {
        // Nothing panics while it holds the lock; feeds run outside of it.
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(self: &Arc<Self>, job: Job) {
        let mut work = self.lock();
        work.ready.push_back(job);
        if work.idle >= work.ready.len() {
            self.arrived.notify_one();
        } else if work.threads < self.limit {
            let inner = self.clone();
            let started = thread::Builder::new()
                .name("kitfast-hash".into())
                .spawn(move || inner.work_off());
            match started {
                Ok(_) => work.threads += 1,
                Err(error) if work.threads == 0 => {
                    let jobs = std::mem::take(&mut work.ready);
                    drop(work);
                    for job in jobs {
                        job.done(Err(Error::internal(format!(
                            "no thread to hash on: {error}"
                        ))));
                    }
                }
                // Fewer threads are slower, not wrong.
                Err(_) => {}
            }
        }
    }

    fn work_off(self: Arc<Self>) {
        let mut buffer = vec![0; BUFFER];
        while let Some(job) = self.next() {
            self.hash(job, &mut buffer);
        }
    }

    /// The next feed, or none when this thread has been idle for long and must end.
    fn next(&self) -> Option<Job> {
        let mut work = self.lock();
        loop {
            if let Some(job) = work.ready.pop_front() {
                return Some(job);
            }
            work.idle += 1;
            let waited = self.arrived.wait_timeout(work, IDLE);
            let (again, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            work = again;
            work.idle -= 1;
            if timeout.timed_out() && work.ready.is_empty() {
                work.threads -= 1;
                return None;
            }
        }
    }

    fn hash(&self, mut job: Job, buffer: &mut [u8]) {
        loop {
            let wakes = self.lock().wakes;
            match job.fill(buffer) {
                Ok(Filled::Bytes(count)) => {
                    job.state.update(&buffer[..count]);
                    if let Err(error) = job.hashed() {
                        return job.done(Err(error));
                    }
                }
                Ok(Filled::Waiting) => {
                    let mut work = self.lock();
                    // A wake between the answer and now must not be lost.
                    if work.wakes == wakes {
                        work.parked.push(job);
                        return;
                    }
                }
                Ok(Filled::End) => {
                    let digest = job.state.clone().finish();
                    return job.done(Ok(digest));
                }
                Err(error) => return job.done(Err(error)),
            }
        }
    }
}

impl Job {
    fn fill(&mut self, buffer: &mut [u8]) -> Result<Filled> {
        let filled = guarded(|| self.feed.fill(buffer))??;
        match filled {
            Filled::Bytes(count) if count == 0 || count > buffer.len() => Err(Error::internal(
                format!("a feed filled {count} bytes of {}", buffer.len()),
            )),
            filled => Ok(filled),
        }
    }

    fn hashed(&mut self) -> Result<()> {
        guarded(|| self.feed.hashed(&self.state))
    }

    fn done(self, outcome: Result<[u8; 32]>) {
        // The feed was told, and cannot be told of its own panic: the thread lives on.
        let _told = guarded(|| self.feed.done(outcome));
    }
}

/// Runs a feed's code; its panic becomes an error of this feed alone.
fn guarded<T>(run: impl FnOnce() -> T) -> Result<T> {
    // The feed is dropped after a panic, so nobody sees it half-changed.
    catch_unwind(AssertUnwindSafe(run)).map_err(|panic| {
        let why = match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
            (Some(text), _) => (*text).to_owned(),
            (None, Some(text)) => text.clone(),
            (None, None) => "a panic without a text".to_owned(),
        };
        Error::internal(format!("a feed panicked: {why}"))
    })
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::digest::sha256;

    type Outcome = Result<[u8; 32]>;

    /// Gives its steps one by one and reports the outcome.
    struct Script {
        steps: VecDeque<Step>,
        outcome: mpsc::Sender<Outcome>,
    }

    enum Step {
        Bytes(Vec<u8>),
        Wait,
        Fail,
        Panic,
    }

    impl Feed for Script {
        fn fill(&mut self, buffer: &mut [u8]) -> Result<Filled> {
            match self.steps.pop_front() {
                Some(Step::Bytes(bytes)) => {
                    buffer[..bytes.len()].copy_from_slice(&bytes);
                    Ok(Filled::Bytes(bytes.len()))
                }
                Some(Step::Wait) => Ok(Filled::Waiting),
                Some(Step::Fail) => Err(Error::Cancelled),
                Some(Step::Panic) => panic!("as the script says"),
                None => Ok(Filled::End),
            }
        }

        fn done(self: Box<Self>, outcome: Outcome) {
            self.outcome.send(outcome).unwrap();
        }
    }

    fn run(pool: &Pool, steps: Vec<Step>) -> mpsc::Receiver<Outcome> {
        let (outcome, receiver) = mpsc::channel();
        pool.submit(Box::new(Script {
            steps: steps.into(),
            outcome,
        }));
        receiver
    }

    #[test]
    fn many_feeds_get_their_own_digests() {
        let pool = Pool::with_threads(3);
        let runs: Vec<_> = (0..50_u8)
            .map(|seed| {
                let data = vec![seed; 1000 + usize::from(seed)];
                let steps = vec![Step::Bytes(data.clone()), Step::Bytes(vec![seed; 1])];
                (
                    run(&pool, steps),
                    sha256::hash(&[&data[..], &[seed]].concat()),
                )
            })
            .collect();
        for (outcome, digest) in runs {
            assert_eq!(outcome.recv().unwrap().unwrap(), digest);
        }
    }

    #[test]
    fn waiting_feeds_go_on_when_woken() {
        let pool = Pool::with_threads(1);
        let outcome = run(
            &pool,
            vec![
                Step::Bytes(vec![1; 70]),
                Step::Wait,
                Step::Bytes(vec![2; 70]),
            ],
        );
        let other = run(&pool, vec![Step::Bytes(vec![3])]);
        assert!(
            other.recv().unwrap().is_ok(),
            "a waiting feed must not hold the thread"
        );
        let digest = loop {
            pool.wake();
            if let Ok(outcome) = outcome.recv_timeout(Duration::from_millis(1)) {
                break outcome.unwrap();
            }
        };
        assert_eq!(digest, sha256::hash(&[[1; 70], [2; 70]].concat()));
    }

    #[test]
    fn errors_and_panics_reach_the_feed_and_spare_the_thread() {
        let pool = Pool::with_threads(1);
        let failing = run(&pool, vec![Step::Fail]);
        let panicking = run(&pool, vec![Step::Bytes(vec![1]), Step::Panic]);
        let good = run(&pool, vec![]);
        assert!(matches!(failing.recv().unwrap(), Err(Error::Cancelled)));
        assert!(
            matches!(panicking.recv().unwrap(), Err(Error::Internal { why }) if why.contains("as the script says"))
        );
        assert_eq!(good.recv().unwrap().unwrap(), sha256::hash(b""));
    }
}
