//! Lanes against hostile peers. The tests of this file run in one process each count its
//! descriptors, so they take turns.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic,
    reason = "tests stop at what they did not expect"
)]

use std::{
    io::IoSlice,
    mem::MaybeUninit,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use doorward_protocol::lane::{Lane, LaneError};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

static TURN: Mutex<()> = Mutex::new(());

fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Sends a record with descriptors as a hostile peer may.
fn smuggle(lane: &Lane, record: &[u8], count: usize) {
    let file: OwnedFd = std::fs::File::open("/dev/null").unwrap().into();
    let descriptors: Vec<BorrowedFd<'_>> = (0..count).map(|_| file.as_fd()).collect();
    let mut space = vec![MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(253))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    assert!(control.push(SendAncillaryMessage::ScmRights(&descriptors)));
    let record = [IoSlice::new(record)];
    sendmsg(lane, &record, &mut control, SendFlags::empty()).unwrap();
}

#[test]
fn a_descriptor_comes_with_its_record() {
    let _turn = turn();
    let (ours, theirs) = Lane::pair().unwrap();
    let (read, write) = rustix::pipe::pipe().unwrap();
    ours.send_now(b"plain", None).unwrap();
    ours.send_now(b"with", Some(read.as_fd())).unwrap();
    let mut buffer = [0; 64];
    let plain = theirs.receive(&mut buffer).unwrap();
    assert_eq!((plain.length, plain.descriptor.is_some()), (5, false));
    let with = theirs.receive(&mut buffer).unwrap();
    let received = with.descriptor.unwrap();
    assert!(
        rustix::io::fcntl_getfd(&received)
            .unwrap()
            .contains(rustix::io::FdFlags::CLOEXEC)
    );
    rustix::io::write(&write, b"through").unwrap();
    let mut through = [0; 16];
    assert_eq!(rustix::io::read(&received, &mut through).unwrap(), 7);
}

/// I-7, I-8: whatever number comes, nothing stays open.
#[test]
fn a_wrong_number_of_descriptors_leaks_nothing() {
    let _turn = turn();
    let (ours, theirs) = Lane::pair().unwrap();
    let mut buffer = [0; 64];
    let before = open_descriptors();
    for count in [2, 3, 10, 253] {
        smuggle(&theirs, b"x", count);
        let error = ours.receive(&mut buffer).unwrap_err();
        assert!(
            matches!(error, LaneError::Descriptors(_) | LaneError::Control),
            "{count}: {error:?}"
        );
        assert_eq!(open_descriptors(), before, "{count}");
    }
    for count in [1, 2, 10, 253] {
        smuggle(&theirs, b"x", count);
        assert_eq!(
            ours.receive_bare(&mut buffer).unwrap_err(),
            LaneError::Control
        );
        assert_eq!(open_descriptors(), before, "{count}");
    }
    // The lane itself still works: what costs it is the reader's decision.
    theirs.send(b"next").unwrap();
    assert_eq!(ours.receive_bare(&mut buffer).unwrap().length, 4);
}

/// The control of the test above: a receiver that looks at CTRUNC alone, with the customary
/// buffer of CMSG_SPACE(one int), is given two descriptors and told nothing (F-26).
#[test]
fn control_the_customary_buffer_for_one_descriptor_takes_two() {
    let _turn = turn();
    let (ours, theirs) = Lane::pair().unwrap();
    let before = open_descriptors();
    smuggle(&theirs, b"x", 2);
    #[repr(align(8))]
    struct Customary([MaybeUninit<u8>; 24]);
    let mut space = Customary([MaybeUninit::uninit(); 24]);
    let mut control = RecvAncillaryBuffer::new(&mut space.0);
    let mut byte = [0; 1];
    let received = recvmsg(
        &ours,
        &mut [std::io::IoSliceMut::new(&mut byte)],
        &mut control,
        RecvFlags::CMSG_CLOEXEC,
    )
    .unwrap();
    assert!(!received.flags.contains(ReturnFlags::CTRUNC));
    assert_eq!(open_descriptors(), before + 2);
    let mut count = 0;
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            count += rights.count();
        }
    }
    assert_eq!(count, 2);
    assert_eq!(open_descriptors(), before);
}

/// I-5.
#[test]
fn a_record_longer_than_the_buffer_is_told_and_closes_what_came() {
    let _turn = turn();
    let (ours, theirs) = Lane::pair().unwrap();
    let before = open_descriptors();
    let mut buffer = [0; 100];
    theirs.send(&[1; 9000]).unwrap();
    assert_eq!(ours.receive(&mut buffer).unwrap_err(), LaneError::Truncated);
    smuggle(&theirs, &[1; 101], 1);
    assert_eq!(ours.receive(&mut buffer).unwrap_err(), LaneError::Truncated);
    assert_eq!(open_descriptors(), before);
    theirs.send(&[1; 100]).unwrap();
    assert_eq!(ours.receive(&mut buffer).unwrap().length, 100);
}

#[test]
fn an_empty_record_is_no_hang_up() {
    let _turn = turn();
    let (ours, theirs) = Lane::pair().unwrap();
    let mut buffer = [0; 8];
    theirs.send(b"").unwrap();
    assert_eq!(ours.receive(&mut buffer).unwrap_err(), LaneError::Empty);
    assert_eq!(
        ours.receive_bare(&mut buffer).unwrap_err(),
        LaneError::NotReady
    );
    theirs.send(b"left").unwrap();
    drop(theirs);
    assert_eq!(ours.receive(&mut buffer).unwrap().length, 4);
    assert_eq!(ours.receive(&mut buffer).unwrap_err(), LaneError::Gone);
    assert_eq!(ours.send(b"x").unwrap_err(), LaneError::Gone);
}

#[test]
fn a_peer_that_closes_with_unread_records_is_gone() {
    let _turn = turn();
    let (ours, theirs) = Lane::pair().unwrap();
    ours.send(b"unread").unwrap();
    drop(theirs);
    let mut buffer = [0; 8];
    assert_eq!(ours.receive(&mut buffer).unwrap_err(), LaneError::Gone);
}

/// I-16: nobody waits for one who does not read.
#[test]
fn a_full_lane_does_not_block_the_sender() {
    let _turn = turn();
    let (ours, theirs) = Lane::pair().unwrap();
    let before = open_descriptors();
    let file = std::fs::File::open("/dev/null").unwrap();
    let mut sent = 0;
    let error = loop {
        match ours.send_now(&[0; 64], Some(file.as_fd())) {
            Ok(()) => sent += 1,
            Err(error) => break error,
        }
        assert!(sent < 100_000);
    };
    assert_eq!(error, LaneError::NotReady);
    assert!(sent > 10);
    drop(file);
    drop(theirs);
    assert_eq!(open_descriptors(), before - 1);
}

#[test]
fn waiting_has_a_bound() {
    let _turn = turn();
    let (ours, _theirs) = Lane::pair().unwrap();
    ours.set_patience(Duration::from_millis(50)).unwrap();
    let started = Instant::now();
    let mut buffer = [0; 8];
    assert_eq!(ours.receive(&mut buffer).unwrap_err(), LaneError::NotReady);
    assert!(started.elapsed() >= Duration::from_millis(40));
}

/// A stream would take it; the control shows that.
#[test]
fn urgent_data_has_no_place_on_a_lane() {
    let _turn = turn();
    let (ours, _theirs) = Lane::pair().unwrap();
    let urgent = rustix::net::send(&ours, b"x", SendFlags::OOB);
    assert_eq!(urgent, Err(rustix::io::Errno::OPNOTSUPP));
    let (stream, _other) = std::os::unix::net::UnixStream::pair().unwrap();
    assert_eq!(rustix::net::send(&stream, b"x", SendFlags::OOB), Ok(1));
}

/// Bytes that come by way of pages of the sender's memory are copied when they are sent. A
/// stream keeps the pages, which the control shows: what was looked at is not what is read.
#[test]
fn a_record_does_not_change_with_the_memory_it_came_from() {
    let _turn = turn();
    let after_a_change = |kind| {
        let flags = rustix::net::SocketFlags::empty();
        let family = rustix::net::AddressFamily::UNIX;
        let (reader, writer) = rustix::net::socketpair(family, kind, flags, None).unwrap();
        let page = memfd();
        let (out, into) = rustix::pipe::pipe().unwrap();
        let none = rustix::pipe::SpliceFlags::empty();
        rustix::pipe::splice(&page, Some(&mut 0), &into, None, 8, none).unwrap();
        rustix::pipe::splice(&out, None, &writer, None, 8, none).unwrap();
        rustix::io::pwrite(&page, b"/SECRET!", 0).unwrap();
        let mut bytes = [0; 8];
        assert_eq!(rustix::io::read(&reader, &mut bytes[..]).unwrap(), 8);
        bytes
    };
    let record = after_a_change(rustix::net::SocketType::SEQPACKET);
    assert_eq!(&record, b"/allowed");
    let streamed = after_a_change(rustix::net::SocketType::STREAM);
    assert_eq!(&streamed, b"/SECRET!");
}

fn memfd() -> OwnedFd {
    let file = rustix::fs::memfd_create("page", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
    rustix::io::pwrite(&file, b"/allowed", 0).unwrap();
    file
}
