//! How many threads can work side by side.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// What somebody asked for instead of what there is; 0 for nobody.
static WANTED: AtomicUsize = AtomicUsize::new(0);

/// The cores this process may use, as far as the system tells or was overruled; at least one.
pub fn cores() -> usize {
    match WANTED.load(Ordering::Relaxed) {
        0 => thread::available_parallelism().map_or(1, usize::from),
        wanted => wanted,
    }
}

/// Works with as many threads as on so many cores; 0 asks the system again.
///
/// Threads that work already stay as many as they are.
pub fn use_cores(count: usize) {
    WANTED.store(count, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_can_be_overruled() {
        let found = cores();
        use_cores(found + 3);
        assert_eq!(cores(), found + 3);
        use_cores(0);
        assert_eq!(cores(), found);
    }
}
