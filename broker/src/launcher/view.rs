//! The view: an empty root with the directory roots of the policy bound read-only, and the
//! namespaces around it.
//!
//! A short-lived process makes them, since a Landlocked one may not mount; the broker keeps
//! their descriptors, and the launcher joins them. It is begun before anything is known of the
//! policy, because the namespaces are the same for all, and the network namespace takes long.

use std::{
    ffi::OsString,
    io::{self, Read, Write},
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream,
    },
    path::Path,
};

use doorward_policy::policy::HullRoot;
use doorward_protocol::codec::{decode_trusted, encode_trusted};
use nix::{
    mount::{MntFlags, MsFlags, mount, umount2},
    sched::{CloneFlags, setns, unshare},
    sys::{
        signal::{Signal, kill},
        wait::waitpid,
    },
    unistd::Pid,
};
use rustix::{
    fs::{Mode, OFlags},
    io::Errno,
    net::RecvFlags,
};
use serde::{Deserialize, Serialize};

use super::{
    Failure, LaunchError, Report,
    report::{self, PATIENCE},
    sources, step,
};
use crate::sys::process;

/// Where the new root is put together; any directory that exists would do.
pub(super) const BASE: &str = "/tmp";
pub(super) const NONE: Option<&str> = None;
/// All but the pid namespace, which the launcher makes for its own children.
const KINDS: [(&str, CloneFlags); 5] = [
    ("mnt", CloneFlags::CLONE_NEWNS),
    ("ipc", CloneFlags::CLONE_NEWIPC),
    ("uts", CloneFlags::CLONE_NEWUTS),
    ("net", CloneFlags::CLONE_NEWNET),
    ("cgroup", CloneFlags::CLONE_NEWCGROUP),
];

/// What a view is made for.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ViewRequest {
    /// Whose directory roots are bound.
    pub(crate) hull: Vec<HullRoot>,
    /// The directory behind the scratch names, if the policy has one.
    pub(crate) scratch: Option<OsString>,
    /// Whose that directory is, if not this process's user's.
    pub(crate) tenant: Option<u32>,
    /// What /proc/self/exe leads to: the program that the sandbox begins with. There is no
    /// other entry of /proc, which would have to be mounted in a pid namespace that is yet to
    /// be made.
    pub(crate) program: Option<OsString>,
}

/// Namespaces that are ready to be joined.
#[derive(Debug)]
pub(crate) struct View {
    user: Option<OwnedFd>,
    namespaces: Vec<OwnedFd>,
}

impl View {
    /// Begins to make it, in a process of its own. To be called while the process has one
    /// thread and may mount; it holds a socket to the builder that is to be closed elsewhere.
    ///
    /// # Errors
    /// [`LaunchError`] when there is no such process.
    pub(crate) fn begin() -> Result<Rising, LaunchError> {
        Rising::begin(!rustix::process::geteuid().is_root())
    }

    /// Opens the builder's namespaces.
    fn hold(builder: Pid, user: bool) -> Result<Self, LaunchError> {
        let open = |kind: &str| {
            let name = format!("/proc/{builder}/ns/{kind}");
            rustix::fs::open(name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).map_err(
                |errno| LaunchError::Step {
                    step: format!("holding the {kind} namespace"),
                    errno,
                },
            )
        };
        Ok(Self {
            user: user.then(|| open("user")).transpose()?,
            namespaces: KINDS
                .iter()
                .map(|(kind, _)| open(kind))
                .collect::<Result<_, _>>()?,
        })
    }

    /// Whether there is a user namespace around it, in which only the host user exists.
    pub(crate) fn has_user_namespace(&self) -> bool {
        self.user.is_some()
    }

    /// Moves this process there. It must have one thread.
    pub(super) fn enter(&self, directory: &Path) -> Result<(), Failure> {
        if let Some(user) = &self.user {
            setns(user, CloneFlags::CLONE_NEWUSER).map_err(step("joining the user namespace"))?;
        }
        for (namespace, (kind, flag)) in self.namespaces.iter().zip(KINDS) {
            setns(namespace, flag).map_err(step(&format!("joining the {kind} namespace")))?;
        }
        nix::unistd::chdir(directory)
            .or_else(|_| nix::unistd::chdir("/"))
            .map_err(step("entering the start directory"))
    }
}

/// A view in the making.
#[derive(Debug)]
pub(crate) struct Rising {
    user: bool,
    builder: Pid,
    socket: UnixStream,
}

impl Rising {
    /// Forks a builder.
    fn begin(user: bool) -> Result<Self, LaunchError> {
        let socket = |error: io::Error| LaunchError::Socket(errno(&error));
        let (ours, theirs) = UnixStream::pair().map_err(socket)?;
        ours.set_write_timeout(Some(PATIENCE)).map_err(socket)?;
        match process::fork().map_err(LaunchError::Fork)? {
            Some(builder) => Ok(Self {
                user,
                builder,
                socket: ours,
            }),
            None => process::exit(stand(user, theirs)),
        }
    }

    /// Tells it what is to be built.
    ///
    /// # Errors
    /// [`LaunchError`] when that cannot be told.
    pub(crate) fn build(&self, request: &ViewRequest) -> Result<(), LaunchError> {
        let body = encode_trusted(request).map_err(|_| LaunchError::Socket(Errno::INVAL))?;
        let length = u64::try_from(body.len()).unwrap_or(u64::MAX);
        let whole = [&length.to_ne_bytes()[..], &body].concat();
        match (&self.socket).write_all(&whole) {
            Ok(()) => Ok(()),
            // It has said by now why it ended.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(LaunchError::Late),
            Err(error) => Err(LaunchError::Socket(errno(&error))),
        }
    }

    /// Waits for it; none where namespaces cannot be had. The process must still be one that
    /// may mount, since root may have to begin anew with a user namespace.
    ///
    /// # Errors
    /// [`LaunchError`] when a step fails for another reason than the place.
    pub(crate) fn finish(self, request: &ViewRequest) -> Result<Option<View>, LaunchError> {
        let user = self.user;
        match self.raised() {
            Err(LaunchError::Unavailable) if user => Ok(None),
            Err(LaunchError::Unavailable) => {
                let again = Self::begin(true)?;
                again.build(request)?;
                again.finish(request)
            }
            made => made.map(Some),
        }
    }

    fn raised(self) -> Result<View, LaunchError> {
        let view = report::built(self.socket.as_fd(), PATIENCE)
            .and_then(|()| View::hold(self.builder, self.user));
        drop(self.socket);
        if matches!(view, Err(LaunchError::Late)) {
            // What hangs in the kernel may not even die; nobody waits for it.
            let _gone = kill(self.builder, Signal::SIGKILL);
            return view;
        }
        // The keeper reaps the one that it has forked.
        let _ended = waitpid(self.builder, None);
        view
    }
}

fn errno(error: &io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}

/// The builder's whole life: builds, says so, and waits until it has been looked at.
fn stand(user: bool, socket: UnixStream) -> i32 {
    // The host's socket is not to stay open here.
    let closed = process::close_all_but(&[socket.as_fd()]);
    let request = socket.try_clone();
    let report = Report::new(socket.into());
    let separated = closed
        .map_err(|errno| ("closing descriptors".to_owned(), errno))
        .and_then(|()| separate(user))
        .and_then(|()| own_mounts());
    if separated.is_err() {
        report.unavailable();
        return 1;
    }
    let Some(request) = request.ok().and_then(|socket| asked(&socket)) else {
        return 1;
    };
    if let Err((step, errno)) = build(&request) {
        report.failed(&step, errno);
        return 1;
    }
    report.built();
    let _ended = rustix::net::recv(report.as_fd(), &mut [0_u8; 1], RecvFlags::empty());
    0
}

/// What the builder is to build; none when nobody asks any more.
fn asked(mut socket: &UnixStream) -> Option<ViewRequest> {
    let mut length = [0_u8; 8];
    socket.read_exact(&mut length).ok()?;
    let mut body = vec![0_u8; usize::try_from(u64::from_ne_bytes(length)).ok()?];
    socket.read_exact(&mut body).ok()?;
    decode_trusted(&body).ok()
}

fn separate(user: bool) -> Result<(), Failure> {
    if user {
        map_user()?;
    }
    let all = KINDS
        .iter()
        .fold(CloneFlags::empty(), |all, (_, flag)| all | *flag);
    unshare(all).map_err(step("making the namespaces"))
}

/// A user namespace in which the host user keeps its number, and no further one can be made.
fn map_user() -> Result<(), Failure> {
    let (uid, gid) = (
        rustix::process::geteuid().as_raw(),
        rustix::process::getegid().as_raw(),
    );
    unshare(CloneFlags::CLONE_NEWUSER).map_err(step("making a user namespace"))?;
    let write = |path: &str, text: String| {
        std::fs::write(path, text).map_err(|error| {
            (
                "mapping the user and group".to_owned(),
                Errno::from_io_error(&error).unwrap_or(Errno::IO),
            )
        })
    };
    write("/proc/self/setgroups", "deny".into())?;
    write("/proc/self/uid_map", format!("{uid} {uid} 1\n"))?;
    write("/proc/self/gid_map", format!("{gid} {gid} 1\n"))?;
    // A second layer behind the filter; some places do not let it be lowered (F-64).
    let _kept = write("/proc/sys/user/max_user_namespaces", "0".into());
    Ok(())
}

/// The first use of what was just made: a place that lets namespaces be made, but not used,
/// has none.
fn own_mounts() -> Result<(), Failure> {
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE)
        .map_err(step("making mounts private"))
}

/// Builds it in the mount namespace this process just got, and moves there.
fn build(request: &ViewRequest) -> Result<(), Failure> {
    let sources = sources::pin(request);
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount(
        Some("doorward"),
        BASE,
        Some("tmpfs"),
        flags,
        Some("mode=755,size=4m"),
    )
    .map_err(step("mounting the empty root"))?;
    sources::place(&sources, request.tenant)?;
    if let Some(program) = &request.program {
        let own = Path::new(BASE).join("proc/self");
        // Where a rule has put something there, that stays.
        let _placed = std::fs::create_dir_all(&own)
            .and_then(|()| std::os::unix::fs::symlink(program, own.join("exe")));
    }
    nix::unistd::chdir(BASE).map_err(step("entering the empty root"))?;
    nix::unistd::pivot_root(".", ".").map_err(step("changing the root"))?;
    umount2(".", MntFlags::MNT_DETACH).map_err(step("detaching the old root"))?;
    process::make_read_only(c"/", false)
        .map_err(|errno| ("making the root read-only".to_owned(), errno))
}
