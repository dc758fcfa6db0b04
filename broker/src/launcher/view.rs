//! The view: an empty root with the directory roots of the policy bound read-only, and the
//! namespaces around it.
//!
//! A short-lived process makes them, since a Landlocked one may not mount; the broker keeps
//! their descriptors, and the launcher joins them. It is begun before anything is known of the
//! policy, because the namespaces are the same for all, and the network namespace takes long.

use std::{
    ffi::{CString, OsString},
    io::{self, Read, Write},
    os::{
        fd::{AsFd, AsRawFd, OwnedFd},
        unix::{ffi::OsStrExt, net::UnixStream},
    },
    path::{Path, PathBuf},
};

use doorward_policy::policy::{HullRoot, SCRATCH_NAMES};
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
    fs::{FileType, Mode, OFlags},
    io::Errno,
    net::RecvFlags,
};
use serde::{Deserialize, Serialize};

use super::{
    Failure, LaunchError, Report,
    report::{self, PATIENCE},
    step,
};
use crate::sys::process;

/// Where the new root is put together; any directory that exists would do.
const BASE: &str = "/tmp";
const NONE: Option<&str> = None;
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

struct Source {
    /// None of what is not bound.
    pin: Option<OwnedFd>,
    kind: Kind,
    name: PathBuf,
}

/// What a source is in the view.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Bound.
    Directory,
    /// Bound: a file that is executed.
    Program,
    /// A link, made again: the kernel follows it to a program.
    Link,
    /// Only the directory it lies in is made.
    Entry,
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
    let sources = sources(request);
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount(
        Some("doorward"),
        BASE,
        Some("tmpfs"),
        flags,
        Some("mode=755,size=4m"),
    )
    .map_err(step("mounting the empty root"))?;
    let mut placed = None;
    for source in &sources {
        let above = source.name.parent();
        if source.kind == Kind::Entry && above == placed {
            continue;
        }
        bind(source)?;
        placed = above;
    }
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

/// Pins what is to be bound before the old tree is out of sight; what does not exist is left
/// out. Files are read through the broker, so only those that are executed need be there,
/// and the directories that other files lie in.
fn sources(request: &ViewRequest) -> Vec<Source> {
    let mut names: Vec<(PathBuf, PathBuf, bool)> = request
        .hull
        .iter()
        .filter_map(|root| {
            let name = PathBuf::from(std::ffi::OsStr::from_bytes(root.name.as_bytes()));
            let name = if root.writes && !root.literal {
                to_be_made(name)?
            } else {
                name
            };
            Some((name.clone(), name, root.executes))
        })
        .collect();
    if let Some(scratch) = &request.scratch {
        names.extend(SCRATCH_NAMES.map(|name| (scratch.into(), name.into(), true)));
    }
    names.sort_by(|left, right| left.1.cmp(&right.1));
    let mut sources: Vec<Source> = Vec::with_capacity(names.len());
    let mut whole: Option<PathBuf> = None;
    for (from, name, executes) in names {
        let own = from == name;
        // What lies in a directory that is bound is there already. A further mount on it would
        // mark it in the whole system as one that lookups without mounts must look at slowly.
        if own && whole.as_ref().is_some_and(|whole| name.starts_with(whole)) {
            continue;
        }
        let Some(source) = source(&from, name, executes) else {
            continue;
        };
        if own && source.kind == Kind::Directory {
            whole = Some(source.name.clone());
        }
        sources.push(source);
    }
    sources
}

fn source(from: &Path, name: PathBuf, executes: bool) -> Option<Source> {
    let status = rustix::fs::lstat(from).ok()?;
    let own = FileType::from_raw_mode(status.st_mode);
    if !executes && !matches!(own, FileType::Directory | FileType::Symlink) {
        let (pin, kind) = (None, Kind::Entry);
        return Some(Source { pin, kind, name });
    }
    let pin = rustix::fs::open(from, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let kind = FileType::from_raw_mode(rustix::fs::fstat(&pin).ok()?.st_mode);
    Some(Source {
        pin: Some(pin),
        kind: match (kind, executes) {
            (FileType::Directory, _) => Kind::Directory,
            (_, true) => Kind::Program,
            (_, false) if own == FileType::Symlink => Kind::Link,
            (_, false) => Kind::Entry,
        },
        name,
    })
}

/// A directory that the sandboxee may make is entered by way of the nearest one that is
/// there; the view then shows that names beside it exist, to chdir(2) alone.
fn to_be_made(name: PathBuf) -> Option<PathBuf> {
    let there = name
        .ancestors()
        .find(|path| path.symlink_metadata().is_ok())?;
    (there != Path::new("/")).then(|| there.to_path_buf())
}

fn bind(source: &Source) -> Result<(), Failure> {
    let shown = source.name.display();
    let relative = source.name.strip_prefix("/").unwrap_or(&source.name);
    let target = Path::new(BASE).join(relative);
    let placed =
        place(source, &target).map_err(|errno| (format!("making {shown} in the view"), errno))?;
    let bound = matches!(source.kind, Kind::Directory | Kind::Program);
    let Some(pin) = source.pin.as_ref().filter(|_| placed && bound) else {
        return Ok(());
    };
    let from = format!("/proc/self/fd/{}", pin.as_raw_fd());
    let flags = MsFlags::MS_BIND | MsFlags::MS_REC;
    mount(Some(from.as_str()), &target, NONE, flags, NONE)
        .map_err(step(&format!("binding {shown} into the view")))?;
    let target = CString::new(target.as_os_str().as_bytes())
        .map_err(|_| (format!("naming {shown}"), Errno::INVAL))?;
    process::make_read_only(&target, true)
        .map_err(|errno| (format!("making {shown} read-only in the view"), errno))
}

/// Makes the mount point; `false` if it cannot be, because an earlier bind, which is
/// read-only, holds its place without it.
fn place(source: &Source, target: &Path) -> Result<bool, Errno> {
    let parent = target.parent().unwrap_or(target);
    let directory = match source.kind {
        Kind::Directory => target,
        Kind::Program | Kind::Link | Kind::Entry => parent,
    };
    if target.symlink_metadata().is_ok() {
        return Ok(true);
    }
    let made = std::fs::create_dir_all(directory).and_then(|()| match source.kind {
        Kind::Program => std::fs::File::create(target).map(drop),
        Kind::Link => std::os::unix::fs::symlink(source.name.read_link()?, target),
        Kind::Directory | Kind::Entry => Ok(()),
    });
    match made.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO)) {
        Ok(()) => Ok(true),
        Err(Errno::ROFS) => Ok(false),
        Err(errno) => Err(errno),
    }
}
