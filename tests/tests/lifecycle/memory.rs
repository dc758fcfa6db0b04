//! Out of memory the kernel kills a sandboxee before its broker.

use std::{fs, process::Stdio, time::Duration};

use doorward_tests::{Level, Tree, doorward};

use super::death::{name, tree, until};

fn score(pid: i32) -> i32 {
    let text = fs::read_to_string(format!("/proc/{pid}/oom_score_adj")).unwrap();
    text.trim().parse().unwrap()
}

#[test]
fn a_sandboxee_is_chosen_before_its_broker() {
    let own = score(i32::try_from(std::process::id()).unwrap());
    for level in Level::ALL {
        let work = Tree::new(level);
        let mut host = doorward(level)
            .current_dir(work.work())
            .args(["run", "--quiet", "--", "/bin/sh", "-c", "sleep 300; true"])
            .env("PATH", "/usr/bin:/bin")
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let first = i32::try_from(host.id()).unwrap();
        let called = |wanted: &str| tree(first).into_iter().find(|pid| name(*pid) == wanted);
        assert!(until(Duration::from_secs(10), || called("sleep").is_some()));
        for trusted in ["doorward", "doorward-keeper", "doorward-broker"] {
            let pid = called(trusted).unwrap();
            assert_eq!(score(pid), own, "{level}: {trusted}");
        }
        for expendable in ["sh", "sleep"] {
            let pid = called(expendable).unwrap();
            assert_eq!(score(pid), (own + 300).min(1000), "{level}: {expendable}");
        }
        host.kill().unwrap();
        host.wait().unwrap();
    }
}
