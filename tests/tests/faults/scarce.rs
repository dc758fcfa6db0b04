//! Too few descriptors (Z-7), too little memory (Z-6), a full disk (Z-10).

use doorward_tests::{Ledger, Level, alone, built, copied};
use nix::mount::{MsFlags, mount, umount};

use crate::host::{PROGRAM, finish, place, start, start_built};

/// Each bound of `what` (an option of ulimit): it goes well or fails with one sentence.
fn bounded(what: &str, bounds: impl Iterator<Item = u32> + Clone) {
    let _alone = alone();
    for level in Level::ALL {
        let tree = place(level);
        let doorward = copied(&built(), tree.name("../doorward"));
        let before = Ledger::of(&tree);
        let (mut well, mut told) = (0, 0);
        for bound in bounds.clone() {
            let limit = format!("ulimit {what} {bound}; exec \"$@\"");
            // Where not even its version can be told, the loader fails and nothing of ours runs.
            let mut loads = level.command("/bin/sh");
            loads
                .args(["-c", &limit, "sh"])
                .arg(&doorward)
                .arg("--version");
            if !loads.output().unwrap().status.success() {
                continue;
            }
            let around = ["/bin/sh", "-c", &limit, "sh"];
            let ended = finish(start_built(doorward.clone(), &tree, &around, PROGRAM));
            let settled = before.settles(&tree);
            assert!(settled.is_ok(), "{level} {what} {bound}: {settled:?}");
            match ended.code {
                0 => well += 1,
                _ => told += 1,
            }
            assert!(ended.is_clear(), "{level} {what} {bound}: {ended:?}");
        }
        println!("| ulimit {what} | {level} | {well} well | {told} with one sentence |");
        // The control: the bounds are in the way, and above them all is well.
        assert!(
            well > 0 && told > 0,
            "{level} {what}: {well} well, {told} told"
        );
    }
}

#[test]
fn with_few_descriptors_it_runs_or_says_so() {
    bounded("-n", 6..70);
}

#[test]
fn with_little_memory_it_runs_or_says_so() {
    bounded(
        "-v",
        (4..40)
            .chain([128, 512, 1024])
            .map(|mebibytes| mebibytes * 1024),
    );
}

/// A file system of a few pages, or of one entry, where the scratch directory is to be.
#[test]
fn a_full_disk_is_the_program_s_error_or_one_sentence() {
    let _alone = alone();
    for level in Level::ALL {
        for (options, runs) in [
            ("size=64k,mode=1777", true),
            ("nr_inodes=1,mode=1777", false),
        ] {
            let tree = place(level);
            let place = tree.name("../temporary");
            let flags = MsFlags::empty();
            mount(Some("tmpfs"), &place, Some("tmpfs"), flags, Some(options)).unwrap();
            let before = Ledger::of(&tree);
            // The program sees the error, and goes on.
            let program = "dd() { while echo 0123456789012345678901234567890123456789; do :; done; }; \
                dd > /tmp/file 2>/dev/null; rm() { : > /tmp/file; }; rm; exit 0";
            let ended = finish(start(&tree, &[], program));
            let settled = before.settles(&tree);
            umount(&place).unwrap();
            assert!(settled.is_ok(), "{level} {options}: {settled:?}");
            assert_eq!(ended.code == 0, runs, "{level} {options}: {ended:?}");
            assert!(ended.is_clear(), "{level} {options}: {ended:?}");
            println!(
                "| {options} | {level} | status {} | {} |",
                ended.code,
                ended.error.trim()
            );
        }
    }
}
