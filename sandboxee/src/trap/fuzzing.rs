//! What the fuzz target of replies reaches beyond the public face. Only its build (`--cfg
//! fuzzing`) has it.

use std::os::fd::{IntoRawFd, OwnedFd};

use rustix::io::Errno;

use super::{
    ask, lanes,
    sys::{self, Trapped},
};

/// A process that speaks as after [`super::enter`], but traps nothing: its calls are made by
/// [`Entered::ask`]. There is one at a time.
#[derive(Debug)]
pub struct Entered(());

impl Entered {
    /// Begins to speak on a lane.
    ///
    /// # Errors
    /// As [`super::enter`].
    pub fn on(lane: OwnedFd) -> Result<Self, Errno> {
        let table = match sys::table() {
            Some(table) => table,
            None => sys::make_table()?,
        };
        let lane = lanes::begin_in(table, lane)?;
        // Whoever ends it knows its number.
        let _kept = lane.into_raw_fd();
        Ok(Self(()))
    }

    /// Makes the call `name` as the handler does.
    ///
    /// # Errors
    /// What the call fails with.
    pub fn ask(&self, name: &str, arguments: [u64; 6]) -> Result<u64, Errno> {
        let trapped = Trapped {
            number: 0,
            arguments,
            mask: 0,
            stack: 0,
        };
        ask::ask(name, &trapped)
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        sys::table().into_iter().for_each(lanes::end);
    }
}
