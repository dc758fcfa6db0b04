//! Lanes and other descriptors of ours, and whose they are.
//!
//! Each slot has a lane of its own, got on first use by the rendezvous: one lane that all
//! processes share, on which each request is the same, so that it does not matter who takes
//! which reply. After a fork the table is wiped; the child then closes what it inherited and
//! gets lanes of its own. Who finds a table of another process uses a lane for one operation
//! only ([`guests`]).

use std::{
    os::fd::{AsRawFd, OwnedFd},
    sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
};

use doorward_protocol::{
    Operation, Reply, Request,
    frame::{encode_hello, encode_request},
    hello::{Hello, LaneFront},
};
use rustix::io::{Errno, fcntl_dupfd_cloexec};

use super::{
    control::{Promise, holds},
    guests,
    record::{Received, receive, receive_all, send_all, wait},
    reply,
    slot::{Kept, Own, Room},
    status::Status,
    sys::{self, call},
    table::{SLOTS, Table},
};

/// Descriptors that may be ours at a time: three a slot, and those of single operations.
const OWNED: usize = SLOTS * 3 + 64;
/// Slots that are made ready at the start, so that at the limit of descriptors a call and one of a
/// signal's handler in its midst go on.
const READY: usize = 2;
/// Nanoseconds after which a lane is asked for again; each time they double.
const PATIENCE: i64 = 1_000_000_000;
/// Where ours begin, if the limit of descriptors lets them.
const BASE: u64 = 960;

/// A descriptor of ours, kept where a fork does not wipe it: process and number, and the
/// inode by which it is known again.
struct Entry {
    holder: AtomicU64,
    inode: AtomicU64,
}

static ENTRIES: [Entry; OWNED] = [const {
    Entry {
        holder: AtomicU64::new(0),
        inode: AtomicU64::new(0),
    }
}; OWNED];
static RENDEZVOUS: Entry = Entry {
    holder: AtomicU64::new(0),
    inode: AtomicU64::new(0),
};
static FIRST: AtomicU32 = AtomicU32::new(0);
static JOINED: AtomicBool = AtomicBool::new(false);

/// A number as an argument of a call.
pub(super) fn signed(number: i32) -> u64 {
    u64::from(number.cast_unsigned())
}

/// This process.
pub(super) fn process() -> u32 {
    let number = call(libc::SYS_getpid, [0; 6]).unwrap_or_default();
    u32::try_from(number).unwrap_or_default()
}

/// This thread.
fn thread() -> u32 {
    let number = call(libc::SYS_gettid, [0; 6]).unwrap_or_default();
    u32::try_from(number).unwrap_or_default()
}

/// The first number that ours may have; programs that close or replace such are asked for it.
pub(super) fn first() -> u32 {
    FIRST.load(Ordering::Relaxed)
}

fn holder(process: u32, number: i32) -> u64 {
    (u64::from(process) << 32) | signed(number)
}

fn inode(number: i32) -> u64 {
    Status::of(number).map_or(0, |status| status.inode())
}

/// Whether it still is what it was.
pub(super) fn is_own(own: Own) -> bool {
    own.inode != 0 && inode(own.number) == own.inode
}

/// The numbers that this process has to leave alone: its own, and where it uses a table of
/// another, which may share its descriptors, those of all.
fn kept() -> impl Iterator<Item = u32> {
    let own = process();
    let is_guest = sys::table().is_none_or(|table| !is_of(table, own));
    let held = ENTRIES
        .iter()
        .map(|entry| entry.holder.load(Ordering::Acquire));
    let near = move |held: &u64| *held != 0 && (is_guest || held >> 32 == u64::from(own));
    let rendezvous = RENDEZVOUS.holder.load(Ordering::Acquire);
    let all = held.filter(near).chain([rendezvous]);
    all.flat_map(|held| u32::try_from(held & 0xffff_ffff))
}

/// Whether a number is one of those.
pub(super) fn is_kept(number: u32) -> bool {
    kept().any(|kept| kept == number)
}

/// The lowest of them from `from` on.
pub(super) fn next_kept(from: u32) -> Option<u32> {
    kept().filter(|number| *number >= from).min()
}

/// Closes a descriptor that nobody asked for.
pub(super) fn discard(number: i32) {
    close_number(number);
}

fn close_number(number: i32) {
    let _closed = call(libc::SYS_close, [signed(number), 0, 0, 0, 0, 0]);
}

/// Closes what is still ours.
pub(super) fn close(own: Own) {
    if own.inode == 0 {
        return;
    }
    let number = signed(own.number);
    let entry = ENTRIES.iter().find(|entry| {
        entry.holder.load(Ordering::Acquire) & 0xffff_ffff == number
            && entry.inode.load(Ordering::Acquire) == own.inode
    });
    if let Some(entry) = entry {
        entry.holder.store(0, Ordering::Release);
    }
    if is_own(own) {
        close_number(own.number);
    }
}

/// Gives a fresh descriptor a number that programs do not use, where there is one.
fn moved(number: i32) -> Own {
    let least = u64::from(first());
    let command = signed(libc::F_DUPFD_CLOEXEC);
    let arguments = [signed(number), command, least, 0, 0, 0];
    let moved = call(libc::SYS_fcntl, arguments).ok();
    let number = match moved.and_then(|moved| i32::try_from(moved).ok()) {
        Some(moved) => {
            close_number(number);
            moved
        }
        None => number,
    };
    Own {
        number,
        inode: inode(number),
    }
}

/// As [`moved`], and remembers it, so that a child knows what it inherited.
pub(super) fn out_of_the_way(number: i32) -> Own {
    let own = moved(number);
    let mine = holder(process(), own.number);
    let _kept = ENTRIES.iter().find(|entry| {
        let free = entry
            .holder
            .compare_exchange(0, mine, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok();
        if free {
            entry.inode.store(own.inode, Ordering::Release);
        }
        free
    });
    own
}

/// Says where the numbers of ours begin.
pub(super) fn number_descriptors() -> Result<u32, Errno> {
    let mut limit = [0_u64; 2];
    let files = u64::from(libc::RLIMIT_NOFILE);
    let room = sys::address_mut(&mut limit);
    call(libc::SYS_prlimit64, [0, files, 0, room, 0, 0])?;
    let [most, _] = limit;
    let first = u32::try_from(BASE.min(most / 2)).unwrap_or_default();
    FIRST.store(first, Ordering::Relaxed);
    Ok(first)
}

/// Whether this program was made to [`join`]: calls that do not trap are handed to the broker.
pub(super) fn is_joined() -> bool {
    JOINED.load(Ordering::Relaxed)
}

/// Makes the table; the rendezvous was greeted before this program was started, and keeps its
/// number, by which those find it that this one executes.
pub(super) fn join(lane: i32) -> Result<(), Errno> {
    let inode = inode(lane);
    if inode == 0 {
        return Err(Errno::BADF);
    }
    let table = sys::make_table()?;
    number_descriptors()?;
    RENDEZVOUS.inode.store(inode, Ordering::Release);
    RENDEZVOUS.holder.store(holder(0, lane), Ordering::Release);
    JOINED.store(true, Ordering::Relaxed);
    table.process.store(process(), Ordering::Release);
    Ok(())
}

/// Makes the table, and begins to speak on the rendezvous. It stays the caller's, who keeps it
/// open as long as anything may be asked.
pub(super) fn begin(lane: OwnedFd) -> Result<OwnedFd, Errno> {
    let table = sys::make_table()?;
    let lane = begin_in(table, lane)?;
    make_ready(table)?;
    Ok(lane)
}

/// Begins with a table that is empty.
pub(super) fn begin_in(table: &Table, lane: OwnedFd) -> Result<OwnedFd, Errno> {
    let first = number_descriptors()?.cast_signed();
    let lane = fcntl_dupfd_cloexec(&lane, first).unwrap_or(lane);
    let number = lane.as_raw_fd();
    greet(number, LaneFront::Api)?;
    RENDEZVOUS.inode.store(inode(number), Ordering::Release);
    let shared = holder(0, number);
    RENDEZVOUS.holder.store(shared, Ordering::Release);
    table.process.store(process(), Ordering::Release);
    Ok(lane)
}

/// Says hello.
pub(super) fn greet(lane: i32, front: LaneFront) -> Result<(), Errno> {
    let mut frame = [0_u8; 256];
    let length = encode_hello(&mut frame, &Hello::new(front)).map_err(|_| Errno::PROTO)?;
    send_all(lane, frame.get(..length).unwrap_or_default())?;
    let received = receive_all(lane, &mut frame)?;
    received.descriptor.into_iter().for_each(close_number);
    let welcome = frame.get(..received.length).unwrap_or_default();
    if received.descriptor.is_none() && reply::is_welcome(welcome) {
        Ok(())
    } else {
        Err(Errno::PROTO)
    }
}

/// Asks for a lane on the rendezvous; the record that came. Whoever dies before it took its
/// reply leaves that for others, of which the broker lets there be only so many; so an asker
/// that got none asks again after a while.
fn ask_for_one(rendezvous: i32, frame: &mut [u8]) -> Result<Received, Errno> {
    let mut request = [0_u8; 64];
    let length = encode_request(&mut request, 0, &Request::Lane).map_err(|_| Errno::PROTO)?;
    let request = request.get(..length).unwrap_or_default();
    let mut patience = PATIENCE;
    loop {
        send_all(rendezvous, request)?;
        let mut left = patience;
        while left > 0 {
            wait(rendezvous, &mut left);
            let now = libc::MSG_CMSG_CLOEXEC | libc::MSG_DONTWAIT;
            match receive(rendezvous, frame, now) {
                Err(Errno::AGAIN | Errno::INTR) => {}
                received => return received,
            }
        }
        patience = patience.saturating_mul(2);
    }
}

/// Asks for a lane.
fn fresh() -> Result<Own, Errno> {
    let rendezvous = Own {
        number: i32::try_from(RENDEZVOUS.holder.load(Ordering::Acquire) & 0xffff_ffff)
            .map_err(|_| Errno::IO)?,
        inode: RENDEZVOUS.inode.load(Ordering::Acquire),
    };
    if !is_own(rendezvous) {
        return Err(Errno::IO);
    }
    let mut frame = [0_u8; 256];
    let received = ask_for_one(rendezvous.number, &mut frame)?;
    let record = frame.get(..received.length).unwrap_or_default();
    let told = reply::decode(record, received.descriptor.is_some(), Operation::Lane, 0);
    let lane = match (told, received.descriptor) {
        (Ok(Reply::Descriptor { .. }), Some(lane)) => out_of_the_way(lane),
        (Ok(Reply::Errno(errno)), None) => return Err(reply::errno(errno)),
        (_, descriptor) => {
            descriptor.into_iter().for_each(close_number);
            return Err(Errno::IO);
        }
    };
    match greet(lane.number, LaneFront::Trap) {
        Ok(()) => Ok(lane),
        Err(errno) => {
            close(lane);
            Err(errno)
        }
    }
}

/// What an operation needs of its slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Needs {
    Pipe,
    PipeAndLane,
}

/// Makes what a slot lacks, or what of it is no longer ours.
pub(super) fn prepare(kept: &mut Kept, needs: Needs) -> Result<(), Errno> {
    kept.pipe.prepare()?;
    if needs == Needs::PipeAndLane && !is_own(kept.lane) {
        give_up(&mut kept.lane);
        kept.lane = fresh()?;
    }
    Ok(())
}

/// A slot that has what is needed, for this thread; none where all are taken. At the limit of
/// descriptors it is one that has it already.
fn claim(table: &Table, needs: Needs) -> Result<Option<usize>, Errno> {
    let thread = thread();
    let Some(place) = table.claims.claim(thread) else {
        return Ok(None);
    };
    let Some(slot) = table.slots.get(place) else {
        return Ok(None);
    };
    let Err(errno) = prepare(slot.kept.claimed(), needs) else {
        return Ok(Some(place));
    };
    table.claims.release(place);
    if errno != Errno::MFILE && errno != Errno::NFILE {
        return Err(errno);
    }
    for (place, slot) in table.slots.iter().enumerate() {
        if table.claims.claim_this(place, thread) {
            let kept = slot.kept.claimed();
            if kept.pipe.is_own() && (needs == Needs::Pipe || is_own(kept.lane)) {
                return Ok(Some(place));
            }
            table.claims.release(place);
        }
    }
    Err(errno)
}

/// Makes the first slots ready.
fn make_ready(table: &Table) -> Result<(), Errno> {
    for slot in table.slots.iter().take(READY) {
        prepare(slot.kept.claimed(), Needs::PipeAndLane)?;
    }
    Ok(())
}

/// Ends what [`begin_in`] began, as no program does: all of a table that nothing uses is closed.
#[cfg(fuzzing)]
pub(super) fn end(table: &Table) {
    for slot in &table.slots {
        let kept = slot.kept.claimed();
        give_up(&mut kept.lane);
        kept.pipe.close();
        kept.id = 0;
    }
    table.process.store(0, Ordering::Release);
    let rendezvous = RENDEZVOUS.holder.swap(0, Ordering::AcqRel);
    if let (true, Ok(number)) = (rendezvous != 0, i32::try_from(rendezvous & 0xffff_ffff)) {
        close_number(number);
    }
}

/// Gives up a lane, and with it what was asked on it.
pub(super) fn give_up(lane: &mut Own) {
    close(std::mem::take(lane));
}

/// What this thread has under way, where it is in a signal's handler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Midst {
    slots: u64,
    guest: bool,
}

impl Midst {
    /// Whether it is in that of an operation.
    pub(super) fn is_in_one(self) -> bool {
        self.slots != 0 || self.guest
    }
}

/// What this thread has under way.
pub(super) fn midst() -> Midst {
    let own = process();
    let slots = |table: &Table| table.claims.taken(thread());
    let guest = |table: &Table| table.guests.holders().any(|holder| holder == own);
    Midst {
        slots: sys::table().map_or(0, slots),
        guest: sys::table().is_some_and(guest),
    }
}

/// In a child after fork(2), before anything is asked there. What the thread that forked had
/// under way, below a signal's handler, goes on in the child with a slot that was wiped: it
/// keeps that, and the descriptors that it may still know the numbers of lead nowhere.
pub(super) fn forked(midst: Midst) {
    let Some(table) = sys::table() else { return };
    let own = process();
    table.claims.retake(midst.slots, thread());
    leave_inherited(own, midst.is_in_one());
    table.process.store(own, Ordering::Release);
}

/// Gives up what a process left that is no more, as far as it is here.
pub(super) fn leave(process: u32) {
    for entry in &ENTRIES {
        let held = entry.holder.load(Ordering::Acquire);
        if held >> 32 != u64::from(process) {
            continue;
        }
        let left = Own {
            number: i32::try_from(held & 0xffff_ffff).unwrap_or_default(),
            inode: entry.inode.load(Ordering::Acquire),
        };
        if is_own(left) {
            close_number(left.number);
        }
        entry.holder.store(0, Ordering::Release);
    }
}

/// Gives up what a fork has left of the parent's.
fn leave_inherited(own: u32, in_use: bool) {
    let dead = (in_use && holds(Promise::DeadEnds))
        .then(|| dead_end(own))
        .flatten();
    for entry in &ENTRIES {
        let held = entry.holder.load(Ordering::Acquire);
        // What is under way here meanwhile registers its own under this process.
        if held == 0 || held >> 32 == u64::from(own) {
            continue;
        }
        let inherited = Own {
            number: i32::try_from(held & 0xffff_ffff).unwrap_or_default(),
            inode: entry.inode.load(Ordering::Acquire),
        };
        match dead {
            Some((dead, freed)) if is_own(inherited) || freed == Some(inherited.number) => {
                let flags = signed(libc::O_CLOEXEC);
                let arguments = [signed(dead), signed(inherited.number), flags, 0, 0, 0];
                let _replaced = call(libc::SYS_dup3, arguments);
                entry.inode.store(inode(dead), Ordering::Release);
                let mine = holder(own, inherited.number);
                entry.holder.store(mine, Ordering::Release);
            }
            _ => {
                if is_own(inherited) {
                    close_number(inherited.number);
                }
                entry.holder.store(0, Ordering::Release);
            }
        }
    }
    if let Some((dead, _)) = dead {
        close_number(dead);
    }
}

/// A descriptor that can neither be sent nor written to, and from which nothing comes; and the
/// number of an inherited one that was closed to have room for it.
fn dead_end(own: u32) -> Option<(i32, Option<i32>)> {
    let make = || {
        call(libc::SYS_epoll_create1, [0; 6])
            .and_then(|number| i32::try_from(number).map_err(|_| Errno::MFILE))
    };
    if let Ok(dead) = make() {
        return Some((dead, None));
    }
    let held = ENTRIES
        .iter()
        .map(|entry| entry.holder.load(Ordering::Acquire));
    let mut inherited = held.filter(|held| *held != 0 && held >> 32 != u64::from(own));
    let freed = i32::try_from(inherited.next()? & 0xffff_ffff).ok()?;
    close_number(freed);
    make().ok().map(|dead| (dead, Some(freed)))
}

/// Whether the table is this process's own. It is nobody's in a child that shares its parent's
/// descriptors, and in one that was forked unseen, which may.
fn is_of(table: &Table, own: u32) -> bool {
    table.process.load(Ordering::Acquire) == own
}

/// Does something with a slot of its own.
///
/// # Errors
/// What the work meets; `EINTR` in a child that was forked in the midst of it.
pub(super) fn with<T>(
    needs: Needs,
    work: impl FnOnce(&mut Kept, &mut Room) -> Result<T, Errno>,
) -> Result<T, Errno> {
    let table = sys::table().ok_or(Errno::NOSYS)?;
    let own = process();
    if !is_of(table, own) {
        return guests::with(table, own, needs, work);
    }
    if table.guests.holders().any(|holder| holder != 0) {
        guests::bury(table, own);
    }
    if let Some(place) = claim(table, needs)?
        && let Some(slot) = table.slots.get(place)
    {
        let done = work(slot.kept.claimed(), slot.room.claimed());
        table.claims.release(place);
        if !is_of(table, own) {
            return Err(Errno::INTR);
        }
        return done;
    }
    guests::with_fresh(needs, work)
}
