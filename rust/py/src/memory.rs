//! Thin binding of `kitfast_core::memory`.

use pyo3::prelude::*;

/// Makes freed buffers stay with the process; says whether the allocator can.
#[pyfunction]
pub fn keep_memory() -> bool {
    kitfast_core::memory::keep()
}

/// The container's memory limit in bytes, or None.
#[pyfunction]
pub fn memory_limit() -> Option<u64> {
    kitfast_core::memory::limit()
}

/// Works with as many threads as on so many cores; 0 asks the system again.
#[pyfunction]
pub fn use_cores(count: usize) {
    kitfast_core::use_cores(count);
}
