//! Moves, hashes, packs and places bytes; knows neither Python nor the network.
//!
//! Every module here can be tested, fuzzed and benched without an interpreter.

mod cores;
pub mod digest;
pub mod error;
pub mod landing;
pub mod memory;
pub mod meter;
mod socket;
pub mod store;
pub mod tar;
pub mod target;

use cores::cores;
pub use cores::use_cores;
pub use error::{Error, Result};
pub use meter::Meter;
