//! One blob on its way in, as Python sees it.

use std::ffi::OsString;
use std::os::fd::{BorrowedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;

use kitfast_core::digest::hex;
use kitfast_core::landing::{self, Check, Plan, Shape, Sink};
use kitfast_core::tar::Name;
use kitfast_core::target::{self, Patterns};
use kitfast_core::{Error, Result};
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyMemoryView};

use crate::errors::raise;
use crate::meter::{Meter, or_new};
use crate::store::Store;
use crate::target::Target;

/// Takes a blob's bytes in any order and publishes them once they are verified.
#[pyclass(frozen, module = "kitfast._core")]
pub struct Landing(landing::Landing);

#[pymethods]
impl Landing {
    #[staticmethod]
    fn into_store(
        py: Python<'_>,
        store: &Bound<'_, Store>,
        digest: &str,
        size: u64,
        shape: &str,
    ) -> PyResult<Self> {
        let sink = Sink::Store(store.get().0.home().to_path_buf());
        py.detach(|| open(digest, size, shape, sink)).map_err(raise)
    }

    #[staticmethod]
    #[pyo3(signature = (target, digest, size, shape, name = None, mode = 0o644))]
    fn into_target(
        py: Python<'_>,
        target: &Bound<'_, Target>,
        digest: &str,
        size: u64,
        shape: &str,
        name: Option<OsString>,
        mode: u32,
    ) -> PyResult<Self> {
        let target = target.get().0.clone();
        py.detach(|| open(digest, size, shape, into(target, name, mode)?))
            .map_err(raise)
    }

    #[staticmethod]
    #[pyo3(signature = (target, digest, size, shape, name = None))]
    fn has_published(
        py: Python<'_>,
        target: &Bound<'_, Target>,
        digest: &str,
        size: u64,
        shape: &str,
        name: Option<OsString>,
    ) -> PyResult<bool> {
        let target = target.get().0.clone();
        py.detach(|| {
            let sink = into(target, name, ANY_MODE)?;
            landing::Landing::has_published(&plan(digest, size, shape, sink)?)
        })
        .map_err(raise)
    }

    #[staticmethod]
    #[pyo3(signature = (folder, digest, size, shape, name = None, include = vec![], exclude = vec![]))]
    #[expect(
        clippy::too_many_arguments,
        reason = "as many as a landing and a target have"
    )]
    fn left_in_target(
        py: Python<'_>,
        folder: PathBuf,
        digest: &str,
        size: u64,
        shape: &str,
        name: Option<OsString>,
        include: Vec<String>,
        exclude: Vec<String>,
    ) -> PyResult<Option<Vec<(u64, u64)>>> {
        py.detach(|| {
            let patterns = Patterns { include, exclude };
            let Some(target) = target::Target::look(&folder, patterns)? else {
                return Ok(None);
            };
            let sink = into(Arc::new(target), name, ANY_MODE)?;
            landing::Landing::left(&plan(digest, size, shape, sink)?)
        })
        .map_err(raise)
    }

    #[staticmethod]
    fn left_in_store(
        py: Python<'_>,
        store: &Bound<'_, Store>,
        digest: &str,
        size: u64,
        shape: &str,
    ) -> PyResult<Option<Vec<(u64, u64)>>> {
        let sink = Sink::Store(store.get().0.home().to_path_buf());
        py.detach(|| landing::Landing::left(&plan(digest, size, shape, sink)?))
            .map_err(raise)
    }

    #[getter]
    fn size(&self) -> u64 {
        self.0.size()
    }

    #[getter]
    fn reused(&self) -> u64 {
        self.0.reused()
    }

    #[getter]
    fn received(&self) -> u64 {
        self.0.received()
    }

    #[getter]
    fn hashed(&self) -> u64 {
        self.0.hashed()
    }

    #[getter]
    fn warning(&self) -> Option<&str> {
        self.0.warning()
    }

    fn missing(&self) -> Vec<(u64, u64)> {
        self.0.missing()
    }

    fn wanted_header(&self) -> Option<(u64, u64)> {
        self.0.wanted_header()
    }

    #[pyo3(signature = (offset, data, length = None))]
    fn write(
        &self,
        py: Python<'_>,
        offset: u64,
        data: &Bound<'_, PyAny>,
        length: Option<usize>,
    ) -> PyResult<()> {
        if let Ok(data) = data.cast::<PyBytes>() {
            let data = first(data.as_bytes(), length)?;
            return py.detach(|| self.0.write(offset, data)).map_err(raise);
        }
        let data = data.cast::<PyByteArray>()?;
        // A bytearray that a view looks at cannot be moved or made shorter.
        let _view = PyMemoryView::from(data)?;
        // SAFETY: its memory stays where it is while the view lives. Its owner leaves it alone
        // until this call returns; bytes that change all the same have the wrong digest.
        let data = first(unsafe { data.as_bytes() }, length)?;
        py.detach(|| self.0.write(offset, data)).map_err(raise)
    }

    #[pyo3(signature = (socket, offset, length, meter = None))]
    fn receive(
        &self,
        py: Python<'_>,
        socket: RawFd,
        offset: u64,
        length: u64,
        meter: Option<&Bound<'_, Meter>>,
    ) -> PyResult<u64> {
        let (socket, meter) = (borrow(socket)?, or_new(meter));
        py.detach(|| self.0.receive(socket, offset, length, &meter))
            .map_err(raise)
    }

    #[pyo3(signature = (meter = None))]
    fn finish(&self, py: Python<'_>, meter: Option<&Bound<'_, Meter>>) -> PyResult<()> {
        let meter = or_new(meter);
        py.detach(|| self.0.finish(&meter)).map_err(raise)
    }

    fn keep(&self, py: Python<'_>) -> PyResult<()> {
        py.detach(|| self.0.keep()).map_err(raise)
    }

    fn discard(&self, py: Python<'_>) -> PyResult<()> {
        py.detach(|| self.0.discard()).map_err(raise)
    }
}

/// The first `length` bytes of a buffer; all of them where none is said.
fn first(data: &[u8], length: Option<usize>) -> PyResult<&[u8]> {
    data.get(..length.unwrap_or(data.len()))
        .ok_or_else(|| raise(Error::invalid("more bytes than the buffer holds")))
}

/// A socket that the caller keeps open until its call returns.
pub fn borrow(socket: RawFd) -> PyResult<BorrowedFd<'static>> {
    if socket < 0 {
        return Err(raise(Error::invalid("no socket has a negative number")));
    }
    // SAFETY: the caller keeps the descriptor open until its call returns, as each says, and
    // no call keeps it longer.
    Ok(unsafe { BorrowedFd::borrow_raw(socket) })
}

/// What nobody asks of a plan that is only compared with what is there.
const ANY_MODE: u32 = 0;

/// The folder as a sink; `name` is the file's where the blob is one.
fn into(target: Arc<target::Target>, name: Option<OsString>, mode: u32) -> Result<Sink> {
    let name = name.map(|name| file_name(&name)).transpose()?;
    Ok(Sink::Target { target, name, mode })
}

fn open(digest: &str, size: u64, shape: &str, sink: Sink) -> Result<Landing> {
    landing::Landing::open(plan(digest, size, shape, sink)?).map(Landing)
}

fn plan(digest: &str, size: u64, shape: &str, sink: Sink) -> Result<Plan> {
    let shape = match shape {
        "whole" => Shape::Whole,
        "tar" => Shape::Tar,
        "tar+gzip" => Shape::TarGzip,
        "tar+zstd" => Shape::TarZstd,
        other => return Err(Error::invalid(format!("no shape is called {other:?}"))),
    };
    let (digest, check) = match digest.split(':').next() {
        Some("blake3") => (hex::parse_blake3(digest)?, Check::Blake3),
        Some("unverified") => (hex::parse_unverified(digest)?, Check::Nothing),
        _ => (hex::parse_sha256(digest)?, Check::Sha256),
    };
    Ok(Plan {
        digest,
        check,
        size,
        shape,
        sink,
    })
}

fn file_name(name: &OsString) -> Result<Name> {
    let name = Name::check(name.as_bytes())?;
    if name.is_root() {
        return Err(Error::invalid("a file needs a name"));
    }
    Ok(name)
}
