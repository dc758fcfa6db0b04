//! What is true: which entries there are, what they are, and what is mounted on them.

/// Number of a directory entry; 0 is the root's.
pub(crate) type Node = usize;

/// A component of at most four bytes, filled up with zeros.
pub(crate) type Leaf = [u8; 4];

/// The magic of a file system whose files are only files.
pub(crate) const DISK: u64 = 0xef53;
/// The magic of one that another program serves.
pub(crate) const FUSE: u64 = 0x6573_5546;

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Object {
    /// A directory.
    Directory,
    /// A regular file.
    File,
    /// A named pipe.
    Fifo,
    /// A device.
    Device,
    /// A symbolic link.
    Link(&'static str),
}

/// Something mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mount {
    /// The mount and the entry it lies on; none for the first one and for one that was taken away.
    pub(crate) at: Option<(usize, Node)>,
    /// What it shows.
    pub(crate) root: Node,
    /// The magic of its file system.
    pub(crate) magic: u64,
}

/// The true tree at one instant.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Tree {
    /// Where each entry is: its directory and its name there; none for the root of a file
    /// system and for what was removed.
    pub(crate) places: Vec<Option<(Node, Leaf)>>,
    /// Which inode each entry names.
    pub(crate) inodes: Vec<usize>,
    /// What each inode is.
    pub(crate) objects: Vec<Object>,
    /// The entries that are roots of file systems.
    pub(crate) tops: Vec<Node>,
    /// What is mounted; the first is the root.
    pub(crate) mounts: Vec<Mount>,
}

impl Clone for Tree {
    fn clone(&self) -> Self {
        let mut tree = Self::default();
        tree.clone_from(self);
        tree
    }

    fn clone_from(&mut self, from: &Self) {
        self.places.clone_from(&from.places);
        self.inodes.clone_from(&from.inodes);
        self.objects.clone_from(&from.objects);
        self.tops.clone_from(&from.tops);
        self.mounts.clone_from(&from.mounts);
    }
}

/// A component as the model keeps it.
pub(crate) fn leaf(bytes: &[u8]) -> Leaf {
    let mut leaf = Leaf::default();
    // Longer names are the engine's own, which no world has.
    let length = bytes.len().min(leaf.len());
    leaf[..length].copy_from_slice(&bytes[..length]);
    leaf
}

/// A component's bytes.
pub(crate) fn text(leaf: &Leaf) -> &[u8] {
    leaf.split(|&byte| byte == 0).next().unwrap_or_default()
}

/// Where the climb from an entry to the root ends.
enum Summit {
    Root,
    /// Outside of what its mount shows, or in a mount that was taken away.
    Outside,
    Removed,
}

impl Tree {
    /// Of these entries, in order. A name that begins with `!` is on a second file system,
    /// whose root is `!`.
    pub(crate) fn new(entries: &[(&'static str, Object)]) -> Self {
        let mut tree = Self {
            places: vec![None],
            inodes: vec![0],
            objects: vec![Object::Directory],
            tops: vec![0],
            mounts: vec![Mount {
                at: None,
                root: 0,
                magic: DISK,
            }],
        };
        for &(name, object) in entries {
            if name == "!" {
                tree.places.push(None);
                tree.inodes.push(tree.objects.len());
                tree.objects.push(object);
                tree.tops.push(tree.places.len() - 1);
                continue;
            }
            let (parent, last) = name.rsplit_once('/').unwrap();
            let parent = tree.at(parent);
            tree.add(parent, leaf(last.as_bytes()), object);
        }
        tree
    }

    /// The entry that a name of [`Tree::new`] means.
    pub(crate) fn at(&self, name: &str) -> Node {
        let (top, name) = match name.strip_prefix('!') {
            Some(rest) => (self.tops[1], rest),
            None => (0, name),
        };
        name.split('/')
            .filter(|part| !part.is_empty())
            .fold(top, |node, part| {
                self.entry(node, leaf(part.as_bytes())).unwrap()
            })
    }

    /// What an entry is.
    pub(crate) fn object(&self, node: Node) -> Object {
        self.objects[self.inodes[node]]
    }

    /// The entry of this name in a directory.
    pub(crate) fn entry(&self, parent: Node, leaf: Leaf) -> Option<Node> {
        self.places
            .iter()
            .position(|place| *place == Some((parent, leaf)))
    }

    /// Whether a directory holds nothing.
    pub(crate) fn is_empty(&self, parent: Node) -> bool {
        !self
            .places
            .iter()
            .flatten()
            .any(|(directory, _)| *directory == parent)
    }

    /// Whether it is a directory.
    pub(crate) fn is_directory(&self, node: Node) -> bool {
        self.object(node) == Object::Directory
    }

    /// Makes an object and its entry.
    pub(crate) fn add(&mut self, parent: Node, leaf: Leaf, object: Object) -> Node {
        self.objects.push(object);
        self.name_again(parent, leaf, self.objects.len() - 1)
    }

    /// Makes an entry of an object.
    pub(crate) fn name_again(&mut self, parent: Node, leaf: Leaf, inode: usize) -> Node {
        self.inodes.push(inode);
        self.places.push(Some((parent, leaf)));
        self.places.len() - 1
    }

    /// Whether `node` is `ancestor` or below it.
    pub(crate) fn is_within(&self, node: Node, ancestor: Node) -> bool {
        let mut at = Some(node);
        while let Some(node) = at {
            if node == ancestor {
                return true;
            }
            at = self.places[node].map(|(parent, _)| parent);
        }
        false
    }

    /// The root of the file system that an entry is on; none if it was removed.
    pub(crate) fn top(&self, mut node: Node) -> Option<Node> {
        while let Some((parent, _)) = self.places[node] {
            node = parent;
        }
        self.tops.contains(&node).then_some(node)
    }

    /// What is mounted on an entry.
    pub(crate) fn mounted(&self, mount: usize, node: Node) -> Option<usize> {
        self.mounts
            .iter()
            .rposition(|one| one.at == Some((mount, node)))
    }

    /// Whether anything is mounted on an entry, so that it is busy.
    pub(crate) fn is_busy(&self, node: Node) -> bool {
        self.mounts
            .iter()
            .any(|one| one.at.is_some_and(|(_, at)| at == node))
    }

    fn climb(&self, mut node: Node, mut mount: usize) -> (Vec<u8>, Summit) {
        let mut parts = Vec::new();
        let summit = loop {
            if node == self.mounts[mount].root {
                match self.mounts[mount].at {
                    Some((under, at)) => {
                        (mount, node) = (under, at);
                        continue;
                    }
                    None if mount == 0 => break Summit::Root,
                    None => break Summit::Outside,
                }
            }
            match &self.places[node] {
                Some((parent, leaf)) => {
                    parts.push(leaf);
                    node = *parent;
                }
                None if self.tops.contains(&node) => break Summit::Outside,
                None => break Summit::Removed,
            }
        };
        let mut name = Vec::new();
        for leaf in parts.iter().rev() {
            name.push(b'/');
            name.extend_from_slice(text(leaf));
        }
        if name.is_empty() {
            name.push(b'/');
        }
        (name, summit)
    }

    /// The name an entry really has through a mount, or, once it was moved out of what that
    /// shows, on the first file system; none if no name leads to it.
    pub(crate) fn name(&self, node: Node, mount: usize) -> Option<Vec<u8>> {
        match self.climb(node, mount) {
            (name, Summit::Root) => Some(name),
            (_, Summit::Outside)
                if self.mounts[mount].at.is_some()
                    && !self.is_within(node, self.mounts[mount].root) =>
            {
                (self.top(node) == Some(0)).then(|| self.climb(node, 0).0)
            }
            _ => None,
        }
    }

    /// The name that the kernel tells, as d_path does: of what lies outside of its mount, or in
    /// one that was taken away, it tells the part it can climb as if that were all.
    pub(crate) fn told(&self, node: Node, mount: usize) -> Vec<u8> {
        match self.climb(node, mount) {
            (mut name, Summit::Removed) => {
                name.extend_from_slice(b" (deleted)");
                name
            }
            (name, _) => name,
        }
    }
}
