//! Digests: SHA-256 names blobs, BLAKE3 names contents.

pub mod blake3_tree;
pub mod buffer;
pub mod feed;
pub mod file;
pub mod files;
pub mod groups;
pub mod hex;
mod job;
pub mod lanes;
#[cfg(target_arch = "aarch64")]
mod lanes_arm;
#[cfg(target_arch = "x86_64")]
mod lanes_x86;
mod pair;
pub mod pool;
mod queue;
pub mod sha256;
mod track;
mod worker;
