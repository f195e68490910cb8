//! Tar: header bytes as Go's `archive/tar` writes, and a reader that trusts none.

pub mod decode;
pub mod encode;
pub mod guard;
pub mod parser;
pub mod reader;
pub mod walk;

pub use guard::{Admitted, Guard, Name};
pub use parser::Member;
pub use reader::Reader;
pub use walk::{Step, Walk};
