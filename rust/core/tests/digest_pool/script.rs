//! A feed that follows a script, and whoever waits for its digest.

use std::collections::VecDeque;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kitfast_core::digest::feed::{Feed, Filled};
use kitfast_core::digest::pool::Pool;
use kitfast_core::digest::sha256::{Hasher, State};
use kitfast_core::{Error, Result};

pub type Outcome = Result<[u8; 32]>;

/// What a feed answers, in order; then it ends.
#[derive(Debug, Clone)]
pub enum Step {
    Bytes(usize),
    Wait,
    Fail,
    Panic,
}

pub struct Script {
    pub steps: VecDeque<Step>,
    /// How the bytes go on.
    pub next: u8,
    pub taken: Arc<Mutex<Hasher>>,
    pub position: u64,
    pub outcome: Sender<Outcome>,
}

impl Script {
    pub fn new(seed: u8, steps: &[Step]) -> (Box<Self>, Running) {
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
pub struct Running {
    pub taken: Arc<Mutex<Hasher>>,
    pub outcome: Receiver<Outcome>,
}

impl Running {
    pub fn digest(&self) -> [u8; 32] {
        self.taken.lock().unwrap().clone().finish()
    }

    /// The outcome, with the pool woken until it comes.
    pub fn wait(&self, pool: &Pool) -> Outcome {
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
    fn fill(&mut self, buffer: &mut [u8]) -> Result<Filled> {
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

pub fn run(pool: &Pool, seed: u8, steps: &[Step]) -> Running {
    let (script, running) = Script::new(seed, steps);
    pool.submit(script);
    running
}
