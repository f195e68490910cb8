//! Two threads on one slow feed: one fills, the other hashes, until others come.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use kitfast_core::digest::feed::{Feed, Filled};
use kitfast_core::digest::pool::Pool;
use kitfast_core::digest::sha256::{Hasher, State};
use kitfast_core::{Error, Result};

type Outcome = Result<[u8; 32]>;

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
    fn fill(&mut self, buffer: &mut [u8]) -> Result<Filled> {
        if self.left == 0 {
            return std::mem::replace(&mut self.ending, Ok(Filled::End));
        }
        thread::sleep(Duration::from_micros(200));
        self.left -= 1;
        buffer.fill(self.left as u8);
        self.given += buffer.len() as u64;
        let behind = ((self.given - self.hashed) / buffer.len() as u64) as usize;
        self.most_behind.fetch_max(behind, Ordering::SeqCst);
        Ok(Filled::Bytes(buffer.len()))
    }

    fn hashed(&mut self, state: &State) {
        self.hashed = state.length;
    }

    fn done(self: Box<Self>, outcome: Outcome) {
        self.outcome.send(outcome).unwrap();
    }
}

fn submit(pool: &Pool, left: u8, ending: Result<Filled>) -> (Receiver<Outcome>, Arc<AtomicUsize>) {
    let (outcome, receiver) = mpsc::channel();
    let most_behind = Arc::new(AtomicUsize::new(0));
    pool.submit(Box::new(Slow {
        left: left.into(),
        given: 0,
        hashed: 0,
        most_behind: most_behind.clone(),
        ending,
        outcome,
    }));
    (receiver, most_behind)
}

fn digest(left: u8) -> [u8; 32] {
    let mut hasher = Hasher::new();
    (0..left)
        .rev()
        .for_each(|byte| hasher.update(&vec![byte; 256 << 10]));
    hasher.finish()
}

#[test]
fn a_lone_slow_feed_is_filled_and_hashed_by_two_threads() {
    for ending in [Ok(Filled::End), Ok(Filled::Waiting), Err(Error::Cancelled)] {
        let pool = Pool::with_threads(2);
        let fails = ending.is_err();
        let (receiver, most_behind) = submit(&pool, 64, ending);
        let outcome = loop {
            pool.wake();
            if let Ok(outcome) = receiver.recv_timeout(Duration::from_millis(5)) {
                break outcome;
            }
        };
        if fails {
            assert!(matches!(outcome, Err(Error::Cancelled)));
        } else {
            assert_eq!(outcome.unwrap(), digest(64));
        }
        assert!(
            most_behind.load(Ordering::SeqCst) > 1,
            "filled while hashing"
        );
    }
}

#[test]
fn partners_part_when_other_feeds_need_the_thread() {
    let pool = Pool::with_threads(2);
    let (slow, _) = submit(&pool, 200, Ok(Filled::End));
    thread::sleep(Duration::from_millis(10));
    let others: Vec<_> = (1..10)
        .map(|left| (left, submit(&pool, left, Ok(Filled::End)).0))
        .collect();
    for (left, other) in others {
        let outcome = other.recv_timeout(Duration::from_secs(60)).unwrap();
        assert_eq!(outcome.unwrap(), digest(left));
    }
    let outcome = slow.recv_timeout(Duration::from_secs(60)).unwrap();
    assert_eq!(outcome.unwrap(), digest(200));
}
