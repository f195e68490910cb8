//! One enum for all that can go wrong; each variant is one Python exception.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// The result of every fallible call of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong, with what is needed to say where.
#[derive(Debug)]
pub enum Error {
    /// The operating system refused an operation on `path`.
    Io {
        /// The file or folder the call was about.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
    /// A connection broke.
    Connection {
        /// What the system answered.
        source: io::Error,
    },
    /// The disk, or a quota on it, is full.
    NoSpace {
        /// The file that could not grow.
        path: PathBuf,
    },
    /// Bytes do not have the digest they were promised to have.
    DigestMismatch {
        /// What was hashed: a blob's digest or a file's path.
        what: String,
        /// The digest that was promised.
        expected: String,
        /// The digest the bytes have.
        actual: String,
    },
    /// Stored or received data is not what its format says.
    Corrupt {
        /// The file, blob or member at fault.
        what: String,
        /// What is wrong with it.
        why: String,
    },
    /// A tar member that must not be written: it escapes, collides or is no file or directory.
    UnsafeMember {
        /// The member's name as far as it can be printed.
        name: String,
        /// Why it is refused.
        why: String,
    },
    /// A blob or content the store does not hold.
    NotFound {
        /// What was asked for.
        what: String,
    },
    /// A file that is already there and must not be replaced.
    Exists {
        /// Where it stands.
        path: PathBuf,
    },
    /// A file that changed while it was read.
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// Somebody else is at it: another process, or another call of this one.
    Busy {
        /// What they hold.
        what: String,
    },
    /// The meter was cancelled.
    Cancelled,
    /// A caller's mistake: an argument outside its contract.
    Invalid {
        /// What is wrong with it.
        why: String,
    },
    /// A fault of kitfast itself: a panic, or a promise between its parts that was broken.
    Internal {
        /// What went wrong.
        why: String,
    },
}

impl Error {
    /// Wraps an error of the operating system, telling a full disk from the rest.
    pub fn io(path: impl AsRef<Path>, source: io::Error) -> Self {
        let path = path.as_ref().to_path_buf();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::NoSpace { path },
            _ => Self::Io { path, source },
        }
    }

    /// Builds [`Error::Corrupt`].
    pub fn corrupt(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Corrupt {
            what: what.into(),
            why: why.into(),
        }
    }

    /// Builds [`Error::Invalid`].
    pub fn invalid(why: impl Into<String>) -> Self {
        Self::Invalid { why: why.into() }
    }

    /// Builds [`Error::Internal`].
    pub fn internal(why: impl Into<String>) -> Self {
        Self::Internal { why: why.into() }
    }

    /// The same error once more: one fault may have to answer many calls.
    #[must_use]
    pub fn again(&self) -> Self {
        match self {
            Self::Io { path, source } => Self::Io {
                path: path.clone(),
                source: answer_again(source),
            },
            Self::Connection { source } => Self::Connection {
                source: answer_again(source),
            },
            Self::NoSpace { path } => Self::NoSpace { path: path.clone() },
            Self::DigestMismatch {
                what,
                expected,
                actual,
            } => Self::DigestMismatch {
                what: what.clone(),
                expected: expected.clone(),
                actual: actual.clone(),
            },
            Self::Corrupt { what, why } => Self::corrupt(what.clone(), why.clone()),
            Self::UnsafeMember { name, why } => Self::UnsafeMember {
                name: name.clone(),
                why: why.clone(),
            },
            Self::NotFound { what } => Self::NotFound { what: what.clone() },
            Self::Exists { path } => Self::Exists { path: path.clone() },
            Self::Changed { path } => Self::Changed { path: path.clone() },
            Self::Busy { what } => Self::Busy { what: what.clone() },
            Self::Cancelled => Self::Cancelled,
            Self::Invalid { why } => Self::invalid(why.clone()),
            Self::Internal { why } => Self::internal(why.clone()),
        }
    }
}

fn answer_again(source: &io::Error) -> io::Error {
    source.raw_os_error().map_or_else(
        || io::Error::other(source.to_string()),
        io::Error::from_raw_os_error,
    )
}

/// What the system said, without the number that Rust adds: programs find it in the error.
struct Words<'a>(&'a io::Error);

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said = self.0.to_string();
        f.write_str(said.split(" (os error ").next().unwrap_or(&said))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { path, source } => write!(f, "{}: {}", path.display(), Words(source)),
            Self::Connection { source } => write!(f, "the connection: {}", Words(source)),
            Self::NoSpace { path } => write!(f, "{}: no space left on the device", path.display()),
            Self::DigestMismatch {
                what,
                expected,
                actual,
            } => write!(f, "{what}: expected {expected}, but the bytes are {actual}"),
            Self::Corrupt { what, why } => write!(f, "{what}: {why}"),
            Self::UnsafeMember { name, why } => write!(f, "tar member {name:?}: {why}"),
            Self::NotFound { what } => write!(f, "{what}: not in the store"),
            Self::Exists { path } => write!(f, "{}: already exists", path.display()),
            Self::Changed { path } => write!(f, "{}: changed while it was read", path.display()),
            Self::Busy { what } => write!(f, "{what}: somebody else is working on it"),
            Self::Cancelled => f.write_str("cancelled"),
            Self::Invalid { why } | Self::Internal { why } => f.write_str(why),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } | Self::Connection { source } => Some(source),
            _ => None,
        }
    }
}
