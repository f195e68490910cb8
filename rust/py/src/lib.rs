//! `kitfast._core`: converts arguments, releases the GIL, maps errors; no logic.

mod departure;
mod digest;
mod errors;
mod landing;
mod memory;
mod meter;
mod squeeze;
mod store;
mod target;
mod walk;

use pyo3::prelude::*;

/// The compiled core of kitfast.
#[pymodule]
fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_function(wrap_pyfunction!(memory::keep_memory, module)?)?;
    module.add_function(wrap_pyfunction!(memory::memory_limit, module)?)?;
    module.add_function(wrap_pyfunction!(memory::use_cores, module)?)?;
    module.add_class::<meter::Meter>()?;
    module.add_class::<target::Patterns>()?;
    module.add_class::<target::Target>()?;
    module.add_class::<walk::TarWalk>()?;
    module.add_class::<landing::Landing>()?;
    module.add_function(wrap_pyfunction!(digest::sha256_file, module)?)?;
    module.add_function(wrap_pyfunction!(digest::sha256_files, module)?)?;
    module.add_function(wrap_pyfunction!(digest::blake3, module)?)?;
    module.add_function(wrap_pyfunction!(digest::blake3_file, module)?)?;
    module.add_class::<digest::Groups>()?;
    module.add_class::<store::LayerSource>()?;
    module.add_class::<store::PackedLayer>()?;
    module.add_class::<store::Blob>()?;
    module.add_class::<departure::Departure>()?;
    module.add_class::<squeeze::Squeeze>()?;
    module.add_class::<store::Store>()?;
    module.add_class::<store::Hold>()?;
    Ok(())
}
