//! Entries made and removed: odd names, kinds and flags.

use doorward_protocol::{Base, request::PathArgument};

use super::*;

const FOLLOW: u32 = 0x400;
const EMPTY: u32 = 0x1000;

#[test]
fn a_directory_is_not_removed_by_a_name_that_ends_in_dots() {
    let tree = Tree::new();
    let files = tree.files();
    fs::create_dir_all(tree.at("out/d/below")).unwrap();
    let rmdir = |text: &str| failed(files.rmdir(&mut course(&TrialAsker::default()), &path(text)));
    assert_eq!(rmdir("."), Errno::INVAL);
    assert_eq!(rmdir(&tree.at("out/d/.")), Errno::INVAL);
    assert_eq!(rmdir(&tree.at("out/d/below/..")), Errno::NOTEMPTY);
    assert_eq!(rmdir(".."), Errno::NOTEMPTY);
    assert_eq!(rmdir("/"), Errno::BUSY);
    assert!(Path::new(&tree.at("out/d/below")).exists());
}

#[test]
fn only_a_regular_file_gets_a_further_name() {
    let tree = Tree::new();
    let files = tree.files();
    fs::write(tree.at("out/f"), "f").unwrap();
    fs::create_dir(tree.at("out/d")).unwrap();
    symlink("f", tree.at("out/l")).unwrap();
    let link = |old: PathArgument<'_>, flags| {
        let new = tree.at("out/new");
        let linked = files.link(
            &mut course(&TrialAsker::default()),
            &old,
            &path(&new),
            flags,
        );
        // Whatever it was.
        linked.map(|()| {
            let inode = fs::symlink_metadata(&new).unwrap().ino();
            fs::remove_file(&new).unwrap();
            inode
        })
    };
    let inode = fs::metadata(tree.at("out/f")).unwrap().ino();
    for flags in [0, FOLLOW, EMPTY, FOLLOW | EMPTY] {
        assert_eq!(
            link(path(&tree.at("out/f")), flags),
            Ok(inode),
            "{flags:#x}"
        );
        assert_eq!(failed(link(path(&tree.at("out/d")), flags)), Errno::PERM);
    }
    for (flags, refused) in [(0, true), (EMPTY, true), (FOLLOW, false)] {
        let linked = link(path(&tree.at("out/l")), flags);
        if refused {
            assert_eq!(denied(linked), (Reason::Special, Errno::PERM));
        } else {
            assert_eq!(linked, Ok(inode));
        }
    }
    let open = fs::File::open(tree.at("out/f")).unwrap();
    let itself = PathArgument {
        base: Base::Descriptor(open.as_raw_fd()),
        bytes: b"",
    };
    for flags in [0, FOLLOW, EMPTY] {
        assert_eq!(
            denied(link(itself, flags)),
            (Reason::Malformed, Errno::NOENT)
        );
    }
    for flags in [1, 2, 0x100, 0x800, 0x2000, FOLLOW | 1] {
        let unknown = link(path(&tree.at("out/f")), flags);
        assert_eq!(denied(unknown), (Reason::Flags, Errno::INVAL), "{flags:#x}");
    }
}

/// By its text alone, from the directory that it lies in.
#[test]
fn a_link_says_only_what_its_maker_could_name() {
    let tree = Tree::new();
    let files = tree.files();
    let says = |target: &str| {
        let at = tree.at("out/l");
        let made = files.symlink(
            &mut course(&TrialAsker::default()),
            target.as_bytes(),
            &path(&at),
        );
        if made.is_ok() {
            assert_eq!(fs::read_link(&at).unwrap(), Path::new(target));
            fs::remove_file(&at).unwrap();
        }
        made
    };
    let (allowed, shut) = (tree.at("in/a"), tree.at("shut/c"));
    for target in [
        "x",
        "./x",
        "../in/a",
        ".././in//a",
        "sub/../../in/a",
        &allowed,
    ] {
        assert_eq!(says(target), Ok(()), "{target}");
    }
    let outside = (Reason::Link, Errno::ACCESS);
    for target in [
        "../shut/c",
        "../in/../shut/c",
        &shut,
        "../in/secret",
        "../in/hidden",
    ] {
        assert_eq!(denied(says(target)), outside, "{target}");
    }
    let long = "a".repeat(256);
    assert_eq!(denied(says(&long)), (Reason::Malformed, Errno::NAMETOOLONG));
}

/// What exists and may be looked at is told as what it is, the rest is denied.
#[test]
fn what_may_not_be_made_or_removed_is_told_where_it_may_be_looked_at() {
    let tree = Tree::new();
    let files = tree.files();
    let asker = TrialAsker::default();
    let mkdir = |below: &str| files.mkdir(&mut course(&asker), &path(&tree.at(below)), 0o777);
    let unlink = |below: &str| files.unlink(&mut course(&asker), &path(&tree.at(below)));
    assert_eq!(failed(mkdir("in/a")), Errno::EXIST);
    assert_eq!(denied(mkdir("in/none")).0, Reason::NoRule);
    assert_eq!(denied(mkdir("in/secret")).0, Reason::Denied);
    assert_eq!(denied(mkdir("shut/c")).0, Reason::NoRule);
    assert_eq!(failed(unlink("in/none")), Errno::NOENT);
    assert_eq!(denied(unlink("in/a")).0, Reason::NoRule);
    assert_eq!(denied(unlink("in/secret")).0, Reason::Denied);
    assert_eq!(denied(unlink("shut/none")).0, Reason::NoRule);
    assert_eq!(fs::read(tree.at("in/a")).unwrap(), b"alpha");
}
