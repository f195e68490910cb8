//! What is safely down, and how far it is hashed: enough to go on after a crash.
//!
//! One small file, replaced whole by a rename, numbers little endian:
//! `"KFJ1"` ‖ identity ‖ boot ‖ flags ‖ mark ‖ ranges ‖ strays ‖ BLAKE3 of all before it.

use std::sync::OnceLock;

use super::ranges::RangeSet;
use crate::digest::blake3_tree::TreeState;
use crate::digest::sha256::State;
use crate::{Error, Result};

const MAGIC: &[u8; 4] = b"KFJ1";

/// Where the hashes stood at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mark {
    /// SHA-256 of the blob; its length is the front's position.
    pub sha256: State,
    /// Contents whose BLAKE3 is in the `hashes` file.
    pub hashed: u64,
    /// BLAKE3 of the content after those, where it has begun.
    pub tree: TreeState,
}

/// One snapshot of a landing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Journal {
    /// Which blob, what shape, which sink: see [`super::Plan::identity`].
    pub identity: Vec<u8>,
    /// The kernel's boot id: within one boot the page cache outlives any process.
    pub boot: Vec<u8>,
    /// The digest was right and publishing has begun.
    pub committing: bool,
    /// Extents that have a file of their own.
    pub placed: u64,
    /// Where the hashes stood.
    pub mark: Mark,
    /// What is down.
    pub down: RangeSet,
    /// What of it lies in the spool though its extent has a file by now.
    pub strays: RangeSet,
}

impl Journal {
    /// The journal's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        put_bytes(&mut out, &self.identity);
        put_bytes(&mut out, &self.boot);
        out.push(u8::from(self.committing));
        out.extend(self.placed.to_le_bytes());
        out.extend(self.mark.sha256.to_bytes());
        out.extend(self.mark.hashed.to_le_bytes());
        put_bytes(&mut out, &self.mark.tree.to_bytes());
        put_ranges(&mut out, &self.down);
        put_ranges(&mut out, &self.strays);
        let sum = blake3::hash(&out);
        out.extend(sum.as_bytes());
        out
    }

    /// Reads a journal back; `size` is the blob's.
    ///
    /// # Errors
    /// [`Error::Corrupt`] for anything that [`Journal::encode`] did not write.
    pub fn decode(bytes: &[u8], size: u64) -> Result<Self> {
        let (body, sum) = bytes.split_last_chunk::<32>().ok_or_else(torn)?;
        if blake3::hash(body).as_bytes() != sum {
            return Err(torn());
        }
        let mut rest = body.strip_prefix(MAGIC).ok_or_else(torn)?;
        let input = &mut rest;
        let journal = Self {
            identity: take_bytes(input)?.to_vec(),
            boot: take_bytes(input)?.to_vec(),
            committing: take::<1>(input)? == [1],
            placed: take_number(input)?,
            mark: Mark {
                sha256: State::from_bytes(&take(input)?)?,
                hashed: take_number(input)?,
                tree: TreeState::from_bytes(take_bytes(input)?)?,
            },
            down: take_ranges(input, size)?,
            strays: take_ranges(input, size)?,
        };
        let front = journal.mark.sha256.length;
        if !rest.is_empty() || !journal.down.contains(0..front) {
            return Err(torn());
        }
        Ok(journal)
    }
}

/// This boot of the machine; empty where the system does not tell.
pub fn boot() -> &'static [u8] {
    static BOOT: OnceLock<Vec<u8>> = OnceLock::new();
    BOOT.get_or_init(|| std::fs::read("/proc/sys/kernel/random/boot_id").unwrap_or_default())
}

fn torn() -> Error {
    Error::corrupt("journal", "torn or not written by this version")
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend((bytes.len() as u64).to_le_bytes());
    out.extend(bytes);
}

fn put_ranges(out: &mut Vec<u8>, set: &RangeSet) {
    out.extend((set.len() as u64).to_le_bytes());
    for range in set.iter() {
        out.extend(range.start.to_le_bytes());
        out.extend(range.end.to_le_bytes());
    }
}

fn take<const N: usize>(input: &mut &[u8]) -> Result<[u8; N]> {
    let (head, rest) = input.split_first_chunk::<N>().ok_or_else(torn)?;
    *input = rest;
    Ok(*head)
}

fn take_number(input: &mut &[u8]) -> Result<u64> {
    take(input).map(u64::from_le_bytes)
}

fn take_bytes<'a>(input: &mut &'a [u8]) -> Result<&'a [u8]> {
    let length = usize::try_from(take_number(input)?).map_err(|_| torn())?;
    let (head, rest) = input.split_at_checked(length).ok_or_else(torn)?;
    *input = rest;
    Ok(head)
}

fn take_ranges(input: &mut &[u8], size: u64) -> Result<RangeSet> {
    let mut set = RangeSet::default();
    for _ in 0..take_number(input)? {
        let (start, end) = (take_number(input)?, take_number(input)?);
        if start >= end || end > size {
            return Err(torn());
        }
        set.insert(start..end);
    }
    Ok(set)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn journal() -> Journal {
        let mut journal = Journal {
            identity: b"blob".to_vec(),
            boot: boot().to_vec(),
            placed: 3,
            ..Journal::default()
        };
        journal.mark.sha256.update(&[7; 100]);
        journal.down.insert(0..200);
        journal.down.insert(300..400);
        journal.strays.insert(310..320);
        journal
    }

    #[test]
    fn comes_back_as_it_was() {
        let journal = journal();
        assert_eq!(Journal::decode(&journal.encode(), 400).unwrap(), journal);
        assert!(Journal::decode(&journal.encode(), 399).is_err());
    }

    #[test]
    fn a_torn_one_is_refused() {
        let bytes = journal().encode();
        for cut in 0..bytes.len() {
            assert!(Journal::decode(&bytes[..cut], 400).is_err());
            let mut flipped = bytes.clone();
            flipped[cut] ^= 1;
            assert!(Journal::decode(&flipped, 400).is_err());
        }
    }

    #[test]
    fn a_front_ahead_of_the_bytes_is_refused() {
        let mut journal = journal();
        journal.mark.sha256.update(&[7; 200]);
        assert!(Journal::decode(&journal.encode(), 400).is_err());
    }
}
