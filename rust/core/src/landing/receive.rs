//! Carries bytes from a socket straight into a landing, with nothing in between.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};

use super::Landing;
use crate::{Error, Meter, Result};

/// Fits a core's second cache, so that the bytes are still warm when they are written.
const BUFFER: usize = 256 << 10;

/// How often a silent socket is left to look at the meter.
const LOOK: Duration = Duration::from_millis(50);

impl Landing {
    /// Reads `length` bytes from a stream socket and puts them at `offset` of the blob.
    ///
    /// Returns how many came before the other side ended the stream; the meter counts
    /// them as they come, and tells how long the socket was empty and how long the writes
    /// took. The socket may be in either blocking mode.
    ///
    /// # Errors
    /// [`Error::Io`] when the connection breaks, [`Error::Cancelled`] soon after the meter
    /// is, and what [`Landing::write`] fails with.
    pub fn receive(
        &self,
        socket: BorrowedFd<'_>,
        offset: u64,
        length: u64,
        meter: &Meter,
    ) -> Result<u64> {
        let mut buffer = vec![0_u8; BUFFER.min(usize::try_from(length).unwrap_or(BUFFER))];
        let mut done = 0;
        while done < length {
            meter.check()?;
            let most = buffer
                .len()
                .min(usize::try_from(length - done).unwrap_or(BUFFER));
            let count = match recv(socket, &mut buffer[..most], RecvFlags::DONTWAIT) {
                Ok((_, 0)) => break,
                Ok((_, count)) => count,
                Err(Errno::AGAIN) => {
                    let begun = Instant::now();
                    wait(socket)?;
                    meter.waited(begun.elapsed());
                    continue;
                }
                Err(Errno::INTR) => continue,
                Err(error) => return Err(broken(error)),
            };
            let begun = Instant::now();
            self.write(offset + done, &buffer[..count])?;
            meter.wrote(begun.elapsed());
            done += count as u64;
            meter.add(count as u64);
        }
        Ok(done)
    }
}

/// Returns when the socket has something to say, or it is time to look at the meter.
fn wait(socket: BorrowedFd<'_>) -> Result<()> {
    let limit = Timespec {
        tv_sec: 0,
        tv_nsec: LOOK.subsec_nanos().into(),
    };
    match poll(&mut [PollFd::new(&socket, PollFlags::IN)], Some(&limit)) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(broken(error)),
    }
}

fn broken(error: Errno) -> Error {
    Error::io("the connection", io::Error::from(error))
}
