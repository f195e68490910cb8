//! Threads use the memory that others have freed, instead of a heap each.

#![cfg(all(target_os = "linux", target_env = "gnu"))]

use std::fs;
use std::sync::{Arc, Barrier, Mutex};
use std::thread;

use kitfast_core::memory;

const THREADS: usize = 16;
const BUFFERS: usize = 32;
const BUFFER: usize = 256 << 10;

#[test]
fn what_one_thread_has_freed_another_takes() {
    assert!(memory::keep());
    let before = resident();
    // All live until the end: a thread that is over leaves its heap to the next one.
    let shared = Arc::new((Mutex::new(()), Barrier::new(THREADS)));
    let threads: Vec<_> = (0..THREADS)
        .map(|_| {
            let shared = shared.clone();
            thread::spawn(move || {
                let (turn, end) = &*shared;
                let mine = turn.lock().unwrap();
                let buffers: Vec<_> = (0..BUFFERS).map(|_| vec![1_u8; BUFFER]).collect();
                drop(buffers);
                drop(mine);
                end.wait();
            })
        })
        .collect();
    for one in threads {
        one.join().unwrap();
    }
    let grown = resident().saturating_sub(before);
    assert!(grown < 4 * BUFFERS * BUFFER, "{} MiB", grown >> 20);
}

/// Bytes of memory that the process has.
fn resident() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.unwrap().trim().trim_end_matches(" kB");
    number.parse::<usize>().unwrap() << 10
}
