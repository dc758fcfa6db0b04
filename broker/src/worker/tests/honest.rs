//! Calls that go well, over a socket and in one process.

use std::time::Duration;

use super::{
    super::{AskError, Call, CallError, Cancel, Local, Terms},
    LONG, against, number,
};
use crate::worker::Host;

crate::interface! {
    /// What these tests call.
    pub(super) trait Echo, stub Echoes {
        /// The input, backwards, as output; its length and the argument.
        fn turn(word: String) -> (u32, String), idempotent;
        /// The sum of what the host answers to so many questions.
        fn sum(questions: u32) -> Option<u64>;
        /// So many bytes.
        fn long(bytes: u32) -> Vec<u8>;
        /// Does nothing.
        fn nothing();
    }
}

pub(super) struct Honest;

impl Echo for Honest {
    fn turn(&mut self, call: &mut Call<'_>, word: String) -> (u32, String) {
        let mut input = call.input().unwrap();
        input.reverse();
        call.output(&input).unwrap();
        (u32::try_from(input.len()).unwrap(), word)
    }

    fn sum(&mut self, call: &mut Call<'_>, questions: u32) -> Option<u64> {
        let answers = (0..questions).map(|one| call.ask::<u32, u64>(&one));
        answers.sum::<Result<u64, AskError>>().ok()
    }

    fn long(&mut self, _call: &mut Call<'_>, bytes: u32) -> Vec<u8> {
        vec![7; usize::try_from(bytes).unwrap()]
    }

    fn nothing(&mut self, _call: &mut Call<'_>) {}
}

/// A backend over a socket to a thread.
struct Threaded(super::Connection);

impl crate::worker::Backend for Threaded {
    fn call<A: serde::Serialize, R: serde::de::DeserializeOwned>(
        &mut self,
        request: &crate::worker::Request<'_, A>,
        terms: &mut Terms<'_>,
    ) -> Result<crate::worker::Tainted<crate::worker::Answer<R>>, CallError> {
        let called = self.0.call(request, terms);
        called.and_then(crate::worker::Reply::decoded)
    }
}

fn terms<'a>() -> Terms<'a> {
    Terms::within(LONG)
}

/// Every method once, with what its terms refuse.
fn all<B: crate::worker::Backend>(mut stub: Echoes<B>) {
    for length in [0, 1, 7, 8, 9, 4096, 20_001] {
        let input: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
        let given = terms().input(&input).output_up_to(length);
        let answer = stub.turn(given, "word".to_owned()).unwrap();
        let answer = answer.whatever_it_is();
        assert_eq!(answer.result, (length as u32, "word".to_owned()));
        assert!(answer.output.iter().eq(input.iter().rev()), "{length}");
    }
    stub.nothing(terms()).unwrap().whatever_it_is();
    let answering = terms().answering(3, |question: crate::worker::Tainted<u32>| {
        u64::from(question.whatever_it_is()) * 10
    });
    let sum = stub.sum(answering, 3).unwrap().whatever_it_is();
    assert_eq!(sum.result, Some(30));
    let bounded = terms().result_up_to(108);
    let long = stub.long(bounded, 100).unwrap().whatever_it_is();
    assert_eq!(long.result.len(), 100);
    let bounded = terms().result_up_to(108);
    assert_eq!(stub.long(bounded, 101), Err(CallError::ResultTooLong));
    // It was spared.
    stub.nothing(terms()).unwrap().whatever_it_is();
    let input = vec![0; super::ARENA];
    let refused = stub.turn(terms().input(&input), String::new());
    assert!(matches!(refused, Err(CallError::Input { .. })));
    let refused = stub.turn(terms().output_up_to(super::ARENA), String::new());
    assert!(matches!(refused, Err(CallError::Room { .. })));
    let refused = stub.turn(terms(), "x".repeat(200_000));
    assert!(matches!(refused, Err(CallError::Arguments(_))));
    stub.nothing(terms()).unwrap().whatever_it_is();
}

#[test]
fn a_call_is_the_same_over_a_socket_and_in_one_process() {
    let (connection, socket, arena) = super::Connection::pair(super::ARENA).unwrap();
    let worker = std::thread::spawn(move || {
        let interface: &mut dyn Echo = &mut Honest;
        Host::new(socket, arena).serve(interface)
    });
    all(Echoes::new(Threaded(connection)));
    worker.join().unwrap().unwrap();
    let local = Local::new(Box::new(Honest) as Box<dyn Echo>, super::ARENA).unwrap();
    all(Echoes::new(local));
}

#[test]
fn a_call_can_be_given_up_from_another_thread() {
    let cancel = Cancel::new().unwrap();
    let (mut connection, worker) = against(|puppet| {
        let call = puppet.called().unwrap();
        while !puppet.arena.is_cancelled(call.id) {
            std::thread::yield_now();
        }
    });
    let other = cancel.clone();
    let thread = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(20));
        other.cancel();
    });
    let given = Terms::within(LONG).cancelled_by(&cancel);
    assert_eq!(number(&mut connection, given), Err(CallError::Cancelled));
    thread.join().unwrap();
    worker.join().unwrap();
}
