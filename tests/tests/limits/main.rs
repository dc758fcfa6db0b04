//! Each key of `[limits]`: what exceeds it is stopped, and the same program within it succeeds.

#![allow(clippy::unwrap_used, reason = "tests")]

mod output;

use std::{
    collections::BTreeSet,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use doorward_tests::{Ended, Level, Run, Tree, doorward};

/// The exit status that says that a limit ended it.
const LIMIT: i32 = 124;
/// With namespaces, as root and as an ordinary user.
const LEVELS: [Level; 2] = Level::WITH_VIEW;

fn policy(tree: &Tree, limits: &str) -> PathBuf {
    let text = format!(
        "version = 1\ninclude = [\"builtin:default\"]\n[env]\npass = [\"PATH\"]\n[limits]\n{limits}\n"
    );
    tree.file("../limits.toml", text)
}

fn python(tree: &Tree, limits: &str, program: &str) -> Ended {
    let policy = policy(tree, limits);
    Run::new(tree, ["/usr/bin/python3", "-I", "-S", "-c", program])
        .option("--quiet")
        .under_file(&policy)
}

/// Control groups of doorward's, in every hierarchy.
fn groups() -> BTreeSet<String> {
    fn add(directory: &Path, depth: u32, found: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) && depth > 0 {
                let name = entry.file_name().to_string_lossy().into_owned();
                if name.starts_with("doorward-") {
                    found.insert(entry.path().to_string_lossy().into_owned());
                }
                add(&entry.path(), depth.saturating_sub(1), found);
            }
        }
    }
    let mut found = BTreeSet::new();
    add(Path::new("/sys/fs/cgroup"), 8, &mut found);
    found
}

#[test]
fn processes_are_counted_exactly() {
    let program = "import os,time\nn=1\n\
        try:\n  for i in range(40):\n    if os.fork()==0: time.sleep(1); os._exit(0)\n    n+=1\n\
        except BlockingIOError: pass\nprint(n)";
    for level in LEVELS {
        let tree = Tree::new(level);
        let few = python(&tree, "processes = 8", program).succeeded();
        assert_eq!(few.text().trim(), "8", "{level}");
        let many = python(&tree, "wall = \"30s\"", program).succeeded();
        assert_eq!(many.text().trim(), "41", "{level}");
    }
}

#[test]
fn memory_of_every_kind_is_held() {
    let heap = "x=bytearray(150<<20)\nprint('had')";
    let shared = "import mmap\nm=mmap.mmap(-1,150<<20)\nfor i in range(150): m.write(b'x'*(1<<20))\nprint('had')";
    let pipes = "import os,fcntl\nkept=[]\n\
        for i in range(45):\n  r,w=os.pipe(); kept.append((r,w)); fcntl.fcntl(w,1031,1<<20); \
        os.set_blocking(w,False); os.write(w,b'x'*(1<<20))\nprint('had')";
    let tree = Tree::new(Level::Root);
    for program in [heap, shared, pipes] {
        let ended = python(&tree, "memory = \"32MiB\"", program);
        assert_eq!(ended.code(), LIMIT, "{program}\n{}", ended.error());
        assert!(
            ended.error().contains("limits.memory = \"32MiB\""),
            "{}",
            ended.error()
        );
        let within = python(&tree, "memory = \"400MiB\"", program).succeeded();
        assert_eq!(within.text().trim(), "had");
    }
    // Without a control group it is the address space of each process, and the program is told.
    let tree = Tree::new(Level::User);
    let ended = python(&tree, "memory = \"100MiB\"", heap);
    assert_eq!(ended.code(), 1);
    assert!(ended.error().contains("MemoryError"), "{}", ended.error());
    assert_eq!(python(&tree, "memory = \"400MiB\"", heap).code(), 0);
}

#[test]
fn a_spin_ends_with_its_time() {
    let spin = "import os\nos.fork()\nwhile True: pass";
    for level in LEVELS {
        let tree = Tree::new(level);
        let ended = python(&tree, "cpu = \"1s\"\nwall = \"20s\"", spin);
        assert_eq!(ended.code(), LIMIT, "{level}: {}", ended.error());
        assert!(
            ended.error().contains("limits.cpu = \"1s\""),
            "{}",
            ended.error()
        );
        let idle = "import time\ntime.sleep(1.5)";
        assert_eq!(python(&tree, "cpu = \"1s\"", idle).code(), 0);
    }
}

#[test]
fn wall_ends_what_does_not_want_to_end() {
    let ignores =
        "import signal,time\nsignal.signal(signal.SIGTERM,signal.SIG_IGN)\ntime.sleep(30)";
    let stopped = "import os,signal\nos.kill(os.getpid(),signal.SIGSTOP)";
    for level in LEVELS {
        let tree = Tree::new(level);
        for program in [ignores, stopped] {
            let ended = python(&tree, "wall = \"500ms\"", program);
            assert_eq!(ended.code(), LIMIT, "{level}: {}", ended.error());
            assert!(
                ended.error().contains("limits.wall = \"500ms\""),
                "{}",
                ended.error()
            );
            assert!(ended.time < Duration::from_secs(10), "{:?}", ended.time);
        }
        assert_eq!(python(&tree, "wall = \"20s\"", "pass").code(), 0);
    }
}

#[test]
fn descriptors_and_file_sizes_are_refused_to_the_program() {
    let files = "import os,errno\nn=[]\n\
        try:\n  for i in range(100): n.append(os.open('/dev/null',0))\n\
        except OSError as e: print(e.errno==errno.EMFILE)\nelse: print('all')";
    let size = "import os,errno\nf=os.open('/tmp/x',os.O_CREAT|os.O_WRONLY)\n\
        try: print(os.pwrite(f,b'x'*1000,0), os.pwrite(f,b'x',70000))\n\
        except OSError as e: print(e.errno==errno.EFBIG)";
    for level in LEVELS {
        let tree = Tree::new(level);
        let told = |limits: &str, program| python(&tree, limits, program).succeeded().text();
        assert_eq!(told("open_files = 64", files).trim(), "True", "{level}");
        assert_eq!(told("open_files = 256", files).trim(), "all", "{level}");
        assert_eq!(
            told("file_size = \"64KiB\"", size).trim(),
            "True",
            "{level}"
        );
        assert_eq!(
            told("file_size = \"1MiB\"", size).trim(),
            "1000 1",
            "{level}"
        );
    }
}

#[test]
fn scratch_has_a_size() {
    let fills = "import os,errno,time\ndef fill():\n  for i in range(12):\n    \
        with open(f'/tmp/{i}','wb') as f: f.write(b'x'*(1<<20))\n    time.sleep(0.15)\n\
        try: fill(); print('all')\nexcept OSError as e:\n  print(e.errno==errno.ENOSPC)\n  \
        try: os.mkdir('/tmp/d')\n  except OSError as e: print(e.errno==errno.ENOSPC)\n  \
        [os.unlink('/tmp/'+n) for n in os.listdir('/tmp')]\n  time.sleep(0.15)\n  \
        os.mkdir('/tmp/d'); print(os.listdir('/tmp'))";
    let hides = "import os,errno,time\nos.mkdir('/tmp/d')\nopen('/tmp/d/f','wb').write(b'x'*4096)\n\
        os.chmod('/tmp/d',0o300)\ntime.sleep(0.15)\n\
        try: open('/tmp/d/g','wb')\nexcept OSError as e: print(e.errno==errno.ENOSPC)\n\
        os.chmod('/tmp/d',0o700)\ntime.sleep(0.15)\nopen('/tmp/d/g','wb'); print('had')";
    // One file may have its size; many that were opened in time are seen to outgrow it.
    let grows = "import time\nfiles=[open(f'/tmp/{i}','wb',0) for i in range(8)]\n\
        for f in files: f.write(b'x'*(3<<20))\ntime.sleep(1)\nprint('had')";
    let large = "import errno\nf=open('/tmp/x','wb',0)\n\
        try:\n  for i in range(8): f.write(b'x'*(1<<20))\n  print('had')\n\
        except OSError as e: print(e.errno==errno.EFBIG)";
    for level in Level::ALL {
        let tree = Tree::new(level);
        let run = |size: &str, program| {
            python(
                &tree,
                &format!("wall = \"30s\"\n[fs]\nscratch = \"{size}\""),
                program,
            )
        };
        let told = |size, program| run(size, program).succeeded().text();
        assert_eq!(told("4MiB", fills), "True\nTrue\n['d']\n", "{level}");
        assert_eq!(told("64MiB", fills), "all\n", "{level}");
        assert_eq!(told("64MiB", hides), "True\nhad\n", "{level}");
        let ended = run("4MiB", grows);
        assert_eq!(ended.code(), LIMIT, "{level}: {}", ended.error());
        assert!(
            ended.error().contains("fs.scratch = \"4MiB\""),
            "{}",
            ended.error()
        );
        assert_eq!(told("64MiB", grows), "had\n", "{level}");
        assert_eq!(told("4MiB", large), "True\n", "{level}");
        assert_eq!(told("64MiB", large), "had\n", "{level}");
    }
}

#[test]
fn requests_beyond_the_rate_are_delayed_and_answered() {
    let program = "import os,time\nt=time.monotonic()\n\
        for i in range(300): os.close(os.open('/usr/lib/os-release',0))\nprint(time.monotonic()-t)";
    for level in LEVELS {
        let tree = Tree::new(level);
        let taken = |limits: &str| -> f64 {
            let ended = python(&tree, limits, program).succeeded();
            ended.text().trim().parse().unwrap()
        };
        let slow = taken("requests_per_second = 200");
        assert!((1.0..4.0).contains(&slow), "{level}: {slow}");
        let fast = taken("requests_per_second = 100000");
        assert!(fast < 0.9, "{level}: {fast}");
    }
}

#[test]
fn exact_limits_that_cannot_be_had_stop_the_start() {
    let policy = |limit: &str| {
        format!(
            "version = 1\ninclude = [\"builtin:default\"]\n[require]\nlimits = \"exact\"\n[limits]\n{limit}\n"
        )
    };
    let run = |level, limit: &str| {
        let tree = Tree::new(level);
        let file = tree.file("../exact.toml", policy(limit));
        Run::new(&tree, ["/bin/true"]).under_file(&file)
    };
    let all = run(
        Level::Root,
        "memory = \"64MiB\"\nprocesses = 20\ncpu = \"5s\"\ncpu_share = \"50%\"",
    );
    assert_eq!(all.code(), 0, "{}", all.error());
    let refused = run(Level::User, "memory = \"64MiB\"");
    assert_eq!(refused.code(), 125);
    assert!(refused.error().contains("memory"), "{}", refused.error());
    assert_eq!(run(Level::User, "processes = 20").code(), 0);
    let refused = run(Level::UserNoNs, "processes = 20");
    assert_eq!(refused.code(), 125);
    assert!(refused.error().contains("processes"), "{}", refused.error());
}

#[test]
fn no_control_group_outlives_its_sandbox() {
    let tree = Tree::new(Level::Root);
    let limits = "memory = \"64MiB\"\nprocesses = 16\ncpu = \"9s\"\ncpu_share = \"90%\"";
    let policy = tree.file(
        "../ledger.toml",
        format!("version = 1\ninclude = [\"builtin:default\"]\n[limits]\n{limits}\n"),
    );
    let before = groups();
    let short = Run::new(&tree, ["/bin/true"]).under_file(&policy);
    assert_eq!(short.code(), 0, "{}", short.error());
    let mut child = doorward(Level::Root)
        .args(["run", "--quiet", "--policy"])
        .arg(&policy)
        .args(["--", "/bin/sleep", "60"])
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let soon = |met: &dyn Fn() -> bool| {
        let started = Instant::now();
        while !met() {
            assert!(started.elapsed() < Duration::from_secs(10));
            std::thread::sleep(Duration::from_millis(10));
        }
    };
    // The control: while it runs there is one.
    let pids =
        |group: &str| std::fs::read_to_string(format!("{group}/cgroup.procs")).unwrap_or_default();
    let mine = || -> Vec<String> { groups().difference(&before).cloned().collect() };
    soon(&|| mine().iter().any(|group| !pids(group).is_empty()));
    let made = mine();
    child.kill().unwrap();
    child.wait().unwrap();
    soon(&|| made.iter().all(|group| !Path::new(group).exists()));
}

/// Scratch directories below a directory.
fn scratches(directory: &Path) -> BTreeSet<PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten();
    entries
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("doorward-"))
        .map(|entry| entry.path())
        .collect()
}

/// The keeper of a host that runs, by its name and parent.
fn keeper(host: u32) -> Option<u32> {
    let list = std::fs::read_to_string(format!("/proc/{host}/task/{host}/children")).ok()?;
    let mut children = list.split_whitespace().filter_map(|text| text.parse().ok());
    children.find(|child: &u32| {
        std::fs::read_to_string(format!("/proc/{child}/comm"))
            .is_ok_and(|name| name.starts_with("doorward-keep"))
    })
}

#[test]
fn a_scratch_that_a_killed_keeper_leaves_goes_with_the_next_start() {
    for level in LEVELS {
        let tree = Tree::new(level);
        let temporary = tree.path().join("temporary");
        std::fs::create_dir(&temporary).unwrap();
        std::fs::set_permissions(&temporary, std::fs::Permissions::from_mode(0o1777)).unwrap();
        let start = |time: &str| {
            doorward(level)
                .args(["run", "--quiet", "--", "/bin/sleep", time])
                .env("TMPDIR", &temporary)
                .stdin(Stdio::null())
                .spawn()
                .unwrap()
        };
        let soon = |met: &dyn Fn() -> bool| {
            let started = Instant::now();
            while !met() {
                assert!(started.elapsed() < Duration::from_secs(10), "{level}");
                std::thread::sleep(Duration::from_millis(10));
            }
        };
        let mut live = start("60");
        soon(&|| scratches(&temporary).len() == 1);
        let kept = scratches(&temporary);
        let mut orphaned = start("60");
        soon(&|| scratches(&temporary).len() == 2 && keeper(orphaned.id()).is_some());
        let killed = rustix::process::Pid::from_raw(keeper(orphaned.id()).unwrap() as i32).unwrap();
        rustix::process::kill_process(killed, rustix::process::Signal::KILL).unwrap();
        orphaned.wait().unwrap();
        soon(&|| !Path::new(&format!("/proc/{}", killed.as_raw_nonzero())).exists());
        assert_eq!(scratches(&temporary).len(), 2, "{level}");
        assert!(start("0").wait().unwrap().success(), "{level}");
        assert_eq!(scratches(&temporary), kept, "{level}");
        live.kill().unwrap();
        live.wait().unwrap();
        soon(&|| scratches(&temporary).is_empty());
    }
}
