//! The attacker as a worker, which makes no process: each attempt has a worker of its own.

use std::{os::unix::process::ExitStatusExt, time::Duration};

use doorward::{
    Entry,
    host::told as sentence,
    worker::{Call, CallError, Nest, Terms, Worker, Zygote},
};

use super::{
    SelfTestError,
    attacker::{Attacker, Line, PATIENCE, Target, Way},
    case::{Attempt, Case},
};

/// What the workers run.
pub(crate) const ENTRY: Entry = Entry {
    name: "self-test-worker",
    run: |sandboxee| {
        let interface: &mut dyn Hostile = &mut Tries;
        sandboxee.serve(interface)
    },
};

/// Those there are at a time: the next may be forked while the last still ends.
const NEST: Nest = Nest {
    places: 4,
    arena: 4096,
};

doorward::interface! {
    /// What the host asks.
    pub(super) trait Hostile, stub Attackers {
        /// Tries the case of a name.
        fn attempt(target: Target, case: String) -> Option<Attempt>;
        /// Does what is permitted beside it.
        fn permitted(target: Target, case: String) -> bool;
    }
}

struct Tries;

impl Hostile for Tries {
    fn attempt(&mut self, _: &mut Call<'_>, target: Target, case: String) -> Option<Attempt> {
        Some(
            Attacker::new(Way::Worker, target, None)
                .here(&case)?
                .attempt(),
        )
    }

    fn permitted(&mut self, _: &mut Call<'_>, target: Target, case: String) -> bool {
        let attacker = Attacker::new(Way::Worker, target, None);
        attacker.here(&case).is_some_and(|here| here.permitted())
    }
}

/// Tries these cases.
pub(super) fn tried(
    zygote: &Zygote,
    target: &Target,
    cases: &[&'static Case],
) -> Result<Vec<Line>, SelfTestError> {
    let worker = || -> Result<Attackers<Worker>, SelfTestError> {
        let forked = zygote.fork();
        let worker = forked.map_err(|error| SelfTestError::Host(sentence(&error)))?;
        Ok(Attackers::new(worker))
    };
    let terms = || Terms::within(Duration::from_secs(PATIENCE.into()));
    let line = |case: &&'static Case| {
        let (target, name) = (|| target.clone(), || case.name.to_owned());
        let attempted = worker()?.attempt(terms(), target(), name());
        let (attempt, status) = match attempted {
            Ok(answer) => (answer.whatever_it_is().result, 0),
            Err(CallError::Died(death)) => (None, death.status.map_or(-1, ExitStatusExt::into_raw)),
            Err(_) => (None, -1),
        };
        let permitted = worker()?.permitted(terms(), target(), name());
        Ok(Line {
            case: name(),
            attempt,
            status,
            permitted: permitted.is_ok_and(|answer| answer.whatever_it_is().result),
        })
    };
    cases.iter().map(line).collect()
}

/// A zygote for them.
pub(super) fn zygote(sandbox: doorward::host::Sandbox) -> Result<Zygote, SelfTestError> {
    Zygote::start(sandbox, NEST).map_err(|error| SelfTestError::Host(sentence(&error)))
}
