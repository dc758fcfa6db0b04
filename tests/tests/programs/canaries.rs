//! Beside everything that a committed policy grants lies a canary that it refuses.
//!
//! What is granted is read from the text of the policy, not asked of doorward: a rule is a
//! name, or a directory followed by `/**`, or `/*` with text that names contain. The
//! probe is a static program that really opens; it runs under the committed policy with
//! leave to start the probe added, and nothing else.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::Command,
};

use doorward_tests::{Level, Run, Tree, policy_source};

/// How many files are looked at in search of a granted one or a canary.
const LOOKS: usize = 20_000;

const PROBE: &str = r#"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
int main(int count, char **words)
{
    for (int n = 1; n < count; n++) {
        int fd = open(words[n] + 1, words[n][0] == 'w' ? O_WRONLY : O_RDONLY);
        printf("%s %s\n", words[n], fd >= 0 ? "opened" : strerrorname_np(errno));
        if (fd >= 0)
            close(fd);
    }
    return 0;
}
"#;

/// The names that a list of a policy grants.
#[derive(Debug)]
struct Grants {
    literal: BTreeSet<PathBuf>,
    below: Vec<PathBuf>,
    /// A directory, and what the names in it contain.
    alike: Vec<(PathBuf, String)>,
}

impl Grants {
    fn of(policy: &toml::Table, section: &str, words: &[&str], tree: &Tree) -> Self {
        let mut grants = Self {
            literal: BTreeSet::new(),
            below: Vec::new(),
            alike: Vec::new(),
        };
        for word in words {
            let rules = policy.get(section).and_then(|table| table.get(word));
            for rule in rules.and_then(toml::Value::as_array).into_iter().flatten() {
                grants.add(rule.as_str().unwrap(), tree);
            }
        }
        grants
    }

    fn add(&mut self, rule: &str, tree: &Tree) {
        let rule = rule
            .replace("${CWD}", tree.work().to_str().unwrap())
            .replace("${HOME}", tree.level().home().to_str().unwrap());
        match rule.find('*') {
            None => {
                self.literal.insert(rule.into());
            }
            Some(star) => {
                let (directory, tail) = rule.split_at(rule[..star].rfind('/').unwrap());
                match tail.trim_matches(['/', '*']) {
                    middle if !middle.contains(['/', '*']) && tail.starts_with("/*.") => {
                        self.alike.push((directory.into(), middle.into()));
                    }
                    _ => self.below.push(directory.into()),
                }
            }
        }
    }

    fn cover(&self, path: &Path) -> bool {
        let alike = |(directory, middle): &(PathBuf, String)| {
            path.parent() == Some(directory) && path.to_string_lossy().contains(middle)
        };
        self.literal.contains(path)
            || self.below.iter().any(|above| path.starts_with(above))
            || self.alike.iter().any(alike)
    }
}

fn parsed(path: &Path) -> toml::Table {
    std::fs::read_to_string(path).unwrap().parse().unwrap()
}

/// Every regular file below a directory, links not followed, in order, not too many.
fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut left = vec![directory.to_owned()];
    while let Some(directory) = left.pop() {
        let Ok(entries) = std::fs::read_dir(&directory) else {
            continue;
        };
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.is_symlink() {
                continue;
            }
            if path.is_dir() {
                left.push(path);
            } else if path.is_file() {
                found.push(path);
            }
        }
        if found.len() > LOOKS {
            break;
        }
    }
    found
}

/// A policy's granted files, each with the canaries beside it.
struct Pairs {
    granted: Vec<PathBuf>,
    canaries: Vec<PathBuf>,
}

fn pairs(own: &Grants, granted_elsewhere: &[&Grants], tree: &Tree, mode: char) -> Pairs {
    let covered =
        |path: &Path| own.cover(path) || granted_elsewhere.iter().any(|grants| grants.cover(path));
    let work = tree.work();
    let mut pairs = Pairs {
        granted: Vec::new(),
        canaries: Vec::new(),
    };
    let below = own.below.iter().map(|name| (name, true));
    for (name, glob) in below.chain(own.literal.iter().map(|name| (name, false))) {
        let ours = name.starts_with(&work);
        let relative = |path: &Path| {
            let below = path.strip_prefix(tree.path()).unwrap().to_str().unwrap();
            format!("../{below}")
        };
        let granted = if glob && ours {
            Some(tree.file(&relative(&name.join("granted")), "granted"))
        } else if glob {
            files(name).into_iter().next()
        } else if ours && !name.exists() {
            Some(tree.file(&relative(name), "granted"))
        } else {
            Some(name.canonicalize().unwrap_or_else(|_| name.clone()))
                .filter(|path| path.is_file() && own.cover(path))
        };
        let above = name.parent().unwrap();
        let canary = if ours {
            let mut beside = name.clone().into_os_string();
            beside.push(".canary");
            let beside = PathBuf::from(beside);
            // Where all of the work directory is granted, it is beside that.
            let beside = if covered(&beside) {
                tree.path().join("canary")
            } else {
                beside
            };
            Some(tree.file(&relative(&beside), "canary"))
        } else {
            let near = std::fs::read_dir(above).into_iter().flatten().flatten();
            let near: Vec<_> = near.map(|entry| entry.path()).collect();
            let refused = |path: &PathBuf| {
                let real = path.canonicalize().unwrap_or_default();
                real.is_file() && !covered(path) && !covered(&real)
            };
            // Files before links, and what lies right beside before what lies deeper.
            let file = near.iter().find(|path| !path.is_symlink() && refused(path));
            let link = near.iter().find(|path| refused(path));
            let near = file.or(link).cloned();
            near.or_else(|| files(above).into_iter().find(refused))
        };
        let canary =
            canary.unwrap_or_else(|| panic!("{}: nothing to refuse beside it", name.display()));
        pairs.canaries.push(canary);
        // A rule for a directory, or for a link alone, has no file to open.
        pairs.granted.extend(granted);
    }
    assert!(
        mode == 'w' || !pairs.granted.is_empty(),
        "nothing is granted"
    );
    pairs
}

fn probe() -> Vec<u8> {
    let place = tempfile::tempdir().unwrap();
    let (source, program) = (place.path().join("probe.c"), place.path().join("probe"));
    std::fs::write(&source, format!("#define _GNU_SOURCE{PROBE}")).unwrap();
    let status = Command::new("gcc")
        .args(["-static", "-o"])
        .args([&program, &source])
        .status()
        .unwrap();
    assert!(status.success());
    std::fs::read(program).unwrap()
}

/// Opens all, natively or under the committed policy, and tells the answers.
fn answers(tree: &Tree, mode: char, paths: &[PathBuf], policy: Option<&Path>) -> Vec<String> {
    let words = paths.iter().map(|path| format!("{mode}{}", path.display()));
    let run = Run::new(tree, std::iter::once("./probe".to_owned()).chain(words));
    let ended = match policy {
        None => run.native(),
        Some(policy) => run.option("--quiet").under_file(policy),
    };
    let text = ended.succeeded().text();
    let lines: Vec<_> = text
        .lines()
        .map(|line| line.rsplit_once(' ').unwrap().1.to_owned())
        .collect();
    assert_eq!(lines.len(), paths.len());
    lines
}

fn check(name: &str, level: Level, probe: &[u8]) {
    let tree = Tree::new(level);
    tree.program("probe", probe);
    let own = parsed(&policy_source(name));
    let runtime =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies/src/profiles/runtime.toml");
    let runtime = Grants::of(&parsed(&runtime), "fs", &["read", "special"], &tree);
    let text = std::fs::read_to_string(policy_source(name)).unwrap();
    tree.file(&format!("../policies/{name}.toml"), text);
    let policy = tree.file(
        "../policies/probed.toml",
        format!(
            "version = 1\nname = \"probed\"\ninclude = [\"{name}.toml\"]\n[exec]\nallow = [\"${{CWD}}/probe\"]\n"
        ),
    );
    let executed = Grants::of(&own, "exec", &["allow"], &tree);
    for (mode, words) in [('r', &["read"][..]), ('w', &["write"][..])] {
        let granted = Grants::of(&own, "fs", words, &tree);
        if granted.literal.is_empty() && granted.below.is_empty() {
            continue;
        }
        let pairs = pairs(&granted, &[&runtime, &executed], &tree, mode);
        for answer in answers(&tree, mode, &pairs.canaries, None) {
            // The ordinary user may not read every system file; that is no canary's fault.
            assert!(answer == "opened" || answer == "EACCES", "{name}: {answer}");
        }
        let refused = answers(&tree, mode, &pairs.canaries, Some(&policy));
        for (path, answer) in pairs.canaries.iter().zip(refused) {
            assert_eq!(
                answer,
                "EACCES",
                "{name} at {level}: {mode} {}",
                path.display()
            );
        }
        let allowed = answers(&tree, mode, &pairs.granted, Some(&policy));
        for (path, answer) in pairs.granted.iter().zip(allowed) {
            assert_eq!(
                answer,
                "opened",
                "{name} at {level}: {mode} {}",
                path.display()
            );
        }
    }
}

/// All policies of the folder.
fn policies() -> Vec<String> {
    let folder = policy_source("any").parent().unwrap().to_owned();
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            entry
                .unwrap()
                .path()
                .file_stem()
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    names.sort();
    assert!(names.len() >= 12, "{names:?}");
    names
}

#[test]
fn beside_every_grant_a_canary_is_refused() {
    let probe = probe();
    for name in policies() {
        for level in Level::ALL {
            check(&name, level, &probe);
        }
    }
}

#[test]
fn no_policy_has_a_glob_over_a_whole_system_directory() {
    for name in policies() {
        let policy = parsed(&policy_source(&name));
        let include = policy.get("include").and_then(toml::Value::as_array);
        for included in include.into_iter().flatten() {
            assert_eq!(included.as_str(), Some("builtin:runtime"), "{name}");
        }
        let text = std::fs::read_to_string(policy_source(&name)).unwrap();
        for wide in ["/", "/usr/", "/etc/", "/home/", "${HOME}/"] {
            assert!(!text.contains(&format!("\"{wide}*")), "{name}: {wide}*");
        }
    }
}
