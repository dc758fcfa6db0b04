//! The lanes of one sandbox.

use std::{collections::BTreeMap, sync::Arc};

use super::lane::Served;

/// How many there may be.
const LANES: usize = 512;

/// The lanes that there are. Only the loop adds and removes them.
#[derive(Default)]
pub(super) struct Lanes {
    /// By their keys.
    pub(super) served: BTreeMap<u64, Arc<Served>>,
    /// The last key given.
    pub(super) last: u64,
}

impl Lanes {
    /// Whether there may be no more.
    pub(super) fn is_full(&self) -> bool {
        self.served.len() >= LANES
    }

    /// The lane, where there is but one and it is ready for more.
    pub(super) fn only(&self) -> Option<Arc<Served>> {
        if self.served.len() > 1 {
            return None;
        }
        let only = self.served.values().next()?;
        only.is_armed().then(|| Arc::clone(only))
    }

    /// How many wait for their hello.
    pub(super) fn untaken(&self) -> usize {
        let fresh = |served: &&Arc<Served>| served.state().session.is_fresh() && !served.is_gone();
        self.served.values().filter(fresh).count()
    }
}
