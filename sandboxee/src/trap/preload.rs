//! The trap front for programs that were not made for it: a library that is loaded before them
//! takes their calls. Notifications lie below, for all that it does not see: what the loader does
//! before it, programs that are linked statically, and those that exec starts, until it is loaded
//! into them too.

use std::os::fd::{AsRawFd, OwnedFd};

use doorward_protocol::hello::LaneFront;
use rustix::io::Errno;

use super::{
    filter::{self, Reach},
    handler,
    lanes::{self, signed},
    sys::{self, call},
};
use crate::LANE;

/// Makes a lane one that programs can [`join`]: says the hello, and gives it a number that they
/// do not use, which exec leaves open.
///
/// # Errors
/// What the broker or the kernel says.
pub fn share(lane: OwnedFd) -> Result<OwnedFd, Errno> {
    lanes::greet(lane.as_raw_fd(), LaneFront::Api)?;
    let least = u64::from(lanes::number_descriptors()?);
    let command = signed(libc::F_DUPFD);
    let arguments = [signed(lane.as_raw_fd()), command, least, 0, 0, 0];
    let number = call(libc::SYS_fcntl, arguments)?;
    let number = i32::try_from(number).map_err(|_| Errno::MFILE)?;
    Ok(sys::owned(number))
}

/// From now on the calls that libc makes for this program are asked on the lane that it was
/// started with, if there is one. To be called before anything of the program has run.
///
/// Where addresses are not random it is left alone: the next program would have its libc where
/// this one's is, and its calls would trap before there is a handler.
///
/// # Errors
/// Why they go on as they were, by notification: `ENOENT` where there is no lane, `ENOTSUP` where
/// addresses are fixed, or what the kernel says.
pub fn join() -> Result<(), Errno> {
    let named = std::env::var(LANE).map_err(|_| Errno::NOENT)?;
    let lane: i32 = named.parse().map_err(|_| Errno::NOENT)?;
    let code = sys::code_of_libc();
    if code.is_empty() {
        return Err(Errno::NOENT);
    }
    if !random_addresses() {
        return Err(Errno::NOTSUP);
    }
    lanes::join(lane)?;
    handler::install()?;
    filter::load(&Reach::Code(code))
}

/// Whether each program that is executed gets addresses of its own; so it is where the kernel
/// does not tell.
fn random_addresses() -> bool {
    const ASK: u64 = 0xffff_ffff;
    const FIXED: u64 = 0x0004_0000;
    call(libc::SYS_personality, [ASK, 0, 0, 0, 0, 0]).map_or(true, |told| told & FIXED == 0)
}
