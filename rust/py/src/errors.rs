//! Maps every error of the core to its Python exception: one match, no catch-all.

use kitfast_core::Error;
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// Turns a core error into the exception of `kitfast.errors` that stands for it.
pub fn raise(error: Error) -> PyErr {
    Python::attach(|py| build(py, error).unwrap_or_else(|failure| failure))
}

fn build(py: Python<'_>, error: Error) -> PyResult<PyErr> {
    let fields = PyDict::new(py);
    let message = error.to_string();
    let name = match &error {
        Error::Io { path, source } => {
            fields.set_item("path", path)?;
            fields.set_item("errno", source.raw_os_error())?;
            "FileError"
        }
        Error::Connection { source } => {
            fields.set_item("errno", source.raw_os_error())?;
            "ConnectionFailed"
        }
        Error::NoSpace { path } => {
            fields.set_item("path", path)?;
            "NoSpace"
        }
        Error::DigestMismatch {
            what,
            expected,
            actual,
        } => {
            fields.set_item("what", what)?;
            fields.set_item("expected", expected)?;
            fields.set_item("actual", actual)?;
            "DigestMismatch"
        }
        Error::Corrupt { what, .. } => {
            fields.set_item("what", what)?;
            "Corrupt"
        }
        Error::UnsafeMember { name, .. } => {
            fields.set_item("what", name)?;
            "UnsafeMember"
        }
        Error::NotFound { what } => {
            fields.set_item("what", what)?;
            "NotFound"
        }
        Error::Exists { path } => {
            fields.set_item("path", path)?;
            "AlreadyExists"
        }
        Error::Changed { path } => {
            fields.set_item("path", path)?;
            "SourceChanged"
        }
        Error::Busy { what } => {
            fields.set_item("what", what)?;
            "Busy"
        }
        Error::Cancelled => "Cancelled",
        Error::Invalid { .. } => "InvalidArgument",
        Error::Internal { .. } => "InternalError",
    };
    let class = py.import("kitfast.errors")?.getattr(name)?;
    Ok(PyErr::from_value(class.call((message,), Some(&fields))?))
}
