//! Walks with links and `..`: their bounds, and where they end.

use super::*;

fn linked(tree: &Tree, name: &str, target: &str) {
    symlink(target, tree.at(&format!("in/{name}"))).unwrap();
}

#[test]
fn forty_links_are_followed_and_no_more() {
    let tree = Tree::new();
    let files = tree.files();
    linked(&tree, "l1", "a");
    for number in 2..=41 {
        linked(&tree, &format!("l{number}"), &format!("l{}", number - 1));
    }
    assert_eq!(read(&files, &tree.at("in/l40")), Ok("alpha".into()));
    assert_eq!(failed(read(&files, &tree.at("in/l41"))), Errno::LOOP);
}

/// Sixteen of the longest targets, each with the next link in front, and one that fills up what is
/// left of 64 KiB, or is longer by a byte.
#[test]
fn so_many_bytes_are_walked_and_no_more() {
    let tree = Tree::new();
    let files = tree.files();
    for number in 10..26 {
        let target = format!("p{}{}", number + 1, "/.".repeat(2046));
        assert_eq!(target.len(), 4095);
        linked(&tree, &format!("p{number}"), &target);
    }
    let last = (64 * 1024_usize) - (16 * (4095 - 3));
    linked(&tree, "p26", &format!("sub{}", "/".repeat(last - 3)));
    assert!(open(&files, &tree.at("in/p10"), OFlags::RDONLY).is_ok());
    fs::remove_file(tree.at("in/p26")).unwrap();
    linked(&tree, "p26", &format!("sub{}", "/".repeat(last - 2)));
    let long = open(&files, &tree.at("in/p10"), OFlags::RDONLY);
    assert_eq!(denied(long), (Reason::Malformed, Errno::NAMETOOLONG));
}

#[test]
fn a_name_that_has_to_be_a_directory_is_one() {
    let tree = Tree::new();
    let files = tree.files();
    for (name, target) in [
        ("file", "a"),
        ("slash", "a/"),
        ("dot", "a/."),
        ("dots", "a/.."),
        ("up", "sub/.."),
        ("there", "sub"),
        ("there-slash", "sub/"),
        ("there-dot", "sub/."),
        ("on", "./there/../a"),
    ] {
        linked(&tree, name, target);
    }
    let opened = |below: &str, flags| {
        let file = open(&files, &tree.at(below), flags)?;
        Ok(fs::File::from(file).metadata().unwrap().ino())
    };
    let inode = |below: &str| fs::metadata(tree.at(below)).unwrap().ino();
    let (file, directory, above) = (inode("in/a"), inode("in/sub"), inode("in"));
    for below in [
        "in/file/",
        "in/file/.",
        "in/file/..",
        "in/slash",
        "in/dot",
        "in/dots",
        "in/on/",
        "in/a/..",
    ] {
        assert_eq!(
            failed(opened(below, OFlags::RDONLY)),
            Errno::NOTDIR,
            "{below}"
        );
    }
    for (below, due) in [
        ("in/file", file),
        ("in/on", file),
        ("in/./on", file),
        ("in/there/../on", file),
        ("in/up", above),
        ("in/there", directory),
        ("in/there-slash", directory),
        ("in/there-dot", directory),
        ("in/there/.", directory),
        ("in/there/./", directory),
        ("in/there/../sub", directory),
    ] {
        assert_eq!(opened(below, OFlags::RDONLY), Ok(due), "{below}");
    }
    // What has to be a directory is followed whatever was asked for.
    let itself = OFlags::NOFOLLOW;
    assert_eq!(opened("in/there/", itself), Ok(directory));
    assert_eq!(opened("in/there/.", itself), Ok(directory));
    assert_eq!(opened("in/sub/../there/", itself), Ok(directory));
    assert_eq!(opened("in/there/../a", itself), Ok(file));
    assert_eq!(failed(opened("in/there", itself)), Errno::LOOP);
    assert_eq!(failed(opened("in/sub/../there", itself)), Errno::LOOP);
    assert_eq!(failed(opened("in/sub/../file", itself)), Errno::LOOP);
    assert_eq!(opened("in/sub/../file", OFlags::empty()), Ok(file));
}

#[test]
fn above_the_root_is_the_root() {
    let tree = Tree::new();
    let files = tree.files();
    linked(&tree, "good", "sub");
    let above = format!("{}{}", tree.at("in/good/"), "../".repeat(30));
    let text = format!("{above}{}", tree.at("in/a"));
    assert_eq!(read(&files, &text), Ok("alpha".into()));
    linked(&tree, "far", &text);
    assert_eq!(read(&files, &tree.at("in/far")), Ok("alpha".into()));
    let absolute = tree.at("in/sub");
    linked(&tree, "absolute", &absolute);
    let text = tree.at("in/absolute/../../in/a");
    assert_eq!(read(&files, &text), Ok("alpha".into()));
}

/// Each name on a walk is judged, whatever comes after it.
#[test]
fn a_walk_goes_through_no_name_that_is_barred() {
    let tree = Tree::new();
    let files = tree.files();
    fs::create_dir(tree.at("in/hidden")).unwrap();
    linked(&tree, "good", "sub");
    linked(&tree, "through", "hidden/../a");
    for below in ["in/good/../hidden", "in/good/../hidden/../a", "in/through"] {
        assert_eq!(
            denied(read(&files, &tree.at(below))),
            (Reason::Hidden, Errno::NOENT),
            "{below}"
        );
    }
    assert_eq!(
        denied(read(&files, &tree.at("in/good/../secret"))),
        (Reason::Denied, Errno::ACCESS)
    );
    assert_eq!(
        denied(read(&files, &tree.at("in/good/../../shut/c"))).0,
        Reason::NoRule
    );
    assert_eq!(
        denied(read(&files, &tree.at("in/good/../../shut/../in/a"))).0,
        Reason::NoRule
    );
}
