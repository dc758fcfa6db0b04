//! UNIX connects: to a pinned socket, or to an abstract name of the broker's network namespace.
//!
//! The service at the other end is told the broker's process, user and group. Safe,
//! because a sandboxee whose user or group differs from the broker's is refused.

use std::os::fd::{AsFd, AsRawFd};

use doorward_policy::{Reason, policy::Destination};
use doorward_protocol::{Base, request::PathArgument};
use rustix::{
    io::Errno,
    net::{SocketAddrUnix, SocketType},
};

use super::{
    Network,
    address::Given,
    attempt::{self, Late},
    connect::Subject,
};
use crate::files::{Attempt, Course, Detail, Fault, Files, Kernel, Kind, Manner};

impl Network {
    pub(super) fn unix(
        &self,
        course: &mut Course<'_>,
        files: &Files<Kernel>,
        subject: &Subject,
        given: &Given,
    ) -> Attempt<()> {
        if !matches!(subject.kind, SocketType::STREAM | SocketType::SEQPACKET) {
            return Err(Fault::denied(Reason::NotYet, Errno::ACCESS));
        }
        match given {
            Given::Path(path) => {
                let path = PathArgument {
                    base: Base::WorkingDirectory,
                    bytes: path,
                };
                let found = files.find(course, &path, false, Manner::of(true, Detail::Identity))?;
                course.obey(
                    self.policy
                        .decide_connect(&Destination::UnixPath(found.name), &[]),
                )?;
                if found.status.kind() != Kind::Socket {
                    return Err(Fault::Failed(Errno::CONNREFUSED));
                }
                let pin = format!("/proc/self/fd/{}", found.pin.as_raw_fd());
                connect(course, subject, &SocketAddrUnix::new(pin)?)
            }
            Given::Abstract(name) => {
                course.obey(
                    self.policy
                        .decide_connect(&Destination::UnixAbstract(name.clone()), &[]),
                )?;
                connect(course, subject, &SocketAddrUnix::new_abstract_name(name)?)
            }
            Given::Other(0) => Err(Fault::denied(Reason::NoRule, Errno::INVAL)),
            _ => Err(Fault::denied(Reason::Malformed, Errno::INVAL)),
        }
    }
}

fn connect(course: &Course<'_>, subject: &Subject, to: &SocketAddrUnix) -> Attempt<()> {
    let broker = (
        rustix::process::geteuid().as_raw(),
        rustix::process::getegid().as_raw(),
    );
    if course.asker.credentials()? != broker {
        return Err(Fault::denied(Reason::Foreign, Errno::ACCESS));
    }
    let late = Late {
        option: Errno::AGAIN,
        deadline: Errno::AGAIN,
    };
    attempt::perform(course, subject.socket.as_fd(), &late, || {
        rustix::net::connect(&subject.socket, to)
    })
}
