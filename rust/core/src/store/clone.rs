//! Stages a content: by link, by clone, or by a copy in the kernel.

use std::fs::File;
use std::os::unix::fs::FileExt;

use rustix::fs::{AtFlags, CWD, copy_file_range, ioctl_ficlone, linkat};
use rustix::io::Errno;

use super::Contents;
use crate::target::Staging;
use crate::{Error, Meter, Result};

/// Bytes copied between two looks at the meter.
const STEP: usize = 1 << 20;

/// Puts a whole content under `name` in the staging folder.
///
/// With `link` the file is the content itself, read only, where the file system allows it.
/// Answers whether it is.
pub(super) fn stage(
    contents: &Contents,
    hash: &[u8; 32],
    size: u64,
    staging: &Staging,
    name: &str,
    link: bool,
    meter: &Meter,
) -> Result<bool> {
    let source = contents.get(hash, size, meter)?;
    if link
        && linkat(
            CWD,
            contents.path(hash),
            staging.folder(),
            name,
            AtFlags::empty(),
        )
        .is_ok()
    {
        meter.advance(size)?;
        return Ok(true);
    }
    let file = staging.create(name, 0)?;
    if ioctl_ficlone(&file, &source).is_ok() {
        meter.advance(size)?;
        return Ok(false);
    }
    let wrap = |error| Error::io(staging.path(name), error);
    let copied = copy_in_kernel(&source, &file, size, meter, &wrap)?;
    copy(&source, &file, copied, size, meter, &wrap)?;
    Ok(false)
}

/// Copies as long as the kernel can do it by itself; answers how far it came.
fn copy_in_kernel(
    source: &File,
    file: &File,
    size: u64,
    meter: &Meter,
    wrap: &impl Fn(std::io::Error) -> Error,
) -> Result<u64> {
    let (mut from, mut to) = (0, 0);
    while from < size {
        match copy_file_range(source, Some(&mut from), file, Some(&mut to), STEP) {
            Ok(0) => break,
            Ok(copied) => meter.advance(copied as u64)?,
            Err(Errno::INTR) => {}
            // Across file systems, or a file system that cannot: nothing is lost.
            Err(Errno::XDEV | Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => break,
            Err(error) => return Err(wrap(error.into())),
        }
    }
    Ok(from)
}

fn copy(
    source: &File,
    file: &File,
    from: u64,
    size: u64,
    meter: &Meter,
    wrap: &impl Fn(std::io::Error) -> Error,
) -> Result<()> {
    let mut buffer = vec![0; if from < size { STEP } else { 0 }];
    let mut at = from;
    while at < size {
        let room = &mut buffer[..STEP.min(usize::try_from(size - at).unwrap_or(STEP))];
        let read = source.read_at(room, at).map_err(wrap)?;
        if read == 0 {
            return Err(Error::corrupt("a content", "it shrank while it was copied"));
        }
        file.write_all_at(&room[..read], at).map_err(wrap)?;
        at += read as u64;
        meter.advance(read as u64)?;
    }
    Ok(())
}
