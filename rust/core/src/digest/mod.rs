//! Digests: SHA-256 names blobs, BLAKE3 names contents.

pub mod feed;
pub mod sha256;
