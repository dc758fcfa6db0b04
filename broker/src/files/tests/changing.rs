//! Creating and changing.

use super::*;

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
