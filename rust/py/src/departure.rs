//! A layer on its way out, as Python sees it.

use std::os::fd::RawFd;
use std::path::PathBuf;

use kitfast_core::digest::hex;
use kitfast_core::{Error, store};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::errors::raise;
use crate::landing::borrow;
use crate::meter::{Meter, or_new};
use crate::store::{LayerSource, Listed, PackedLayer, bytes_of, listed};

/// Sends a layer straight from its files, and hashes it while it goes.
#[pyclass(frozen, module = "kitfast._core")]
pub struct Departure(store::Departure);

#[pymethods]
impl Departure {
    #[new]
    #[pyo3(signature = (source, file_digests = false))]
    fn new(py: Python<'_>, source: &Bound<'_, LayerSource>, file_digests: bool) -> PyResult<Self> {
        let source = source.get().0.clone();
        py.detach(|| store::Departure::hashing(source, file_digests))
            .map(Self)
            .map_err(raise)
    }

    #[getter]
    fn size(&self) -> u64 {
        self.0.size()
    }

    #[getter]
    fn hashed(&self) -> u64 {
        self.0.hashed()
    }

    #[getter]
    fn digest(&self) -> Option<String> {
        self.0.digest().map(|digest| hex::sha256(&digest))
    }

    #[pyo3(signature = (read = false, meter = None))]
    fn members(
        &self,
        py: Python<'_>,
        read: bool,
        meter: Option<&Bound<'_, Meter>>,
    ) -> PyResult<Option<Vec<Listed>>> {
        let meter = or_new(meter);
        let found = py.detach(|| self.0.members(read, &meter)).map_err(raise)?;
        Ok(found.map(|found| found.into_iter().map(listed).collect()))
    }

    fn recall(&self, py: Python<'_>, home: PathBuf) -> bool {
        py.detach(|| self.0.recall(&home))
    }

    fn remember(&self, py: Python<'_>, home: PathBuf) -> PyResult<()> {
        py.detach(|| self.0.remember(&home)).map_err(raise)
    }

    fn packed(&self) -> PyResult<PackedLayer> {
        let unknown = || raise(Error::invalid("the digest is not known yet"));
        self.0.packed().map(Into::into).ok_or_else(unknown)
    }

    fn read<'py>(
        &self,
        py: Python<'py>,
        offset: u64,
        length: usize,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let of = ("layer", self.0.size());
        bytes_of(py, of, offset, length, |buffer| self.0.read(offset, buffer))
    }

    #[pyo3(signature = (socket, offset, length, meter = None))]
    fn send(
        &self,
        py: Python<'_>,
        socket: RawFd,
        offset: u64,
        length: u64,
        meter: Option<&Bound<'_, Meter>>,
    ) -> PyResult<()> {
        let (socket, meter) = (borrow(socket)?, or_new(meter));
        py.detach(|| self.0.send(socket, offset, length, &meter))
            .map_err(raise)
    }

    #[pyo3(signature = (meter = None))]
    fn hash(&self, py: Python<'_>, meter: Option<&Bound<'_, Meter>>) -> PyResult<()> {
        let meter = or_new(meter);
        py.detach(|| self.0.hash(&meter)).map_err(raise)
    }
}
