//! A layer that is compressed on its way out, as Python sees it.

use std::path::PathBuf;

use kitfast_core::digest::hex;
use kitfast_core::{Error, store};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::errors::raise;
use crate::meter::{Meter, or_new};
use crate::store::{LayerSource, PackedLayer, bytes_of};

/// Compresses a layer straight from its files, with one piece of it in memory.
#[pyclass(frozen, module = "kitfast._core")]
pub struct Squeeze(store::Squeeze);

#[pymethods]
impl Squeeze {
    #[new]
    fn new(py: Python<'_>, source: &Bound<'_, LayerSource>, piece: usize) -> PyResult<Self> {
        let source = source.get().0.clone();
        py.detach(|| store::Squeeze::of(source, piece))
            .map(Self)
            .map_err(raise)
    }

    #[getter]
    fn file_bytes(&self) -> u64 {
        self.0.file_bytes()
    }

    #[getter]
    fn size(&self) -> u64 {
        self.0.packed().map_or(0, |packed| packed.size)
    }

    #[getter]
    fn digest(&self) -> Option<String> {
        self.0.packed().map(|packed| hex::sha256(&packed.digest))
    }

    #[getter]
    fn window(&self) -> (u64, u64, bool) {
        self.0.window()
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

    #[pyo3(signature = (offset, meter = None))]
    fn seek(&self, py: Python<'_>, offset: u64, meter: Option<&Bound<'_, Meter>>) -> PyResult<()> {
        let meter = or_new(meter);
        py.detach(|| self.0.seek(offset, &meter)).map_err(raise)
    }

    fn files(&self, offset: u64) -> u64 {
        self.0.files(offset)
    }

    fn read<'py>(
        &self,
        py: Python<'py>,
        offset: u64,
        length: usize,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let of = ("piece in memory", self.0.window().1);
        bytes_of(py, of, offset, length, |buffer| self.0.read(offset, buffer))
    }

    fn stop(&self, py: Python<'_>) {
        py.detach(|| self.0.stop());
    }
}
