//! What a zygote and its workers have given up, as `/proc` shows it to others (B-2, L-1, L-2).

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Stdio},
};

use doorward_tests::{Level, Tree, built_beside, copied};

use crate::confined::{CANARY, CAPABILITIES, NONE, family, holds, status};

/// A host whose workers wait.
struct Host {
    host: Child,
    zygote: PathBuf,
    workers: Vec<PathBuf>,
}

impl Host {
    fn new(tree: &Tree, front: &str) -> Self {
        let program = copied(&built_beside("doorward-workers"), tree.name("../workers"));
        let mut command = tree.level().command(&program);
        command.args(["waits", front]).current_dir(tree.work());
        command.env("OF_THE_HOST", CANARY);
        let streams = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut host = streams.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(host.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        assert_eq!(line, "ready\n");
        let all = family(host.id());
        let is_zygote = |one: &&PathBuf| status(one)["Name"] == "doorward-zygote";
        let zygote = all.iter().find(is_zygote).unwrap().clone();
        let number = zygote.file_name().unwrap().to_str().unwrap().to_owned();
        let of_zygote = |one: &PathBuf| status(one)["PPid"] == number;
        Self {
            workers: all.into_iter().filter(of_zygote).collect(),
            zygote,
            host,
        }
    }

    fn end(mut self) {
        drop(self.host.stdin.take());
        assert!(self.host.wait().unwrap().success());
    }
}

#[test]
fn workers_have_given_everything_up_and_their_zygote_holds_no_secret() {
    for level in Level::ALL {
        for front in ["api", "notify", "trap"] {
            let tree = Tree::new(level);
            let host = Host::new(&tree, front);
            assert_eq!(host.workers.len(), 2, "{level} {front}");
            for process in host.workers.iter().chain([&host.zygote]) {
                let status = status(process);
                let told = format!("{level} {front}: {status:?}");
                assert_eq!(status["NoNewPrivs"], "1", "{told}");
                assert_eq!(status["Threads"], "1", "{told}");
                assert!(!holds(process, CANARY), "{told}");
            }
            for worker in &host.workers {
                let status = status(worker);
                let told = format!("{level} {front}: {status:?}");
                assert_eq!(status["Seccomp"], "2", "{told}");
                for set in CAPABILITIES {
                    assert_eq!(status[set], NONE, "{set}: {told}");
                }
            }
            // The control: it is seen where it is.
            let own = family(host.host.id());
            assert!(own.iter().any(|one| holds(one, CANARY)), "{level}");
            assert_eq!(status(Path::new("/proc/self"))["NoNewPrivs"], "0");
            host.end();
        }
    }
}
