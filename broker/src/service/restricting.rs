//! Restrictions of a session while it serves: nothing is done by what stood before once one
//! was answered.

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use doorward_policy::{Expansion, Policy, Reason, Verdict};
use doorward_protocol::{Base, Request, request::PathArgument};

use super::*;
use crate::{
    control::{self, Defence},
    files::trial::TrialAsker,
};

/// What leaves nothing.
const NOTHING: &[u8] = b"version = 1";

struct Bench {
    directory: tempfile::TempDir,
    services: Services,
}

impl Bench {
    /// Below its directory everything may be read, a FIFO among it.
    fn new() -> Self {
        let directory = tempfile::tempdir_in(std::env::home_dir().unwrap()).unwrap();
        let root = directory.path().canonicalize().unwrap();
        fs::write(root.join("file"), "content").unwrap();
        let fifo = root.join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let root = root.display();
        let text = format!(
            "version = 1\n[fs]\nread = [\"{root}/**\"]\nspecial = [\"{root}/fifo\"]\n\
             [exec]\nallow = [\"/usr/bin/true\"]"
        );
        let loaded = Policy::parse(&text, "p", Path::new("/"), &Expansion::default()).unwrap();
        let services = Services::new(Setup {
            policy: Arc::new(loaded.policy),
            scratch: None,
            view: false,
            network: false,
            map_foreign_ids: false,
            spawn: None,
        });
        Self {
            directory,
            services: services.unwrap(),
        }
    }

    fn open(&self, name: &str) -> Decision {
        let name = self.directory.path().canonicalize().unwrap().join(name);
        let request = Request::Open {
            path: PathArgument {
                base: Base::WorkingDirectory,
                bytes: name.as_os_str().as_encoded_bytes(),
            },
            flags: 0,
            mode: 0,
            resolve: 0,
        };
        self.perform(&request)
    }

    fn perform(&self, request: &Request<'_>) -> Decision {
        let asker = TrialAsker {
            interrupted: None,
            ..TrialAsker::default()
        };
        match self.services.perform(request, &asker, Patience::Blocking) {
            Outcome::Done(decision) => decision,
            Outcome::WouldBlock => panic!("a blocking request did not end"),
        }
    }

    /// Opens again and again while the session is narrowed: how often that was allowed before
    /// the restriction was answered, and how often when it had been.
    fn race(&self, restricted: bool) -> (u32, u32) {
        let (begun, answered) = (AtomicBool::new(false), AtomicBool::new(false));
        let (mut before, mut after) = (0, 0);
        let mut open = || {
            for _ in 0..200 {
                loop {
                    let known = answered.load(Ordering::SeqCst);
                    let granted = self.open("file").verdict.is_allow();
                    begun.store(true, Ordering::SeqCst);
                    *(if known { &mut after } else { &mut before }) += u32::from(granted);
                    if known {
                        break;
                    }
                }
            }
        };
        thread::scope(|scope| {
            scope.spawn(|| {
                while !begun.load(Ordering::SeqCst) {
                    thread::yield_now();
                }
                thread::sleep(Duration::from_millis(3));
                self.services.restrict(NOTHING).unwrap();
                answered.store(true, Ordering::SeqCst);
            });
            match restricted {
                true => open(),
                false => control::without(Defence::Restricted, open),
            }
        });
        (before, after)
    }
}

#[test]
fn two_threads_and_a_restriction() {
    for _ in 0..20 {
        let (before, after) = Bench::new().race(true);
        assert!(before > 0, "nothing was opened before");
        assert_eq!(after, 0);
    }
    // Who has read the policy once goes on by it.
    assert_eq!(Bench::new().race(false).1, 200);
}

/// A FIFO is waited for, the session narrowed, and then somebody writes: what came of it.
fn opened_late(rejudged: bool) -> Decision {
    let bench = Bench::new();
    let fifo = bench.directory.path().join("fifo");
    thread::scope(|scope| {
        let bench = &bench;
        let reading = scope.spawn(move || {
            let mut decision = None;
            let mut open = || decision = Some(bench.open("fifo"));
            match rejudged {
                true => open(),
                false => control::without(Defence::Rejudged, open),
            }
            decision.unwrap()
        });
        thread::sleep(Duration::from_millis(100));
        assert!(!reading.is_finished(), "nobody writes yet");
        bench.services.restrict(NOTHING).unwrap();
        thread::sleep(Duration::from_millis(100));
        assert_eq!(reading.is_finished(), rejudged);
        if !rejudged {
            // Open until the reader has seen it.
            let writer = fs::OpenOptions::new().write(true).open(&fifo).unwrap();
            let decision = reading.join().unwrap();
            drop(writer);
            return decision;
        }
        reading.join().unwrap()
    })
}

#[test]
fn what_waited_is_judged_anew() {
    let decision = opened_late(true);
    assert!(!decision.verdict.is_allow(), "{decision:?}");
    let control = opened_late(false);
    let granted = matches!(control.answer, Answer::Descriptor { .. });
    assert!(granted, "the control did not show it: {control:?}");
}

#[test]
fn an_exec_is_denied_before_it_is_continued() {
    let bench = Bench::new();
    let request = Request::Exec {
        path: PathArgument {
            base: Base::WorkingDirectory,
            bytes: b"/usr/bin/true",
        },
    };
    assert!(matches!(bench.perform(&request).answer, Answer::Continue));
    bench.services.restrict(NOTHING).unwrap();
    let decision = bench.perform(&request);
    assert!(matches!(decision.answer, Answer::Errno(_)), "{decision:?}");
}

#[test]
fn a_request_to_restrict_never_gives_anything_back() {
    let bench = Bench::new();
    let restrict = |document: &[u8]| bench.perform(&Request::Restrict { document });
    assert!(matches!(restrict(NOTHING).answer, Answer::Value(1)));
    let wide = b"version = 1\n[fs]\nread = [\"/**\"]\n[exec]\nallow = [\"/**\"]";
    assert!(matches!(restrict(wide).answer, Answer::Value(2)));
    assert!(!bench.open("file").verdict.is_allow());
    for (document, errno) in [
        (&b"version = 1\ninclude = [\"builtin:default\"]"[..], 22),
        (&[b'#'; 20_000], 7),
        (b"\xff", 22),
    ] {
        match restrict(document).verdict {
            Verdict::Deny(denial) => assert_eq!(denial.errno, errno),
            Verdict::Allow(_) => panic!("{}", document.escape_ascii()),
        }
    }
    for number in 3..=16 {
        assert!(matches!(restrict(NOTHING).answer, Answer::Value(got) if got == number));
    }
    let surplus = restrict(NOTHING);
    assert!(
        matches!(surplus.verdict, Verdict::Deny(denial) if denial.reason == Reason::Quota),
        "{surplus:?}"
    );
}
