//! Frames: whatever is decoded encodes to the very same bytes, so nothing of a frame is
//! ignored; nothing panics; and no more is allocated than the input pays for.
#![no_main]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

use doorward_protocol::{
    Operation,
    frame::{self, Incoming, LONGEST_REPLY_FRAME, LONGEST_REQUEST_FRAME},
};
use libfuzzer_sys::fuzz_target;

thread_local! {
    static ASKED: Cell<usize> = const { Cell::new(0) };
}

/// Counts what is asked of it.
struct Counting;

// SAFETY: every call is handed to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = ASKED.try_with(|asked| asked.set(asked.get().saturating_add(layout.size())));
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fuzz_target!(|data: &[u8]| {
    let before = ASKED.get();
    let incoming = frame::decode_request(data, 0);
    let asked = ASKED.get() - before;
    // A growing list of arguments is copied as it doubles; an error has its text.
    assert!(
        asked <= 8 * data.len() + 1024,
        "{asked} bytes for {}",
        data.len()
    );
    let mut buffer = vec![0; LONGEST_REQUEST_FRAME.max(LONGEST_REPLY_FRAME)];
    match incoming {
        Ok(Incoming::Request { id, request }) => {
            let length = frame::encode_request(&mut buffer, id, &request).unwrap();
            assert_eq!(&buffer[..length], data);
        }
        Ok(Incoming::Hello(hello)) => {
            let length = frame::encode_hello(&mut buffer, &hello).unwrap();
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
        let length = frame::encode_reply(&mut buffer, operation, id, &reply).unwrap();
        assert_eq!(&buffer[..length], data);
    }
});
