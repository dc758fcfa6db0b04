//! The trap front: system calls of this process that a filter traps become requests on a lane.
//!
//! [`enter`] installs a handler of `SIGSYS` and then a filter of this process's own, under
//! which the calls of the operation table raise that signal. The handler copies what a call
//! points to, asks the broker, and puts the answer where the kernel would have put it.
//!
//! Nothing here holds a boundary: that is the filter below and the broker. What is promised is
//! that the handler may interrupt anything, malloc and other handlers among them. It allocates
//! nothing, takes no lock, formats nothing, and touches neither errno nor any other variable of
//! a thread; each operation owns a [`slot::Slot`] while it runs, which it claims by one
//! compare-and-swap; pointers of the program are read and written by system calls alone.

mod answer;
mod ask;
mod control;
mod filter;
#[cfg(fuzzing)]
pub mod fuzzing;
mod guests;
mod handler;
mod lanes;
mod look;
mod mask;
mod memory;
mod preload;
mod quiet;
mod record;
mod reply;
mod slot;
mod status;
#[allow(unsafe_code, reason = "the one module of the trap front that may")]
mod sys;
mod table;

#[cfg(doorward_control = "chosen")]
pub use control::break_promise;

use std::os::fd::{IntoRawFd, OwnedFd};

use filter::Reach;
pub use preload::{join, share};
use rustix::io::Errno;

/// From now on the calls of the operation table are asked of the broker, by the thread that
/// calls this, those that it makes from now on, and what they fork. Other threads of the process
/// go on as they were, so it is to be called before there are any. `lane` is one that no hello
/// was said on yet; others are got by it.
///
/// The handler of `SIGSYS` stays, that signal stays unblocked, and exec is refused from now on,
/// since the filter would outlive the handler.
///
/// # Errors
/// What the broker or the kernel says: `EPROTO` when the broker does not speak this version,
/// `EALREADY` when it was tried before, well or not. The lane is then closed, and calls go on as
/// they were.
pub fn enter(lane: OwnedFd) -> Result<(), Errno> {
    let lane = lanes::begin(lane)?;
    handler::install()?;
    filter::load(&Reach::All)?;
    // The handler knows its number, for as long as the process runs.
    let _kept = lane.into_raw_fd();
    Ok(())
}

#[cfg(test)]
mod tests {
    use doorward_protocol::lane::Lane;
    use rustix::net::{RecvFlags, recv};

    use super::*;

    /// Bytes of the next record at the broker's end; 0 when the other end is closed.
    fn next(broker: &Lane) -> Result<usize, Errno> {
        let mut record = [0_u8; 256];
        let (length, _) = recv(broker, record.as_mut_slice(), RecvFlags::DONTWAIT)?;
        Ok(length)
    }

    #[test]
    fn a_lane_is_closed_where_entering_fails() {
        let (broker, lane) = Lane::pair().unwrap();
        // The control: it is open, and has said nothing.
        assert_eq!(next(&broker), Err(Errno::AGAIN));
        broker.send(b"no welcome").unwrap();
        assert_eq!(enter(lane.into_fd()), Err(Errno::PROTO));
        let hello = next(&broker);
        assert!(hello.is_ok_and(|length| length > 0), "{hello:?}");
        assert_eq!(next(&broker), Ok(0));

        let (broker, lane) = Lane::pair().unwrap();
        assert_eq!(enter(lane.into_fd()), Err(Errno::ALREADY));
        assert_eq!(next(&broker), Ok(0));
    }
}
