//! Writes to a socket that somebody else reads from, as fast as it takes bytes.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::{SendFlags, send};

use super::Blob;
use crate::socket::{self, broken};
use crate::{Meter, Result};

/// Bytes read and sent at a time: they stay in the core's own cache in between.
const BUFFER: usize = 256 << 10;

/// Bytes the kernel is asked to send at a time: the meter is looked at in between.
#[cfg(target_os = "linux")]
const AT_ONCE: usize = 1 << 20;

/// So many bytes come from memory much sooner.
#[cfg(target_os = "linux")]
const SLOW_READ: Duration = Duration::from_millis(4);

impl Blob {
    /// Writes `length` bytes from `offset` on to a stream socket, in either blocking mode.
    ///
    /// The meter counts bytes as the socket takes them, and tells how long it was full and
    /// how long the reads took.
    ///
    /// # Errors
    /// [`crate::Error::Connection`] when it breaks, [`crate::Error::Cancelled`] soon after the meter
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
            let sent = self.send_file(socket, offset + done, length - done, meter)?;
            if sent > 0 {
                done += sent;
                continue;
            }
            let most = usize::try_from(length - done).unwrap_or(BUFFER).min(BUFFER);
            let begun = Instant::now();
            self.read_by(offset + done, &mut buffer[..most], meter)?;
            meter.wrote(begun.elapsed());
            send_all(socket, &buffer[..most], meter)?;
            done += most as u64;
        }
        Ok(())
    }
}

impl Blob {
    /// Lets the kernel send a stored file's bytes, copied nowhere; 0 where it cannot.
    ///
    /// Contents never change, so what is sent later than read is still right.
    #[cfg(target_os = "linux")]
    fn send_file(&self, socket: BorrowedFd<'_>, at: u64, most: u64, meter: &Meter) -> Result<u64> {
        use rustix::fs::{OFlags, fcntl_getfl, sendfile};

        // A socket that blocks would not hear of a cancel.
        let waits = fcntl_getfl(socket).is_ok_and(|flags| !flags.contains(OFlags::NONBLOCK));
        let Some((file, mut from, held)) = self.stored_at(at, meter)?.filter(|_| !waits) else {
            return Ok(0);
        };
        let count = usize::try_from(most.min(held)).map_or(AT_ONCE, |most| most.min(AT_ONCE));
        loop {
            let begun = Instant::now();
            match sendfile(socket, &file, Some(&mut from), count) {
                Ok(sent) => {
                    // The kernel reads and copies in one: only where the disk is slow is it
                    // the disk that was waited for.
                    let took = begun.elapsed();
                    if took > SLOW_READ {
                        meter.wrote(took);
                    }
                    meter.add(sent as u64);
                    return Ok(sent as u64);
                }
                Err(Errno::AGAIN) => wait(socket, meter)?,
                Err(Errno::INTR) => {}
                // Perhaps a file system or socket that cannot, perhaps a disk or connection
                // that failed: copied through memory, the bytes tell which.
                Err(_) => return Ok(0),
            }
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn send_file(&self, _: BorrowedFd<'_>, _: u64, _: u64, _: &Meter) -> Result<u64> {
        Ok(0)
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
    loop {
        meter.check()?;
        let begun = Instant::now();
        let ready = socket::wait(&socket, PollFlags::OUT);
        meter.waited(begun.elapsed());
        // Also when the other side is gone: the next send says so.
        if ready? {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;
    use std::sync::Arc;

    use super::super::{Compression, LayerSource, Member, Store};
    use super::*;

    #[test]
    fn stored_bytes_are_sent_alike_whatever_the_socket() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let bytes: Vec<u8> = (0..3_000_000)
            .map(|at| (at * 13 + at / 251) as u8)
            .collect();
        std::fs::write(&path, bytes).unwrap();
        let member = |name: &[u8]| Member {
            name: name.to_vec(),
            source: Some(path.clone()),
            mode: 0o644,
        };
        let store = Store::open(&folder.path().join("store")).unwrap();
        let source = LayerSource {
            members: vec![member(b"one"), member(b"two")],
            compression: Compression::None,
            raw: false,
        };
        let packed = store.pack(vec![source], false, &Arc::default()).unwrap();
        let blob = store.blob(&packed[0].digest).unwrap();
        let mut whole = vec![0; usize::try_from(blob.size()).unwrap()];
        blob.read(0, &mut whole).unwrap();
        for (waits, start) in [(false, 0), (true, 0), (false, 1_234_567)] {
            let (near, mut far) = UnixStream::pair().unwrap();
            near.set_nonblocking(!waits).unwrap();
            let reading = std::thread::spawn(move || {
                let mut all = Vec::new();
                far.read_to_end(&mut all).unwrap();
                all
            });
            let meter = Meter::default();
            let length = blob.size() - start;
            blob.send(near.as_fd(), start, length, &meter).unwrap();
            drop(near);
            assert_eq!(reading.join().unwrap(), whole[start as usize..]);
            assert_eq!(meter.done(), length);
        }
    }
}
