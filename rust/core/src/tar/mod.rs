//! Tar: header bytes as Go's `archive/tar` writes, and a reader that trusts none.

pub mod encode;
