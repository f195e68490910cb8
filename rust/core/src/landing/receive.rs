//! Carries bytes from a socket straight into a landing, with nothing in between.

use std::mem;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};

use super::Landing;
use super::shared::Shared;
use crate::digest::buffer::{Buffer, SIZE};
use crate::socket::{broken, wait};
use crate::{Meter, Result};

/// A waiting thread is woken for this much, not for every packet.
const WAKE_FOR: usize = 128 << 10;

/// Bytes are not held back longer than this for a fuller buffer.
const HOLD: Duration = Duration::from_millis(250);

impl Landing {
    /// Reads `length` bytes from a stream socket and puts them at `offset` of the blob.
    ///
    /// Returns how many came before the other side ended the stream; the meter counts
    /// them as they come, and tells how long the socket was empty and how long the writes
    /// took. The socket may be in either blocking mode.
    ///
    /// # Errors
    /// [`crate::Error::Connection`] when it breaks, [`crate::Error::Cancelled`] soon after the meter
    /// is, and what [`Landing::write`] fails with.
    pub fn receive(
        &self,
        socket: BorrowedFd<'_>,
        offset: u64,
        length: u64,
        meter: &Meter,
    ) -> Result<u64> {
        let Some(shared) = self.open_one() else {
            return Err(super::closed());
        };
        let end = shared.end_of(offset, length)?;
        let mut intake = Intake {
            shared: &shared,
            meter,
            at: offset,
            buffer: Buffer::take(),
            held: 0,
            since: Instant::now(),
        };
        let ended = intake.take(socket, end);
        wake_for(socket, 1);
        // What came before the connection broke is as good as any.
        intake.flush()?;
        ended?;
        Ok(intake.at - offset)
    }
}

/// Collects what a socket gives into whole buffers, and passes those on.
struct Intake<'a> {
    shared: &'a Shared,
    meter: &'a Meter,
    /// Where in the blob the buffer begins.
    at: u64,
    buffer: Buffer,
    /// Bytes in the buffer.
    held: usize,
    /// When the first of them came.
    since: Instant,
}

impl Intake<'_> {
    /// Takes bytes until `end` of the blob, or until the other side ends the stream.
    fn take(&mut self, socket: BorrowedFd<'_>, end: u64) -> Result<()> {
        while self.at + (self.held as u64) < end {
            self.meter.check()?;
            let room = usize::try_from(end - self.at).unwrap_or(SIZE).min(SIZE);
            match recv(
                socket,
                &mut self.buffer[self.held..room],
                RecvFlags::DONTWAIT,
            ) {
                Ok((_, 0)) => break,
                Ok((_, count)) => self.count(count, room)?,
                Err(Errno::AGAIN) => {
                    let begun = Instant::now();
                    wake_for(socket, WAKE_FOR.min(room - self.held));
                    let came = wait(socket, PollFlags::IN)?;
                    self.meter.waited(begun.elapsed());
                    if !came || self.since.elapsed() > HOLD {
                        self.flush()?;
                    }
                }
                Err(Errno::INTR) => {}
                Err(error) => return Err(broken(error)),
            }
        }
        Ok(())
    }

    fn count(&mut self, count: usize, room: usize) -> Result<()> {
        if self.held == 0 {
            self.since = Instant::now();
        }
        self.held += count;
        if self.held == room {
            self.flush()
        } else {
            Ok(())
        }
    }

    /// Writes what is held.
    fn flush(&mut self) -> Result<()> {
        if self.held == 0 {
            return Ok(());
        }
        let begun = Instant::now();
        let (count, full) = (self.held, mem::replace(&mut self.buffer, Buffer::take()));
        self.held = 0;
        self.shared.write_buffer(self.at, full, count)?;
        self.meter.wrote(begun.elapsed());
        self.at += count as u64;
        self.meter.add(count as u64);
        Ok(())
    }
}

/// Sets how many bytes must be there before a wait for the socket ends.
fn wake_for(socket: BorrowedFd<'_>, bytes: usize) {
    #[cfg(target_os = "linux")]
    {
        let bytes = bytes as libc::c_int;
        // SAFETY: the pointer and the length are those of a live integer. What a kernel
        // without this option costs is more waking: the answer does not matter.
        unsafe {
            libc::setsockopt(
                socket.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_RCVLOWAT,
                (&raw const bytes).cast(),
                size_of::<libc::c_int>() as libc::socklen_t,
            );
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (socket, bytes);
}
