//! Digests: SHA-256 names blobs, BLAKE3 names contents.

pub mod blake3_tree;
pub mod feed;
pub mod file;
pub mod hex;
pub mod pool;
pub mod sha256;
