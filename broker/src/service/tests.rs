//! Requests under compiled policies.

use std::{fs, os::unix::fs::symlink, path::Path, sync::Arc};

use doorward_policy::{Expansion, Policy, Reason, Verdict};
use doorward_protocol::{Base, Request, request::PathArgument};
use rustix::io::Errno;

use super::{Answer, Decision, Outcome, Patience, Services, Setup};
use crate::files::trial::TrialAsker;

struct Bench {
    _directory: tempfile::TempDir,
    root: String,
    services: Services,
}

impl Bench {
    /// The `build` profile in a directory of its own.
    fn new() -> Self {
        // Outside /tmp, which the scratch directory backs, wherever the checkout is.
        let directory = tempfile::tempdir_in(std::env::home_dir().unwrap()).unwrap();
        let root = directory.path().canonicalize().unwrap();
        let scratch = root.join(".scratch");
        fs::create_dir(&scratch).unwrap();
        let expansion = Expansion {
            cwd: Some(root.clone()),
            home: None,
            uid: 0,
        };
        let loaded = Policy::builtin("build", &expansion).unwrap();
        let services = Services::new(Setup {
            policy: Arc::new(loaded.policy),
            scratch: Some(fs::File::open(scratch).unwrap().into()),
            view: false,
            network: false,
            map_foreign_ids: false,
            spawn: None,
        })
        .unwrap();
        Self {
            root: root.to_str().unwrap().to_owned(),
            _directory: directory,
            services,
        }
    }

    fn at(&self, below: &str) -> String {
        format!("{}/{below}", self.root)
    }

    fn perform(&self, request: &Request<'_>) -> Decision {
        let asker = TrialAsker::default();
        for patience in [Patience::Cached, Patience::Blocking] {
            if let Outcome::Done(decision) = self.services.perform(request, &asker, patience) {
                return decision;
            }
        }
        panic!("a blocking request did not end: {request:?}");
    }

    fn open(&self, text: &str, flags: i32) -> Decision {
        self.perform(&Request::Open {
            path: path(text),
            flags: u64::try_from(flags).unwrap(),
            mode: 0o666,
            resolve: 0,
        })
    }

    fn access(&self, text: &str) -> Decision {
        self.perform(&Request::Access {
            path: path(text),
            mode: 1,
            follow: true,
        })
    }
}

fn path(text: &str) -> PathArgument<'_> {
    PathArgument {
        base: Base::WorkingDirectory,
        bytes: text.as_bytes(),
    }
}

#[track_caller]
fn opened(decision: Decision) {
    assert!(
        matches!(decision.answer, Answer::Descriptor { .. }) && decision.verdict.is_allow(),
        "{decision:?}"
    );
}

#[track_caller]
fn refused(decision: Decision, reason: Reason, errno: Errno) {
    match (&decision.answer, decision.verdict) {
        (Answer::Errno(answer), Verdict::Deny(denial)) => {
            assert_eq!((denial.reason, *answer), (reason, errno), "{decision:?}");
        }
        _ => panic!("{decision:?}"),
    }
}

#[test]
fn the_build_profile_reads_the_system_through_its_links() {
    let bench = Bench::new();
    let read = |text: &str| bench.open(text, libc::O_RDONLY | libc::O_CLOEXEC);
    opened(read("/usr/bin/env"));
    opened(read("/bin/sh"));
    opened(read("/usr/lib/../bin/./env"));
    opened(read("/proc/meminfo"));
    opened(read("/proc/self/status"));
    opened(bench.open("/dev/null", libc::O_WRONLY | libc::O_CREAT | libc::O_TRUNC));
    refused(read("/etc/shadow"), Reason::NoRule, Errno::ACCESS);
    refused(read("/etc/gitconfig"), Reason::Hidden, Errno::NOENT);
    refused(read("/proc/1/environ"), Reason::NoRule, Errno::ACCESS);
    let answer = bench.access("/bin/sh").answer;
    assert!(matches!(answer, Answer::Value(0)), "{answer:?}");
    let missing = bench.access("/usr/local/bin/no-such-program");
    assert!(matches!(missing.answer, Answer::Errno(Errno::NOENT)));
    assert!(missing.verdict.is_allow());
    assert!(matches!(
        bench
            .perform(&Request::Exec {
                path: path("/bin/sh")
            })
            .answer,
        Answer::Continue
    ));
}

#[test]
fn the_build_profile_changes_its_directory_alone() {
    let bench = Bench::new();
    let create = libc::O_WRONLY | libc::O_CREAT;
    opened(bench.open(&bench.at("main.o"), create));
    refused(
        bench.open("/usr/include/x.h", create),
        Reason::Access,
        Errno::ACCESS,
    );
    opened(bench.open("/tmp/cc1234.s", create | libc::O_EXCL));
    assert!(Path::new(&bench.at(".scratch/cc1234.s")).exists());
    let done = |request: &Request<'_>| {
        let decision = bench.perform(request);
        assert!(matches!(decision.answer, Answer::Value(0)), "{decision:?}");
    };
    let (one, other) = (bench.at("one"), bench.at("other"));
    done(&Request::Mkdir {
        path: path(&one),
        mode: 0o777,
    });
    opened(bench.open(&bench.at("one/f"), create));
    // A directory moves where all rules treat both names alike.
    done(&Request::Rename {
        old: path(&one),
        new: path(&other),
        flags: 0,
    });
    // To where others hold, it does not: tools copy then.
    let file = bench.at("other/f");
    let across = bench.perform(&Request::Rename {
        old: path(&other),
        new: path("/tmp/other"),
        flags: 0,
    });
    refused(across, Reason::Widening, Errno::XDEV);
    let again = bench.perform(&Request::Mkdir {
        path: path("/usr"),
        mode: 0o777,
    });
    assert!(
        matches!(again.answer, Answer::Errno(Errno::EXIST)),
        "{again:?}"
    );
    symlink("/etc/shadow", bench.at("leak")).unwrap();
    refused(
        bench.open(&bench.at("leak"), libc::O_RDONLY),
        Reason::NoRule,
        Errno::ACCESS,
    );
    done(&Request::Unlink { path: path(&file) });
    done(&Request::Rmdir { path: path(&other) });
}
