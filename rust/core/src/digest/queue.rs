//! Which thread hashes which feed: the pool's one lock and what it guards.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::job::Job;
use super::lanes::LANES;
use super::pair::Partner;
use super::worker::Worker;
use crate::{Error, Result};

/// How long a thread without work stays.
const IDLE: Duration = Duration::from_secs(5);

/// What a thread is to do next.
pub(super) enum Task {
    /// Hash this feed, with others that come along.
    Feed(Job),
    /// Hash what another thread fills.
    Partner(Partner),
}

/// The feeds that wait for a thread, and the threads that wait for feeds.
pub(super) struct Queue {
    limit: usize,
    work: Mutex<Work>,
    arrived: Condvar,
    wakes: AtomicU64,
}

#[derive(Default)]
struct Work {
    ready: VecDeque<Job>,
    /// Woken feeds, for the free lanes of threads that are hashing anyway.
    woken: VecDeque<Job>,
    parked: Vec<Job>,
    partners: VecDeque<Partner>,
    threads: usize,
    idle: usize,
    /// Feeds in some thread's lanes.
    hashing: usize,
    /// Threads that fill for another one.
    fillers: usize,
}

impl Queue {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            work: Mutex::default(),
            arrived: Condvar::new(),
            wakes: AtomicU64::new(0),
        }
    }

    /// Queues a feed, and sees to a thread for it.
    pub(super) fn push(self: &Arc<Self>, job: Job) {
        let mut work = self.lock();
        work.ready.push_back(job);
        let Err(error) = self.call_thread(&mut work) else {
            return;
        };
        // With another thread the feed is late; with none it would wait for ever.
        if work.threads == 0 {
            let jobs = std::mem::take(&mut work.ready);
            drop(work);
            let why = format!("no thread to hash on: {error}");
            for job in jobs {
                job.end(Err(Error::internal(&*why)));
            }
        }
    }

    /// How often feeds were woken so far; to be asked before a feed is.
    pub(super) fn wakes(&self) -> u64 {
        self.wakes.load(Ordering::SeqCst)
    }

    /// Queues all parked feeds.
    ///
    /// Their bytes come from outside, slower than they are hashed: a lane beside others
    /// costs half of what a thread of their own does.
    pub(super) fn wake(self: &Arc<Self>) {
        self.wakes.fetch_add(1, Ordering::SeqCst);
        let parked = std::mem::take(&mut self.lock().parked);
        for job in parked {
            let mut work = self.lock();
            if work.free_lanes() > 0 {
                work.woken.push_back(job);
            } else {
                drop(work);
                self.push(job);
            }
        }
    }

    /// Parks a feed of the caller's lanes; gives it back if it was woken since `seen`.
    pub(super) fn park(&self, job: Job, seen: u64) -> Option<Job> {
        let mut work = self.lock();
        // Under the lock: a later wake finds it parked, an earlier one has counted.
        if self.wakes() != seen {
            return Some(job);
        }
        work.parked.push(job);
        work.hashing -= 1;
        None
    }

    /// The next task, or none when this thread has been idle for long and must end.
    pub(super) fn next(&self) -> Option<Task> {
        let mut work = self.lock();
        loop {
            if let Some(partner) = work.partners.pop_front() {
                return Some(Task::Partner(partner));
            }
            // What this thread was called for comes first: `more` adds the woken ones to it.
            if let Some(job) = work.ready.pop_front().or_else(|| work.woken.pop_front()) {
                work.hashing += 1;
                return Some(Task::Feed(job));
            }
            work.idle += 1;
            let waited = self.arrived.wait_timeout(work, IDLE);
            let (again, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            work = again;
            work.idle -= 1;
            if timeout.timed_out() && work.waiting() == 0 && work.woken.is_empty() {
                work.threads -= 1;
                return None;
            }
        }
    }

    /// Another feed for a thread that hashes `lanes` of them, if that is its share.
    pub(super) fn more(&self, lanes: usize) -> Option<Job> {
        let mut work = self.lock();
        if lanes < LANES
            && let Some(job) = work.woken.pop_front()
        {
            work.hashing += 1;
            return Some(job);
        }
        // What idle threads were called for is left to them.
        if lanes >= self.share(&work) || work.waiting() <= work.idle {
            return None;
        }
        let job = work.ready.pop_front()?;
        work.hashing += 1;
        Some(job)
    }

    /// Whether a thread that hashes `lanes` feeds has one too many while others have none.
    pub(super) fn is_surplus(&self, lanes: usize) -> bool {
        let work = self.lock();
        let free = work.idle > 0 || work.threads < self.limit;
        lanes > self.share(&work) && free && work.waiting() == 0
    }

    /// Gives a feed of the caller's lanes to another thread.
    pub(super) fn give_back(self: &Arc<Self>, job: Job) {
        self.ended();
        self.push(job);
    }

    /// A feed of the caller's lanes has ended.
    pub(super) fn ended(&self) {
        self.lock().hashing -= 1;
    }

    /// Hands a partner to a thread that has nothing else to do; false if there is none.
    pub(super) fn pair(self: &Arc<Self>, partner: Partner) -> bool {
        let mut work = self.lock();
        let free = work.idle > work.waiting() || (work.threads < self.limit && work.waiting() == 0);
        // Feeds that were left to this thread's lanes are not kept waiting.
        if !free || !work.woken.is_empty() {
            return false;
        }
        work.partners.push_back(partner);
        let called = self.call_thread(&mut work);
        match called {
            Ok(()) => work.fillers += 1,
            Err(_) => drop(work.partners.pop_back()),
        }
        called.is_ok()
    }

    /// A thread whose partner was called is back to its own lanes.
    pub(super) fn parted(&self) {
        self.lock().fillers -= 1;
    }

    /// Whether feeds wait that nobody is free for: partners are to part.
    pub(super) fn is_short(&self) -> bool {
        let work = self.lock();
        work.waiting() > work.idle && work.threads == self.limit
    }

    /// Lanes each thread should have when all feeds are spread evenly.
    fn share(&self, work: &Work) -> usize {
        let feeds = work.hashing + work.ready.len();
        feeds.div_ceil(self.limit).clamp(1, LANES)
    }

    /// Wakes an idle thread for what was just queued, or starts one if more are allowed.
    fn call_thread(self: &Arc<Self>, work: &mut Work) -> Result<()> {
        if work.idle >= work.waiting() {
            self.arrived.notify_one();
        } else if work.threads < self.limit {
            let queue = self.clone();
            thread::Builder::new()
                .name("kitfast-hash".into())
                .spawn(move || Worker::new(queue).run())
                .map_err(|error| Error::internal(error.to_string()))?;
            work.threads += 1;
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Work> {
        // Nothing panics while it holds the lock: feeds run outside of it.
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Work {
    /// Lanes that no feed is meant for yet, beside feeds some thread hashes or soon will.
    fn free_lanes(&self) -> usize {
        // A thread that fills, and the one that hashes for it, look for no other feeds.
        let company = (self.hashing + self.ready.len()).saturating_sub(self.fillers);
        match company {
            0 => 0,
            _ => LANES.saturating_sub(self.hashing + self.ready.len() + self.woken.len()),
        }
    }

    /// Tasks that no thread has taken yet.
    fn waiting(&self) -> usize {
        self.ready.len() + self.partners.len()
    }
}
