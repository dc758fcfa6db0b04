//! The file services over the kernel's file system.

use std::{
    fs,
    io::{Read, Write},
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::fs::{MetadataExt, PermissionsExt, symlink},
    },
    path::{Path, PathBuf},
};

use doorward_policy::Reason;
use rustix::{fs::OFlags, io::Errno};

use super::{
    Attempt, Fault, Files, Kernel, Wanted,
    trial::{TrialAsker, TrialRules, course, files, path},
};

struct Tree {
    _directory: tempfile::TempDir,
    root: PathBuf,
}

impl Tree {
    fn new() -> Self {
        // Outside /tmp, which the scratch directory backs.
        let folder = std::env::current_exe().unwrap();
        Self::within(folder.parent().unwrap())
    }

    fn within(folder: &Path) -> Self {
        let directory = tempfile::tempdir_in(folder).unwrap();
        let root = directory.path().canonicalize().unwrap();
        for folder in ["in/sub", "out", "shut", "s"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        fs::write(root.join("in/a"), "alpha").unwrap();
        fs::write(root.join("in/sub/b"), "beta").unwrap();
        fs::write(root.join("in/secret"), "secret").unwrap();
        fs::write(root.join("shut/c"), "shut").unwrap();
        Self {
            _directory: directory,
            root,
        }
    }

    fn at(&self, below: &str) -> String {
        format!("{}/{below}", self.root.display())
    }

    fn files(&self) -> Files<Kernel> {
        let rule = |key, below| (key, self.at(below));
        let rules = TrialRules {
            rules: vec![
                rule("read", "in/**"),
                rule("read", "out/**"),
                rule("write", "out/**"),
                rule("create", "out/**"),
                rule("delete", "out/**"),
                rule("deny", "in/secret"),
                rule("hide", "in/hidden"),
                ("read", "/proc/meminfo".to_owned()),
                ("special", "/dev/null".to_owned()),
                ("read", "/dev/null".to_owned()),
                ("write", "/dev/null".to_owned()),
                ("read", "/dev/zero".to_owned()),
            ],
            scratch: true,
        };
        files(rules, Some(Path::new(&self.at("s"))))
    }
}

fn open(files: &Files<Kernel>, text: &str, flags: OFlags) -> Attempt<OwnedFd> {
    let asker = TrialAsker::default();
    let wanted = Wanted::of(u64::from(flags.bits()), 0)?;
    let mut course = course(&asker);
    files
        .open(&mut course, &path(text), wanted, 0o4666)
        .map(|grant| grant.file)
}

fn read(files: &Files<Kernel>, text: &str) -> Attempt<String> {
    let mut content = String::new();
    fs::File::from(open(files, text, OFlags::RDONLY)?)
        .read_to_string(&mut content)
        .unwrap();
    Ok(content)
}

fn denied<T: std::fmt::Debug>(attempt: Attempt<T>) -> (Reason, Errno) {
    match attempt {
        Err(Fault::Denied(denial)) => (denial.reason, Errno::from_raw_os_error(denial.errno)),
        other => panic!("not denied: {other:?}"),
    }
}

fn failed<T: std::fmt::Debug>(attempt: Attempt<T>) -> Errno {
    match attempt {
        Err(Fault::Failed(errno)) => errno,
        other => panic!("not failed: {other:?}"),
    }
}

#[test]
fn reading_obeys_the_rules() {
    let tree = Tree::new();
    let files = tree.files();
    assert_eq!(read(&files, &tree.at("in/a")), Ok("alpha".into()));
    assert_eq!(
        read(&files, &tree.at("in/sub/../sub/./b")),
        Ok("beta".into())
    );
    assert_eq!(read(&files, &tree.at("in//sub//b")), Ok("beta".into()));
    assert_eq!(failed(read(&files, &tree.at("in/none"))), Errno::NOENT);
    assert_eq!(failed(read(&files, &tree.at("in/a/b"))), Errno::NOTDIR);
    assert_eq!(
        denied(read(&files, &tree.at("in/secret"))).0,
        Reason::Denied
    );
    assert_eq!(
        denied(read(&files, &tree.at("in/sub/../secret"))).0,
        Reason::Denied
    );
    assert_eq!(
        denied(read(&files, &tree.at("in/hidden"))),
        (Reason::Hidden, Errno::NOENT)
    );
    let shut = (Reason::NoRule, Errno::ACCESS);
    assert_eq!(denied(read(&files, &tree.at("shut/c"))), shut);
    assert_eq!(denied(read(&files, &tree.at("shut/none"))), shut);
    assert_eq!(denied(read(&files, &tree.at("in/../shut/c"))), shut);
    assert_eq!(denied(read(&files, "/etc/shadow")), shut);
    assert_eq!(denied(open(&files, &tree.at("in/a"), OFlags::RDWR)), shut);
    assert_eq!(denied(open(&files, &tree.at("in/a"), OFlags::TRUNC)), shut);
    // An ancestor may be looked at, not listed.
    assert_eq!(denied(open(&files, &tree.at(""), OFlags::DIRECTORY)), shut);
}

#[test]
fn links_are_followed_where_a_rule_covers_link_and_target() {
    let tree = Tree::new();
    let files = tree.files();
    symlink("sub", tree.at("in/good")).unwrap();
    symlink(tree.at("in/good/b"), tree.at("in/chain")).unwrap();
    symlink("../shut", tree.at("in/escape")).unwrap();
    symlink("secret", tree.at("in/tosecret")).unwrap();
    symlink("loop", tree.at("in/loop")).unwrap();
    symlink("../in/a", tree.at("shut/link")).unwrap();
    symlink("/etc/shadow", tree.at("out/l")).unwrap();
    assert_eq!(read(&files, &tree.at("in/good/b")), Ok("beta".into()));
    assert_eq!(read(&files, &tree.at("in/chain")), Ok("beta".into()));
    assert_eq!(read(&files, &tree.at("in/good/../a")), Ok("alpha".into()));
    assert_eq!(
        denied(read(&files, &tree.at("in/escape/c"))).0,
        Reason::NoRule
    );
    assert_eq!(
        denied(read(&files, &tree.at("in/tosecret"))).0,
        Reason::Denied
    );
    assert_eq!(failed(read(&files, &tree.at("in/loop"))), Errno::LOOP);
    assert_eq!(
        denied(read(&files, &tree.at("shut/link"))).0,
        Reason::NoRule
    );
    assert_eq!(
        failed(open(&files, &tree.at("in/chain"), OFlags::NOFOLLOW)),
        Errno::LOOP
    );
    let create = OFlags::CREATE | OFlags::WRONLY | OFlags::TRUNC;
    assert_eq!(
        denied(open(&files, &tree.at("out/l"), create)).0,
        Reason::NoRule
    );
    let asker = TrialAsker::default();
    let target = files.readlink(&mut course(&asker), &path(&tree.at("in/good")));
    assert_eq!(target, Ok(b"sub".to_vec()));
}

#[test]
fn creating_masks_the_mode_and_never_follows() {
    let tree = Tree::new();
    let files = tree.files();
    let create = OFlags::CREATE | OFlags::WRONLY;
    let made = open(&files, &tree.at("out/new"), create | OFlags::EXCL).unwrap();
    fs::File::from(made).write_all(b"12345").unwrap();
    assert_eq!(
        fs::metadata(tree.at("out/new")).unwrap().mode() & 0o7777,
        0o644
    );
    assert_eq!(
        failed(open(&files, &tree.at("out/new"), create | OFlags::EXCL)),
        Errno::EXIST
    );
    drop(open(&files, &tree.at("out/new"), create).unwrap());
    assert_eq!(fs::read(tree.at("out/new")).unwrap(), b"12345");
    drop(open(&files, &tree.at("out/new"), create | OFlags::TRUNC).unwrap());
    assert_eq!(fs::read(tree.at("out/new")).unwrap(), b"");
    symlink(tree.at("shut/made"), tree.at("out/dangling")).unwrap();
    symlink(tree.at("out/made"), tree.at("out/within")).unwrap();
    denied(open(&files, &tree.at("out/dangling"), create));
    assert_eq!(
        denied(open(&files, &tree.at("out/within"), create)).0,
        Reason::Link
    );
    assert!(!Path::new(&tree.at("shut/made")).exists());
    denied(open(&files, &tree.at("in/new"), create));
    assert_eq!(
        failed(open(&files, &tree.at("out/x/"), create)),
        Errno::ISDIR
    );
    let temporary = OFlags::TMPFILE | OFlags::RDWR;
    assert!(open(&files, &tree.at("out"), temporary).is_ok());
    denied(open(&files, &tree.at("in"), temporary));
    denied(open(
        &files,
        &tree.at("in/a"),
        OFlags::from_bits_retain(1 << 30),
    ));
    let flags = rustix::fs::fcntl_getfl(open(&files, &tree.at("in/a"), OFlags::RDONLY).unwrap());
    assert!(!flags.unwrap().contains(OFlags::NONBLOCK));
    let append = OFlags::WRONLY | OFlags::APPEND;
    let flags = rustix::fs::fcntl_getfl(open(&files, &tree.at("out/new"), append).unwrap());
    assert!(flags.unwrap().contains(OFlags::APPEND));
}

#[test]
fn special_files_and_other_mounts_need_rules_of_their_own() {
    let tree = Tree::new();
    let files = tree.files();
    assert!(read(&files, "/proc/meminfo").unwrap().contains("MemTotal"));
    assert!(read(&files, "/proc/meminfo").unwrap().contains("MemTotal"));
    assert!(open(&files, "/dev/null", OFlags::RDWR).is_ok());
    assert_eq!(denied(read(&files, "/dev/zero")).0, Reason::Special);
    denied(read(&files, "/proc/1/status"));
    denied(read(&files, "/proc/self/status"));
    let wide = |rules: &[(&'static str, &str)]| {
        let rules: Vec<_> = rules
            .iter()
            .map(|(key, text)| (*key, (*text).to_owned()))
            .collect();
        super::trial::files(TrialRules::of(&rules), None)
    };
    let wide_open = wide(&[("read", "/proc/**")]);
    assert_eq!(denied(read(&wide_open, "/proc/meminfo")).0, Reason::Mount);
    assert_eq!(
        denied(read(&wide_open, "/proc/1/status")).0,
        Reason::Foreign
    );
    let literal = wide(&[("read", "/proc/1/status"), ("read", "/proc/self")]);
    assert_eq!(denied(read(&literal, "/proc/1/status")).0, Reason::Foreign);
    assert_eq!(
        denied(read(&literal, "/proc/self/status")).0,
        Reason::Foreign
    );
    let fifo = tree.at("in/fifo");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &fifo,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        0,
    )
    .unwrap();
    assert_eq!(denied(read(&files, &fifo)).0, Reason::Special);
    let rules = TrialRules::of(&[("read", fifo.clone()), ("special", fifo.clone())]);
    // Without a writer it waits until it is interrupted.
    let files = super::trial::files(rules, None);
    assert_eq!(failed(read(&files, &fifo)), Errno::INTR);
    let writer = std::thread::spawn({
        let fifo = fifo.clone();
        move || {
            fs::OpenOptions::new()
                .write(true)
                .open(fifo)
                .unwrap()
                .write_all(b"through")
                .unwrap()
        }
    });
    let mut patient = TrialAsker::default();
    patient.interrupted = None;
    let wanted = Wanted::of(0, 0).unwrap();
    let grant = files
        .open(&mut course(&patient), &path(&fifo), wanted, 0)
        .unwrap();
    let mut text = String::new();
    fs::File::from(grant.file)
        .read_to_string(&mut text)
        .unwrap();
    writer.join().unwrap();
    assert_eq!(text, "through");
}

#[test]
fn scratch_is_seen_as_tmp() {
    let tree = Tree::within(Path::new("/tmp"));
    let files = tree.files();
    let create = OFlags::CREATE | OFlags::RDWR;
    drop(open(&files, "/tmp/mine", create).unwrap());
    assert!(Path::new(&tree.at("s/mine")).exists());
    assert!(!Path::new("/tmp/mine").exists());
    let asker = TrialAsker::default();
    files
        .mkdir(&mut course(&asker), &path("/var/tmp/d"), 0o777)
        .unwrap();
    drop(open(&files, "/tmp/d/../d/e", create).unwrap());
    assert!(open(&files, "/var/tmp/d/e", OFlags::RDONLY).is_ok());
    assert!(open(&files, "/tmp", OFlags::DIRECTORY).is_ok());
    // Through a real directory below /tmp, and out of it again, /tmp is still the scratch.
    let (inside, outside) = (tree.at("in/../../mine"), tree.at("in/../.."));
    assert!(open(&files, &inside, OFlags::RDONLY).is_ok());
    let listed = fs::File::from(open(&files, &outside, OFlags::DIRECTORY).unwrap());
    assert_eq!(
        listed.metadata().unwrap().ino(),
        fs::metadata(tree.at("s")).unwrap().ino()
    );
    let out = "/tmp/../etc/shadow";
    denied(open(&files, out, OFlags::RDONLY));
    symlink("/etc/shadow", tree.at("s/l")).unwrap();
    denied(open(&files, "/tmp/l", OFlags::RDONLY));
    let mut under = course(&asker);
    files
        .stat(&mut under, &path("/tmp/d/../mine"), true)
        .unwrap();
    assert_eq!(under.object, b"/tmp/mine");
    assert_eq!(
        failed(files.mkdir(&mut course(&asker), &path("/tmp"), 0)),
        Errno::EXIST
    );
}

#[test]
fn names_change_only_within_their_rights() {
    let tree = Tree::new();
    let files = tree.files();
    let asker = TrialAsker::default();
    let at = |below: &str| tree.at(below);
    files
        .mkdir(&mut course(&asker), &path(&at("out/d")), 0o777)
        .unwrap();
    assert_eq!(
        fs::metadata(at("out/d")).unwrap().permissions().mode() & 0o7777,
        0o755
    );
    let again = files.mkdir(&mut course(&asker), &path(&at("in")), 0o777);
    assert_eq!(failed(again), Errno::EXIST);
    assert_eq!(
        failed(files.mkdir(&mut course(&asker), &path("/"), 0)),
        Errno::EXIST
    );
    denied(files.mkdir(&mut course(&asker), &path(&at("shut/d")), 0));
    fs::write(at("out/f"), "f").unwrap();
    let rename = |old: &str, new: &str, flags| {
        files.rename(&mut course(&asker), &path(&at(old)), &path(&at(new)), flags)
    };
    rename("out/f", "out/g", 0).unwrap();
    rename("out/g", "out/d/g", 0).unwrap();
    rename("out/d", "out/e", 0).unwrap();
    assert!(Path::new(&at("out/e/g")).exists());
    denied(rename("in/a", "out/a", 0));
    denied(rename("out/e/g", "in/g", 0));
    denied(rename("out/e", "shut/e", 0));
    assert_eq!(failed(rename("out/none", "out/n", 0)), Errno::NOENT);
    fs::write(at("out/f"), "f").unwrap();
    assert_eq!(failed(rename("out/f", "out/e/g", 1)), Errno::EXIST);
    rename("out/f", "out/e/g", 2).unwrap();
    rename("out/f", "out/e/g", 0).unwrap();
    let link =
        |old: &str, new: &str| files.link(&mut course(&asker), &path(&at(old)), &path(&at(new)), 0);
    link("out/e/g", "out/hard").unwrap();
    assert_eq!(fs::metadata(at("out/hard")).unwrap().nlink(), 2);
    assert_eq!(denied(link("in/a", "out/hard2")).0, Reason::Widening);
    let symlink = |target: &str, new: &str| {
        files.symlink(&mut course(&asker), target.as_bytes(), &path(&at(new)))
    };
    symlink("e/g", "out/soft").unwrap();
    assert_eq!(denied(symlink("/etc/shadow", "out/bad")).0, Reason::Link);
    assert_eq!(denied(symlink("../../shut/c", "out/bad")).0, Reason::Link);
    let unlink = |below: &str| files.unlink(&mut course(&asker), &path(&at(below)));
    unlink("out/soft").unwrap();
    unlink("out/hard").unwrap();
    denied(unlink("in/a"));
    assert_eq!(failed(unlink("in/none")), Errno::NOENT);
    denied(unlink("out/../in/a"));
    let rmdir = |below: &str| files.rmdir(&mut course(&asker), &path(&at(below)));
    assert_eq!(failed(rmdir("out/e")), Errno::NOTEMPTY);
    unlink("out/e/g").unwrap();
    rmdir("out/e").unwrap();
    denied(rmdir("in/sub"));
}

#[test]
fn attributes_need_a_write_rule() {
    let tree = Tree::new();
    let files = tree.files();
    let asker = TrialAsker::default();
    fs::write(tree.at("out/f"), "12345").unwrap();
    let target = tree.at("out/f");
    let shut = tree.at("in/a");
    files
        .chmod(&mut course(&asker), &path(&target), 0o6751, true)
        .unwrap();
    assert_eq!(fs::metadata(&target).unwrap().mode() & 0o7777, 0o751);
    denied(files.chmod(&mut course(&asker), &path(&shut), 0o777, true));
    files
        .truncate(&mut course(&asker), &path(&target), 2)
        .unwrap();
    assert_eq!(fs::read(&target).unwrap(), b"12");
    denied(files.truncate(&mut course(&asker), &path(&shut), 0));
    denied(files.truncate(&mut course(&asker), &path(&target), -1));
    use doorward_protocol::request::TimeArgument::{At, Omit};
    let times = [
        Omit,
        At {
            seconds: 7,
            nanoseconds: 0,
        },
    ];
    files
        .utimens(&mut course(&asker), &path(&target), times, true)
        .unwrap();
    assert_eq!(fs::metadata(&target).unwrap().mtime(), 7);
    let owner = fs::metadata(&target).unwrap().uid();
    files
        .chown(&mut course(&asker), &path(&target), owner, u32::MAX, true)
        .unwrap();
    denied(files.chown(
        &mut course(&asker),
        &path(&target),
        owner + 1,
        u32::MAX,
        true,
    ));
    // The same through descriptors: a readable one gives no right to change.
    let file = fs::File::open(&shut).unwrap();
    denied(files.fchmod(&mut course(&asker), file.as_raw_fd(), 0o777));
    let lock = doorward_protocol::request::LockArgument::Flock {
        operation: libc::LOCK_EX,
    };
    denied(files.lock(&mut course(&asker), file.as_raw_fd(), lock));
    let file = fs::File::open(&target).unwrap();
    files
        .lock(&mut course(&asker), file.as_raw_fd(), lock)
        .unwrap();
    let other = fs::File::open(&target).unwrap();
    assert_eq!(
        failed(files.lock(&mut course(&asker), other.as_raw_fd(), lock)),
        Errno::INTR
    );
    let release = doorward_protocol::request::LockArgument::Flock {
        operation: libc::LOCK_UN,
    };
    files
        .lock(&mut course(&asker), file.as_raw_fd(), release)
        .unwrap();
    files
        .lock(&mut course(&asker), other.as_raw_fd(), lock)
        .unwrap();
    assert_eq!(
        failed(files.fchmod(&mut course(&asker), 12345, 0)),
        Errno::BADF
    );
    let queue = rustix::fs::inotify::init(rustix::fs::inotify::CreateFlags::CLOEXEC).unwrap();
    let watch = files.watch(
        &mut course(&asker),
        queue.as_raw_fd(),
        &path(&tree.at("in")),
        2,
    );
    assert!(watch.unwrap() > 0);
    denied(files.watch(
        &mut course(&asker),
        queue.as_raw_fd(),
        &path(&tree.at("shut")),
        2,
    ));
}

#[test]
fn relative_names_start_at_the_kernels_working_directory() {
    let tree = Tree::new();
    let files = tree.files();
    let asker = TrialAsker {
        directory: tree.root.join("in/sub"),
        ..TrialAsker::default()
    };
    let stat = |text: &str| files.stat(&mut course(&asker), &path(text), true);
    assert_eq!(stat("b").unwrap().size, 4);
    assert_eq!(stat("../a").unwrap().size, 5);
    assert_eq!(stat("../../in/sub/../a").unwrap().size, 5);
    denied(stat("../../shut/c"));
    assert_eq!(
        files.getcwd(&mut course(&asker)).unwrap(),
        tree.at("in/sub").as_bytes()
    );
    files.chdir(&mut course(&asker), &path(".")).unwrap();
    files.chdir(&mut course(&asker), &path("../..")).unwrap();
    assert_eq!(
        failed(files.chdir(&mut course(&asker), &path("b"))),
        Errno::NOTDIR
    );
    denied(files.chdir(&mut course(&asker), &path("../../shut")));
}

#[test]
fn names_that_mean_the_asker() {
    let tree = Tree::new();
    let files = tree.files();
    let asker = TrialAsker::default();
    let readlink = |text: &str| {
        let mut course = course(&asker);
        let own = files.own(&mut course, &path(text)).unwrap().unwrap();
        files.readlink_own(&mut course, &own)
    };
    let me = std::process::id().to_string();
    assert_eq!(readlink("/proc/self").unwrap(), me.as_bytes());
    assert_eq!(readlink("//proc/./self/cwd").unwrap(), b"/");
    let exe = std::env::current_exe().unwrap();
    let seen = readlink("/proc/self/exe").unwrap();
    assert_eq!(seen, exe.as_os_str().as_encoded_bytes());
    let open = |text: &str, flags: OFlags| {
        let mut course = course(&asker);
        let own = files.own(&mut course, &path(text))?.unwrap();
        let wanted = Wanted::of(u64::from(flags.bits()), 0)?;
        files
            .open_own(&mut course, &own, wanted, 0)
            .map(|grant| grant.file)
    };
    let mut text = String::new();
    fs::File::from(open("/proc/self/status", OFlags::RDONLY).unwrap())
        .read_to_string(&mut text)
        .unwrap();
    assert!(text.contains("Uid:"));
    assert!(open(&format!("/proc/{me}/maps"), OFlags::RDONLY).is_ok());
    for hidden in [
        "mem",
        "environ",
        "mountinfo",
        "ns/net",
        "root/etc/shadow",
        "attr/current",
    ] {
        let path = format!("/proc/self/{hidden}");
        assert_eq!(
            failed(open(&path, OFlags::RDONLY)),
            Errno::NOENT,
            "{hidden}"
        );
    }
    denied(open("/proc/self/oom_score_adj", OFlags::WRONLY));
    let file = fs::File::open(tree.at("in/a")).unwrap();
    let own = format!("/dev/fd/{}", file.as_raw_fd());
    assert!(open(&own, OFlags::RDONLY).is_ok());
    denied(open(&own, OFlags::RDWR));
    assert_eq!(readlink(&own).unwrap(), tree.at("in/a").as_bytes());
    assert_eq!(failed(open("/etc/mtab", OFlags::RDONLY)), Errno::NOENT);
    let mut course = course(&asker);
    assert_eq!(
        files.own(&mut course, &path("/proc/1/status")).unwrap(),
        None
    );
    assert_eq!(
        files.own(&mut course, &path("/proc/meminfo")).unwrap(),
        None
    );
    assert_eq!(files.own(&mut course, &path("/devices")).unwrap(), None);
}

#[test]
fn exchanging_a_directory_for_a_link_wins_nothing() {
    let tree = Tree::new();
    let files = tree.files();
    fs::create_dir(tree.at("in/real")).unwrap();
    fs::write(tree.at("in/real/c"), "open").unwrap();
    symlink("../shut", tree.at("in/other")).unwrap();
    let stop = std::sync::atomic::AtomicBool::new(false);
    use std::sync::atomic::Ordering::Relaxed;
    let mut naive_lost = 0;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (one, two) = (tree.at("in/real"), tree.at("in/other"));
            while !stop.load(Relaxed) {
                let flags = rustix::fs::RenameFlags::EXCHANGE;
                let here = rustix::fs::CWD;
                rustix::fs::renameat_with(here, &one, here, &two, flags).unwrap();
            }
        });
        let victim = tree.at("in/real/c");
        for _ in 0..20_000 {
            if let Ok(text) = read(&files, &victim) {
                assert_eq!(text, "open");
            }
            // Positive control: look at the directory first, then open by name.
            let looks_safe = !fs::symlink_metadata(tree.at("in/real"))
                .unwrap()
                .is_symlink();
            if looks_safe && fs::read_to_string(&victim).is_ok_and(|text| text == "shut") {
                naive_lost += 1;
            }
        }
        stop.store(true, Relaxed);
    });
    assert!(
        naive_lost > 0,
        "the race was never lost by the naive way: nothing was tried"
    );
}
