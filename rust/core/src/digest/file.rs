//! The SHA-256 or BLAKE3 of a file or a range of it, read once, in order.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::sha256::Hasher;
use crate::{Error, Meter, Result};

/// Bytes read at a time: fits the second-level cache, so the hash finds them warm.
const BUFFER: usize = 256 << 10;

/// The SHA-256 of `length` bytes of a file from `start`; up to the file's end without `length`.
///
/// Counts bytes on `meter` and stops when it is cancelled. Fails with [`Error::Invalid`] when
/// the range is not inside the file, with [`Error::Changed`] when the file shrinks meanwhile.
pub fn sha256(path: &Path, start: u64, length: Option<u64>, meter: &Meter) -> Result<[u8; 32]> {
    let mut hasher = Hasher::new();
    Range::open(path, start, length)?.read_all(meter, |bytes| hasher.update(bytes))?;
    Ok(hasher.finish())
}

/// The BLAKE3 of `length` bytes of a file from `start`, under the terms of [`sha256`].
pub fn blake3(path: &Path, start: u64, length: Option<u64>, meter: &Meter) -> Result<[u8; 32]> {
    let mut hasher = blake3::Hasher::new();
    Range::open(path, start, length)?.read_all(meter, |bytes| {
        hasher.update(bytes);
    })?;
    Ok(hasher.finalize().into())
}

/// The BLAKE3 of bytes in memory.
pub fn blake3_of(data: &[u8]) -> [u8; 32] {
    blake3::hash(data).into()
}

/// What is still to be read of a part of an open file, known to have been inside it.
pub(super) struct Range {
    file: File,
    path: PathBuf,
    at: u64,
    end: u64,
}

impl Range {
    pub(super) fn open(path: &Path, start: u64, length: Option<u64>) -> Result<Self> {
        // Before opening: opening a pipe would wait for its writer.
        let found = std::fs::metadata(path).map_err(|error| Error::io(path, error))?;
        let refuse = |why| Error::invalid(format!("{}: {why}", path.display()));
        if !found.is_file() {
            return Err(refuse("not a regular file"));
        }
        let file = File::open(path).map_err(|error| Error::io(path, error))?;
        let size = file
            .metadata()
            .map_err(|error| Error::io(path, error))?
            .len();
        let end = match length {
            Some(length) => start.checked_add(length),
            None => Some(size.max(start)),
        };
        match end {
            Some(end) if end <= size => Ok(Self {
                file,
                path: path.to_path_buf(),
                at: start,
                end,
            }),
            _ => Err(refuse("the range is not inside the file")),
        }
    }

    /// Reads on into `buffer`; 0 bytes only at the range's end.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let want = buffer.len().min((self.end - self.at) as usize);
        loop {
            match self.file.read_at(&mut buffer[..want], self.at) {
                Ok(0) if want > 0 => {
                    let path = self.path.clone();
                    return Err(Error::Changed { path });
                }
                Ok(count) => {
                    self.at += count as u64;
                    return Ok(count);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::io(&self.path, error)),
            }
        }
    }

    fn read_all(mut self, meter: &Meter, mut take: impl FnMut(&[u8])) -> Result<()> {
        let mut buffer = vec![0; BUFFER.min((self.end - self.at) as usize)];
        meter.check()?;
        loop {
            match self.read(&mut buffer)? {
                0 => return Ok(()),
                count => {
                    take(&buffer[..count]);
                    meter.advance(count as u64)?;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::sha256;

    fn sample(name: &str, data: &[u8]) -> PathBuf {
        let path = std::env::temp_dir().join(format!("kitfast-{name}-{}", std::process::id()));
        std::fs::write(&path, data).unwrap();
        path
    }

    #[test]
    fn whole_files_and_ranges() {
        let data: Vec<u8> = (0..700_001).map(|index: usize| (index * 7) as u8).collect();
        let path = sample("ranges", &data);
        for (start, length) in [
            (0, None),
            (9, None),
            (700_001, None),
            (5, Some(600_000)),
            (3, Some(0)),
        ] {
            let end = length.map_or(data.len(), |length| start + length);
            let meter = Meter::default();
            let bytes = length.map(|length| length as u64);
            let expected = &data[start..end];
            assert_eq!(
                super::sha256(&path, start as u64, bytes, &meter).unwrap(),
                sha256::hash(expected)
            );
            assert_eq!(meter.done(), expected.len() as u64);
            assert_eq!(
                super::blake3(&path, start as u64, bytes, &meter).unwrap(),
                *::blake3::hash(expected).as_bytes()
            );
        }
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn ranges_outside_cancels_and_folders_are_errors() {
        let path = sample("outside", b"0123456789");
        let meter = Meter::default();
        for (start, length) in [
            (11, None),
            (0, Some(11)),
            (10, Some(1)),
            (1, Some(u64::MAX)),
        ] {
            let outcome = super::sha256(&path, start, length, &meter);
            assert!(
                matches!(outcome, Err(Error::Invalid { .. })),
                "{start} {length:?}"
            );
        }
        let folder = std::env::temp_dir();
        assert!(matches!(
            super::blake3(&folder, 0, None, &meter),
            Err(Error::Invalid { .. })
        ));
        meter.cancel();
        assert!(matches!(
            super::sha256(&path, 0, None, &meter),
            Err(Error::Cancelled)
        ));
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(
            super::sha256(&path, 0, None, &meter),
            Err(Error::Io { .. })
        ));
    }
}
