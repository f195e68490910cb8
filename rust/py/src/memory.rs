//! Thin binding of `kitfast_core::memory`.

use pyo3::prelude::*;

/// Makes freed buffers stay with the process; says whether the allocator can.
#[pyfunction]
pub fn keep_memory() -> bool {
    kitfast_core::memory::keep()
}
