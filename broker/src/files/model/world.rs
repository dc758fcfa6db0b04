//! The worlds: trees of at most 8 entries, 3 components and 1 link, each with its policy,
//! its moves and what is asked in it.

use std::sync::Arc;

use rustix::fs::OFlags;

use super::{
    adversary::{Move, moves},
    request::Request::{self, *},
    table::Table,
    tree::{DISK, FUSE, Mount, Object, Tree},
};

/// A tree with a policy, and what is asked in it.
pub(crate) struct World {
    pub(crate) name: &'static str,
    entries: &'static [(&'static str, Object)],
    /// What is mounted from the start: where, what, and of which kind.
    mounts: &'static [(&'static str, &'static str, u64)],
    /// The policy.
    pub(crate) table: Table,
    /// Where the asker works.
    pub(crate) directory: &'static str,
    /// What no rule reaches, which must not tell in any answer.
    pub(crate) secret: &'static [&'static str],
    /// A link that nobody may read, and what else it might say: that must not tell either.
    pub(crate) unread: Option<(&'static str, &'static str)>,
    /// Names that things are moved to besides their own.
    fresh: &'static [&'static str],
    /// What a link says that is put somewhere.
    lure: &'static str,
    /// Whether the adversary mounts things.
    mounting: bool,
    /// What was asked before, so that a mount is remembered.
    pub(crate) before: Option<Request>,
    /// What is asked.
    pub(crate) requests: Vec<Request>,
}

impl World {
    /// Its tree at the beginning.
    pub(crate) fn tree(&self) -> Tree {
        let mut tree = Tree::new(self.entries);
        for &(at, root, magic) in self.mounts {
            let mount = Mount {
                at: Some((0, tree.at(at))),
                root: tree.at(root),
                magic,
            };
            tree.mounts.push(mount);
        }
        tree
    }

    /// All that the adversary can do in it.
    pub(crate) fn moves(&self) -> Arc<[Move]> {
        moves(&self.tree(), self.fresh, self.lure, self.mounting).into()
    }
}

const BARE: World = World {
    name: "",
    entries: &[],
    mounts: &[],
    table: Table {
        rules: &[],
        scratch: None,
    },
    directory: "/",
    secret: &[],
    unread: None,
    fresh: &[],
    lure: "",
    mounting: false,
    before: None,
    requests: Vec::new(),
};

const DIRECTORY: Object = Object::Directory;
const FILE: Object = Object::File;
const READ: OFlags = OFlags::RDONLY;
const WRITE: OFlags = OFlags::WRONLY;
const CREATE: OFlags = OFlags::CREATE;
/// `RESOLVE_NO_SYMLINKS`.
const NO_LINKS: u64 = 4;

/// What can be asked of one path.
fn asked(path: &'static str) -> Vec<Request> {
    vec![
        Open(path, READ, 0),
        Open(path, READ.union(OFlags::NOFOLLOW), 0),
        Open(path, READ, NO_LINKS),
        Open(path, WRITE.union(OFlags::TRUNC), 0),
        Open(path, READ.union(OFlags::TRUNC), 0),
        Open(path, OFlags::RDWR.union(OFlags::APPEND), 0),
        Open(path, WRITE.union(CREATE), 0),
        Open(path, OFlags::RDWR.union(CREATE).union(OFlags::TRUNC), 0),
        Open(path, WRITE.union(CREATE).union(OFlags::EXCL), 0),
        Open(path, WRITE.union(CREATE).union(OFlags::NOFOLLOW), 0),
        Stat(path, true),
        Stat(path, false),
        Access(path, 7, true),
        Access(path, 0, false),
        ReadLink(path),
        StatFs(path),
        Unlink(path),
        Mode(path, true),
        Owner(path, false),
        Times(path, false),
        Truncate(path),
    ]
}

/// What can be asked of one path that may be a directory.
fn asked_of_directory(path: &'static str) -> Vec<Request> {
    vec![
        Open(path, READ.union(OFlags::DIRECTORY), 0),
        Open(path, OFlags::PATH, 0),
        Open(path, WRITE.union(OFlags::TMPFILE), 0),
        ChangeDirectory(path),
        MakeDirectory(path),
        RemoveDirectory(path),
        Access(path, 2, true),
    ]
}

/// Everything may be done below /in; one link; a directory and a file outside.
fn plain() -> World {
    let mut requests = asked("/in/l/f");
    requests.extend(asked_of_directory("/in/l/../d"));
    requests.extend(asked_of_directory("/in/l"));
    requests.extend([
        Open("/in/d/f", READ, 0),
        Open("/in/d/f", WRITE | OFlags::TRUNC, 0),
        Open("/in/d/f", WRITE | CREATE, 0),
        Open("/in/d/../d/f", READ, 0),
        Open("/in/l/../d/f", READ, 0),
        Open("f", READ, 0),
        Open("../d/f", READ, 0),
        Open("../l/f", WRITE | CREATE, 0),
        Open("../../shut/f", READ, 0),
        Open("/in/l", READ | OFlags::NOFOLLOW, 0),
        Open("/in/l/n", WRITE | CREATE, 0),
        Open("/in/d/n", WRITE | CREATE | OFlags::EXCL, 0),
        Stat("/in/l/../d/f", true),
        Stat("/in/l", false),
        ReadLink("/in/l"),
        WorkingDirectory,
        MakeDirectory("/in/d/../n"),
        MakeDirectory("/in/l/n"),
        RemoveDirectory("/in/l/f"),
        Unlink("/in/d/f"),
        Unlink("/in/d/../d/f"),
        Rename("/in/d/f", "/in/l/n", 0),
        Rename("/in/d/f", "/in/n", 1),
        Rename("/in/d", "/in/n", 0),
        Rename("/in/d/f", "/in/l", 2),
        Rename("/in/l/f", "/in/d/../n", 0),
        Link("/in/d/f", "/in/l/n", 0),
        Link("/in/l/f", "/in/n", 0x400),
        SymLink("f", "/in/l/n"),
        SymLink("../../shut/f", "/in/d/n"),
    ]);
    World {
        name: "plain",
        entries: &[
            ("/in", DIRECTORY),
            ("/in/d", DIRECTORY),
            ("/in/d/f", FILE),
            ("/in/l", Object::Link("d")),
            ("/shut", DIRECTORY),
            ("/shut/f", FILE),
            ("/shut/d", DIRECTORY),
        ],
        table: Table {
            rules: &[("/in", "rwcd")],
            scratch: None,
        },
        directory: "/in/d",
        secret: &["/shut/f", "/shut/d"],
        fresh: &["n"],
        lure: "/shut",
        requests,
        ..BARE
    }
}

/// Rights differ: one directory is read, one changed, in which one name is denied and one hidden.
fn rules() -> World {
    let mut requests = asked("/w/f");
    requests.extend(asked("/w/l"));
    requests.extend([
        Open("/r/f", READ, 0),
        Open("/r/f", READ | OFlags::TRUNC, 0),
        Open("/r/f", WRITE, 0),
        Open("/r/f", WRITE | CREATE, 0),
        Open("/w/no", READ, 0),
        Open("/w/no", WRITE | CREATE, 0),
        Open("/w/hid", READ, 0),
        Open("/w/l/no", READ, 0),
        Stat("/w/no", false),
        Stat("/w/hid", false),
        Unlink("/w/no"),
        Unlink("/r/f"),
        MakeDirectory("/w/hid"),
        MakeDirectory("/r/n"),
        Truncate("/r/f"),
        Mode("/r/f", true),
        Rename("/w/f", "/w/n", 0),
        Rename("/w/no", "/w/n", 0),
        Rename("/w/f", "/w/no", 0),
        Rename("/w/f", "/w/no", 2),
        Rename("/w/f", "/r/n", 0),
        Rename("/r/f", "/w/n", 0),
        Rename("/w/d", "/w/n", 0),
        Rename("/w", "/n", 0),
        Link("/r/f", "/w/n", 0),
        Link("/w/f", "/w/n", 0),
        Link("/w/no", "/w/n", 0),
        Link("/w/l", "/w/n", 0x400),
        Link("/w/l", "/w/n", 0),
        SymLink("no", "/w/n"),
        SymLink("/r/f", "/w/n"),
        SymLink("/shut", "/w/n"),
    ]);
    World {
        name: "rules",
        entries: &[
            ("/r", DIRECTORY),
            ("/r/f", FILE),
            ("/w", DIRECTORY),
            ("/w/f", FILE),
            ("/w/no", FILE),
            ("/w/l", Object::Link("../r/f")),
            ("/w/d", DIRECTORY),
        ],
        table: Table {
            rules: &[("/r", "r"), ("/w", "rwcd"), ("/w/no", "-"), ("/w/hid", "h")],
            scratch: None,
        },
        directory: "/w",
        secret: &["/w/no"],
        fresh: &["n", "hid"],
        lure: "no",
        requests,
        ..BARE
    }
}

/// Pipes and devices beside a file, one of them named by a rule.
fn kinds() -> World {
    let mut requests = asked("/in/p");
    requests.extend([
        Open("/in/f", READ, 0),
        Open("/in/f", WRITE | CREATE, 0),
        Open("/in/v", READ, 0),
        Open("/in/v", WRITE | CREATE, 0),
        Open("/in/ok", OFlags::RDWR, 0),
        Open("/in/l", READ, 0),
        Mode("/in/v", true),
        Times("/in/l", true),
        Link("/in/v", "/in/n", 0),
        Link("/in/f", "/in/ok", 0),
        Rename("/in/v", "/in/n", 0),
        Rename("/in/f", "/in/n", 0),
        Rename("/in/p", "/in/ok", 0),
        Rename("/in/f", "/in/p", 2),
    ]);
    World {
        name: "kinds",
        entries: &[
            ("/in", DIRECTORY),
            ("/in/f", FILE),
            ("/in/p", Object::Fifo),
            ("/in/v", Object::Device),
            ("/in/ok", Object::Device),
            ("/in/l", Object::Link("f")),
            ("/shut", DIRECTORY),
        ],
        table: Table {
            rules: &[("/in", "rwcd"), ("/in/ok", "s")],
            scratch: None,
        },
        directory: "/in",
        fresh: &["n", "f"],
        lure: "v",
        requests,
        ..BARE
    }
}

/// Names that may be removed beside one that may only be made.
fn siblings() -> World {
    World {
        name: "siblings",
        entries: &[("/in", DIRECTORY), ("/in/f", FILE), ("/in/g", FILE)],
        table: Table {
            rules: &[("/in", "rwc"), ("/in/f", "d"), ("/in/g", "dx")],
            scratch: None,
        },
        fresh: &["f", "k"],
        lure: "f",
        requests: vec![
            Rename("/in/f", "/in/n", 0),
            Rename("/in/f", "/in/n", 1),
            Rename("/in/g", "/in/f", 2),
            Rename("/in/f", "/in/f", 2),
        ],
        ..BARE
    }
}

/// A directory that may be moved out of reach, and what may take a name in it then.
#[cfg(test)]
pub(crate) fn taken() -> World {
    World {
        name: "taken",
        entries: &[
            ("/in", DIRECTORY),
            ("/in/d", DIRECTORY),
            ("/in/d/f", FILE),
            ("/shut", DIRECTORY),
            ("/shut/s", FILE),
        ],
        table: Table {
            rules: &[("/in", "rwcd")],
            scratch: None,
        },
        ..BARE
    }
}

/// A disk mounted below what is granted, a directory outside of it, and what lies on both.
fn mounts() -> World {
    let mut requests = asked("/in/m/f");
    requests.extend(asked_of_directory("/in/m"));
    requests.extend([
        Open("/in/m/../d/f", READ, 0),
        Open("/in/m/n", WRITE | CREATE, 0),
        Open("/in/d/n", WRITE | CREATE, 0),
        Open("m/f", READ, 0),
        Stat("/in/d/f", false),
        Rename("/in/m/f", "/in/m/n", 0),
        Rename("/in/m/f", "/in/d/n", 0),
        Link("/in/m/f", "/in/m/n", 0),
        MakeDirectory("/in/m/n"),
    ]);
    World {
        name: "mounts",
        entries: &[
            ("/in", DIRECTORY),
            ("/in/m", DIRECTORY),
            ("/in/d", DIRECTORY),
            ("/shut", DIRECTORY),
            ("!", DIRECTORY),
            ("!/b", DIRECTORY),
            ("!/b/f", FILE),
        ],
        mounts: &[("/in/m", "!/b", DISK)],
        table: Table {
            // /f, /n and /b/f are names that nothing has but by a kernel's tale.
            rules: &[("/in", "rc"), ("/f", "rwd"), ("/n", "rwcd"), ("/b", "rwcd")],
            scratch: None,
        },
        directory: "/in",
        fresh: &["n"],
        lure: "/shut",
        mounting: true,
        before: Some(Stat("/in/m/f", true)),
        requests,
        ..BARE
    }
}

/// A file system that another program serves, which no rule names.
fn served() -> World {
    World {
        name: "served",
        entries: &[
            ("/in", DIRECTORY),
            ("/in/m", DIRECTORY),
            ("/in/d", DIRECTORY),
            ("/in/d/f", FILE),
            ("/in/l", Object::Link("m")),
            ("!", DIRECTORY),
            ("!/f", FILE),
        ],
        mounts: &[("/in/m", "!", FUSE)],
        table: Table {
            rules: &[("/in", "rwcd")],
            scratch: None,
        },
        directory: "/in",
        secret: &["!/f"],
        fresh: &["n"],
        lure: "m",
        mounting: true,
        before: Some(Stat("/in/m/f", true)),
        requests: vec![
            Open("/in/m/f", READ, 0),
            Open("/in/l/f", READ, 0),
            Open("/in/d/f", READ, 0),
            Open("/in/d/../m/f", WRITE | CREATE, 0),
            Open("m/f", READ, 0),
            Stat("/in/m/f", false),
            Stat("/in/l/f", false),
            StatFs("/in/m"),
            Unlink("/in/m/f"),
            MakeDirectory("/in/l/n"),
            Rename("/in/d/f", "/in/m/n", 0),
            Link("/in/m/f", "/in/d/n", 0),
            ChangeDirectory("/in/l"),
        ],
        ..BARE
    }
}

/// A scratch directory that backs /tmp, and the real /tmp beside it.
fn scratch() -> World {
    let mut requests = asked("/tmp/l/f");
    requests.extend([
        Open("/tmp/f", READ, 0),
        Open("/tmp/n", WRITE | CREATE, 0),
        Open("/tmp/../tmp/f", READ, 0),
        Open("/in/../tmp/f", READ, 0),
        Open("/tmp/../s/f", READ, 0),
        Stat("/s/f", false),
        MakeDirectory("/tmp/n"),
        RemoveDirectory("/tmp"),
        ChangeDirectory("/tmp"),
        Rename("/tmp/f", "/tmp/n", 0),
        Rename("/tmp/f", "/in/n", 0),
        Rename("/in/f", "/tmp/n", 0),
        Link("/in/f", "/tmp/n", 0),
        SymLink("/in/f", "/tmp/n"),
    ]);
    World {
        name: "scratch",
        entries: &[
            ("/in", DIRECTORY),
            ("/in/f", FILE),
            ("/s", DIRECTORY),
            ("/s/f", FILE),
            ("/s/l", Object::Link("/tmp")),
            ("/tmp", DIRECTORY),
            ("/tmp/f", FILE),
        ],
        table: Table {
            rules: &[("/in", "rcd")],
            scratch: Some("/s"),
        },
        directory: "/in",
        secret: &["/tmp/f"],
        fresh: &["n"],
        lure: "/tmp",
        requests,
        ..BARE
    }
}

/// A link to a directory further below, so that `..` after it is not what the text says.
fn deep() -> World {
    let mut requests = asked("/in/l/../f");
    requests.extend([
        Open("l/../f", READ, 0),
        Open("/in/l/../n", WRITE | CREATE, 0),
        MakeDirectory("/in/l/../n"),
        RemoveDirectory("/in/l/../e"),
        Rename("/in/l/../f", "/in/l/n", 0),
        Rename("/in/f", "/in/l/../n", 0),
        Link("/in/l/../f", "/in/n", 0),
        SymLink("f", "/in/l/../n"),
    ]);
    World {
        name: "deep",
        entries: &[
            ("/in", DIRECTORY),
            ("/in/d", DIRECTORY),
            ("/in/d/e", DIRECTORY),
            ("/in/d/f", FILE),
            ("/in/f", FILE),
            ("/in/l", Object::Link("d/e")),
            ("/shut", DIRECTORY),
        ],
        table: Table {
            rules: &[("/in", "rwcd")],
            scratch: None,
        },
        directory: "/in",
        secret: &["/shut"],
        fresh: &["n"],
        lure: "/shut",
        requests,
        ..BARE
    }
}

/// A link where things may be changed but not read.
fn blind() -> World {
    let mut requests = asked("/w/l");
    requests.extend([
        Open("/w/l/../f", READ, 0),
        Link("/w/l", "/w/n", 0x400),
        ChangeDirectory("/w/l"),
    ]);
    World {
        name: "blind",
        entries: &[
            ("/r", DIRECTORY),
            ("/r/f", FILE),
            ("/w", DIRECTORY),
            ("/w/f", FILE),
            ("/w/l", Object::Link("../r/f")),
        ],
        table: Table {
            rules: &[("/r", "r"), ("/w", "wcd")],
            scratch: None,
        },
        directory: "/w",
        unread: Some(("/w/l", "../r/n")),
        fresh: &["n"],
        lure: "../r/f",
        requests,
        ..BARE
    }
}

/// Every world, or the one that `DOORWARD_MODEL_WORLD` names.
pub(crate) fn worlds() -> Vec<World> {
    let mut worlds = vec![
        plain(),
        rules(),
        kinds(),
        mounts(),
        served(),
        scratch(),
        deep(),
        blind(),
        siblings(),
    ];
    if let Ok(name) = std::env::var("DOORWARD_MODEL_WORLD") {
        worlds.retain(|world| world.name == name);
        assert!(!worlds.is_empty(), "no world {name}");
    }
    worlds
}
