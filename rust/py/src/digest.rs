//! Digests of files, for Python.

use std::path::PathBuf;

use kitfast_core::digest::blake3_tree::GROUP;
use kitfast_core::digest::{file, files, groups, hex};
use pyo3::prelude::*;

use crate::errors::raise;
use crate::meter::{self, Meter};

/// The SHA-256 of a file, or of `length` bytes of it from `start`, as `sha256:<hex>`.
#[pyfunction]
#[pyo3(signature = (path, meter = None, start = 0, length = None))]
pub fn sha256_file(
    py: Python<'_>,
    path: PathBuf,
    meter: Option<&Bound<'_, Meter>>,
    start: u64,
    length: Option<u64>,
) -> PyResult<String> {
    let meter = meter::or_new(meter);
    py.detach(|| file::sha256(&path, start, length, &meter))
        .map(|digest| hex::sha256(&digest))
        .map_err(raise)
}

/// The BLAKE3 of a file, or of `length` bytes of it from `start`, as `blake3:<hex>`.
#[pyfunction]
#[pyo3(signature = (path, meter = None, start = 0, length = None))]
pub fn blake3_file(
    py: Python<'_>,
    path: PathBuf,
    meter: Option<&Bound<'_, Meter>>,
    start: u64,
    length: Option<u64>,
) -> PyResult<String> {
    let meter = meter::or_new(meter);
    py.detach(|| file::blake3(&path, start, length, &meter))
        .map(|digest| hex::blake3(&digest))
        .map_err(raise)
}

/// The BLAKE3 of bytes in memory, as `blake3:<hex>`.
#[pyfunction]
pub fn blake3(py: Python<'_>, data: &[u8]) -> String {
    py.detach(|| hex::blake3(&file::blake3_of(data)))
}

/// The SHA-256 of each file, hashed side by side, as `sha256:<hex>`.
#[pyfunction]
#[pyo3(signature = (paths, meter = None))]
pub fn sha256_files(
    py: Python<'_>,
    paths: Vec<PathBuf>,
    meter: Option<&Bound<'_, Meter>>,
) -> PyResult<Vec<String>> {
    let meter = meter::or_new(meter);
    py.detach(|| files::sha256(&paths, &meter))
        .map(|digests| digests.iter().map(hex::sha256).collect())
        .map_err(raise)
}

/// The groups of a file, each verified alone against the BLAKE3 of the whole.
#[pyclass(frozen, module = "kitfast._core")]
pub struct Groups(groups::Groups);

#[pymethods]
impl Groups {
    #[classattr]
    const SIZE: u64 = GROUP;

    #[new]
    fn new(py: Python<'_>, values: &[u8], size: u64, digest: &str) -> PyResult<Self> {
        let root = hex::parse_blake3(digest).map_err(raise)?;
        py.detach(|| groups::Groups::of(values, size, &root))
            .map(Self)
            .map_err(raise)
    }

    #[staticmethod]
    fn values_length(size: u64) -> u64 {
        groups::values_length(size)
    }

    fn verify(&self, py: Python<'_>, index: u64, data: &[u8]) -> PyResult<()> {
        py.detach(|| self.0.verify(index, data)).map_err(raise)
    }
}
