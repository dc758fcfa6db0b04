//! Frames: whatever is decoded encodes to the very same bytes, so nothing of a frame is
//! ignored; nothing panics; and no more is allocated than the input pays for.
#![no_main]

use doorward_fuzz::{Cost, bounded};
use doorward_protocol::{
    Operation,
    frame::{self, Incoming, LONGEST_REPLY_FRAME, LONGEST_REQUEST_FRAME},
};
use libfuzzer_sys::fuzz_target;

/// A growing list of arguments is copied as it doubles; an error has its text.
const COST: Cost = Cost {
    base: 1024,
    each: 8,
};

fuzz_target!(|data: &[u8]| {
    bounded(data.len(), COST, || {
        let _taken = frame::decode_request(data, 0);
    });
    let room = LONGEST_REQUEST_FRAME.max(LONGEST_REPLY_FRAME);
    let whole = Cost {
        base: COST.base + room,
        each: 3 * COST.each,
    };
    bounded(data.len(), whole, || round(data, &mut vec![0; room]));
});

fn round(data: &[u8], buffer: &mut [u8]) {
    match frame::decode_request(data, 0) {
        Ok(Incoming::Request { id, request }) => {
            let length = frame::encode_request(buffer, id, &request).unwrap();
            assert_eq!(&buffer[..length], data);
        }
        Ok(Incoming::Hello(hello)) => {
            let length = frame::encode_hello(buffer, &hello).unwrap();
            assert_eq!(&buffer[..length], data);
        }
        Err(_) => {}
    }
    let [code, descriptors, _, _, a, b, c, d, ..] = *data else {
        return;
    };
    let _welcome = frame::decode_welcome(data, 0);
    let id = u32::from_le_bytes([a, b, c, d]);
    let Some(operation) = Operation::from_code(code) else {
        return;
    };
    if let Ok(reply) = frame::decode_reply(data, usize::from(descriptors), operation, id) {
        assert_eq!(reply.descriptors(), descriptors);
        let length = frame::encode_reply(buffer, operation, id, &reply).unwrap();
        assert_eq!(&buffer[..length], data);
    }
}
