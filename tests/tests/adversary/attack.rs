//! One run of the attacked sandbox and its neighbour, and what is seen of it from outside.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

use doorward_tests::{Broker, Tree};

use crate::watch::Latencies;

/// Threads a broker may have started meanwhile: four workers for each of the two ways to ask,
/// of which it has one at first. They come when they are needed.
const WORKERS: usize = 6;
/// What a slowest hundredth may take beyond twice that beside busy processes.
const SLACK: Duration = Duration::from_millis(10);

/// How long the attacked sandbox may tell nothing.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is done.
#[derive(Debug)]
pub(crate) struct Attack {
    /// Kinds of the attackers, one after the other.
    pub(crate) who: Vec<String>,
    pub(crate) seed: u64,
    /// How long each phase without them takes.
    pub(crate) quiet: Duration,
    /// How long each kind attacks.
    pub(crate) time: Duration,
}

/// What was seen.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) seen: Latencies,
    /// Brokers of the neighbour and of the attacked: before, and after each kind.
    pub(crate) brokers: BTreeMap<String, Vec<Broker>>,
    /// The most of memory, in KiB, and of bytes unread that a broker had during each.
    pub(crate) most: BTreeMap<String, (u64, u64)>,
}

impl Attack {
    /// The program of this workspace that does it.
    pub(crate) fn command(&self, tree: &Tree, policy: &Path) -> Command {
        self.command_of(
            env!("CARGO_BIN_EXE_doorward-adversary").as_ref(),
            tree,
            policy,
        )
    }

    /// Another build of it.
    pub(crate) fn command_of(&self, program: &Path, tree: &Tree, policy: &Path) -> Command {
        let mut command = tree.level().command(program);
        let times = [self.quiet, self.time].map(|time| time.as_millis().to_string());
        command
            .arg(policy)
            .arg(tree.work())
            .args([self.who.join(","), self.seed.to_string()])
            .args(times)
            .env("TMPDIR", tree.directory("../temporary"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        command
    }

    /// Runs it to its end; `meanwhile` is told the kind and this command's number when an attack
    /// begins.
    pub(crate) fn run(&self, command: Command, meanwhile: impl Fn(&str, u32) + Sync) -> Held {
        let held = self.run_within(command, PATIENCE, meanwhile);
        held.unwrap_or_else(|| panic!("{:?}: the honest were not served", self.who))
    }

    /// As [`Self::run`]; none when the attacked tells nothing for so long, after which all are
    /// killed.
    pub(crate) fn run_within(
        &self,
        mut command: Command,
        patience: Duration,
        meanwhile: impl Fn(&str, u32) + Sync,
    ) -> Option<Held> {
        let mut child = command.spawn().unwrap();
        let process = child.id();
        let (send, lines) = mpsc::channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        std::thread::scope(|scope| {
            scope.spawn(move || output.lines().try_for_each(|line| send.send(line.unwrap())));
            let mut seen = Latencies::default();
            let (mut brokers, mut watching) = (BTreeMap::new(), BTreeMap::new());
            let mut heard = Instant::now();
            loop {
                let left = patience.saturating_sub(heard.elapsed());
                let line = match lines.recv_timeout(left) {
                    Ok(line) => line,
                    Err(mpsc::RecvTimeoutError::Disconnected) => break,
                    Err(mpsc::RecvTimeoutError::Timeout) => {
                        child.kill().unwrap();
                        child.wait().unwrap();
                        return None;
                    }
                };
                if !line.starts_with("neighbour") {
                    heard = Instant::now();
                }
                if seen.take(&line) {
                    continue;
                }
                match line.split_once(' ') {
                    Some(("look", when)) => {
                        brokers.insert(when.to_owned(), Broker::at_rest(process));
                    }
                    Some(("begin", who)) => {
                        let (kind, meanwhile) = (who.to_owned(), &meanwhile);
                        let watch = scope.spawn(move || self.watch(&kind, process, meanwhile));
                        watching.insert(who.to_owned(), watch);
                    }
                    _ => println!("{line}"),
                }
            }
            assert!(child.wait().unwrap().success(), "{self:?}");
            let joined = watching.into_iter();
            Some(Held {
                seen,
                brokers,
                most: joined
                    .map(|(who, one)| (who, one.join().unwrap()))
                    .collect(),
            })
        })
    }

    /// Looks at the brokers until the attack is over.
    fn watch(
        &self,
        who: &str,
        process: u32,
        meanwhile: &(impl Fn(&str, u32) + Sync),
    ) -> (u64, u64) {
        let end = Instant::now() + self.time;
        std::thread::scope(|scope| {
            scope.spawn(|| meanwhile(who, process));
            let mut most = (0, 0);
            while Instant::now() < end {
                for broker in Broker::below(process) {
                    most = (most.0.max(broker.memory), most.1.max(broker.unread));
                }
                std::thread::sleep(Duration::from_millis(45));
            }
            most
        })
    }
}

impl Held {
    /// How many brokers have more threads after this kind than their workers.
    pub(crate) fn grown(&self, who: &str) -> usize {
        let both = self.brokers["before"].iter().zip(&self.brokers[who]);
        both.filter(|(before, after)| grew(before, after)).count()
    }

    /// Holds that after this kind the brokers were as before but for so much memory, and that the
    /// neighbour was not slower than beside busy processes.
    pub(crate) fn is_as_before(&self, who: &str, title: &str, growth: u64) {
        let (before, after) = (&self.brokers["before"], &self.brokers[who]);
        assert_eq!(
            (before.len(), after.len()),
            (2, 2),
            "{title}: two brokers: {before:?} {after:?}"
        );
        for (before, after) in before.iter().zip(after) {
            println!(
                "{title}: the broker had {}, then {}",
                told(before),
                told(after)
            );
            assert_eq!(before.process, after.process);
            assert_eq!(before.descriptors, after.descriptors, "{title}");
            // It keeps that of the thread it asked last, where it asked one at all.
            assert!(
                after.processes.abs_diff(before.processes) <= 1,
                "{title}: {before:?} {after:?}"
            );
            assert!(!grew(before, after), "{title}");
            assert!(after.memory <= before.memory + growth, "{title}");
            assert!(after.unread <= before.unread, "{title}");
        }
        let seen = &self.seen;
        let neighbour = (seen.neighbour("busy"), seen.neighbour(who));
        assert!(
            neighbour.1 <= neighbour.0 * 2 + SLACK,
            "{title}: the neighbour's slowest hundredth, beside busy processes and attackers: {neighbour:?}"
        );
    }
}

fn grew(before: &Broker, after: &Broker) -> bool {
    after.threads > before.threads + WORKERS
}

fn told(broker: &Broker) -> String {
    let (descriptors, threads) = (broker.descriptors.len(), broker.threads);
    let (memory, unread) = (broker.memory, broker.unread);
    format!("{descriptors} descriptors, {threads} threads, {memory} KiB, {unread} B unread")
}
