//! Writes to a socket that somebody else reads from, as fast as it takes bytes.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{SendFlags, send};

use super::Blob;
use crate::{Error, Meter, Result};

/// Bytes read and sent at a time: they stay in the core's own cache in between.
const BUFFER: usize = 256 << 10;

/// How often a full socket is left to look at the meter.
const LOOK: Duration = Duration::from_millis(50);

impl Blob {
    /// Writes `length` bytes from `offset` on to a stream socket, in either blocking mode.
    ///
    /// The meter counts bytes as the socket takes them, and tells how long it was full and
    /// how long the reads took.
    ///
    /// # Errors
    /// [`Error::Io`] when the connection breaks, [`Error::Cancelled`] soon after the meter
    /// is, and what [`Blob::read`] fails with.
    pub fn send(
        &self,
        socket: BorrowedFd<'_>,
        offset: u64,
        length: u64,
        meter: &Meter,
    ) -> Result<()> {
        self.check(offset, length)?;
        let mut buffer = vec![0; BUFFER.min(usize::try_from(length).unwrap_or(BUFFER))];
        let mut done = 0;
        while done < length {
            meter.check()?;
            let most = usize::try_from(length - done).unwrap_or(BUFFER).min(BUFFER);
            let begun = Instant::now();
            self.read(offset + done, &mut buffer[..most])?;
            meter.wrote(begun.elapsed());
            send_all(socket, &buffer[..most], meter)?;
            done += most as u64;
        }
        Ok(())
    }
}

/// Sends all of `bytes`, waiting for room as long as the meter lets it.
fn send_all(socket: BorrowedFd<'_>, bytes: &[u8], meter: &Meter) -> Result<()> {
    let mut done = 0;
    while done < bytes.len() {
        match send_some(socket, &bytes[done..])? {
            0 => wait(socket, meter)?,
            count => {
                meter.add(count as u64);
                done += count;
            }
        }
    }
    Ok(())
}

/// Sends what the socket takes at once; 0 when it is full.
pub(super) fn send_some(socket: impl AsFd, bytes: &[u8]) -> Result<usize> {
    loop {
        match send(&socket, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
            Ok(count) => return Ok(count),
            Err(Errno::AGAIN) => return Ok(0),
            Err(Errno::INTR) => {}
            Err(error) => return Err(broken(error)),
        }
    }
}

/// Returns when the socket has room again; counts the time it took.
pub(super) fn wait(socket: impl AsFd, meter: &Meter) -> Result<()> {
    let limit = Timespec {
        tv_sec: 0,
        tv_nsec: LOOK.subsec_nanos().into(),
    };
    loop {
        meter.check()?;
        let begun = Instant::now();
        let ready = poll(&mut [PollFd::new(&socket, PollFlags::OUT)], Some(&limit));
        meter.waited(begun.elapsed());
        match ready {
            // Also when the other side is gone: the next send says so.
            Ok(1..) => return Ok(()),
            Ok(0) | Err(Errno::INTR) => {}
            Err(error) => return Err(broken(error)),
        }
    }
}

fn broken(error: Errno) -> Error {
    Error::io("the connection", io::Error::from(error))
}
