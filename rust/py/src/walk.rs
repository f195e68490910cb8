//! Walking over a tar's headers, as Python sees it.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::sync::{Mutex, PoisonError};

use kitfast_core::Error;
use kitfast_core::tar::{Admitted, Guard, Step, Walk};
use pyo3::prelude::*;

use crate::errors::raise;

/// Finds the members of a tar by hopping from header to header.
#[pyclass(frozen, module = "kitfast._core")]
pub struct TarWalk(Mutex<(Walk, Guard)>);

/// What a step found: "need", "member", "folder" or "end"; its name, offset, length
/// and mode.
type Found = (&'static str, OsString, u64, u64, u32);

#[pymethods]
impl TarWalk {
    #[new]
    fn new(size: u64) -> Self {
        Self(Mutex::new((Walk::new(size), Guard::new(false))))
    }

    fn step(&self, offset: u64, data: &[u8]) -> PyResult<Found> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (walk, guard) = &mut *state;
        let found = walk.step(|at, room| {
            let held = at
                .checked_sub(offset)
                .and_then(|skip| usize::try_from(skip).ok())
                .and_then(|skip| data.get(skip..skip.checked_add(room.len())?));
            let Some(bytes) = held else {
                return Ok(false);
            };
            room.copy_from_slice(bytes);
            Ok(true)
        });
        let told = found.and_then(|step| match step {
            Step::Need(at, length) => Ok(("need", Vec::new(), at, length, 0)),
            Step::End(at) => Ok(("end", Vec::new(), at, 0, 0)),
            Step::Member(member) => match guard.admit(&member)? {
                Admitted::File(name) => Ok((
                    "member",
                    name.as_bytes().to_vec(),
                    member.body,
                    member.size,
                    member.mode,
                )),
                Admitted::Directory(name) => {
                    let name = name.as_bytes().to_vec();
                    Ok(("folder", name, member.body, 0, member.mode))
                }
            },
        });
        let (kind, name, at, length, mode) = told.map_err(|error: Error| raise(error))?;
        Ok((kind, OsString::from_vec(name), at, length, mode))
    }
}
