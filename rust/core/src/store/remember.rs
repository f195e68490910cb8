//! Remembers digests of packed layers, so that unchanged files go unread.
//!
//! An entry `HOME/cache/layers/<key>` stands for one list of members in one state: names,
//! modes, and size, times, inode and device of every file. It holds digest, diff id, size
//! and a checksum. Entries are hints: a layer is only taken over while the store holds it.
//! `<key>.files` beside it holds the digests of the files, where they were wanted.

use std::path::{Path, PathBuf};

use super::groups::Grouped;
use super::source::{Compression, Plan};
use super::{fresh_name, put};
use crate::Result;
use crate::digest::groups::values_length;
use crate::digest::hex;

/// Changes when anything about the key or the bytes of packed layers changes.
const VERSION: &[u8] = b"kitfast layer 2";
const ENTRY: usize = 104;
const FILES: &str = "files";

/// What packing a layer gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known {
    pub digest: [u8; 32],
    pub diff_id: [u8; 32],
    pub size: u64,
}

/// Where what is known of this plan stands, or would.
pub(super) fn path(home: &Path, plan: &Plan) -> PathBuf {
    folder(home).join(hex::encode(&key(plan)))
}

pub(super) fn folder(home: &Path) -> PathBuf {
    home.join("cache/layers")
}

/// What is known of a plan; none when nothing is, or the entry is damaged.
pub(super) fn recall(path: &Path) -> Option<Known> {
    let bytes: [u8; ENTRY] = std::fs::read(path).ok()?.try_into().ok()?;
    if blake3::hash(&bytes[..72]).as_bytes()[..] != bytes[72..] {
        return None;
    }
    Some(Known {
        digest: *bytes.first_chunk()?,
        diff_id: *bytes[32..].first_chunk()?,
        size: u64::from_le_bytes(*bytes[64..].first_chunk()?),
    })
}

/// Writes down what packing gave, unless a file was so fresh that a change may not show.
pub(super) fn remember(path: &Path, plan: &Plan, known: &Known) -> Result<()> {
    if !is_settled(plan) {
        return Ok(());
    }
    let mut bytes = Vec::with_capacity(ENTRY);
    bytes.extend(known.digest);
    bytes.extend(known.diff_id);
    bytes.extend(known.size.to_le_bytes());
    let sum = blake3::hash(&bytes);
    bytes.extend(sum.as_bytes());
    write(path, &bytes)
}

/// The digests of the files of a layer; none when they are not there, or damaged.
pub(super) fn recall_sums(path: &Path, plan: &Plan, digest: &[u8; 32]) -> Option<Vec<Grouped>> {
    let path = path.with_extension(FILES);
    let sizes = || plan.stats.iter().flatten().map(|stat| stat.size);
    let length: u64 = sizes().map(|size| 32 + values_length(size)).sum();
    if std::fs::metadata(&path).ok()?.len() != length + 32 {
        return None;
    }
    let bytes = std::fs::read(&path).ok()?;
    let (mut rest, sum) = bytes.split_last_chunk::<32>()?;
    if checksum(digest, rest) != *sum {
        return None;
    }
    let mut sums = Vec::new();
    for size in sizes() {
        let (hash, behind) = rest.split_first_chunk::<32>()?;
        let (values, behind) = behind.split_at_checked(values_length(size) as usize)?;
        sums.push(Grouped {
            hash: *hash,
            values: values.to_vec(),
        });
        rest = behind;
    }
    Some(sums)
}

/// Writes them down for as long as the layer's entry is believed; as [`remember`].
pub(super) fn remember_sums(
    path: &Path,
    plan: &Plan,
    digest: &[u8; 32],
    sums: &[Grouped],
) -> Result<()> {
    if !is_settled(plan) {
        return Ok(());
    }
    let mut bytes = Vec::new();
    for one in sums {
        bytes.extend(one.hash);
        bytes.extend(&one.values);
    }
    bytes.extend(checksum(digest, &bytes));
    write(&path.with_extension(FILES), &bytes)
}

/// Bound to the layer, whose entry may be written anew without the digests of its files.
fn checksum(digest: &[u8; 32], bytes: &[u8]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_keyed(digest);
    *hasher.update(bytes).finalize().as_bytes()
}

fn is_settled(plan: &Plan) -> bool {
    let mut stats = plan.stats.iter().flatten();
    stats.all(|stat| stat.is_settled(plan.taken))
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = path.parent().expect("an entry has a folder");
    put(&fresh_name(folder), path, bytes)
}

fn key(plan: &Plan) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(VERSION);
    let compression: u8 = match plan.source.compression {
        Compression::None => 0,
        Compression::Gzip => 1,
        Compression::GzipFastest => 2,
        Compression::Zstd => 3,
    };
    hasher.update(&[compression, u8::from(plan.source.raw)]);
    for (member, stat) in plan.source.members.iter().zip(&plan.stats) {
        hasher.update(&(member.name.len() as u64).to_le_bytes());
        hasher.update(&member.name);
        hasher.update(&member.mode.to_le_bytes());
        hasher.update(&[u8::from(stat.is_some())]);
        if let Some(stat) = stat {
            stat.feed(&mut hasher);
        }
    }
    *hasher.finalize().as_bytes()
}
