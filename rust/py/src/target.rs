//! The safe target folder, as Python sees it.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::sync::Arc;

use kitfast_core::digest::hex;
use kitfast_core::tar::{Guard, Name};
use kitfast_core::target::{self, Existing};
use pyo3::prelude::*;

use crate::errors::raise;

/// Which names are wanted, without any folder.
#[pyclass(frozen, module = "kitfast._core")]
pub struct Patterns(target::Patterns);

#[pymethods]
impl Patterns {
    #[new]
    #[pyo3(signature = (include = vec![], exclude = vec![]))]
    fn new(include: Vec<String>, exclude: Vec<String>) -> Self {
        Self(target::Patterns { include, exclude })
    }

    #[pyo3(signature = (name, below = false))]
    fn wants(&self, name: OsString, below: bool) -> PyResult<bool> {
        wants(&self.0, &name, below)
    }

    #[staticmethod]
    fn check_names(py: Python<'_>, files: Vec<OsString>, folders: Vec<OsString>) -> PyResult<()> {
        py.detach(|| Guard::check_names(false, &raw(files), &raw(folders)))
            .map_err(raise)
    }
}

fn raw(names: Vec<OsString>) -> Vec<Vec<u8>> {
    names.into_iter().map(OsString::into_vec).collect()
}

fn wants(patterns: &target::Patterns, name: &OsString, below: bool) -> PyResult<bool> {
    let name = Name::check(name.as_bytes()).map_err(raise)?;
    Ok(match below {
        true => patterns.may_want(&name),
        false => patterns.want(&name),
    })
}

/// A folder that unpacked files appear in whole, and that no name leads out of.
#[pyclass(frozen, module = "kitfast._core")]
pub struct Target(pub Arc<target::Target>);

#[pymethods]
impl Target {
    #[new]
    #[pyo3(signature = (root, existing = "refuse", include = vec![], exclude = vec![]))]
    fn new(
        py: Python<'_>,
        root: PathBuf,
        existing: &str,
        include: Vec<String>,
        exclude: Vec<String>,
    ) -> PyResult<Self> {
        let patterns = target::Patterns { include, exclude };
        let existing = match existing {
            "refuse" => Existing::Refuse,
            "overwrite" => Existing::Overwrite,
            "keep" => Existing::Keep,
            other => {
                let why = format!("existing is refuse, overwrite or keep, not {other:?}");
                return Err(raise(kitfast_core::Error::invalid(why)));
            }
        };
        let opened = py.detach(|| target::Target::open_for(&root, existing, patterns));
        Ok(Self(Arc::new(opened.map_err(raise)?)))
    }

    #[pyo3(signature = (name, data, mode = 0o644))]
    fn put(&self, py: Python<'_>, name: OsString, data: &[u8], mode: u32) -> PyResult<bool> {
        py.detach(|| {
            let name = Name::check(name.as_bytes())?;
            self.0.put(&name, data, mode)
        })
        .map_err(raise)
    }

    fn folder(&self, py: Python<'_>, name: OsString, mode: u32) -> PyResult<()> {
        py.detach(|| {
            let name = Name::check(name.as_bytes())?;
            self.0.directory(&name, mode)
        })
        .map_err(raise)
    }

    #[pyo3(signature = (name, below = false))]
    fn wants(&self, name: OsString, below: bool) -> PyResult<bool> {
        wants(self.0.patterns(), &name, below)
    }

    fn check_names(
        &self,
        py: Python<'_>,
        files: Vec<OsString>,
        folders: Vec<OsString>,
    ) -> PyResult<()> {
        py.detach(|| self.0.check_names(&raw(files), &raw(folders)))
            .map_err(raise)
    }

    fn check_folder(&self, py: Python<'_>, name: OsString) -> PyResult<()> {
        py.detach(|| {
            let name = Name::check(name.as_bytes())?;
            self.0.check_directory(&name)
        })
        .map_err(raise)
    }

    fn would_write(&self, py: Python<'_>, name: OsString) -> PyResult<bool> {
        py.detach(|| {
            let name = Name::check(name.as_bytes())?;
            Ok(self.0.fate(&name)? == target::Fate::Write)
        })
        .map_err(raise)
    }

    fn size_of(&self, py: Python<'_>, name: OsString) -> PyResult<Option<u64>> {
        py.detach(|| {
            let name = Name::check(name.as_bytes())?;
            Ok(self.0.stamp(&name)?.as_ref().map(target::stamp::size))
        })
        .map_err(raise)
    }

    fn rank(&self, layer: &str) -> PyResult<()> {
        self.0.rank(&hex::parse_sha256(layer).map_err(raise)?);
        Ok(())
    }

    fn count_kept(&self, files: u64) {
        self.0.count_kept(files);
    }

    fn abandon(&self, py: Python<'_>) -> PyResult<()> {
        py.detach(|| self.0.abandon()).map_err(raise)
    }

    fn free_space(&self, py: Python<'_>) -> PyResult<u64> {
        py.detach(|| self.0.free_space()).map_err(raise)
    }

    fn remember(&self) {
        self.0.remember();
    }

    fn remembered(&self) -> Vec<OsString> {
        let named = |name: &Name| name.as_path().as_os_str().to_owned();
        self.0.remembered().iter().map(named).collect()
    }

    fn settle(&self, py: Python<'_>) -> PyResult<()> {
        py.detach(|| self.0.settle()).map_err(raise)
    }

    fn finish(&self, py: Python<'_>) -> PyResult<()> {
        py.detach(|| self.0.finish()).map_err(raise)
    }

    #[getter]
    fn files(&self) -> u64 {
        self.0.files()
    }

    #[getter]
    fn bytes(&self) -> u64 {
        self.0.bytes()
    }

    #[getter]
    fn kept(&self) -> u64 {
        self.0.kept()
    }
}
