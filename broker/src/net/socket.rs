//! socket(2): what the broker makes in its own network namespace.

use std::os::fd::OwnedFd;

use doorward_policy::Reason;
use rustix::{
    io::Errno,
    net::{AddressFamily, Protocol, SocketFlags, SocketType, ipproto, socket_with},
};

use super::Network;
use crate::{
    files::{Attempt, Course, Fault},
    service::Answer,
};

/// `SOCK_TYPE_MASK` of the kernel.
const KIND: i32 = 0xf;

/// The protocols asked as 0.
const UNSPECIFIED: i32 = 0;

impl Network {
    /// Makes a socket: TCP where the policy has rules for it, and UNIX likewise, since
    /// abstract names belong to a network namespace.
    pub(crate) fn socket(
        &self,
        course: &mut Course<'_>,
        family: i32,
        kind: i32,
        protocol: i32,
    ) -> Attempt<Answer> {
        let flags = kind & !KIND;
        if flags & !(libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK) != 0 {
            return Err(Fault::denied(Reason::Malformed, Errno::INVAL));
        }
        let (name, family, protocol) = match (family, kind & KIND, protocol) {
            (libc::AF_INET, libc::SOCK_STREAM, UNSPECIFIED | libc::IPPROTO_TCP) => {
                ("tcp", AddressFamily::INET, Some(ipproto::TCP))
            }
            (libc::AF_INET6, libc::SOCK_STREAM, UNSPECIFIED | libc::IPPROTO_TCP) => {
                ("tcp6", AddressFamily::INET6, Some(ipproto::TCP))
            }
            (libc::AF_UNIX, libc::SOCK_STREAM | libc::SOCK_SEQPACKET, UNSPECIFIED) => {
                ("unix", AddressFamily::UNIX, None)
            }
            _ => return Err(Fault::denied(Reason::NoRule, Errno::AFNOSUPPORT)),
        };
        course.object = name.into();
        let unix = family == AddressFamily::UNIX;
        if let Some(denial) = self.policy.refuses_sockets(unix) {
            return Err(Fault::Denied(denial));
        }
        if !unix && !self.tcp {
            return Err(Fault::denied(Reason::NoRule, Errno::ACCESS));
        }
        let kind = match kind & KIND {
            libc::SOCK_SEQPACKET => SocketType::SEQPACKET,
            _ => SocketType::STREAM,
        };
        let mut options = SocketFlags::CLOEXEC;
        options.set(SocketFlags::NONBLOCK, flags & libc::SOCK_NONBLOCK != 0);
        let socket = self.make(family, kind, options, protocol)?;
        self.kept.keep(&socket)?;
        Ok(Answer::Descriptor {
            descriptor: socket,
            close_on_exec: flags & libc::SOCK_CLOEXEC != 0,
        })
    }

    /// Makes a socket and remembers it.
    pub(super) fn make(
        &self,
        family: AddressFamily,
        kind: SocketType,
        flags: SocketFlags,
        protocol: Option<Protocol>,
    ) -> Attempt<OwnedFd> {
        let socket = socket_with(family, kind, flags, protocol)?;
        self.made.remember(&socket)?;
        Ok(socket)
    }
}
