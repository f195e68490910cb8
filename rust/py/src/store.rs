//! The store, as Python sees it.

use std::ffi::OsString;
use std::os::fd::RawFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use kitfast_core::digest::hex;
use kitfast_core::store::{self, Compression, Member, Packing, Shape, Wish};
use kitfast_core::tar::Name;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::errors::raise;
use crate::landing::borrow;
use crate::meter::{Meter, or_new};
use crate::target::Target;

/// What one layer is made of.
#[pyclass(frozen, module = "kitfast._core")]
pub struct LayerSource(pub store::LayerSource);

#[pymethods]
impl LayerSource {
    #[new]
    #[pyo3(signature = (members, compression = "none", raw = false))]
    fn new(
        members: Vec<(PathBuf, Option<PathBuf>, u32)>,
        compression: &str,
        raw: bool,
    ) -> PyResult<Self> {
        let members = members.into_iter().map(|(name, source, mode)| Member {
            name: name.into_os_string().into_encoded_bytes(),
            source,
            mode,
        });
        Ok(Self(store::LayerSource {
            members: members.collect(),
            compression: parse(compression)?,
            raw,
        }))
    }
}

fn parse(compression: &str) -> PyResult<Compression> {
    Ok(match compression {
        "none" => Compression::None,
        "gzip" => Compression::Gzip,
        "gzip-fastest" => Compression::GzipFastest,
        "zstd" => Compression::Zstd,
        other => {
            let text = format!("{other:?} is none of none, gzip, gzip-fastest, zstd");
            return Err(raise(kitfast_core::Error::invalid(text)));
        }
    })
}

fn parse_shape(shape: &str) -> PyResult<(Shape, Packing)> {
    Ok(match shape {
        "whole" => (Shape::Whole, Packing::None),
        "whole+gzip" => (Shape::Whole, Packing::Gzip),
        "whole+zstd" => (Shape::Whole, Packing::Zstd),
        "tar" => (Shape::Tar, Packing::None),
        "tar+gzip" => (Shape::Tar, Packing::Gzip),
        "tar+zstd" => (Shape::Tar, Packing::Zstd),
        other => {
            let text = format!("{other:?} is not whole or tar, with +gzip, +zstd or nothing");
            return Err(raise(kitfast_core::Error::invalid(text)));
        }
    })
}

/// A layer in the store.
#[pyclass(frozen, get_all, module = "kitfast._core")]
pub struct PackedLayer {
    digest: String,
    diff_id: String,
    size: u64,
    reused: bool,
}

impl From<store::Packed> for PackedLayer {
    fn from(packed: store::Packed) -> Self {
        Self {
            digest: hex::sha256(&packed.digest),
            diff_id: hex::sha256(&packed.diff_id),
            size: packed.size,
            reused: packed.reused,
        }
    }
}

/// Random access to a blob's bytes.
#[pyclass(frozen, module = "kitfast._core")]
pub struct Blob {
    inner: store::Blob,
    digest: Option<String>,
}

/// A member as Python gets it: name, offset, size, mode, and of a file its digest and the
/// chaining values of its groups.
pub type Listed = (OsString, u64, u64, u32, Option<String>, Vec<u8>);

/// A member, for Python.
pub fn listed(one: store::Listed) -> Listed {
    let name = OsString::from_vec(one.name.as_bytes().to_vec());
    let digest = one.hash.map(|hash| hex::blake3(&hash));
    (name, one.offset, one.size, one.mode, digest, one.groups)
}

#[pymethods]
impl Blob {
    #[staticmethod]
    fn of_source(py: Python<'_>, source: &Bound<'_, LayerSource>) -> PyResult<Self> {
        let source = source.get().0.clone();
        let inner = py
            .detach(|| store::Blob::of_source(source))
            .map_err(raise)?;
        Ok(Self {
            inner,
            digest: None,
        })
    }

    #[getter]
    fn size(&self) -> u64 {
        self.inner.size()
    }

    #[getter]
    fn digest(&self) -> Option<&str> {
        self.digest.as_deref()
    }

    #[pyo3(signature = (meter = None))]
    fn members(&self, py: Python<'_>, meter: Option<&Bound<'_, Meter>>) -> PyResult<Vec<Listed>> {
        let meter = or_new(meter);
        let found = py.detach(|| self.inner.members(&meter)).map_err(raise)?;
        Ok(found.into_iter().map(listed).collect())
    }

    fn read<'py>(
        &self,
        py: Python<'py>,
        offset: u64,
        length: usize,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let of = ("blob", self.inner.size());
        bytes_of(py, of, offset, length, |buffer| {
            self.inner.read(offset, buffer)
        })
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
        py.detach(|| self.inner.send(socket, offset, length, &meter))
            .map_err(raise)
    }
}

/// Makes bytes of what `read` fills in; `of` says what of, and how much there is of it.
pub fn bytes_of<'py>(
    py: Python<'py>,
    of: (&str, u64),
    offset: u64,
    length: usize,
    read: impl Fn(&mut [u8]) -> kitfast_core::Result<()> + Sync,
) -> PyResult<Bound<'py, PyBytes>> {
    // Checked before a buffer of that length is made.
    let end = offset.checked_add(length as u64);
    if end.is_none_or(|end| end > of.1) {
        let text = format!("{length} bytes at {offset} are not inside the {}", of.0);
        return Err(raise(kitfast_core::Error::invalid(text)));
    }
    PyBytes::new_with(py, length, |buffer| {
        py.detach(|| read(buffer)).map_err(raise)
    })
}

/// The local store.
#[pyclass(frozen, module = "kitfast._core")]
pub struct Store(pub store::Store);

#[pymethods]
impl Store {
    #[new]
    fn new(py: Python<'_>, home: PathBuf) -> PyResult<Self> {
        py.detach(|| store::Store::open(&home))
            .map(Self)
            .map_err(raise)
    }

    #[pyo3(signature = (layers, meter = None, cache = true))]
    fn pack(
        &self,
        py: Python<'_>,
        layers: Vec<Bound<'_, LayerSource>>,
        meter: Option<&Bound<'_, Meter>>,
        cache: bool,
    ) -> PyResult<Vec<PackedLayer>> {
        let meter = or_new(meter);
        let layers: Vec<_> = layers.iter().map(|layer| layer.get().0.clone()).collect();
        let packed = py.detach(|| self.0.pack(layers, cache, &meter));
        Ok(packed.map_err(raise)?.into_iter().map(Into::into).collect())
    }

    fn size(&self, py: Python<'_>, digest: &str) -> PyResult<Option<u64>> {
        let digest = hex::parse_sha256(digest).map_err(raise)?;
        py.detach(|| self.0.size(&digest)).map_err(raise)
    }

    fn blob(&self, py: Python<'_>, digest: &str) -> PyResult<Blob> {
        let bytes = hex::parse_sha256(digest).map_err(raise)?;
        let inner = py.detach(|| self.0.blob(&bytes)).map_err(raise)?;
        Ok(Blob {
            inner,
            digest: Some(digest.to_owned()),
        })
    }

    fn content(&self, py: Python<'_>, digest: &str, size: u64) -> PyResult<Option<Blob>> {
        let hash = hex::parse_blake3(digest).map_err(raise)?;
        let found = py.detach(|| self.0.content(&hash, size)).map_err(raise)?;
        Ok(found.map(|inner| Blob {
            inner,
            digest: None,
        }))
    }

    fn put(&self, py: Python<'_>, data: &[u8]) -> PyResult<String> {
        let digest = py.detach(|| self.0.put(data)).map_err(raise)?;
        Ok(hex::sha256(&digest))
    }

    #[pyo3(signature = (path, digest, meter = None))]
    fn take(
        &self,
        py: Python<'_>,
        path: PathBuf,
        digest: &str,
        meter: Option<&Bound<'_, Meter>>,
    ) -> PyResult<u64> {
        let digest = hex::parse_sha256(digest).map_err(raise)?;
        let meter = or_new(meter);
        py.detach(|| self.0.take(&path, &digest, &meter))
            .map_err(raise)
    }

    #[pyo3(signature = (
        digest, shape, target, name = None, mode = 0o644, link = false, meter = None
    ))]
    #[expect(clippy::too_many_arguments)] // Python names them
    fn unpack(
        &self,
        py: Python<'_>,
        digest: &str,
        shape: &str,
        target: &Bound<'_, Target>,
        name: Option<OsString>,
        mode: u32,
        link: bool,
        meter: Option<&Bound<'_, Meter>>,
    ) -> PyResult<()> {
        let digest = hex::parse_sha256(digest).map_err(raise)?;
        let (shape, packing) = parse_shape(shape)?;
        let name = name.map(|name| Name::check(name.as_bytes())).transpose();
        let wish = Wish {
            shape,
            packing,
            file: name.map_err(raise)?.map(|name| (name, mode)),
            link,
        };
        let (meter, target) = (or_new(meter), target.get().0.clone());
        py.detach(|| self.0.unpack(&digest, &wish, &target, &meter))
            .map_err(raise)
    }

    #[pyo3(signature = (digest, meter = None))]
    fn verify(
        &self,
        py: Python<'_>,
        digest: &str,
        meter: Option<&Bound<'_, Meter>>,
    ) -> PyResult<()> {
        let digest = hex::parse_sha256(digest).map_err(raise)?;
        let meter = or_new(meter);
        py.detach(|| self.0.verify(&digest, &meter)).map_err(raise)
    }

    #[pyo3(signature = (digests, meter = None))]
    fn verify_all(
        &self,
        py: Python<'_>,
        digests: Vec<String>,
        meter: Option<&Bound<'_, Meter>>,
    ) -> PyResult<Vec<(String, String)>> {
        let digests = parse_all(&digests)?;
        let meter = or_new(meter);
        let damaged = py.detach(|| self.0.verify_all(&digests, &meter));
        let told = |(digest, error): ([u8; 32], kitfast_core::Error)| {
            (hex::sha256(&digest), error.to_string())
        };
        Ok(damaged.map_err(raise)?.into_iter().map(told).collect())
    }

    fn digests(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        let digests = py.detach(|| self.0.digests()).map_err(raise)?;
        Ok(digests.iter().map(hex::sha256).collect())
    }

    fn remove(&self, py: Python<'_>, digest: &str) -> PyResult<()> {
        let digest = hex::parse_sha256(digest).map_err(raise)?;
        py.detach(|| self.0.remove(&digest)).map_err(raise)
    }

    /// `keep` is called, when it can be, once no other process is building a blob.
    #[pyo3(signature = (keep, meter = None))]
    fn prune(
        &self,
        py: Python<'_>,
        keep: &Bound<'_, PyAny>,
        meter: Option<&Bound<'_, Meter>>,
    ) -> PyResult<u64> {
        let meter = or_new(meter);
        let pruning = py.detach(|| self.0.begin_prune(&meter)).map_err(raise)?;
        let keep: Vec<String> = match keep.is_callable() {
            true => keep.call0()?.extract()?,
            false => keep.extract()?,
        };
        let keep = parse_all(&keep)?;
        py.detach(|| pruning.run(&keep, &meter)).map_err(raise)
    }

    fn hold(&self, py: Python<'_>) -> PyResult<Hold> {
        let hold = py.detach(|| store::Hold::shared(self.0.home()));
        Ok(Hold(Mutex::new(Some(hold.map_err(raise)?))))
    }
}

/// Keeps prunes of other calls and processes waiting.
#[pyclass(frozen, module = "kitfast._core")]
pub struct Hold(Mutex<Option<store::Hold>>);

#[pymethods]
impl Hold {
    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __exit__(
        &self,
        _kind: &Bound<'_, PyAny>,
        _error: &Bound<'_, PyAny>,
        _trace: &Bound<'_, PyAny>,
    ) {
        self.release();
    }

    fn release(&self) {
        drop(self.0.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

fn parse_all(digests: &[String]) -> PyResult<Vec<[u8; 32]>> {
    let parsed = digests.iter().map(|digest| hex::parse_sha256(digest));
    parsed.collect::<Result<_, _>>().map_err(raise)
}
