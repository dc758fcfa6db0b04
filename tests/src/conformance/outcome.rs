//! What came of a case, as a text that both fronts must agree on.

use std::os::fd::OwnedFd;

use doorward_sandboxee::{ClientError, Errno, OFlags};
use rustix::fs::FileType;

/// The fronts.
pub const FRONTS: [&str; 3] = ["api", "notify", "trap"];
/// The directories of their trees, of one length, so that links are too.
pub const TREES: [&str; 3] = ["typed", "plain", "catch"];

/// What was answered: a value, or an errno.
pub type Asked = Result<String, Errno>;

/// Where a front's cases are.
#[derive(Debug, Clone)]
pub struct Setting {
    /// The directory of its trees, named by the number of each case's.
    pub trees: String,
    /// The port that listens for it.
    pub port: u16,
}

impl Setting {
    /// A name in a tree, as it is asked. The empty name stays empty.
    pub(super) fn name(&self, tree: usize, name: &str) -> String {
        match name {
            "" => String::new(),
            _ => format!("{}/{tree}/{name}", self.trees),
        }
    }

    /// The address of a case of connect.
    pub(super) fn address(&self, last: u8) -> std::net::SocketAddr {
        (std::net::Ipv4Addr::new(127, 0, 0, last), self.port).into()
    }
}

/// What a client answered.
pub(super) fn of_client<T>(answer: Result<T, ClientError>) -> Result<T, Errno> {
    answer.map_err(|error| match error {
        ClientError::Errno(errno) => errno,
        broken => panic!("{broken}"),
    })
}

/// What a granted descriptor is good for.
pub(super) fn granted(descriptor: &OwnedFd) -> String {
    let status = rustix::fs::fstat(descriptor).unwrap();
    let flags = rustix::fs::fcntl_getfl(descriptor).unwrap();
    let own = rustix::io::fcntl_getfd(descriptor).unwrap();
    let kind = FileType::from_raw_mode(status.st_mode);
    let mut content = [0; 64];
    let read = match kind {
        FileType::RegularFile => rustix::io::read(descriptor, &mut content),
        _ => Ok(0),
    };
    // A socket has no size that means anything.
    let size = match kind {
        FileType::RegularFile => status.st_size,
        _ => 0,
    };
    let content = read.map(|length| String::from_utf8_lossy(&content[..length]).into_owned());
    format!(
        "{kind:?} {:o} {size} flags {:?} {own:?} {content:?}",
        status.st_mode,
        flags - OFlags::LARGEFILE
    )
}
