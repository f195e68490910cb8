//! How many threads can work side by side.

use std::thread;

/// The cores this process may use, as far as the system tells; at least one.
pub fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}
