//! The hashing pool under many feeds that end, wait, fail and panic at all times.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use kitfast_core::digest::buffer::Buffer;
use kitfast_core::digest::feed::{Feed, Filled};
use kitfast_core::digest::pool::Pool;
use kitfast_core::digest::sha256::{self, Hasher, State};
use kitfast_core::{Error, Result};
use proptest::prelude::*;

type Outcome = Result<[u8; 32]>;

/// What a feed answers, in order; then it ends.
#[derive(Debug, Clone)]
enum Step {
    Bytes(usize),
    Wait,
    Fail,
    Panic,
}

struct Script {
    steps: VecDeque<Step>,
    /// How the bytes go on.
    next: u8,
    taken: Arc<Mutex<Hasher>>,
    position: u64,
    outcome: Sender<Outcome>,
}

impl Script {
    fn new(seed: u8, steps: &[Step]) -> (Box<Self>, Running) {
        let (outcome, receiver) = mpsc::channel();
        let taken = Arc::new(Mutex::new(Hasher::new()));
        let script = Self {
            steps: steps.to_vec().into(),
            next: seed,
            taken: taken.clone(),
            position: 0,
            outcome,
        };
        (
            Box::new(script),
            Running {
                taken,
                outcome: receiver,
            },
        )
    }
}

/// A submitted script: what it has given, hashed plainly, and what the pool says.
struct Running {
    taken: Arc<Mutex<Hasher>>,
    outcome: Receiver<Outcome>,
}

impl Running {
    fn digest(&self) -> [u8; 32] {
        self.taken.lock().unwrap().clone().finish()
    }

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

impl Feed for Script {
    fn fill(&mut self, buffer: &mut Buffer) -> Result<Filled> {
        match self.steps.pop_front() {
            Some(Step::Bytes(count)) => {
                let count = count.min(buffer.len());
                for byte in &mut buffer[..count] {
                    *byte = self.next;
                    self.next = self.next.wrapping_mul(5).wrapping_add(3);
                }
                self.taken.lock().unwrap().update(&buffer[..count]);
                Ok(Filled::Bytes(count))
            }
            Some(Step::Wait) => Ok(Filled::Waiting),
            Some(Step::Fail) => Err(Error::Cancelled),
            Some(Step::Panic) => panic!("as the script says"),
            None => Ok(Filled::End),
        }
    }

    fn hashed(&mut self, state: &State) {
        assert!(state.length > self.position, "the hash goes forward");
        assert!(state.length <= self.taken.lock().unwrap().state().length);
        self.position = state.length;
    }

    fn done(self: Box<Self>, outcome: Outcome) {
        // A test that is over no longer listens.
        let _late = self.outcome.send(outcome);
    }
}

fn run(pool: &Pool, seed: u8, steps: &[Step]) -> Running {
    let (script, running) = Script::new(seed, steps);
    pool.submit(script);
    running
}

#[test]
fn many_feeds_get_their_own_digests() {
    for threads in [1, 2, 3, 7] {
        let pool = Pool::with_threads(threads);
        let steps = |seed: u8| {
            vec![Step::Bytes(100_000 + usize::from(seed) * 999); 1 + usize::from(seed % 9)]
        };
        let all: Vec<_> = (0..60).map(|seed| run(&pool, seed, &steps(seed))).collect();
        for running in all {
            assert_eq!(running.wait(&pool).unwrap(), running.digest());
        }
    }
}

#[test]
fn a_waiting_feed_holds_no_thread_and_goes_on_when_woken() {
    let pool = Pool::with_threads(1);
    let waiting = run(&pool, 1, &[Step::Bytes(70), Step::Wait, Step::Bytes(70)]);
    let other = run(&pool, 2, &[Step::Bytes(3)]);
    assert!(
        other
            .outcome
            .recv_timeout(Duration::from_secs(20))
            .unwrap()
            .is_ok()
    );
    assert_eq!(waiting.wait(&pool).unwrap(), waiting.digest());
}

/// Says it waits, although its bytes come, and the wake with them, before it has said so.
struct Late {
    pool: &'static Pool,
    rounds: usize,
    came: Arc<AtomicBool>,
    outcome: Sender<Outcome>,
}

impl Feed for Late {
    fn fill(&mut self, buffer: &mut Buffer) -> Result<Filled> {
        if self.came.swap(false, Ordering::SeqCst) {
            buffer[0] = 7;
            return Ok(Filled::Bytes(1));
        }
        if self.rounds == 0 {
            return Ok(Filled::End);
        }
        self.rounds -= 1;
        let (pool, came) = (self.pool, self.came.clone());
        let waker = thread::spawn(move || {
            came.store(true, Ordering::SeqCst);
            pool.wake();
        });
        match self.rounds % 3 {
            0 => waker.join().unwrap(),
            1 => thread::sleep(Duration::from_micros(self.rounds as u64 % 100)),
            _ => {}
        }
        Ok(Filled::Waiting)
    }

    fn done(self: Box<Self>, outcome: Outcome) {
        self.outcome.send(outcome).unwrap();
    }
}

#[test]
fn a_wake_while_a_feed_says_it_waits_is_not_lost() {
    let (outcome, receiver) = mpsc::channel();
    let pool = Pool::shared();
    pool.submit(Box::new(Late {
        pool,
        rounds: 600,
        came: Arc::default(),
        outcome,
    }));
    let digest = receiver
        .recv_timeout(Duration::from_secs(60))
        .unwrap()
        .unwrap();
    // A wake that comes late may find the flag set for the round before.
    let given: Vec<_> = (0..=600)
        .map(|count| sha256::hash(&vec![7; count]))
        .collect();
    assert!(given.contains(&digest));
}

#[test]
fn errors_and_panics_reach_their_feed_and_spare_the_rest() {
    let pool = Pool::with_threads(2);
    let steps = vec![Step::Bytes(50_000); 20];
    let good: Vec<_> = (0..10).map(|seed| run(&pool, seed, &steps)).collect();
    let failing = run(&pool, 1, &[Step::Bytes(100), Step::Fail]);
    let panicking = run(&pool, 2, &[Step::Bytes(100), Step::Panic]);
    assert!(matches!(failing.wait(&pool), Err(Error::Cancelled)));
    let outcome = panicking.wait(&pool);
    assert!(matches!(outcome, Err(Error::Internal { why }) if why.contains("as the script says")));
    for running in good {
        assert_eq!(running.wait(&pool).unwrap(), running.digest());
    }
}

/// A feed that breaks the contract where it is told to.
struct Broken {
    answer: usize,
    panic_when_hashed: bool,
    outcome: Sender<Outcome>,
}

impl Feed for Broken {
    fn fill(&mut self, _: &mut Buffer) -> Result<Filled> {
        Ok(Filled::Bytes(self.answer))
    }

    fn hashed(&mut self, _: &State) {
        assert!(!self.panic_when_hashed, "told at a bad time");
    }

    fn done(self: Box<Self>, outcome: Outcome) {
        self.outcome.send(outcome).unwrap();
        panic!("and once more");
    }
}

#[test]
fn feeds_that_break_the_contract_end_with_an_error() {
    let pool = Pool::with_threads(1);
    for (answer, panic_when_hashed) in [(0, false), (usize::MAX, false), (64, true), (1, true)] {
        let (outcome, receiver) = mpsc::channel();
        pool.submit(Box::new(Broken {
            answer,
            panic_when_hashed,
            outcome,
        }));
        let outcome = receiver.recv_timeout(Duration::from_secs(20)).unwrap();
        assert!(matches!(outcome, Err(Error::Internal { .. })), "{answer}");
    }
    let after = run(&pool, 0, &[Step::Bytes(1)]);
    assert!(
        after.wait(&pool).is_ok(),
        "the thread has survived its feeds"
    );
}

#[test]
fn a_feed_goes_on_from_a_saved_state() {
    let pool = Pool::with_threads(1);
    for split in [0, 1, 63, 64, 65, 1000] {
        let mut begun = Hasher::new();
        begun.update(&vec![9; split]);
        let (script, running) = Script::new(4, &[Step::Bytes(5), Step::Bytes(300)]);
        *running.taken.lock().unwrap() = begun.clone();
        pool.submit_from(script, begun.state());
        assert_eq!(
            running.wait(&pool).unwrap(),
            running.digest(),
            "split at {split}"
        );
    }
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1_usize..200).prop_map(Step::Bytes),
        2 => (1_usize..300_000).prop_map(Step::Bytes),
        2 => Just(Step::Wait),
    ]
}

fn ending() -> impl Strategy<Value = Option<Step>> {
    prop_oneof![6 => Just(None), 1 => Just(Some(Step::Fail)), 1 => Just(Some(Step::Panic))]
}

fn script() -> impl Strategy<Value = (u8, Vec<Step>, Option<Step>)> {
    (any::<u8>(), prop::collection::vec(step(), 0..12), ending())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn any_mixture_of_feeds_ends_rightly(
        threads in 1_usize..5,
        scripts in prop::collection::vec(script(), 1..25),
    ) {
        let pool = Pool::with_threads(threads);
        let all: Vec<_> = scripts
            .into_iter()
            .map(|(seed, mut steps, ending)| {
                steps.extend(ending.clone());
                (run(&pool, seed, &steps), ending)
            })
            .collect();
        for (running, ending) in all {
            match (running.wait(&pool), ending) {
                (Ok(digest), None) => prop_assert_eq!(digest, running.digest()),
                (Err(Error::Cancelled), Some(Step::Fail)) => {}
                (Err(Error::Internal { .. }), Some(Step::Panic)) => {}
                (outcome, ending) => prop_assert!(false, "{:?} after {:?}", outcome, ending),
            }
        }
    }
}

/// Waits once, then gives bytes until it is told to stop.
struct Patient {
    waits: usize,
    waited: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    outcome: Sender<Outcome>,
}

impl Feed for Patient {
    fn fill(&mut self, buffer: &mut Buffer) -> Result<Filled> {
        if self.waits > 0 {
            self.waits -= 1;
            self.waited.fetch_add(1, Ordering::SeqCst);
            return Ok(Filled::Waiting);
        }
        if self.stop.load(Ordering::SeqCst) {
            return Ok(Filled::End);
        }
        thread::sleep(Duration::from_millis(1));
        buffer[..64].fill(1);
        Ok(Filled::Bytes(64))
    }

    fn done(self: Box<Self>, outcome: Outcome) {
        self.outcome.send(outcome).unwrap();
    }
}

#[test]
fn feeds_that_are_woken_together_all_get_on() {
    let pool = Pool::with_threads(2);
    for round in 0..20 {
        let stop = Arc::new(AtomicBool::new(false));
        let done = Arc::new(AtomicBool::new(true));
        let (outcome, first) = mpsc::channel();
        let (others, rest) = mpsc::channel();
        let waited = Arc::new(AtomicUsize::new(0));
        for index in 0..3 {
            // One ends at once; the others go on until it has.
            let (stop, outcome) = match index == round % 3 {
                true => (done.clone(), outcome.clone()),
                false => (stop.clone(), others.clone()),
            };
            pool.submit(Box::new(Patient {
                waits: 1,
                waited: waited.clone(),
                stop,
                outcome,
            }));
        }
        // Whoever is asked only after the wake would wait for another one.
        while waited.load(Ordering::SeqCst) < 3 {
            thread::sleep(Duration::from_millis(1));
        }
        pool.wake();
        let ended = first.recv_timeout(Duration::from_secs(2));
        stop.store(true, Ordering::SeqCst);
        ended.expect("a woken feed was left lying").unwrap();
        for _ in 0..2 {
            rest.recv_timeout(Duration::from_secs(20)).unwrap().unwrap();
        }
    }
}
