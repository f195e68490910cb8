//! Tar: the header bytes Go's `archive/tar` writes, and a hostile-proof reader of any tar.

pub mod encode;
