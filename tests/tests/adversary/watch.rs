//! What is seen of those who ask brokers.

use std::{collections::BTreeMap, fmt, time::Duration};

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
            ["beside", name, _, times @ ..] => {
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
        slow(phase, self.of_neighbour(phase))
    }

    /// The same of the honest process beside the attackers.
    pub(crate) fn beside(&self, phase: &str) -> Duration {
        slow(phase, self.beside.get(phase).cloned().unwrap_or_default())
    }

    /// What the slowest of its questions took.
    pub(crate) fn slowest(&self, phase: &str) -> Duration {
        let times = self.beside.get(phase).into_iter().flatten();
        Duration::from_micros(times.copied().max().unwrap_or(u64::MAX))
    }
}

fn slow(phase: &str, times: Vec<u64>) -> Duration {
    assert!(
        times.len() > 50,
        "{phase}: too few questions: {}",
        times.len()
    );
    Duration::from_micros(part(times, 99))
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
        let mut phases: Vec<_> = self.phases.iter().collect();
        phases.sort_by_key(|(_, time)| **time);
        for (phase, _) in phases {
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
