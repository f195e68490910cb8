//! The meter, as Python sees it.

use std::sync::Arc;
use std::time::Duration;

use kitfast_core::Error;
use pyo3::prelude::*;

use crate::errors::raise;

/// Bytes done and total of a running call, and the flag that cancels it.
#[pyclass(frozen, module = "kitfast._core")]
#[derive(Default)]
pub struct Meter(pub Arc<kitfast_core::Meter>);

#[pymethods]
impl Meter {
    #[new]
    #[pyo3(signature = (total = 0))]
    fn new(total: u64) -> Self {
        Self(Arc::new(kitfast_core::Meter::new(total)))
    }

    #[getter]
    fn done(&self) -> u64 {
        self.0.done()
    }

    #[getter]
    fn total(&self) -> u64 {
        self.0.total()
    }

    #[getter]
    fn cancelled(&self) -> bool {
        self.0.is_cancelled()
    }

    #[getter]
    fn waiting(&self) -> f64 {
        self.0.waiting().as_secs_f64()
    }

    #[getter]
    fn writing(&self) -> f64 {
        self.0.writing().as_secs_f64()
    }

    fn add(&self, bytes: u64) {
        self.0.add(bytes);
    }

    fn expect(&self, bytes: u64) {
        self.0.expect(bytes);
    }

    fn waited(&self, seconds: f64) -> PyResult<()> {
        time(seconds).map(|time| self.0.waited(time))
    }

    fn wrote(&self, seconds: f64) -> PyResult<()> {
        time(seconds).map(|time| self.0.wrote(time))
    }

    fn cancel(&self) {
        self.0.cancel();
    }
}

fn time(seconds: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(seconds)
        .map_err(|_| raise(Error::invalid(format!("{seconds} seconds is no time"))))
}

/// The meter a call was given, or a fresh one nobody watches.
pub fn or_new(meter: Option<&Bound<'_, Meter>>) -> Arc<kitfast_core::Meter> {
    meter.map_or_else(Arc::default, |meter| meter.get().0.clone())
}
