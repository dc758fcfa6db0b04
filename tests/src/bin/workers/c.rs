//! A worker whose methods are in C (decoder.c), as docs/C.md says.

use std::{os::fd::IntoRawFd, time::Duration};

use doorward::{
    Sandboxee,
    worker::{CallError, Terms, Worker, Zygote},
};
// Its functions are what decoder.c calls.
use doorward_c as _;

use super::{C_ENTRY, PLAIN, sandbox_of, terms};

doorward::interface! {
    /// What decoder.c does.
    pub trait Decoder, stub Decoders {
        /// The input, changed.
        fn change() -> i32, idempotent;
        /// The argument.
        fn number(value: u32) -> i32;
        /// The errno of an output that does not fit.
        fn flood() -> i32;
        /// How many calls with a NULL are refused.
        fn misuse() -> i32;
        /// Goes on until the call is given up.
        fn spin() -> i32;
        /// How many calls there were, this one too.
        fn calls() -> i32;
    }
}

/// The entry.
pub(crate) fn serve(sandboxee: Sandboxee) -> u8 {
    let Some(host) = sandboxee.host else { return 1 };
    let [socket, arena] = host.into_descriptors().map(IntoRawFd::into_raw_fd);
    sys::served(socket, arena)
}

fn worker(zygote: &Zygote) -> Decoders<Worker> {
    Decoders::new(zygote.fork().unwrap())
}

/// Input, output, arguments, results, and a call that is given up.
pub(crate) fn all(front: &str) {
    let zygote = Zygote::start(sandbox_of(C_ENTRY, front, ""), PLAIN).unwrap();
    let mut one = worker(&zygote);
    for round in 0..20_u8 {
        let input = vec![round; 5_000 * usize::from(round)];
        let given = terms().input(&input).output_up_to(input.len());
        let answer = one.change(given).unwrap().whatever_it_is();
        assert_eq!(usize::try_from(answer.result).unwrap(), input.len());
        assert!(answer.output.iter().all(|&byte| byte == round + 1));
        assert_eq!(answer.output.len(), input.len());
    }
    let number = one.number(terms(), 0x0102_0304).unwrap().whatever_it_is();
    assert_eq!(number.result, 0x0102_0304);
    let flood = one.flood(terms().output_up_to(100)).unwrap();
    let flood = flood.whatever_it_is();
    assert_eq!((flood.result, flood.output.len()), (libc::ENOSPC, 100));
    let misuse = one.misuse(terms()).unwrap().whatever_it_is();
    assert_eq!((misuse.result, misuse.output.len()), (4, 0));
    let calls = one.calls(terms()).unwrap().whatever_it_is();
    assert_eq!(calls.result, 24);

    let given = Terms::within(Duration::from_millis(200));
    assert_eq!(one.spin(given), Err(CallError::Late));
    // Another worker knows nothing of it.
    let calls = worker(&zygote).calls(terms()).unwrap().whatever_it_is();
    assert_eq!(calls.result, 1);
}

#[allow(unsafe_code, reason = "decoder.c is called here")]
mod sys {
    //! What is in C.

    use std::ffi::c_int;

    unsafe extern "C" {
        fn decoder(socket: c_int, arena: c_int) -> c_int;
    }

    /// Serves until the host is gone; the exit status.
    pub(super) fn served(socket: c_int, arena: c_int) -> u8 {
        // SAFETY: both were given away, and what it calls is the library's.
        let error = unsafe { decoder(socket, arena) };
        u8::from(error != 0)
    }
}
