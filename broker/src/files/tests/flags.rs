//! Flags of an open, bit by bit.

use super::*;

/// O_SYNC, in which is O_DSYNC.
const SYNC: u32 = 0o4_010_000;
/// What is looked at of an open file description's flags.
const KEPT: u32 = 3 | 0o2_000 | 0o4_000 | SYNC;

/// As the kernel's headers number them: all but O_ASYNC, and none beyond O_TMPFILE.
#[test]
fn each_known_bit_of_an_open_is_taken_and_no_other() {
    let taken: Vec<u32> = (0..=22)
        .filter(|bit| ![2, 3, 4, 5, 13].contains(bit))
        .collect();
    for bit in 0..64 {
        let alone = Wanted::of(1 << bit, 0);
        assert_eq!(alone.is_ok(), taken.contains(&bit), "{bit}: {alone:?}");
    }
    let all = taken.iter().fold(0, |all, bit| all | 1_u64 << bit);
    assert!(Wanted::of(all & !1, 0).is_ok());
    assert_eq!(denied(Wanted::of(all, 0)), (Reason::Flags, Errno::INVAL));
}

#[test]
fn each_known_bit_of_a_resolution_is_taken_and_no_other() {
    for bit in 0..64 {
        let alone = Wanted::of(0, 1 << bit);
        match bit {
            1 | 2 => assert!(alone.is_ok(), "{bit}"),
            0 | 3 | 4 => assert_eq!(denied(alone), (Reason::Flags, Errno::NOSYS), "{bit}"),
            5 => assert_eq!(denied(alone), (Reason::Flags, Errno::AGAIN)),
            _ => assert_eq!(denied(alone), (Reason::Flags, Errno::INVAL), "{bit}"),
        }
    }
    assert_eq!(Wanted::of(0, 2).unwrap(), Wanted::of(0, 0).unwrap());
    assert_eq!(Wanted::of(0, 6).unwrap(), Wanted::of(0, 4).unwrap());
}

/// Of what comes with O_PATH the kernel looks at three more.
#[test]
fn a_name_alone_is_wanted_without_access() {
    let path = OFlags::PATH.bits();
    let heeded = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    for bit in (0..23).filter(|bit| ![2, 3, 4, 5, 13].contains(bit)) {
        let wanted = Wanted::of(u64::from(path | 1 << bit), 0).unwrap();
        // In O_TMPFILE is O_DIRECTORY, but here its bits come alone.
        let same = wanted == Wanted::of(u64::from(path), 0).unwrap();
        assert_eq!(same, !heeded.bits() & 1 << bit != 0, "{bit}");
    }
}

#[test]
fn a_grant_has_the_flags_that_were_asked_for() {
    let tree = Tree::new();
    let files = tree.files();
    fs::write(tree.at("out/f"), "").unwrap();
    let has = |below: &str, flags: OFlags| {
        let file = open(&files, &tree.at(below), flags).unwrap();
        rustix::fs::fcntl_getfl(file).unwrap().bits() & KEPT
    };
    for access in [OFlags::RDONLY, OFlags::WRONLY, OFlags::RDWR] {
        for more in [0, 0o2_000, 0o4_000, 0o10_000, SYNC, KEPT & !3] {
            let asked = access | OFlags::from_bits_retain(more);
            assert_eq!(has("out/f", asked), asked.bits(), "{asked:?}");
            let new = format!("out/{}", asked.bits());
            assert_eq!(has(&new, asked | OFlags::CREATE), asked.bits(), "{asked:?}");
            assert_eq!(has(&new, asked | OFlags::CREATE), asked.bits(), "{asked:?}");
            if access != OFlags::RDONLY {
                // The kernel takes O_NONBLOCK there, and it changes nothing.
                let kept = asked.bits() & !0o4_000;
                assert_eq!(has("out", asked | OFlags::TMPFILE), kept, "{asked:?}");
            }
        }
    }
}

#[test]
fn a_file_is_cut_or_made_anew_only_where_that_was_asked_for() {
    let tree = Tree::new();
    let files = tree.files();
    let long = |flags| {
        fs::write(tree.at("out/f"), "12345").unwrap();
        let file = open(&files, &tree.at("out/f"), flags).unwrap();
        fs::File::from(file).metadata().unwrap().len()
    };
    assert_eq!(long(OFlags::WRONLY), 5);
    assert_eq!(long(OFlags::WRONLY | OFlags::TRUNC), 0);
    assert_eq!(long(OFlags::RDONLY | OFlags::TRUNC), 0);
    assert_eq!(long(OFlags::WRONLY | OFlags::CREATE), 5);
    // Where only reading is allowed nothing is cut, whatever it is opened for.
    let cut = open(&files, &tree.at("in/a"), OFlags::RDONLY | OFlags::TRUNC);
    assert_eq!(denied(cut), (Reason::NoRule, Errno::ACCESS));
    assert_eq!(fs::read(tree.at("in/a")).unwrap(), b"alpha");
    assert_eq!(
        failed(open(&files, &tree.at("out"), OFlags::TRUNC)),
        Errno::ISDIR
    );
    let made = open(&files, &tree.at("out"), OFlags::CREATE);
    assert_eq!(failed(made), Errno::ISDIR);
    let made = open(
        &files,
        &tree.at("out/f"),
        OFlags::CREATE | OFlags::DIRECTORY,
    );
    assert_eq!(denied(made), (Reason::Malformed, Errno::INVAL));
}

#[test]
fn a_temporary_file_never_gets_a_name() {
    let tree = Tree::new();
    let files = tree.files();
    let open = open(&files, &tree.at("out"), OFlags::TMPFILE | OFlags::RDWR).unwrap();
    let stat = rustix::fs::fstat(&open).unwrap();
    assert_eq!((stat.st_nlink, stat.st_mode & 0o7777), (0, 0o644));
    let linked = rustix::fs::linkat(
        rustix::fs::CWD,
        format!("/proc/self/fd/{}", open.as_raw_fd()),
        rustix::fs::CWD,
        tree.at("out/named"),
        rustix::fs::AtFlags::SYMLINK_FOLLOW,
    );
    assert_eq!(linked, Err(Errno::NOENT));
}
