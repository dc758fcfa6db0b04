//! What is seen of brokers and of those who ask them.

use std::{collections::BTreeMap, fmt, fs, time::Duration};

const PIDFD: &str = "anon_inode:[pidfd]";

/// A broker process.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Broker {
    /// Its number.
    pub(crate) process: u32,
    /// Open descriptors but those of processes, as the kernel names them.
    pub(crate) descriptors: Vec<String>,
    /// Open descriptors of processes.
    pub(crate) processes: usize,
    /// Threads.
    pub(crate) threads: usize,
    /// Resident memory in KiB.
    pub(crate) memory: u64,
}

impl Broker {
    /// As [`Broker::below`], between requests: honest processes go on asking.
    pub(crate) fn at_rest(process: u32) -> Vec<Self> {
        let looks = (0..100).map(|_| {
            std::thread::sleep(Duration::from_millis(3));
            Self::below(process)
        });
        let mut best: Vec<Self> = Vec::new();
        for look in looks {
            if best.len() != look.len() {
                best = look;
                continue;
            }
            for (best, broker) in best.iter_mut().zip(look) {
                if broker.descriptors.len() <= best.descriptors.len() {
                    *best = broker;
                }
            }
        }
        best
    }

    /// Those among the descendants of a process: whoever holds a listener of notifications.
    pub(crate) fn below(process: u32) -> Vec<Self> {
        let below = doorward_tests::below(process.cast_signed()).into_iter();
        let mut found: Vec<_> = below
            .filter_map(|process| Self::of(process.cast_unsigned()))
            .collect();
        found.sort_by_key(|broker| broker.process);
        found
    }

    fn of(process: u32) -> Option<Self> {
        let entry = |name: &str| format!("/proc/{process}/{name}");
        let links = fs::read_dir(entry("fd")).ok()?.flatten();
        let mut descriptors: Vec<_> = links
            .map(|link| fs::read_link(link.path()).unwrap_or_default())
            .map(|name| name.to_string_lossy().into_owned())
            .collect();
        descriptors.sort();
        let open = descriptors.len();
        descriptors.retain(|name| name != PIDFD);
        let processes = open - descriptors.len();
        let listens = descriptors
            .iter()
            .any(|name| name == "anon_inode:seccomp notify");
        let status = fs::read_to_string(entry("status")).ok()?;
        let resident = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))?;
        listens.then(|| Self {
            process,
            descriptors,
            processes,
            threads: fs::read_dir(entry("task")).map_or(0, Iterator::count),
            memory: resident.trim().trim_end_matches(" kB").parse().unwrap(),
        })
    }
}

/// How long answers took, as the askers tell it.
#[derive(Debug, Default)]
pub(crate) struct Latencies {
    /// Of the honest process beside the attackers, by phase, in microseconds.
    beside: BTreeMap<String, Vec<u64>>,
    /// Of the neighbour, by time.
    neighbour: Vec<(u64, Vec<u64>)>,
    /// When each phase began and ended.
    phases: BTreeMap<String, (u64, u64)>,
    /// How many requests were served, by notification and on lanes.
    pub(crate) served: Vec<u64>,
}

impl Latencies {
    /// Takes a line, if it tells of any of this.
    pub(crate) fn take(&mut self, line: &str) -> bool {
        let words: Vec<&str> = line.split(' ').collect();
        let number = |word: &str| word.parse::<u64>().ok();
        match words.as_slice() {
            ["phase", name, begun, ended] => {
                let time = (number(begun).unwrap(), number(ended).unwrap());
                self.phases.insert((*name).to_owned(), time);
            }
            ["served", _, count] => {
                self.served.push(number(count).unwrap());
                return false;
            }
            ["neighbour", time, times @ ..] => {
                let times = times.iter().filter_map(|word| number(word)).collect();
                self.neighbour.push((number(time).unwrap(), times));
            }
            [
                name @ ("idle" | "busy" | "attacked" | "after"),
                _,
                times @ ..,
            ] => {
                let known = self.beside.entry((*name).to_owned()).or_default();
                known.extend(times.iter().filter_map(|word| number(word)));
            }
            _ => return false,
        }
        true
    }

    fn of_neighbour(&self, phase: &str) -> Vec<u64> {
        let Some(&(begun, ended)) = self.phases.get(phase) else {
            return Vec::new();
        };
        let windows = self.neighbour.iter();
        let inside = windows.filter(|(time, _)| (begun..ended).contains(time));
        inside
            .flat_map(|(_, times)| times.iter().copied())
            .collect()
    }

    /// What all but the slowest hundredth of a neighbour's questions took at most.
    pub(crate) fn neighbour(&self, phase: &str) -> Duration {
        let times = self.of_neighbour(phase);
        assert!(
            times.len() > 100,
            "{phase}: too few questions: {}",
            times.len()
        );
        Duration::from_micros(part(times, 99))
    }
}

/// What so many in a hundred took at most.
fn part(mut times: Vec<u64>, hundredths: usize) -> u64 {
    times.sort_unstable();
    let at = times.len() * hundredths / 100;
    times
        .get(at.min(times.len().saturating_sub(1)))
        .copied()
        .unwrap_or(0)
}

impl fmt::Display for Latencies {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for phase in ["idle", "busy", "attacked", "after"] {
            let neighbour = self.of_neighbour(phase);
            let beside = self.beside.get(phase).cloned().unwrap_or_default();
            for (who, times) in [("neighbour", neighbour), ("same sandbox", beside)] {
                let (count, half, slow) = (times.len(), part(times.clone(), 50), part(times, 99));
                writeln!(
                    formatter,
                    "{phase}, {who}: {count} questions, half within {half} us, 99 % within {slow} us"
                )?;
            }
        }
        Ok(())
    }
}
