//! What is answered before or without a look at a file: malformed names and flags, and
//! files that another process holds.

use super::*;
use rustix::fs::ResolveFlags;

fn mkfifo(path: &str) {
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
}

#[test]
fn malformed_names_are_refused_with_the_kernels_errno() {
    let tree = Tree::new();
    let files = tree.files();
    let long = format!("/{}", "a/".repeat(2100));
    let component = format!("/{}", "a".repeat(256));
    for (name, errno) in [
        ("", Errno::NOENT),
        (long.as_str(), Errno::NAMETOOLONG),
        (component.as_str(), Errno::NAMETOOLONG),
        ("/in\0/a", Errno::INVAL),
    ] {
        let opened = open(&files, name, OFlags::RDONLY);
        assert_eq!(denied(opened), (Reason::Malformed, errno), "{name:.20}");
    }
    let asker = TrialAsker::default();
    let mkdir = |name: &str| files.mkdir(&mut course(&asker), &path(name), 0o777);
    assert_eq!(failed(mkdir("")), Errno::NOENT);
    assert_eq!(
        denied(mkdir(&long)),
        (Reason::Malformed, Errno::NAMETOOLONG)
    );
    assert_eq!(failed(mkdir(&tree.at("out/."))), Errno::EXIST);
    assert_eq!(failed(mkdir(&tree.at("out/.."))), Errno::EXIST);
    let odd = mkdir(&tree.at(&format!("out/{}", "a".repeat(256))));
    assert_eq!(denied(odd), (Reason::Malformed, Errno::NAMETOOLONG));
}

#[test]
fn unknown_flags_of_an_open_are_refused_and_those_without_effect_taken() {
    let refused = |flags: u64, resolve: u64| denied(Wanted::of(flags, resolve));
    let write = u64::from(OFlags::WRONLY.bits());
    let bits = |resolve: ResolveFlags| resolve.bits();
    for (flags, resolve, errno) in [
        (1 << 32, 0, Errno::INVAL),
        (1 << 30, 0, Errno::INVAL),
        (3, 0, Errno::INVAL),
        (0, bits(ResolveFlags::CACHED), Errno::AGAIN),
        (0, bits(ResolveFlags::BENEATH), Errno::NOSYS),
        (0, bits(ResolveFlags::IN_ROOT), Errno::NOSYS),
        (0, bits(ResolveFlags::NO_XDEV), Errno::NOSYS),
        (0, 1 << 20, Errno::INVAL),
    ] {
        assert_eq!(
            refused(flags, resolve),
            (Reason::Flags, errno),
            "{flags:#x}"
        );
    }
    let harmless = OFlags::NOATIME | OFlags::DIRECT;
    let plain = Wanted::of(write, 0).unwrap();
    assert_eq!(
        Wanted::of(write | u64::from(harmless.bits()), 0).unwrap(),
        plain
    );
    let own = Wanted::of(0, bits(ResolveFlags::NO_SYMLINKS)).unwrap();
    assert_ne!(own, Wanted::of(0, 0).unwrap());
    // O_PATH takes no access with it.
    let named = Wanted::of(write | u64::from(OFlags::PATH.bits()), 0).unwrap();
    assert!(!named.writes());
}

#[test]
fn no_link_is_followed_where_the_asker_wants_none() {
    let tree = Tree::new();
    let files = tree.files();
    symlink("a", tree.at("in/link")).unwrap();
    let asker = TrialAsker::default();
    let opened = |below: &str, resolve: ResolveFlags| {
        let wanted = Wanted::of(0, resolve.bits())?;
        files.open(&mut course(&asker), &path(&tree.at(below)), wanted, 0)
    };
    assert!(opened("in/link", ResolveFlags::empty()).is_ok());
    let none = ResolveFlags::NO_SYMLINKS;
    assert_eq!(failed(opened("in/link", none)), Errno::LOOP);
    assert!(opened("in/a", none).is_ok());
}

#[test]
fn unknown_flags_of_changes_and_slashes_behind_files_are_refused() {
    let tree = Tree::new();
    let files = tree.files();
    let asker = TrialAsker::default();
    let at = |below: &str| tree.at(below);
    fs::write(at("out/f"), "f").unwrap();
    let rename = |old: &str, new: &str, flags| {
        files.rename(&mut course(&asker), &path(&at(old)), &path(&at(new)), flags)
    };
    let unknown = (Reason::Flags, Errno::INVAL);
    assert_eq!(denied(rename("out/f", "out/g", 3)), unknown);
    assert_eq!(denied(rename("out/f", "out/g", 4)), unknown);
    assert_eq!(failed(rename("out/f/", "out/g", 0)), Errno::NOTDIR);
    assert_eq!(failed(rename("out/f", "out/g/", 0)), Errno::NOTDIR);
    let unlink = |below: &str| files.unlink(&mut course(&asker), &path(&at(below)));
    assert_eq!(failed(unlink("out/f/")), Errno::NOTDIR);
    let symlink = |target: &str, new: &str| {
        files.symlink(&mut course(&asker), target.as_bytes(), &path(&at(new)))
    };
    assert_eq!(failed(symlink("", "out/l")), Errno::NOENT);
    assert_eq!(failed(symlink("f", "out/l/")), Errno::NOENT);
    let link = |flags| {
        files.link(
            &mut course(&asker),
            &path(&at("out/f")),
            &path(&at("out/h")),
            flags,
        )
    };
    assert_eq!(denied(link(1)), unknown);
    assert!(!Path::new(&at("out/h")).exists());
    link(0).unwrap();
    assert!(Path::new(&at("out/h")).exists());
    let temporary = OFlags::TMPFILE;
    assert_eq!(
        denied(open(&files, &at("out"), temporary)),
        (Reason::Malformed, Errno::INVAL)
    );
    let within = open(&files, &at("out/f"), temporary | OFlags::RDWR);
    assert_eq!(failed(within), Errno::NOTDIR);
    assert_eq!(fs::read(at("out/f")).unwrap(), b"f");
}

#[test]
fn opening_a_kind_of_file_that_cannot_be_is_answered_as_the_kernel_does() {
    let tree = Tree::new();
    let files = tree.files();
    symlink("a", tree.at("in/link")).unwrap();
    let opened = |below: &str, flags| failed(open(&files, &tree.at(below), flags));
    let itself = OFlags::NOFOLLOW;
    assert_eq!(opened("in/link", itself), Errno::LOOP);
    assert_eq!(opened("in/link", itself | OFlags::PATH), Errno::OPNOTSUPP);
    assert_eq!(opened("out", OFlags::WRONLY), Errno::ISDIR);
    assert_eq!(opened("in/a", OFlags::DIRECTORY), Errno::NOTDIR);
}

/// A FIFO of the scratch directory whose other end comes late, or never.
#[test]
fn an_open_of_a_fifo_waits_for_its_other_end_until_it_is_interrupted() {
    let tree = Tree::new();
    let files = tree.files();
    mkfifo(&tree.at("s/fifo"));
    for flags in [OFlags::RDONLY, OFlags::WRONLY] {
        assert_eq!(failed(open(&files, "/tmp/fifo", flags)), Errno::INTR);
    }
    let patient = TrialAsker {
        interrupted: None,
        ..TrialAsker::default()
    };
    let wanted = Wanted::of(u64::from(OFlags::WRONLY.bits()), 0).unwrap();
    let real = tree.at("s/fifo");
    let reader = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(50));
        fs::read(real).unwrap()
    });
    let grant = files
        .open(&mut course(&patient), &path("/tmp/fifo"), wanted, 0)
        .unwrap();
    fs::File::from(grant.file).write_all(b"late").unwrap();
    assert_eq!(reader.join().unwrap(), b"late");
}

#[test]
fn a_file_that_another_holds_a_lease_of_is_waited_for_until_it_is_interrupted() {
    let tree = Tree::new();
    let files = tree.files();
    let holder = fs::File::options()
        .read(true)
        .write(true)
        .open(tree.at("in/a"))
        .unwrap();
    crate::sys::files::lease_for_test(&holder).unwrap();
    let opened = open(&files, &tree.at("in/a"), OFlags::RDONLY);
    assert_eq!(failed(opened), Errno::INTR);
    let patient = TrialAsker {
        interrupted: None,
        ..TrialAsker::default()
    };
    let releases = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(50));
        drop(holder);
    });
    let wanted = Wanted::of(0, 0).unwrap();
    let at = tree.at("in/a");
    let grant = files
        .open(&mut course(&patient), &path(&at), wanted, 0)
        .unwrap();
    releases.join().unwrap();
    let mut content = String::new();
    fs::File::from(grant.file)
        .read_to_string(&mut content)
        .unwrap();
    assert_eq!(content, "alpha");
    // One that may not wait is told to come again.
    let holder = fs::File::options()
        .read(true)
        .write(true)
        .open(&at)
        .unwrap();
    crate::sys::files::lease_for_test(&holder).unwrap();
    let mut hasty = super::super::Course::new(&patient, crate::service::Patience::Cached);
    let attempt = files.open(&mut hasty, &path(&at), wanted, 0);
    assert!(matches!(attempt, Err(Fault::WouldBlock)), "{attempt:?}");
}
