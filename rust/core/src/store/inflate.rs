//! Stages what compressed blobs hold, decoded front to back.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;

use super::Blob;
use super::unpack::{BUFFER, Body, Entry, Packing, Unpacking, staged_name};
use crate::tar::guard::{Admitted, Guard};
use crate::tar::reader::Reader;
use crate::{Error, Result};

/// A blob's bytes front to back; its errors travel inside the ones of `io`.
struct Playback<'a> {
    blob: &'a Blob,
    at: u64,
}

impl Read for Playback<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.blob.size() - self.at).unwrap_or(usize::MAX);
        let take = left.min(buffer.len());
        self.blob
            .read(self.at, &mut buffer[..take])
            .map_err(io::Error::other)?;
        self.at += take as u64;
        Ok(take)
    }
}

fn decoder<'a>(blob: &'a Blob, packing: Packing) -> Result<Box<dyn Read + 'a>> {
    let source = BufReader::with_capacity(BUFFER, Playback { blob, at: 0 });
    Ok(match packing {
        Packing::None => Box::new(source),
        Packing::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(source)),
        Packing::Zstd => {
            let decoder = zstd::stream::read::Decoder::with_buffer(source);
            Box::new(decoder.map_err(|error| Error::internal(format!("zstd: {error}")))?)
        }
    })
}

impl Unpacking<'_> {
    /// Decodes a tar and stages its files; how many bytes come is only known at the end.
    pub(super) fn stage_decoded_tar(&self) -> Result<Vec<Entry>> {
        let source = decoder(self.blob, self.wish.packing)?;
        let mut reader = Reader::new(source, "the compressed layer");
        let mut guard = Guard::new(self.target.folds_case());
        let mut entries = Vec::new();
        let mut buffer = vec![0; BUFFER];
        while let Some(member) = reader.next_member()? {
            self.meter.check()?;
            let name = match guard.admit(&member)? {
                Admitted::Directory(name) => {
                    entries.push(Entry {
                        name,
                        mode: member.mode,
                        body: Body::Directory,
                    });
                    continue;
                }
                Admitted::File(name) => name,
            };
            let Some(entry) = self.admit(name, member.mode, Body::Decoded)? else {
                continue;
            };
            self.meter.expect(member.size);
            self.stage_stream(entries.len(), &mut buffer, |room| reader.read_body(room))?;
            entries.push(entry);
        }
        Ok(entries)
    }

    /// Decodes a blob that is one file.
    pub(super) fn stage_decoded_file(&self) -> Result<Vec<Entry>> {
        let (name, mode) = self.file()?;
        let Some(entry) = self.admit(name, mode, Body::Decoded)? else {
            return Ok(Vec::new());
        };
        let mut source = decoder(self.blob, self.wish.packing)?;
        let mut buffer = vec![0; BUFFER];
        self.stage_stream(0, &mut buffer, |room| {
            source.read(room).map_err(|error| match error.downcast() {
                Ok(ours) => ours,
                Err(error) => Error::corrupt(
                    "the compressed layer",
                    format!("cannot be decoded: {error}"),
                ),
            })
        })?;
        Ok(vec![entry])
    }

    fn stage_stream(
        &self,
        index: usize,
        buffer: &mut [u8],
        mut next: impl FnMut(&mut [u8]) -> Result<usize>,
    ) -> Result<()> {
        let name = staged_name(index);
        let file: File = self.staging.create(&name, 0)?;
        let mut at = 0;
        loop {
            let read = next(buffer)?;
            if read == 0 {
                return Ok(());
            }
            file.write_all_at(&buffer[..read], at)
                .map_err(|error| Error::io(self.staging.path(&name), error))?;
            at += read as u64;
            self.meter.advance(read as u64)?;
        }
    }
}
