//! Positive controls: promises of the handler that a build can break, so that a test can show
//! that it would see it. Only the build with `--cfg doorward_control="chosen"` can.

/// What the handler promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Promise {
    /// It allocates nothing.
    NoAllocation = 1,
    /// A slot has one operation at a time.
    OwnSlot = 2,
    /// In a child, what was under way before the fork finds none of its numbers in use anew.
    DeadEnds = 3,
    /// A child that shares its parent's descriptors closes none of them.
    SharedLeft = 4,
    /// What a process left that died in the midst of a call is taken away.
    DeadBuried = 5,
    /// It needs no more stack than is documented.
    LittleStack = 6,
    /// Where signals have a small stack it runs on that of the call.
    RoomToNest = 7,
}

/// Whether a promise is kept: in this build, each.
#[cfg(not(doorward_control = "chosen"))]
pub(super) const fn holds(_: Promise) -> bool {
    true
}

#[cfg(doorward_control = "chosen")]
static BROKEN: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);

/// Whether a promise was not chosen to be broken.
#[cfg(doorward_control = "chosen")]
pub(super) fn holds(promise: Promise) -> bool {
    BROKEN.load(std::sync::atomic::Ordering::Relaxed) != promise as u32
}

/// Breaks a promise from now on.
#[cfg(doorward_control = "chosen")]
pub fn break_promise(name: &str) {
    let promise = match name {
        "no allocation" => Promise::NoAllocation,
        "own slot" => Promise::OwnSlot,
        "dead ends" => Promise::DeadEnds,
        "shared left" => Promise::SharedLeft,
        "dead buried" => Promise::DeadBuried,
        "little stack" => Promise::LittleStack,
        "room to nest" => Promise::RoomToNest,
        _ => return,
    };
    BROKEN.store(promise as u32, std::sync::atomic::Ordering::Relaxed);
}
