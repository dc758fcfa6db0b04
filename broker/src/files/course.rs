//! The course of one request: who asks, how long it may take, and what was found on the way.

use std::{cell::Cell, time::Duration};

use doorward_policy::{AbsName, Access, Denial, Reason, Rights, RuleId, Verdict};
use doorward_protocol::Base;
use rustix::io::Errno;

use super::rules::Rules;
use crate::{
    control::{self, Defence},
    service::{Asker, Lease, Patience, Place},
};

/// When what waits is given up where that is not done at once.
const LATE: Duration = Duration::from_secs(3);

/// Why a request does not go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It may block and must not here. Nothing has happened.
    WouldBlock,
    /// Denied.
    Denied(Denial),
    /// Allowed so far, but the kernel said no.
    Failed(Errno),
    /// The session was narrowed while it waited: it is to be judged anew. Nothing has happened.
    Narrowed,
}

impl From<Errno> for Fault {
    fn from(errno: Errno) -> Self {
        Self::Failed(errno)
    }
}

/// What a step gives.
pub(crate) type Attempt<T> = Result<T, Fault>;

impl Fault {
    /// A denial by no rule.
    pub(crate) fn denied(reason: Reason, errno: Errno) -> Self {
        Self::Denied(Denial {
            rule: None,
            reason,
            errno: errno.raw_os_error(),
        })
    }
}

/// One request under way.
pub(crate) struct Course<'a> {
    /// Who asks.
    pub(crate) asker: &'a dyn Asker,
    /// How long it may take.
    pub(crate) patience: Patience,
    /// What was decided on: the canonical name once it is reached.
    pub(crate) object: Vec<u8>,
    /// The rule that allowed it, or as much of it as was decided.
    pub(crate) rule: Option<RuleId>,
    /// A place asked for already.
    known: Option<(Base, Place)>,
    /// What keeps the session from being narrowed meanwhile.
    lease: Cell<Option<Lease<'a>>>,
}

impl<'a> Course<'a> {
    /// At its beginning.
    pub(crate) fn new(asker: &'a dyn Asker, patience: Patience) -> Self {
        Self {
            asker,
            patience,
            object: Vec::new(),
            rule: None,
            known: None,
            lease: Cell::new(None),
        }
    }

    /// That is done by what stands as long as this is held.
    #[must_use]
    pub(crate) fn by(self, lease: Lease<'a>) -> Self {
        self.lease.set(Some(lease));
        self
    }

    /// To be called, before each further look, by what waits. Meanwhile the session can be
    /// narrowed; what was decided before holds no longer then.
    pub(crate) fn waits(&self, pause: Duration) -> Attempt<()> {
        let aside = self.lease.take().map(Lease::step_aside);
        if let Some(errno) = self.asker.interrupted() {
            if control::is_off(Defence::GivenUp) {
                std::thread::sleep(LATE);
            }
            return Err(Fault::Failed(errno));
        }
        std::thread::sleep(pause);
        if let Some(aside) = aside {
            self.lease
                .set(Some(aside.come_back().ok_or(Fault::Narrowed)?));
        }
        Ok(())
    }

    /// The directory that `base` names; asked of the kernel once a request.
    pub(crate) fn place(&mut self, base: Base) -> Attempt<Place> {
        match &self.known {
            Some((known, place)) if *known == base => Ok(place.clone()),
            _ => {
                let place = self.asker.place(base)?;
                self.known = Some((base, place.clone()));
                Ok(place)
            }
        }
    }

    /// Whether it must not block.
    pub(crate) fn cached(&self) -> bool {
        self.patience == Patience::Cached
    }

    /// Records what is decided on.
    pub(crate) fn at(&mut self, name: &AbsName) {
        self.object.clear();
        self.object.extend_from_slice(name.as_bytes());
    }

    /// Goes on only if the verdict allows.
    pub(crate) fn obey(&mut self, verdict: Verdict) -> Attempt<()> {
        match verdict {
            Verdict::Allow(rule) => {
                self.rule = Some(rule);
                Ok(())
            }
            Verdict::Deny(denial) => Err(Fault::Denied(denial)),
        }
    }

    /// Stops a request that may block.
    pub(crate) fn may_block(&self) -> Attempt<()> {
        if self.cached() {
            Err(Fault::WouldBlock)
        } else {
            Ok(())
        }
    }
}

/// Any rule that reaches the name, so that something may be said about it.
pub(crate) fn reach(rights: &Rights) -> Option<RuleId> {
    rights
        .read
        .or(rights.write)
        .or(rights.create)
        .or(rights.delete)
        .or(rights.special)
        .or(rights.execute)
        .or(rights.ancestor)
        .or(rights.scratch.then_some(RuleId::OWN))
}

/// The denial of a name, as the policy words it.
pub(crate) fn denial(policy: &dyn Rules, name: &AbsName, access: Access) -> Fault {
    match policy.decide_file(name, access, false) {
        Verdict::Deny(denial) => Fault::Denied(denial),
        Verdict::Allow(_) => Fault::denied(Reason::NoRule, Errno::ACCESS),
    }
}
