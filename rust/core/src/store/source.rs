//! What a layer is made of, and the state its files must keep.

use std::fs::{File, Metadata, OpenOptions};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::tar::encode::{self, Kind};
use crate::{Error, Result};

/// Two writes within this span may leave the same times behind: the coarsest file systems
/// in use count in steps of two seconds. (git calls such index entries racy.)
const COARSEST_CLOCK: Duration = Duration::from_secs(2);

/// How a layer's bytes are stored and sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// As they are.
    None,
    /// gzip at the usual level 6.
    Gzip,
    /// gzip at its fastest level.
    GzipFastest,
    /// Zstandard at its usual level 3.
    Zstd,
}

/// A file or directory of a layer.
#[derive(Debug, Clone)]
pub struct Member {
    /// Its name in the tar: relative, with `/` between the parts.
    pub name: Vec<u8>,
    /// The file its bytes come from; none for a directory.
    pub source: Option<PathBuf>,
    /// Permissions, setuid, setgid and sticky.
    pub mode: u32,
}

/// What one layer is made of.
#[derive(Debug, Clone)]
pub struct LayerSource {
    /// The members in the order of the tar.
    pub members: Vec<Member>,
    /// How the layer is compressed.
    pub compression: Compression,
    /// The layer is its only member's bytes, without a tar around them.
    pub raw: bool,
}

/// What tells one state of a file from another without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stat {
    pub size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
    inode: u64,
    device: u64,
}

impl Stat {
    pub fn of(meta: &Metadata) -> Self {
        Self {
            size: meta.len(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
            inode: meta.ino(),
            device: meta.dev(),
        }
    }

    /// Whether any later write to the file must show in its times.
    pub fn is_settled(&self, now: SystemTime) -> bool {
        let settled = |(seconds, nanos): (i64, i64)| {
            let (Ok(seconds), Ok(nanos)) = (u64::try_from(seconds), u32::try_from(nanos)) else {
                return seconds < 0;
            };
            let time = UNIX_EPOCH + Duration::new(seconds, nanos);
            now.duration_since(time)
                .is_ok_and(|age| age > COARSEST_CLOCK)
        };
        settled(self.modified) && settled(self.changed)
    }

    /// All of it, for a key of the cache.
    pub fn feed(&self, hasher: &mut blake3::Hasher) {
        let (modified, changed) = (self.modified, self.changed);
        for value in [modified.0, modified.1, changed.0, changed.1] {
            hasher.update(&value.to_le_bytes());
        }
        for value in [self.size, self.inode, self.device] {
            hasher.update(&value.to_le_bytes());
        }
    }
}

/// A layer's source with the state of every file, taken before any is read.
#[derive(Debug)]
pub(super) struct Plan {
    pub source: LayerSource,
    pub stats: Vec<Option<Stat>>,
    /// Bytes of all the files.
    pub file_bytes: u64,
    /// When the states were taken.
    pub taken: SystemTime,
}

impl Plan {
    pub fn of(source: LayerSource) -> Result<Self> {
        if source.raw && (source.members.len() != 1 || source.members[0].source.is_none()) {
            return Err(Error::invalid("a raw layer is exactly one file"));
        }
        let taken = SystemTime::now();
        let stats: Vec<_> = source.members.iter().map(stat).collect::<Result<_>>()?;
        let file_bytes = stats.iter().flatten().map(|stat| stat.size).sum();
        Ok(Self {
            source,
            stats,
            file_bytes,
            taken,
        })
    }

    /// The bytes in front of a member's body.
    pub fn header(&self, index: usize) -> Result<Vec<u8>> {
        let member = &self.source.members[index];
        let kind = match self.stats[index] {
            Some(stat) => Kind::File(stat.size),
            None => Kind::Directory,
        };
        encode::header(&member.name, kind, member.mode)
    }

    /// Opens a member's file, which must still be as it was.
    pub fn open(&self, index: usize) -> Result<Option<(File, &Path, Stat)>> {
        let (Some(path), Some(stat)) = (&self.source.members[index].source, self.stats[index])
        else {
            return Ok(None);
        };
        let file = open(path)?;
        unchanged(&file, path, &stat)?;
        Ok(Some((file, path, stat)))
    }
}

/// Fails with `Changed` when the file is no longer in the state it was in.
pub(super) fn unchanged(file: &File, path: &Path, stat: &Stat) -> Result<()> {
    let meta = file.metadata().map_err(|error| Error::io(path, error))?;
    if Stat::of(&meta) == *stat {
        return Ok(());
    }
    Err(Error::Changed {
        path: path.to_path_buf(),
    })
}

fn stat(member: &Member) -> Result<Option<Stat>> {
    let Some(path) = &member.source else {
        return Ok(None);
    };
    let meta = std::fs::metadata(path).map_err(|error| Error::io(path, error))?;
    if !meta.is_file() {
        let text = format!("{} is not a regular file", path.display());
        return Err(Error::invalid(text));
    }
    Ok(Some(Stat::of(&meta)))
}

/// Opens without waiting for the other end of a pipe that took the file's place.
fn open(path: &Path) -> Result<File> {
    let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
    OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)
        .map_err(|error| Error::io(path, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file_member(path: &Path) -> Member {
        Member {
            name: b"m".to_vec(),
            source: Some(path.to_path_buf()),
            mode: 0o644,
        }
    }

    fn plan(members: Vec<Member>, raw: bool) -> Result<Plan> {
        Plan::of(LayerSource {
            members,
            compression: Compression::None,
            raw,
        })
    }

    #[test]
    fn a_changed_or_replaced_file_is_not_opened() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        std::fs::write(&path, b"one").unwrap();
        let plan = plan(vec![file_member(&path)], false).unwrap();
        assert!(plan.open(0).unwrap().is_some());
        std::fs::rename(&path, folder.path().join("old")).unwrap();
        std::fs::write(&path, b"two").unwrap();
        assert!(matches!(plan.open(0), Err(Error::Changed { .. })));
    }

    #[test]
    fn only_one_file_is_raw_and_only_files_are_read() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(plan(vec![], true), Err(Error::Invalid { .. })));
        let directory = file_member(folder.path());
        let refused = plan(vec![directory], false);
        assert!(matches!(refused, Err(Error::Invalid { .. })));
        let missing = plan(vec![file_member(&folder.path().join("no"))], false);
        assert!(matches!(missing, Err(Error::Io { .. })));
    }

    #[test]
    fn fresh_files_are_not_settled() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        std::fs::write(&path, b"one").unwrap();
        let stat = Stat::of(&std::fs::metadata(&path).unwrap());
        let now = SystemTime::now();
        assert!(!stat.is_settled(now));
        assert!(!stat.is_settled(now - Duration::from_secs(60)));
        assert!(stat.is_settled(now + Duration::from_secs(3)));
    }
}
