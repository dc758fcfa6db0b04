//! Waiting for the other end of a FIFO without waiting in open(2).

use super::{
    course::{Attempt, Course},
    filesystem::Filesystem,
};

/// Waits until a FIFO just opened for reading has, or has had, a writer.
pub(crate) fn await_writer<F: Filesystem>(
    filesystem: &F,
    course: &Course<'_>,
    fifo: &F::Pin,
) -> Attempt<()> {
    while !filesystem.had_writer(fifo)? && !filesystem.has_writer(fifo)? {
        course.waits(super::PAUSE)?;
    }
    // Nothing was copied when the writer has not written yet.
    let _ = filesystem.forget_copy();
    Ok(())
}
