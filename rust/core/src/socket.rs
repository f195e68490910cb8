//! Waits for a socket, in short looks, and names what breaks it.

use std::os::fd::AsFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::{Error, Result};

/// How long a silent or full socket is waited for at a time: meters are looked at in between.
const LOOK: Duration = Duration::from_millis(50);

/// Waits a moment for one of `events`; false when it has not come.
///
/// True does not say that the socket still works: the next call on it does.
pub fn wait(socket: impl AsFd, events: PollFlags) -> Result<bool> {
    let limit = Timespec {
        tv_sec: 0,
        tv_nsec: LOOK.subsec_nanos().into(),
    };
    match poll(&mut [PollFd::new(&socket, events)], Some(&limit)) {
        Ok(ready) => Ok(ready > 0),
        Err(Errno::INTR) => Ok(true),
        Err(error) => Err(broken(error)),
    }
}

/// What the system says of a connection that no longer works.
pub fn broken(error: Errno) -> Error {
    Error::Connection {
        source: error.into(),
    }
}
