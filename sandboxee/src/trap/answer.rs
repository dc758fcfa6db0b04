//! Answers, put where the kernel would have put them.

use doorward_protocol::{Reply, syscall::layout};
use rustix::io::Errno;

use super::{
    memory::Pipe,
    sys::{self, Trapped, call},
};

/// Puts an answer other than a descriptor or a failure; the value of the call.
pub(super) fn put(
    name: &str,
    reply: &Reply<'_>,
    trapped: &Trapped,
    pipe: &Pipe,
    path: &[u8],
) -> Result<u64, Errno> {
    let [first, second, third, _, fifth, _] = trapped.arguments;
    match reply {
        // By the copy, which ends in a NUL in its room: the program's own may have changed.
        Reply::Value(_) if name == "chdir" => {
            call(libc::SYS_chdir, [sys::address(path), 0, 0, 0, 0, 0])
        }
        Reply::Value(_) if name == "fchdir" => call(libc::SYS_fchdir, [first, 0, 0, 0, 0, 0]),
        Reply::Value(value) => Ok(value.cast_unsigned()),
        Reply::Stat(stat) => {
            let (address, laid) = match name {
                "statx" => (fifth, layout::statx(stat)),
                "newfstatat" => (third, layout::stat(stat)),
                _ => (second, layout::stat(stat)),
            };
            pipe.copy_out(address, laid.bytes()).map(|()| 0)
        }
        Reply::FileSystem(stat) => {
            let laid = layout::statfs(stat);
            pipe.copy_out(second, laid.bytes()).map(|()| 0)
        }
        Reply::Bytes(bytes) => bytes_back(name, bytes, trapped, pipe),
        Reply::Descriptor { .. } | Reply::Errno(_) => Err(Errno::IO),
    }
}

/// readlink cuts what does not fit; getcwd counts its NUL and refuses.
fn bytes_back(name: &str, bytes: &[u8], trapped: &Trapped, pipe: &Pipe) -> Result<u64, Errno> {
    let [first, second, third, fourth, ..] = trapped.arguments;
    let length = u64::try_from(bytes.len()).map_err(|_| Errno::IO)?;
    if name == "getcwd" {
        if length >= second {
            return Err(Errno::RANGE);
        }
        pipe.copy_out(first, bytes)?;
        pipe.copy_out(first.saturating_add(length), &[0])?;
        return Ok(length.saturating_add(1));
    }
    let (address, room) = match name {
        "readlink" => (second, third),
        _ => (third, fourth),
    };
    let length = length.min(room & 0x7fff_ffff);
    let cut = usize::try_from(length).map_err(|_| Errno::IO)?;
    pipe.copy_out(address, bytes.get(..cut).unwrap_or_default())?;
    Ok(length)
}
