//! Logs of requests under a compiled policy, into files, pipes nobody reads and full devices.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{Read, Write},
    os::fd::OwnedFd,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use doorward_policy::{Denial, Expansion, Policy, Question, Reason, RuleId, Verdict};
use doorward_protocol::{Base, Request, request::PathArgument};
use rustix::io::Errno;

use super::{Entry, Event, Log, Record, Start, Text};
use crate::{
    files::trial::TrialAsker,
    layers::Level,
    service::{Answer, Decision, Outcome, Patience, Services, Setup},
};

const DOCUMENT: &str = r#"
version = 1
name = "trial"
[fs]
read = ["/srv/in/**", "/usr/lib/os-release", "/usr/share/**"]
write = ["/srv/out/**"]
hide = ["/srv/in/hidden"]
deny = ["/srv/in/secret/**"]
special = ["/dev/null"]
[exec]
allow = ["/usr/bin/gs"]
[[exec.program]]
path = "/usr/bin/true"
args = ["--check", "*"]
[net]
connect = ["tcp:192.0.2.0/24:443"]
unix = ["/run/db.sock"]
"#;

fn policy() -> Arc<Policy> {
    let loaded = Policy::parse(
        DOCUMENT,
        "trial.toml",
        Path::new("/"),
        &Expansion::default(),
    );
    Arc::new(loaded.unwrap().policy)
}

fn start() -> Start {
    Start {
        policy: "trial".into(),
        front: "notify".into(),
        level: Level::Root,
        layers: Vec::new(),
        limits: Vec::new(),
        version: "0".into(),
    }
}

fn path(text: &[u8]) -> PathArgument<'_> {
    PathArgument {
        base: Base::WorkingDirectory,
        bytes: text,
    }
}

fn open(text: &[u8], flags: i32) -> Request<'_> {
    Request::Open {
        path: path(text),
        flags: u64::try_from(flags).unwrap(),
        mode: 0o600,
        resolve: 0,
    }
}

fn decided(object: &[u8], verdict: Verdict) -> Decision {
    let answer = match verdict {
        Verdict::Allow(_) => Answer::Value(0),
        Verdict::Deny(denial) => Answer::Errno(Errno::from_raw_os_error(denial.errno)),
    };
    Decision {
        answer,
        verdict,
        object: object.to_vec(),
    }
}

fn denied(reason: Reason) -> Verdict {
    Verdict::Deny(Denial {
        rule: None,
        reason,
        errno: 13,
    })
}

fn record(log: &Log, request: &Request<'_>, decision: &Decision) {
    log.record(&Entry {
        front: "notify",
        process: 7,
        request,
        decision,
        latency: Duration::from_micros(42),
    });
}

struct Kept {
    _directory: tempfile::TempDir,
    path: std::path::PathBuf,
}

fn kept() -> (Kept, OwnedFd) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit");
    let file = File::options()
        .create(true)
        .append(true)
        .open(&path)
        .unwrap();
    let kept = Kept {
        _directory: directory,
        path,
    };
    (kept, file.into())
}

impl Kept {
    fn records(&self) -> Vec<Record> {
        let text = std::fs::read_to_string(&self.path).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

#[test]
fn a_log_begins_with_what_holds_and_ends_with_the_sums() {
    let (kept, sink) = kept();
    let log = Log::new(policy(), "s1", start(), Some(sink));
    let request = open(b"/etc/shadow", 0);
    record(
        &log,
        &request,
        &decided(b"/etc/shadow", denied(Reason::NoRule)),
    );
    for _ in 0..3 {
        let request = open(b"/srv/in/a", 0);
        record(
            &log,
            &request,
            &decided(b"/srv/in/a", Verdict::Allow(RuleId(0))),
        );
    }
    let summary = log.finish();
    assert_eq!(log.finish(), summary);
    let records = kept.records();
    assert!(records.iter().all(|record| record.session == "s1"));
    let [first, second, third, last] = records.as_slice() else {
        panic!("{records:#?}");
    };
    assert_eq!(first.event, Event::Start(start()));
    let Event::Denied(denial) = &second.event else {
        panic!("{second:?}");
    };
    assert_eq!(
        denial.explain,
        Some(vec!["open".into(), "/etc/shadow".into()])
    );
    assert_eq!(
        denial.change.as_deref(),
        Some("add \"/etc/shadow\" to fs.read")
    );
    assert_eq!((denial.result.as_str(), denial.latency), ("EACCES", 42));
    assert_eq!((denial.process, denial.front.as_str()), (7, "notify"));
    let Event::Allowed(allowed) = &third.event else {
        panic!("{third:?}");
    };
    let rule = allowed.rule.as_ref().unwrap();
    assert_eq!(
        (rule.key.as_str(), rule.text.as_str()),
        ("fs.read", "/srv/in/**")
    );
    assert!(rule.at.starts_with("trial.toml:5:"), "{rule:?}");
    assert_eq!((allowed.count, allowed.failed), (3, 0));
    assert_eq!(last.event, Event::End(summary.totals));
    assert_eq!((summary.totals.served, summary.totals.denied), (4, 1));
    assert_eq!(summary.denials.len(), 1);
}

#[test]
fn a_log_without_a_sink_counts() {
    let log = Log::default();
    let request = open(b"/x", 0);
    record(&log, &request, &decided(b"/x", denied(Reason::NoRule)));
    record(&log, &request, &decided(b"/x", Verdict::Allow(RuleId::OWN)));
    let summary = log.finish();
    assert_eq!((summary.totals.served, summary.totals.denied), (2, 1));
    assert_eq!(summary.denials[0].change, None);
    let travelled = serde_json::to_vec(&summary).unwrap();
    assert_eq!(summary, serde_json::from_slice(&travelled).unwrap());
}

#[test]
fn bytes_of_a_sandboxee_never_break_a_line() {
    let (kept, sink) = kept();
    let log = Log::new(policy(), "s\n2", start(), Some(sink));
    let names: [&[u8]; 3] = [
        b"/a\n{\"record\":\"end\"}",
        b"/\xff\x1b[2J",
        b"/\x1b]0;x\x07",
    ];
    for name in names {
        record(&log, &open(name, 0), &decided(name, denied(Reason::NoRule)));
        record(
            &log,
            &open(name, 0),
            &decided(name, Verdict::Allow(RuleId(1))),
        );
    }
    log.finish();
    let raw = std::fs::read(&kept.path).unwrap();
    assert!(
        raw.iter()
            .all(|&byte| byte == b'\n' || (0x20..0x7f).contains(&byte))
    );
    let records = kept.records();
    assert_eq!(records.len(), 8);
    let objects: Vec<Text> = records
        .iter()
        .filter_map(|record| match &record.event {
            Event::Denied(denial) => Some(denial.object.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(objects[0], Text::Plain("/a\n{\"record\":\"end\"}".into()));
    assert_eq!(
        objects[1],
        Text::Encoded {
            base64: "L/8bWzJK".into()
        }
    );
}

#[test]
fn the_summary_is_bounded_whatever_was_asked() {
    let log = Log::new(policy(), "s", start(), None);
    for number in 0..200_u32 {
        let name = format!("/{}{number}", "\u{1b}".repeat(4000));
        let request = open(name.as_bytes(), 0);
        record(
            &log,
            &request,
            &decided(name.as_bytes(), denied(Reason::NoRule)),
        );
    }
    let summary = log.finish();
    assert_eq!(summary.totals.denied, 200);
    assert!(serde_json::to_vec(&summary).unwrap().len() < 256 * 1024);
}

#[test]
fn a_reader_that_never_reads_delays_nobody_and_drops_are_counted() {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let log = Log::new(policy(), "s", start(), Some(writer.into()));
    let name = [b"/".to_vec(), vec![b'x'; 1000]].concat();
    let request = open(&name, 0);
    let decision = decided(&name, denied(Reason::NoRule));
    let begun = Instant::now();
    for _ in 0..3000 {
        record(&log, &request, &decision);
    }
    assert!(
        begun.elapsed() < Duration::from_secs(2),
        "{:?}",
        begun.elapsed()
    );
    // 64 KiB of pipe and 1 MiB of queue hold a part of 3000 records of more than 2 KiB.
    let early = log.summary().totals.dropped;
    assert!((1000..3000).contains(&early), "{early}");
    let reading = std::thread::spawn(move || {
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        text
    });
    let summary = log.finish();
    drop(log);
    let text = reading.join().unwrap();
    let mut told = 0;
    let mut denials = 0;
    for line in text.lines() {
        match serde_json::from_str::<Record>(line).unwrap().event {
            Event::Dropped { count } => told += count,
            Event::Denied(_) => denials += 1,
            _ => {}
        }
    }
    assert_eq!(denials + summary.totals.dropped, 3000, "{summary:?}");
    assert_eq!(told, summary.totals.dropped);
    assert_eq!(summary.totals.denied, 3000);
}

#[test]
fn the_end_of_a_log_waits_a_bounded_time() {
    let (reader, mut writer) = std::io::pipe().unwrap();
    rustix::io::ioctl_fionbio(&writer, true).unwrap();
    while writer.write(&[0; 4096]).is_ok() {}
    let log = Log::new(policy(), "s", start(), Some(writer.into()));
    record(
        &log,
        &open(b"/x", 0),
        &decided(b"/x", denied(Reason::NoRule)),
    );
    let begun = Instant::now();
    let summary = log.finish();
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(summary.totals.dropped, 3);
    drop(reader);
}

#[test]
fn a_full_disk_and_a_closed_pipe_are_counted_drops() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let (reader, closed) = std::io::pipe().unwrap();
    drop(reader);
    for sink in [OwnedFd::from(full), closed.into()] {
        let log = Log::new(policy(), "s", start(), Some(sink));
        record(
            &log,
            &open(b"/x", 0),
            &decided(b"/x", denied(Reason::NoRule)),
        );
        // The start record, the denial and the sums.
        assert_eq!(log.finish().totals.dropped, 3);
    }
}

/// Every denial that services make of names, and the words that `explain` repeats it by.
#[test]
fn explain_repeats_the_verdict_of_a_record() {
    let policy = policy();
    let services = Services::new(Setup {
        policy: Arc::clone(&policy),
        scratch: None,
        view: false,
        network: false,
        map_foreign_ids: false,
        spawn: None,
    })
    .unwrap();
    let spawn = |arguments| Request::Spawn {
        path: path(b"/usr/bin/true"),
        arguments,
    };
    let requests: Vec<(Request<'_>, &[&str])> = vec![
        (open(b"/etc/shadow", 0), &["open", "/etc/shadow"]),
        (open(b"/etc//./shadow", 2), &["write", "/etc/shadow"]),
        (
            open(b"/usr/lib/os-release", 1),
            &["write", "/usr/lib/os-release"],
        ),
        (open(b"/srv/in/secret/x", 0), &["open", "/srv/in/secret/x"]),
        (open(b"/srv/in/hidden", 0), &["open", "/srv/in/hidden"]),
        (
            open(b"/usr/share/new-entry", libc::O_CREAT | 1),
            &["create", "/usr/share/new-entry"],
        ),
        (
            Request::Stat {
                path: path(b"/root/x"),
                follow: true,
            },
            &["stat", "/root/x"],
        ),
        (
            Request::Mkdir {
                path: path(b"/usr/share/new-entry"),
                mode: 0o755,
            },
            &["create", "/usr/share/new-entry"],
        ),
        (
            Request::Unlink {
                path: path(b"/usr/lib/os-release"),
            },
            &["delete", "/usr/lib/os-release"],
        ),
        (
            Request::Rename {
                old: path(b"/usr/lib/os-release"),
                new: path(b"/usr/share/x"),
                flags: 0,
            },
            &["delete", "/usr/lib/os-release"],
        ),
        (
            Request::Truncate {
                path: path(b"/usr/lib/os-release"),
                length: 0,
            },
            &["write", "/usr/lib/os-release"],
        ),
        (
            Request::Exec {
                path: path(b"/usr/bin/env"),
            },
            &["exec", "/usr/bin/env"],
        ),
        (
            Request::Exec {
                path: path(b"/usr/bin/true"),
            },
            &["exec", "/usr/bin/true"],
        ),
    ];
    let (kept, sink) = kept();
    let log = Log::new(Arc::clone(&policy), "s", start(), Some(sink));
    let asker = TrialAsker::default();
    for (request, _) in &requests {
        let Outcome::Done(decision) = services.perform(request, &asker, Patience::Blocking) else {
            panic!("{request:?}");
        };
        record(&log, request, &decision);
    }
    // Connects and spawns by the policy's own verdicts.
    let four = |address: [u8; 4]| {
        let family = u16::try_from(libc::AF_INET).unwrap().to_ne_bytes();
        [&family[..], &443_u16.to_be_bytes(), &address, &[0; 8]].concat()
    };
    let unix = |name: &[u8]| {
        let family = u16::try_from(libc::AF_UNIX).unwrap().to_ne_bytes();
        [&family[..], name, b"\0"].concat()
    };
    let addresses = [
        (four([198, 51, 100, 1]), "connect", "tcp:198.51.100.1:443"),
        (four([127, 0, 0, 1]), "connect", "tcp:127.0.0.1:443"),
        (unix(b"/run/other"), "unix", "/run/other"),
        (unix(b"\0name"), "unix", "@name\0"),
    ];
    for (address, word, about) in &addresses {
        let request = Request::Connect {
            descriptor: 3,
            address,
        };
        let question = Question::parse(word, &[*about], &Expansion::default()).unwrap();
        record(&log, &request, &decided(b"", policy.answer(&question, &[])));
    }
    let arguments: Vec<&[u8]> = vec![b"--fix", b"a"];
    let question = Question::parse(
        "spawn",
        &["/usr/bin/true", "--fix", "a"],
        &Expansion::default(),
    );
    let verdict = policy.answer(&question.unwrap(), &[]);
    record(&log, &spawn(arguments), &decided(b"/usr/bin/true", verdict));
    log.finish();
    let mut wanted: Vec<Vec<String>> = requests
        .iter()
        .map(|(_, words)| words.iter().map(|&word| word.to_owned()).collect())
        .collect();
    wanted.extend(
        addresses
            .iter()
            .map(|(_, word, about)| vec![(*word).to_owned(), (*about).to_owned()]),
    );
    wanted.push(
        ["spawn", "/usr/bin/true", "--fix", "a"]
            .map(str::to_owned)
            .to_vec(),
    );
    let mut reasons = BTreeMap::new();
    let mut seen = Vec::new();
    for record in kept.records() {
        let Event::Denied(denial) = record.event else {
            continue;
        };
        let words = denial
            .explain
            .clone()
            .unwrap_or_else(|| panic!("{denial:#?}"));
        let about: Vec<&str> = words.iter().skip(1).map(String::as_str).collect();
        let question = Question::parse(&words[0], &about, &Expansion::default()).unwrap();
        let explanation = policy.explain(&question, &[]);
        assert!(!explanation.verdict.is_allow(), "{denial:#?}");
        assert_eq!(explanation.reason, denial.reason, "{denial:#?}");
        assert_eq!(Some(explanation.change), denial.change);
        assert_eq!(
            explanation.rule.map(|rule| rule.text),
            denial.rule.map(|rule| rule.text)
        );
        *reasons.entry(denial.reason).or_insert(0) += 1;
        seen.push(words);
    }
    assert_eq!(seen, wanted);
    assert!(reasons.len() >= 6, "{reasons:?}");
}

/// A denial that the policy alone would not give is not given words that would allow it.
#[test]
fn what_the_object_decided_is_not_explained_by_its_name() {
    let (kept, sink) = kept();
    let log = Log::new(policy(), "s", start(), Some(sink));
    for reason in [Reason::Link, Reason::Mount, Reason::Foreign, Reason::Flags] {
        let request = open(b"/srv/in/a", 0);
        record(&log, &request, &decided(b"/srv/in/a", denied(reason)));
    }
    log.finish();
    for record in kept.records() {
        if let Event::Denied(denial) = record.event {
            assert_eq!((denial.explain, denial.change), (None, None));
        }
    }
}

#[test]
fn devices_and_links_have_words_of_their_own() {
    let (kept, sink) = kept();
    let policy = policy();
    let log = Log::new(Arc::clone(&policy), "s", start(), Some(sink));
    for (object, reason) in [
        (&b"/srv/in/fifo"[..], Reason::Special),
        (b"/srv/out/fifo", Reason::Special),
        (b"/srv/out/link", Reason::Link),
    ] {
        record(&log, &open(object, 0), &decided(object, denied(reason)));
    }
    log.finish();
    let changes: Vec<(String, String)> = kept
        .records()
        .into_iter()
        .filter_map(|record| match record.event {
            Event::Denied(denial) => {
                Some((denial.explain.unwrap().join(" "), denial.change.unwrap()))
            }
            _ => None,
        })
        .collect();
    let wanted = [
        ("device /srv/in/fifo", "add \"/srv/in/fifo\" to fs.special"),
        (
            "device /srv/out/fifo",
            "add \"/srv/out/fifo\" to fs.special",
        ),
        ("open /srv/out/link", "add \"/srv/out/link\" to fs.read"),
    ];
    assert_eq!(
        changes,
        wanted.map(|(words, change)| (words.to_owned(), change.to_owned()))
    );
    let question = Question::parse("device", &["/dev/null"], &Expansion::default()).unwrap();
    assert!(policy.answer(&question, &[]).is_allow());
}
