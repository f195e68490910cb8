//! What a landing receives and where it goes.

use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Arc;

use crate::digest::hex;
use crate::store::INLINE_LIMIT;
use crate::tar::Name;
use crate::target::{Staging, Target};
use crate::{Error, Result};

/// Members of a tar bound for a target get their bytes in place from this size on.
///
/// Smaller ones pass through the spool: a file more costs about what copying this many
/// bytes within the page cache does.
pub const PLACE_LIMIT: u64 = 64 << 10;

/// What the blob's bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// One file, or bytes nobody looks into.
    Whole,
    /// A tar.
    Tar,
    /// A tar, gzip around it.
    TarGzip,
    /// A tar, Zstandard around it.
    TarZstd,
}

/// What the bytes are held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// Their SHA-256, as of every blob.
    Sha256,
    /// Their BLAKE3, as of a file in a tar.
    Blake3,
    /// Nothing: the digest is only a name for them.
    Nothing,
}

/// Where the bytes go.
#[derive(Debug, Clone)]
pub enum Sink {
    /// Contents and a recipe in the store at this folder.
    Store(PathBuf),
    /// Files in a folder; a whole blob becomes the file `name`.
    Target {
        /// The folder.
        target: Arc<Target>,
        /// The file's name, for a whole blob only.
        name: Option<Name>,
        /// The file's permission bits, for a whole blob only.
        mode: u32,
    },
}

/// One blob on its way.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The digest the blob must have.
    pub digest: [u8; 32],
    /// What kind of digest that is.
    pub check: Check,
    /// The bytes it must have.
    pub size: u64,
    /// What its bytes are.
    pub shape: Shape,
    /// Where they go.
    pub sink: Sink,
}

impl Plan {
    /// Checks that shape and sink fit.
    pub(super) fn check(&self) -> Result<()> {
        if i64::try_from(self.size).is_err() {
            return Err(Error::invalid(format!("no blob has {} bytes", self.size)));
        }
        if self.check != Check::Sha256 && self.shape != Shape::Whole {
            return Err(Error::invalid("only SHA-256 names a tar"));
        }
        if self.check == Check::Nothing && matches!(self.sink, Sink::Store(_)) {
            return Err(Error::invalid("the store takes nothing unverified"));
        }
        match (&self.sink, self.shape) {
            (Sink::Store(_), Shape::Whole | Shape::Tar) => Ok(()),
            (Sink::Store(_), _) => Err(Error::invalid("the store keeps compressed blobs whole")),
            (Sink::Target { name: Some(_), .. }, Shape::Whole) => Ok(()),
            (Sink::Target { name: None, .. }, Shape::Whole) => {
                Err(Error::invalid("a whole blob needs the name of its file"))
            }
            (Sink::Target { name: Some(_), .. }, _) => {
                Err(Error::invalid("a tar brings its own names"))
            }
            (Sink::Target { name: None, .. }, _) => Ok(()),
        }
    }

    /// What a journal must say to belong to this plan.
    pub fn identity(&self) -> Vec<u8> {
        let mut identity = self.digest.to_vec();
        identity.extend(self.size.to_le_bytes());
        identity.push(self.shape as u8 | (self.check as u8) << 4);
        match &self.sink {
            Sink::Store(_) => identity.push(0),
            Sink::Target { target, name, .. } => {
                identity.push(1);
                identity.extend(name.iter().flat_map(|name| name.as_bytes()));
                // Of another choice of files, other ones were published.
                if !target.patterns().is_empty() {
                    identity.push(0);
                    identity.extend(target.patterns().identity());
                }
            }
        }
        identity
    }

    /// The blob's digest as people write it.
    pub fn what(&self) -> String {
        match self.check {
            Check::Sha256 => hex::sha256(&self.digest),
            Check::Blake3 => hex::blake3(&self.digest),
            Check::Nothing => hex::unverified(&self.digest),
        }
    }

    /// Whether the front hashes every extent with BLAKE3 beside the blob's SHA-256.
    pub(super) fn needs_trees(&self) -> bool {
        matches!(self.sink, Sink::Store(_)) || self.check == Check::Blake3
    }

    /// Opens the folder of the partial files; `None` while somebody else uses it.
    pub(super) fn staging(&self) -> Result<Option<Staging>> {
        match &self.sink {
            Sink::Store(home) => {
                let folder = home.join("landing");
                std::fs::create_dir_all(&folder).map_err(|error| Error::io(&folder, error))?;
                let parent = crate::target::beneath::open_root(&folder)
                    .map_err(|error| Error::io(&folder, error.into()))?;
                Staging::open(parent.as_fd(), &folder, &self.key())
            }
            Sink::Target { target, .. } => target.staging(&self.key()),
        }
    }

    /// The folder of the partial files if it is there, whoever uses it; to look into it.
    pub(super) fn staged(&self) -> Result<Option<Staging>> {
        match &self.sink {
            Sink::Store(home) => {
                let folder = home.join("landing");
                match crate::target::beneath::open_root(&folder) {
                    Err(rustix::io::Errno::NOENT) => Ok(None),
                    Err(error) => Err(Error::io(&folder, error.into())),
                    Ok(parent) => Staging::look(parent.as_fd(), &folder, &self.key()),
                }
            }
            Sink::Target { target, .. } => target.look_at_staging(&self.key()),
        }
    }

    /// What its staging folder is called.
    pub(super) fn key(&self) -> String {
        if matches!(self.sink, Sink::Store(_)) {
            // A digest of one kind must not reach what is on its way by the other.
            let shape = match (self.shape, self.check) {
                (Shape::Tar, _) => "tar",
                (_, Check::Blake3) => "file",
                _ => "whole",
            };
            return format!("{}-{shape}", hex::encode(&self.digest));
        }
        let tag = blake3::hash(&self.identity());
        let short = hex::encode(&tag.as_bytes()[..8]);
        format!("{}-{short}", hex::encode(&self.digest))
    }

    /// Whether the headers are followed while the bytes arrive.
    pub(super) fn is_mapped(&self) -> bool {
        self.shape == Shape::Tar
    }

    pub(super) fn is_compressed(&self) -> bool {
        matches!(self.shape, Shape::TarGzip | Shape::TarZstd)
    }

    /// Extents from this size on get a file of their own.
    pub(super) fn place_limit(&self) -> u64 {
        match self.sink {
            Sink::Store(_) => INLINE_LIMIT,
            Sink::Target { .. } => PLACE_LIMIT,
        }
    }
}
