//! Processes to which the table does not belong: children that share their parent's memory
//! (vfork), or its descriptors without its memory. Each operation of theirs has a slot of its
//! own and leaves nothing there, so that the parent finds none of its numbers in use.
//!
//! Whoever dies in the midst of one leaves that; it is taken away when the parent asks next.

use rustix::io::Errno;

use super::{
    control::{Promise, holds},
    lanes::{self, Needs},
    slot::{Kept, Room, Slot},
    sys::{Mapped, call},
    table::Table,
};

/// Does something with a slot for this operation of this process, `own`, alone.
///
/// # Errors
/// What the work meets; `EINTR` in a child that was forked in the midst of it.
pub(super) fn with<T>(
    table: &Table,
    own: u32,
    needs: Needs,
    work: impl FnOnce(&mut Kept, &mut Room) -> Result<T, Errno>,
) -> Result<T, Errno> {
    if !holds(Promise::DeadBuried) {
        return with_fresh(needs, work);
    }
    let claimed = table.guests.claim(own).or_else(|| {
        bury(table, own);
        table.guests.claim(own)
    });
    let Some((place, slot)) =
        claimed.and_then(|place| Some((place, table.guest_slots.get(place)?)))
    else {
        return with_fresh(needs, work);
    };
    let done = once(slot, needs, work);
    if lanes::process() != own {
        return Err(Errno::INTR);
    }
    table.guests.release(place);
    done
}

/// The same where all slots are taken.
pub(super) fn with_fresh<T>(
    needs: Needs,
    work: impl FnOnce(&mut Kept, &mut Room) -> Result<T, Errno>,
) -> Result<T, Errno> {
    once(Mapped::<Slot>::new()?.get(), needs, work)
}

fn once<T>(
    slot: &Slot,
    needs: Needs,
    work: impl FnOnce(&mut Kept, &mut Room) -> Result<T, Errno>,
) -> Result<T, Errno> {
    let kept = slot.kept.claimed();
    let done = lanes::prepare(kept, needs).and_then(|()| work(kept, slot.room.claimed()));
    lanes::give_up(&mut kept.lane);
    kept.pipe.close();
    kept.id = 0;
    done
}

/// Takes away what those left that are no more.
pub(super) fn bury(table: &Table, own: u32) {
    let slots = table.guests.holders().zip(&table.guest_slots).enumerate();
    for (place, (holder, slot)) in slots {
        if holder == 0
            || holder == own
            || !is_gone(holder)
            || !table.guests.take_over(place, holder, own)
        {
            continue;
        }
        lanes::leave(holder);
        *slot.kept.claimed() = Kept::default();
        table.guests.release(place);
    }
}

fn is_gone(process: u32) -> bool {
    call(libc::SYS_kill, [process.into(), 0, 0, 0, 0, 0]) == Err(Errno::SRCH)
}
