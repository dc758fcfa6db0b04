//! A directory for targets whose services are the kernel's.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use doorward::{
    front::Context,
    service::{Services, Setup},
};
use doorward_policy::Policy;

use crate::documents::parsed;

/// Below it `in` may be read, `out` changed, and `shut` is named by no rule.
#[derive(Debug)]
pub struct Tree {
    root: PathBuf,
    policy: Arc<Policy>,
    /// What the standard streams are: /dev/stdin and the like mean them.
    streams: Vec<PathBuf>,
}

impl Tree {
    /// In a directory named after this process; those of processes that are gone are removed.
    pub fn new() -> Self {
        let parent = Path::new("/dev/shm/doorward-fuzz");
        fs::create_dir_all(parent).unwrap();
        for entry in fs::read_dir(parent).unwrap() {
            let path = entry.unwrap().path();
            if !Path::new("/proc").join(path.file_name().unwrap()).exists() {
                let _taken = fs::remove_dir_all(path);
            }
        }
        let root = parent.join(std::process::id().to_string());
        for name in ["in", "in/d", "shut"] {
            fs::create_dir_all(root.join(name)).unwrap();
            fs::write(root.join(name).join("file"), name).unwrap();
        }
        std::os::unix::fs::symlink("../shut", root.join("in/away")).unwrap();
        std::os::unix::fs::symlink("d", root.join("in/link")).unwrap();
        let at = root.to_str().unwrap();
        let policy = parsed(&format!(
            "version = 1\n[fs]\nread = [\"{at}/in/**\", \"{at}/out/**\"]\nwrite = [\"{at}/out/**\"]\n\
             create = [\"{at}/out/**\"]\ndelete = [\"{at}/out/**\"]\nhide = [\"{at}/in/d/hid\"]\n\
             [exec]\nallow = [\"{at}/in/file\"]\n"
        ));
        let tree = Self {
            policy: Arc::new(policy.unwrap_or_else(|errors| panic!("{errors}"))),
            streams: (0..3)
                .filter_map(|number| fs::read_link(format!("/proc/self/fd/{number}")).ok())
                .collect(),
            root,
        };
        tree.reset();
        tree
    }

    /// Where it is.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Makes `out` what it was.
    pub fn reset(&self) {
        let out = self.root.join("out");
        if out.symlink_metadata().is_ok_and(|status| status.is_dir()) {
            let _gone = fs::remove_dir_all(&out);
        } else {
            let _gone = fs::remove_file(&out);
        }
        fs::create_dir_all(out.join("d")).unwrap();
        fs::write(out.join("file"), "out").unwrap();
    }

    /// Services of its policy.
    pub fn context(&self) -> Context {
        let services = Services::new(Setup {
            policy: Arc::clone(&self.policy),
            scratch: None,
            view: false,
            network: false,
            map_foreign_ids: false,
            spawn: None,
        });
        Context {
            services: Arc::new(services.unwrap()),
            audit: Arc::default(),
            starting: None,
            rendezvous: false,
        }
    }

    /// Panics if anything beside `out` is not as it was.
    pub fn hold(&self) {
        for name in ["in", "in/d", "shut"] {
            assert_eq!(
                fs::read(self.root.join(name).join("file")).unwrap(),
                name.as_bytes()
            );
        }
        let count = |name: &str| fs::read_dir(self.root.join(name)).unwrap().count();
        assert_eq!((count("in"), count("in/d"), count("shut")), (4, 1, 1));
        assert!(count("") <= 4);
    }

    /// Panics unless a granted descriptor of this kernel name may be had.
    pub fn judge(&self, name: &[u8], writable: bool) {
        let at = |below: &str| self.root.join(below).into_os_string().into_encoded_bytes();
        let is_below = |below: &str| {
            let rest = name.strip_prefix(at(below).as_slice());
            rest.is_some_and(|rest| rest.is_empty() || rest[0] == b'/' || rest == b" (deleted)")
        };
        // What is the asker's own: its entry in /proc, and its descriptors.
        let streams = self
            .streams
            .iter()
            .map(|path| path.as_os_str().as_encoded_bytes());
        if streams.into_iter().any(|stream| stream == name) {
            return;
        }
        let own = format!("/proc/{}", std::process::id()).into_bytes();
        assert!(
            is_below("out") || !writable && (is_below("in") || name.starts_with(&own)),
            "granted: {} {writable}",
            name.escape_ascii()
        );
    }
}

impl Default for Tree {
    fn default() -> Self {
        Self::new()
    }
}
