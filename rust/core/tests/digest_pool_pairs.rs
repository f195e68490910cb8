//! The pool's pairs: a lone feed that is slow to fill gets a second thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use kitfast_core::digest::buffer::Buffer;
use kitfast_core::digest::feed::{Feed, Filled};
use kitfast_core::digest::pool::Pool;
use kitfast_core::digest::sha256::{Hasher, State};
use kitfast_core::{Error, Result};

type Outcome = Result<[u8; 32]>;

/// Bytes a buffer holds, which this feed always fills.
const BUFFER: usize = 256 << 10;

/// Slow to fill, so that the pool lends it a second thread; sees how far the hash lags.
struct Slow {
    left: usize,
    given: u64,
    hashed: u64,
    most_behind: Arc<AtomicUsize>,
    ending: Result<Filled>,
    outcome: Sender<Outcome>,
}

impl Feed for Slow {
    fn fill(&mut self, buffer: &mut Buffer) -> Result<Filled> {
        if self.left == 0 {
            return std::mem::replace(&mut self.ending, Ok(Filled::End));
        }
        thread::sleep(Duration::from_millis(2));
        self.left -= 1;
        buffer[..BUFFER].fill(self.left as u8);
        self.given += BUFFER as u64;
        let behind = (self.given - self.hashed) as usize / BUFFER;
        self.most_behind.fetch_max(behind, Ordering::SeqCst);
        Ok(Filled::Bytes(BUFFER))
    }

    fn hashed(&mut self, state: &State) {
        assert!(state.length > self.hashed && state.length <= self.given);
        self.hashed = state.length;
    }

    fn done(self: Box<Self>, outcome: Outcome) {
        self.outcome.send(outcome).unwrap();
    }
}

/// A submitted feed: its outcome, and by how many buffers the hash has lagged at most.
struct Running {
    outcome: Receiver<Outcome>,
    most_behind: Arc<AtomicUsize>,
}

impl Running {
    /// The outcome, with the pool woken until it comes.
    fn wait(&self, pool: &Pool) -> Outcome {
        for _ in 0..20_000 {
            pool.wake();
            if let Ok(outcome) = self.outcome.recv_timeout(Duration::from_millis(1)) {
                return outcome;
            }
        }
        panic!("the pool hangs");
    }
}

fn run(pool: &Pool, buffers: usize, ending: Result<Filled>) -> Running {
    let (outcome, receiver) = mpsc::channel();
    let most_behind = Arc::new(AtomicUsize::new(0));
    pool.submit(Box::new(Slow {
        left: buffers,
        given: 0,
        hashed: 0,
        most_behind: most_behind.clone(),
        ending,
        outcome,
    }));
    Running {
        outcome: receiver,
        most_behind,
    }
}

/// What so many buffers hash to.
fn plain(buffers: usize) -> [u8; 32] {
    let mut hasher = Hasher::new();
    for byte in (0..buffers).rev() {
        hasher.update(&vec![byte as u8; BUFFER]);
    }
    hasher.finish()
}

#[test]
fn a_lone_slow_feed_is_filled_and_hashed_by_two_threads() {
    for ending in [Filled::End, Filled::Waiting] {
        let pool = Pool::with_threads(2);
        let running = run(&pool, 32, Ok(ending));
        assert_eq!(running.wait(&pool).unwrap(), plain(32));
        assert!(
            running.most_behind.load(Ordering::SeqCst) > 1,
            "filled while hashing"
        );
    }
}

#[test]
fn an_error_of_a_paired_feed_reaches_it_and_frees_both_threads() {
    let pool = Pool::with_threads(2);
    let failing = run(&pool, 32, Err(Error::Cancelled));
    assert!(matches!(failing.wait(&pool), Err(Error::Cancelled)));
    assert!(
        failing.most_behind.load(Ordering::SeqCst) > 1,
        "filled while hashing"
    );
    let after = [1, 2, 3].map(|buffers| run(&pool, buffers, Ok(Filled::End)));
    for (index, running) in after.iter().enumerate() {
        assert_eq!(running.wait(&pool).unwrap(), plain(index + 1));
    }
}

#[test]
fn partners_part_when_other_feeds_need_the_thread() {
    let pool = Pool::with_threads(2);
    let long = run(&pool, 200, Ok(Filled::End));
    thread::sleep(Duration::from_millis(50));
    let others: Vec<_> = (1..9)
        .map(|buffers| run(&pool, buffers, Ok(Filled::End)))
        .collect();
    for (index, running) in others.iter().enumerate() {
        assert_eq!(running.wait(&pool).unwrap(), plain(index + 1));
    }
    assert_eq!(long.wait(&pool).unwrap(), plain(200));
}

#[test]
fn one_thread_does_both_when_there_is_no_other() {
    let pool = Pool::with_threads(1);
    let running = run(&pool, 30, Ok(Filled::End));
    assert_eq!(running.wait(&pool).unwrap(), plain(30));
    assert_eq!(running.most_behind.load(Ordering::SeqCst), 1);
}
