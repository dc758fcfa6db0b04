//! Lanes, the trap front, and narrowing.

use std::{
    ffi::c_int,
    os::fd::{BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd},
};

use doorward_sandboxee::{ClientError, trap};
use rustix::io::{Errno, FdFlags, fcntl_setfd};

use super::{Client, Text, given};
use crate::{
    errors::{answer, done},
    first,
};

/// Bytes of the longest restriction.
const LONGEST_DOCUMENT: usize = 16 * 1024;

/// A descriptor that C gives away.
pub(super) fn taken(number: RawFd) -> Result<OwnedFd, ClientError> {
    if number < 0 {
        return Err(ClientError::Errno(Errno::BADF));
    }
    // SAFETY: no valid descriptor is -1, and a number that is not open gives EBADF below.
    let looked = unsafe { BorrowedFd::borrow_raw(number) };
    fcntl_setfd(looked, FdFlags::CLOEXEC).map_err(ClientError::Errno)?;
    // SAFETY: it is open, and the caller has given it away.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

fn greeted(lane: OwnedFd) -> Result<Box<Client>, ClientError> {
    doorward_sandboxee::Client::from_fd(lane).map(|client| Box::new(Client(client)))
}

/// From now on the system calls of this thread by which files and names are opened, looked at
/// and changed, and connections made, are asked of the broker: fopen(3), stat(2) and all the
/// others go on as they are. The same holds in the threads that it makes from now on, and in
/// what any of these forks; threads that are there already go on as before. So it is to be
/// called first in main, before there are any.
///
/// The handler of SIGSYS is the library's from now on, and exec(3) fails with EACCES.
///
/// Returns 0, or -1 with errno: ENOTCONN where no lane was left for this program, EALREADY
/// when it was tried with a lane before, ENOSYS on other machines than x86-64.
#[unsafe(no_mangle)]
pub extern "C" fn doorward_enter() -> c_int {
    let enter = |lane| trap::enter(lane).map_err(ClientError::Errno);
    done(|| enter(first::another_lane()?))
}

/// A lane to the broker, by the one that was left for this program. Each thread has its own.
/// To be given up by doorward_end().
///
/// Returns NULL with errno: ENOTCONN where no lane was left for this program, EMFILE when the
/// sandbox has as many lanes as it may, ECHILD in a process that was forked after the first
/// was taken (see doorward_lane()).
#[unsafe(no_mangle)]
pub extern "C" fn doorward_begin() -> Option<Box<Client>> {
    answer(None, || greeted(first::another_lane()?).map(Some))
}

/// A lane by a descriptor on which nothing was said yet, such as one of doorward_lane(). The
/// descriptor is the client's from now on, closed also where this fails.
#[unsafe(no_mangle)]
pub extern "C" fn doorward_begin_on(lane: c_int) -> Option<Box<Client>> {
    answer(None, || greeted(taken(lane)?).map(Some))
}

/// The descriptor of a further lane, for a process that will be forked, which calls
/// doorward_begin_on(). It is closed on exec.
#[unsafe(no_mangle)]
pub extern "C" fn doorward_lane(client: Option<&mut Client>) -> c_int {
    answer(-1, || Ok(given(client)?.0.another_lane()?.into_raw_fd()))
}

/// Gives up a lane, and with it what the broker kept for its directories.
#[unsafe(no_mangle)]
pub extern "C" fn doorward_end(client: Option<Box<Client>>) {
    drop(client);
}

/// Narrows the sandbox by a document in the words of a policy, at most 16 KiB: from now on
/// what is allowed is what the policy and this allow. It holds for all lanes, threads and
/// processes of the sandbox and is never taken back. What was granted before stays granted.
///
/// Returns 0, or -1 with errno, and the sandbox is as it was: EINVAL for a document that is
/// wrong (the audit log says where), E2BIG for one that is too long, ENOSPC after 16
/// restrictions, ETIMEDOUT while a request is stuck. Of a worker it holds for that alone.
#[unsafe(no_mangle)]
pub extern "C" fn doorward_restrict(client: Option<&mut Client>, document: Text) -> c_int {
    done(|| {
        let document = document.bytes(LONGEST_DOCUMENT, Errno::TOOBIG)?;
        let text = std::str::from_utf8(document);
        let text = text.map_err(|_| ClientError::Errno(Errno::INVAL))?;
        given(client)?.0.restrict(text)
    })
}
