//! connect(2): whose socket, to where, and then on that very object.

use std::{
    net::SocketAddr,
    os::fd::{AsFd, OwnedFd},
};

use doorward_policy::{Reason, policy::Destination};
use rustix::{
    io::Errno,
    net::{
        AddressFamily, Protocol, Shutdown, SocketFlags, SocketType, ipproto,
        sockopt::{socket_domain, socket_protocol, socket_type},
    },
};

use super::{
    Network,
    address::Given,
    attempt::{self, Late},
};
use crate::{
    files::{Attempt, Course, Fault, Files, Kernel},
    service::Answer,
};

/// The descriptor that means a fresh socket.
const FRESH: i32 = -1;

/// A socket to connect, and what it is.
pub(super) struct Subject {
    pub(super) socket: OwnedFd,
    pub(super) family: AddressFamily,
    pub(super) kind: SocketType,
    protocol: Option<Protocol>,
}

impl Subject {
    /// What a descriptor of the asker is.
    fn of(socket: OwnedFd) -> Result<Self, Errno> {
        Ok(Self {
            family: socket_domain(&socket)?,
            kind: socket_type(&socket)?,
            protocol: socket_protocol(&socket)?,
            socket,
        })
    }

    fn is_tcp(&self) -> bool {
        matches!(self.family, AddressFamily::INET | AddressFamily::INET6)
            && self.kind == SocketType::STREAM
            && self.protocol == Some(ipproto::TCP)
    }
}

impl Network {
    /// Connects the asker's socket `number`, or makes one and grants it for -1.
    pub(crate) fn connect(
        &self,
        course: &mut Course<'_>,
        files: &Files<Kernel>,
        number: i32,
        address: &[u8],
    ) -> Attempt<Answer> {
        if number == FRESH {
            let socket = self.connect_fresh(course, files, &Given::read(address)?)?;
            return Ok(Answer::Descriptor {
                descriptor: socket,
                close_on_exec: true,
            });
        }
        let (socket, kept) = self.taken(course, number)?;
        let subject = Subject::of(socket)?;
        let given = Given::read(address)?;
        course.object = given.text();
        let connected = match subject.family {
            AddressFamily::INET | AddressFamily::INET6 => self.internet(course, &subject, &given),
            AddressFamily::UNIX => self.unix(course, files, &subject, &given),
            _ => Err(Fault::denied(Reason::NoRule, Errno::ACCESS)),
        };
        if let (Ok(()) | Err(Fault::Failed(Errno::INPROGRESS)), Some(inode)) = (&connected, kept) {
            self.kept.forget(inode);
        }
        connected.map(|()| Answer::Value(0))
    }

    /// The asker's socket, or the copy of it that was kept, with its inode number.
    fn taken(&self, course: &Course<'_>, number: i32) -> Attempt<(OwnedFd, Option<u64>)> {
        match course.asker.descriptor(number) {
            Err(Errno::PERM | Errno::NOSYS | Errno::OPNOTSUPP) => {
                let inode = course.asker.socket(number)?;
                let kept = self.kept.get(inode)?;
                let kept = kept.ok_or(Fault::denied(Reason::Foreign, Errno::ACCESS))?;
                Ok((kept, Some(inode)))
            }
            other => Ok((other?, None)),
        }
    }

    /// Makes a socket for an address and connects it.
    fn connect_fresh(
        &self,
        course: &mut Course<'_>,
        files: &Files<Kernel>,
        given: &Given,
    ) -> Attempt<OwnedFd> {
        course.object = given.text();
        let (family, protocol) = match given {
            Given::Internet(SocketAddr::V4(_)) => (AddressFamily::INET, Some(ipproto::TCP)),
            Given::Internet(SocketAddr::V6(_)) => (AddressFamily::INET6, Some(ipproto::TCP)),
            Given::Path(_) | Given::Abstract(_) => (AddressFamily::UNIX, None),
            Given::Other(_) => return Err(Fault::denied(Reason::NoRule, Errno::AFNOSUPPORT)),
        };
        let fresh = |kind| {
            Ok::<_, Fault>(Subject {
                socket: self.make(family, kind, SocketFlags::CLOEXEC, protocol)?,
                family,
                kind,
                protocol,
            })
        };
        let subject = fresh(SocketType::STREAM)?;
        if family != AddressFamily::UNIX {
            self.internet(course, &subject, given)?;
            return Ok(subject.socket);
        }
        match self.unix(course, files, &subject, given) {
            // The service speaks in records.
            Err(Fault::Failed(Errno::PROTOTYPE)) => {
                let subject = fresh(SocketType::SEQPACKET)?;
                self.unix(course, files, &subject, given)?;
                Ok(subject.socket)
            }
            other => other.map(|()| subject.socket),
        }
    }

    fn internet(&self, course: &mut Course<'_>, subject: &Subject, given: &Given) -> Attempt<()> {
        let to = match (given, subject.family) {
            (Given::Internet(to @ SocketAddr::V4(_)), AddressFamily::INET)
            | (Given::Internet(to @ SocketAddr::V6(_)), AddressFamily::INET6) => *to,
            // AF_UNSPEC would make a connected socket one that can be connected again.
            (Given::Other(0), _) => return Err(Fault::denied(Reason::NoRule, Errno::ACCESS)),
            _ => return Err(Fault::denied(Reason::Malformed, Errno::AFNOSUPPORT)),
        };
        if !subject.is_tcp() {
            course.object = format!("{to}").into_bytes();
            return Err(Fault::denied(Reason::NotYet, Errno::ACCESS));
        }
        if to.port() == 0 {
            return Err(Fault::denied(Reason::Malformed, Errno::INVAL));
        }
        // The machine's own addresses can only deny, and take longer to learn.
        let destination = Destination::Tcp(to);
        course.obey(self.policy.decide_connect(&destination, &[]))?;
        if !self.made.holds(&subject.socket)? {
            return Err(Fault::denied(Reason::Foreign, Errno::ACCESS));
        }
        course.may_block()?;
        course.obey(self.policy.decide_connect(&destination, &self.own.get()?))?;
        let late = Late {
            option: Errno::INPROGRESS,
            deadline: Errno::TIMEDOUT,
        };
        let connected = attempt::perform(course, subject.socket.as_fd(), &late, || {
            rustix::net::connect(&subject.socket, &to)
        });
        if let Err(Fault::Narrowed) = connected {
            // The kernel is not to go on with what is judged anew.
            let _not_begun = rustix::net::shutdown(&subject.socket, Shutdown::Both);
        }
        connected
    }
}
