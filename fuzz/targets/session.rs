//! Sequences of records against the session of a lane. The input is a list of records, each
//! with a byte that says how many descriptors came or that a request is completed, and two
//! bytes of length.
//!
//! The oracle: a rejected record ends the session and leaves nothing; what is kept is within
//! the limits; only what was asked and is in flight is ever delivered.
#![no_main]

use std::collections::BTreeSet;

use doorward::session::{Completed, Delivery, Effect, Limits, Outgoing, Session};
use doorward_fuzz::{Cost, bounded};
use doorward_protocol::{
    Reply,
    frame::encode_hello,
    hello::{Hello, LaneFront},
};
use libfuzzer_sys::fuzz_target;

/// Completes the oldest request in flight.
const COMPLETE: u8 = 255;

/// What is in flight and the handles; lists of arguments are copied as they grow.
const COST: Cost = Cost {
    base: 16 << 10,
    each: 8,
};

fuzz_target!(|data: &[u8]| bounded(data.len(), COST, || run(data)));

fn run(data: &[u8]) {
    let mut session = Session::new(Limits::LANE);
    let mut out = Outgoing::new();
    let mut rest = data;
    // The first byte says whether the hello is done properly.
    if let [1, more @ ..] = rest {
        rest = more;
        let mut hello = [0; 256];
        let length = encode_hello(&mut hello, &Hello::new(LaneFront::Api)).unwrap();
        assert_eq!(
            session.receive(&hello[..length], 0, &mut out),
            Ok(Effect::Send)
        );
    }
    let mut asked = BTreeSet::new();
    let mut over = false;
    while let [how, low, high, more @ ..] = rest {
        if *how == COMPLETE {
            let id = u32::from(*low);
            let completed = Completed {
                reply: Reply::Descriptor { handle: None },
                directory: (*high & 1 == 1).then_some(*high),
            };
            let delivery = session.complete(id, completed, &mut out);
            assert_eq!(delivery != Delivery::Nothing, asked.remove(&id));
            rest = more;
        } else {
            let length = usize::from(u16::from_le_bytes([*low, *high])).min(more.len());
            let (record, more) = more.split_at(length);
            rest = more;
            match session.receive(record, usize::from(*how), &mut out) {
                Ok(Effect::Perform { id, .. } | Effect::Another { id }) => {
                    assert!(!over && asked.insert(id));
                }
                Ok(Effect::Send) => assert!(!over && !out.frame().is_empty()),
                Err(_) => {
                    over = true;
                    asked.clear();
                    assert_eq!((session.handles(), session.in_flight()), (0, 0));
                    assert!(!session.is_ready());
                }
            }
        }
        assert_eq!(session.in_flight(), asked.len());
        assert!(asked.len() <= Limits::LANE.in_flight);
        assert!(session.handles() <= Limits::LANE.handles);
    }
}
