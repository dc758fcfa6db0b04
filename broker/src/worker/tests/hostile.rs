//! What a hostile worker sends, each beside what it does to a host that trusts.

use std::{
    os::fd::AsFd,
    sync::mpsc,
    time::{Duration, Instant},
};

use doorward_protocol::{
    arena::Span,
    call::{self as frame, LONGEST_FRAME},
    lane::{Lane, LaneError},
};

use super::{
    super::{Breach, CallError, Death, Terms},
    LONG, against, number, once, reply,
};

const NOTHING: Span = Span {
    offset: 0,
    length: 0,
};

fn terms<'a>() -> Terms<'a> {
    Terms::within(LONG).output_up_to(1024)
}

#[test]
fn a_second_reply_is_no_reply_to_the_next_call() {
    let (mut connection, worker) = against(|puppet| {
        let call = puppet.called().unwrap();
        puppet.reply(call.id, NOTHING, 1);
        puppet.reply(call.id, NOTHING, 2);
    });
    let first = number(&mut connection, terms()).unwrap();
    assert_eq!(first.whatever_it_is().result, 1);
    worker.join().unwrap();
    let second = number(&mut connection, terms());
    assert_eq!(second, Err(CallError::Breach(Breach::Unasked)));
}

/// The control: a host that takes the next record for the reply.
#[test]
fn control_a_host_that_takes_any_reply_gets_the_one_before() {
    let (ours, theirs) = Lane::pair().unwrap();
    for number in [1, 2] {
        theirs.send(&reply(1, NOTHING, number)).unwrap();
    }
    let naive = || {
        ours.send(b"call").unwrap();
        let mut buffer = vec![0; LONGEST_FRAME];
        let length = ours.receive(&mut buffer).unwrap().length;
        super::super::decode::<u64>(&buffer[frame::HEADER..length], 8).unwrap()
    };
    // The second call is answered before the worker has read it.
    assert_eq!([naive(), naive()], [1, 2]);
}

#[test]
fn a_reply_for_another_call_is_none() {
    for other in [0, 2, u32::MAX] {
        let (result, _) = once(terms(), move |puppet| {
            puppet.called();
            puppet.reply(other, NOTHING, 1);
        });
        let breach = Breach::OtherCall { id: other, due: 1 };
        assert_eq!(result, Err(CallError::Breach(breach)));
    }
}

#[test]
fn what_is_no_frame_is_a_value() {
    let changed = |at: usize, byte: u8| {
        let mut record = reply(1, NOTHING, 1);
        record[at] = byte;
        record
    };
    let records = [
        vec![1],
        vec![0; frame::HEADER],
        reply(1, NOTHING, 1)[..frame::HEADER - 1].to_vec(),
        // No such kind, no such status, reserved words.
        changed(0, 1),
        changed(0, 9),
        changed(8, 4),
        changed(20, 1),
        changed(31, 1),
        // A result that is shorter, or longer, than its type.
        reply(1, NOTHING, 1)[..frame::HEADER + 7].to_vec(),
        [reply(1, NOTHING, 1), vec![0]].concat(),
        // A reply that says the host called wrongly.
        changed(8, 1),
        changed(8, 2),
    ];
    for record in records {
        let sent = record.clone();
        let (result, _) = once(terms(), move |puppet| {
            puppet.called();
            let _gone = puppet.lane.send(&sent);
        });
        assert!(matches!(result, Err(CallError::Breach(_))), "{record:?}");
    }
}

#[test]
fn a_record_longer_than_the_caller_takes_is_not_taken() {
    let (result, _) = once(Terms::within(LONG).result_up_to(8), |puppet| {
        puppet.called();
        let _gone = puppet.lane.send(&vec![0; 4096]);
    });
    let breach = Breach::Record(LaneError::Truncated);
    assert_eq!(result, Err(CallError::Breach(breach)));
}

#[test]
fn a_result_and_a_question_have_a_bound_each() {
    let breach = || CallError::Breach(Breach::Record(LaneError::Truncated));
    let answer = |_: super::Tainted<u32>| 1_u32;
    for (most, refused) in [(7, true), (8, false)] {
        let terms = Terms::within(LONG).result_up_to(most).answering(1, answer);
        let (result, _) = once(terms, |puppet| {
            let id = puppet.called().unwrap().id;
            puppet.reply(id, NOTHING, 7);
        });
        assert_eq!(result.err(), refused.then(breach));
    }
    let (result, _) = once(Terms::within(LONG).answering(1, answer), |puppet| {
        let id = puppet.called().unwrap().id;
        let mut buffer = vec![0; LONGEST_FRAME];
        let length = frame::encode_question(&mut buffer, id, 4097).unwrap();
        let _gone = puppet.lane.send(&buffer[..length]);
    });
    assert_eq!(result, Err(breach()));
}

#[test]
fn no_reply_is_an_error_in_time() {
    for grace in [0, 30] {
        let given = Terms::within(Duration::from_millis(100)).grace(Duration::from_millis(grace));
        let (stop, stopped) = mpsc::channel::<()>();
        let (mut connection, worker) = against(move |puppet| {
            puppet.called();
            let _stopped = stopped.recv();
        });
        let begun = Instant::now();
        assert_eq!(number(&mut connection, given), Err(CallError::Late));
        let took = begun.elapsed();
        assert!(took >= Duration::from_millis(100 + grace), "{took:?}");
        assert!(took < Duration::from_secs(5), "{took:?}");
        drop(stop);
        worker.join().unwrap();
    }
}

/// The control: a host that waits for the reply waits for ever.
#[test]
fn control_a_host_without_a_deadline_hangs() {
    let (ours, theirs) = Lane::pair().unwrap();
    let (told, done) = mpsc::channel();
    let waiting = std::thread::spawn(move || {
        let received = ours.receive(&mut [0; 64]).map(|received| received.length);
        told.send(()).unwrap();
        received
    });
    let waited = done.recv_timeout(Duration::from_millis(400));
    assert_eq!(waited, Err(mpsc::RecvTimeoutError::Timeout));
    drop(theirs);
    assert_eq!(waiting.join().unwrap(), Err(LaneError::Gone));
}

#[test]
fn a_flood_is_ended_at_its_first_frame() {
    let (mut connection, worker) = against(|puppet| {
        let mut sent = 0_u32;
        let call = puppet.called().unwrap();
        let record = reply(call.id, NOTHING, 1);
        while puppet.lane.send(&record).is_ok() {
            sent += 1;
        }
        sent
    });
    let first = number(&mut connection, terms()).unwrap();
    assert_eq!(first.whatever_it_is().result, 1);
    while connection.is_silent().is_ok() {
        std::thread::yield_now();
    }
    let begun = Instant::now();
    assert!(number(&mut connection, terms()).is_err());
    assert!(begun.elapsed() < Duration::from_secs(1));
    drop(connection);
    assert!(worker.join().unwrap() > 1);
}

#[test]
fn questions_are_bounded_by_the_caller() {
    fn asking(puppet: &super::Puppet, id: u32) {
        let mut buffer = vec![0; LONGEST_FRAME];
        let body = super::super::encode(&5_u32, frame::body(&mut buffer)).unwrap();
        let length = frame::encode_question(&mut buffer, id, body).unwrap();
        while puppet.lane.send(&buffer[..length]).is_ok() {
            if puppet.lane.receive(&mut vec![0; LONGEST_FRAME]).is_err() {
                return;
            }
        }
    }
    let mut answered = 0;
    for most in [0, 3] {
        let (result, _) = once(
            terms().answering(most, |_: super::Tainted<u32>| {
                answered += 1;
                1_u32
            }),
            |puppet| asking(&puppet, puppet.called().unwrap().id),
        );
        let breach = Breach::Questions(most);
        assert_eq!(result, Err(CallError::Breach(breach)));
    }
    assert_eq!(answered, 3);
    // Of another type.
    let (result, _) = once(
        terms().answering(3, |_: super::Tainted<String>| 1),
        |puppet| {
            asking(&puppet, puppet.called().unwrap().id);
        },
    );
    assert!(matches!(
        result,
        Err(CallError::Breach(Breach::Question(_)))
    ));
}

#[test]
fn descriptors_never_reach_the_host() {
    let before = std::fs::read_dir("/proc/self/fd").unwrap().count();
    let (result, _) = once(terms(), |puppet| {
        let call = puppet.called().unwrap();
        let record = reply(call.id, NOTHING, 1);
        let stream = std::io::stdin();
        let sent = puppet.lane.send_now(&record, Some(stream.as_fd()));
        // Where the kernel refuses it at once, the worker has said nothing.
        if sent.is_err() {
            puppet.reply(call.id, NOTHING, 2);
        }
    });
    match result {
        Ok(answer) => assert_eq!(answer.whatever_it_is().result, 2),
        Err(error) => {
            let breach = Breach::Record(LaneError::Control);
            assert_eq!(error, CallError::Breach(breach));
        }
    }
    // Other tests of this process come and go.
    let after = std::fs::read_dir("/proc/self/fd").unwrap().count();
    println!("{before} descriptors before, {after} after");
}

/// The control: a host that makes room for descriptors is given them.
#[test]
fn control_a_host_with_room_for_descriptors_gets_them() {
    let (ours, theirs) = Lane::pair().unwrap();
    let stream = std::io::stdin();
    theirs.send_now(b"reply", Some(stream.as_fd())).unwrap();
    let received = ours.receive(&mut [0; 64]).unwrap();
    assert!(received.descriptor.is_some());
}

#[test]
fn death_at_each_step_is_one_error() {
    let died = Err(CallError::Died(Death::default()));
    // Before it reads the call.
    let (result, _) = once(terms(), drop);
    assert_eq!(result, died);
    // After it has read it.
    let (result, took) = once(terms(), |puppet| {
        puppet.called();
    });
    assert_eq!(result, died);
    assert!(took < Duration::from_secs(5));
    // With a question that is not answered yet.
    let (result, _) = once(terms().answering(9, |_: super::Tainted<u32>| 1), |puppet| {
        let id = puppet.called().unwrap().id;
        let mut buffer = vec![0; LONGEST_FRAME];
        let body = super::super::encode(&5_u32, frame::body(&mut buffer)).unwrap();
        let length = frame::encode_question(&mut buffer, id, body).unwrap();
        puppet.lane.send(&buffer[..length]).unwrap();
    });
    assert_eq!(result, died);
    // After its reply.
    let (mut connection, worker) = against(|puppet| {
        let call = puppet.called().unwrap();
        puppet.reply(call.id, NOTHING, 1);
    });
    assert!(number(&mut connection, terms()).is_ok());
    worker.join().unwrap();
    assert_eq!(number(&mut connection, terms()), died);
}

#[test]
fn a_worker_that_was_not_started_says_why_without_commanding_the_terminal() {
    let (result, _) = once(terms(), |puppet| {
        let mut buffer = vec![0; LONGEST_FRAME];
        let length = frame::encode_failure(&mut buffer, "\x1b[2Jno\nroom").unwrap();
        puppet.lane.send(&buffer[..length]).unwrap();
        puppet.called();
    });
    let Err(CallError::Died(death)) = result else {
        panic!("{result:?}")
    };
    assert_eq!(death.failure.as_deref(), Some("[2Jnoroom"));
}
