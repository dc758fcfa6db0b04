//! Looking, opening and naming.

use super::*;

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
        crate::files::trial::files(TrialRules::of(&rules), None)
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
    let files = crate::files::trial::files(rules, None);
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
    // One that is gone again before it is looked for, and wrote nothing.
    let passing = std::thread::spawn({
        let fifo = fifo.clone();
        move || {
            std::thread::sleep(std::time::Duration::from_millis(30));
            drop(fs::OpenOptions::new().write(true).open(fifo).unwrap());
        }
    });
    let grant = files
        .open(&mut course(&patient), &path(&fifo), wanted, 0)
        .unwrap();
    passing.join().unwrap();
    let read = fs::File::from(grant.file).read(&mut [0; 1]).unwrap();
    assert_eq!(read, 0);
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
