//! Network requests under compiled policies, against servers on loopback.

mod internet;
mod unix;

use std::{net::SocketAddr, os::fd::AsRawFd, path::Path, sync::Arc};

use doorward_policy::{Expansion, Policy, Reason, Verdict};
use doorward_protocol::Request;
use rustix::io::Errno;

use super::{Network, kept::Kept};
use crate::{
    files::{
        Fault,
        trial::{self, TrialAsker},
    },
    service::{Answer, Decision, Outcome, Patience, Services, Setup},
};

/// Services under a policy, and this process as the asker.
struct Bench {
    services: Services,
    asker: TrialAsker,
}

impl Bench {
    /// Under these lines of `[net]`.
    fn new(net: &str) -> Self {
        let policy = policy(net);
        let services = Services::new(Setup {
            network: policy.has_tcp(),
            policy: Arc::new(policy),
            scratch: None,
            view: false,
            map_foreign_ids: false,
            spawn: None,
        })
        .unwrap();
        Self {
            services,
            asker: TrialAsker {
                interrupted: None,
                ..TrialAsker::default()
            },
        }
    }

    fn perform(&self, request: &Request<'_>) -> Decision {
        for patience in [Patience::Cached, Patience::Blocking] {
            if let Outcome::Done(decision) = self.services.perform(request, &self.asker, patience) {
                return decision;
            }
        }
        panic!("a blocking request did not end: {request:?}");
    }

    fn socket(&self, family: i32, kind: i32) -> std::os::fd::OwnedFd {
        match self.perform(&Request::Socket {
            family,
            kind,
            protocol: 0,
        }) {
            Decision {
                answer: Answer::Descriptor { descriptor, .. },
                ..
            } => descriptor,
            other => panic!("{other:?}"),
        }
    }

    fn connect(&self, socket: &impl AsRawFd, address: &[u8]) -> Decision {
        self.perform(&Request::Connect {
            descriptor: socket.as_raw_fd(),
            address,
        })
    }
}

/// With these lines of `[net]`.
fn policy(net: &str) -> Policy {
    let expansion = Expansion {
        cwd: None,
        home: None,
        uid: 0,
    };
    let text = format!("version = 1\nname = \"net\"\n[net]\n{net}\n");
    Policy::parse(&text, "net", Path::new("/"), &expansion)
        .unwrap_or_else(|errors| panic!("{errors}"))
        .policy
}

/// An internet address as the kernel lays it out.
fn internet(address: SocketAddr) -> Vec<u8> {
    let port = address.port().to_be_bytes();
    match address {
        SocketAddr::V4(four) => [&[2, 0][..], &port, &four.ip().octets(), &[0; 8]].concat(),
        SocketAddr::V6(six) => [
            &[10, 0][..],
            &port,
            &[0; 4],
            &six.ip().octets(),
            &six.scope_id().to_ne_bytes(),
        ]
        .concat(),
    }
}

#[track_caller]
fn done(decision: &Decision) {
    assert!(
        matches!(decision.answer, Answer::Value(0)) && decision.verdict.is_allow(),
        "{decision:?}"
    );
}

/// Allowed, and then failed by the kernel.
#[track_caller]
fn failed(decision: &Decision, errno: Errno) {
    match decision.answer {
        Answer::Errno(answer) if decision.verdict.is_allow() => assert_eq!(answer, errno),
        _ => panic!("{decision:?}"),
    }
}

#[track_caller]
fn refused(decision: &Decision, reason: Reason, errno: Errno) {
    match (&decision.answer, decision.verdict) {
        (Answer::Errno(answer), Verdict::Deny(denial)) => {
            assert_eq!((denial.reason, *answer), (reason, errno), "{decision:?}");
        }
        _ => panic!("{decision:?}"),
    }
}
