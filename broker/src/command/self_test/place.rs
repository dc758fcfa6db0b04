//! What stands outside: canaries, services and processes, a set for each case.

use std::{
    collections::BTreeMap,
    fs, io,
    io::{BufRead, BufReader, Write},
    net::{Ipv4Addr, TcpListener, UdpSocket},
    os::{
        fd::OwnedFd,
        linux::net::SocketAddrExt,
        unix::{
            fs::{MetadataExt, PermissionsExt, symlink},
            net::{SocketAddr, UnixDatagram, UnixListener},
            process::CommandExt,
        },
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use rustix::{
    fs::{Mode, OFlags},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
};

use super::{
    PART,
    attacker::{Outside, Target},
    attacks::code,
    case::{self, Case, Sign},
    permitted::GREETING,
    sys,
};

/// Everything outside, for one run of the attacker. Taken away when dropped.
#[derive(Debug)]
pub(super) struct Place {
    directory: tempfile::TempDir,
    /// What the attacker is told.
    pub(super) target: Target,
    secret: String,
    standing: BTreeMap<&'static str, Standing>,
    before: BTreeMap<&'static str, Vec<Entry>>,
    terminal: Terminal,
    _granted: std::net::TcpListener,
}

#[derive(Debug, Default)]
struct Standing {
    process: Option<Process>,
    sockets: Option<Sockets>,
}

/// One entry of a directory: name, mode, owner, links, time of change and content.
type Entry = (PathBuf, u32, u32, u64, i64, i64, Vec<u8>);

impl Place {
    /// Makes it, with new secrets.
    pub(super) fn new() -> io::Result<Self> {
        let directory = tempfile::Builder::new()
            .prefix("doorward-self-test-")
            .tempdir()?;
        let secret = secret()?;
        let granted = greeter()?;
        let mut place = Self {
            target: Target {
                directory: directory.path().canonicalize()?,
                port: granted.local_addr()?.port(),
                key: key(&secret),
                queue: queue(&secret),
                outside: BTreeMap::new(),
            },
            directory,
            secret,
            standing: BTreeMap::new(),
            before: BTreeMap::new(),
            terminal: Terminal::new()?,
            _granted: granted,
        };
        place.fill()?;
        Ok(place)
    }

    fn fill(&mut self) -> io::Result<()> {
        let root = self.target.directory.clone();
        for below in ["granted", "granted/permitted", "outside", "rw"] {
            fs::create_dir(root.join(below))?;
        }
        fs::write(root.join("granted/permitted/file"), GREETING)?;
        program(&root.join("granted/permitted/program"))?;
        for case in case::all() {
            self.stand(case, &root)?;
        }
        for case in case::all() {
            self.before.insert(case.name, entries(&root, case.name));
        }
        Ok(())
    }

    fn stand(&mut self, case: &Case, root: &Path) -> io::Result<()> {
        let kept = self.kept(case);
        for below in ["granted", "outside", "granted-not"] {
            let directory = root.join(below).join(case.name);
            fs::create_dir_all(&directory)?;
            fs::write(directory.join("secret"), &kept)?;
            program(&directory.join("program"))?;
        }
        let (granted, outside) = (root.join("granted"), root.join("outside").join(case.name));
        fs::write(outside.join(&kept), "")?;
        symlink(&kept, outside.join("text"))?;
        // What may be read is no secret.
        fs::write(granted.join(case.name).join("secret"), "no secret")?;
        symlink(outside.join("secret"), granted.join(case.name).join("link"))?;
        symlink(&outside, granted.join(case.name).join("way"))?;
        let writable = root.join("rw").join(case.name);
        fs::create_dir(&writable)?;
        symlink(outside.join("new"), writable.join("dangling"))?;
        let mut standing = Standing::default();
        let mut told = Outside::default();
        if matches!(case.sign, Sign::Disturbed | Sign::Secret | Sign::Done) {
            let process = Process::start(&kept, &outside)?;
            (told.process, told.address) = (process.number(), process.address);
            standing.process = Some(process);
        }
        if case.sign == Sign::Heard {
            let sockets = Sockets::new(&format!("doorward-{}", kept), &outside)?;
            (told.port, told.name) = (sockets.port()?, sockets.name.clone());
            standing.sockets = Some(sockets);
        }
        self.standing.insert(case.name, standing);
        self.target.outside.insert(case.name.to_owned(), told);
        Ok(())
    }

    /// The secret of a case.
    fn kept(&self, case: &Case) -> String {
        match case.name {
            "keyring" | "message-queue" => self.secret.clone(),
            name => format!("{}-{name}", self.secret),
        }
    }

    /// Whether what the attacker told of a case has its secret.
    pub(super) fn tells(&self, case: &Case, data: &[u8]) -> bool {
        let secret = self.kept(case).into_bytes();
        data.windows(secret.len()).any(|window| window == secret)
    }

    /// Whether something in the directories of a case is another than it was.
    pub(super) fn changed(&self, case: &Case) -> bool {
        let now = entries(&self.target.directory, case.name);
        self.before.get(case.name) != Some(&now)
    }

    /// Whether a file with set-id bits lies in the directory for writing.
    pub(super) fn has_set_id(&self, case: &Case) -> bool {
        let directory = self.target.directory.join("rw").join(case.name);
        let entries = fs::read_dir(directory).into_iter().flatten().flatten();
        entries
            .filter_map(|entry| entry.metadata().ok())
            .any(|status| status.permissions().mode() & 0o6000 != 0)
    }

    /// Whether the attacker made a link in the directory for writing.
    pub(super) fn has_escaping(&self, case: &Case) -> bool {
        let writable = self.target.directory.join("rw");
        writable.join(case.name).join("escaping").is_symlink()
    }

    /// Whether a service of a case saw something.
    pub(super) fn heard(&self, case: &Case) -> bool {
        let standing = self.standing.get(case.name);
        standing.is_some_and(|one| one.sockets.as_ref().is_some_and(Sockets::heard))
    }

    /// Whether the process of a case is not as it was.
    pub(super) fn disturbed(&mut self, case: &Case) -> bool {
        let standing = self.standing.get_mut(case.name);
        let process = standing.and_then(|one| one.process.as_mut());
        process.is_none_or(Process::is_disturbed)
    }

    /// The terminal that is the attacker's standard input.
    pub(super) fn input(&self) -> io::Result<OwnedFd> {
        self.terminal.inside.try_clone()
    }

    /// Whether something was typed into it.
    pub(super) fn typed(&self) -> bool {
        let mut bytes = [0; 64];
        rustix::io::read(&self.terminal.outside, &mut bytes[..]).is_ok_and(|length| length > 0)
    }

    /// The directory, as the policy has it.
    pub(super) fn directory(&self) -> &Path {
        self.directory.path()
    }
}

/// Where a case has its canaries, and that with them.
fn entries(root: &Path, case: &str) -> Vec<Entry> {
    let mut found = Vec::new();
    for below in ["granted", "outside"] {
        let directory = root.join(below).join(case);
        for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
            let Ok(status) = entry.path().symlink_metadata() else {
                continue;
            };
            let content = fs::read(entry.path()).unwrap_or_default();
            found.push((
                entry.path(),
                status.mode(),
                status.uid(),
                status.nlink(),
                status.mtime(),
                status.mtime_nsec(),
                content,
            ));
        }
    }
    found.sort();
    found
}

fn program(path: &Path) -> io::Result<()> {
    fs::write(path, code::program())?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
}

fn secret() -> io::Result<String> {
    let mut bytes = [0; 16];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())?;
    Ok(format!("{:032x}", u128::from_ne_bytes(bytes)))
}

/// The granted address: it greets.
fn greeter() -> io::Result<TcpListener> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let accepting = listener.try_clone()?;
    std::thread::spawn(move || {
        for mut stream in accepting.incoming().flatten() {
            let _gone = stream.write_all(GREETING);
        }
    });
    Ok(listener)
}

/// A key with the secret in a new session keyring of this process; negative without such keys.
fn key(secret: &str) -> i64 {
    const JOIN_SESSION: u64 = 1;
    let session = sys::call(libc::SYS_keyctl, &[JOIN_SESSION, 0]);
    if session < 0 {
        return session;
    }
    let at = |text: *const u8| text.expose_provenance() as u64;
    let arguments = [
        at(c"user".as_ptr().cast()),
        at(c"doorward-self-test".as_ptr().cast()),
        at(secret.as_ptr()),
        secret.len() as u64,
        session.cast_unsigned(),
    ];
    sys::call(libc::SYS_add_key, &arguments)
}

/// A message queue of this process, with the secret in it.
fn queue(secret: &str) -> i64 {
    const READABLE: u64 = 0o600;
    let queue = sys::call(libc::SYS_msgget, &[0, READABLE]);
    let mut message = 1_u64.to_ne_bytes().to_vec();
    message.extend_from_slice(secret.as_bytes());
    let arguments = [
        queue.cast_unsigned(),
        message.as_ptr().expose_provenance() as u64,
        secret.len() as u64,
        0,
    ];
    let _sent = sys::call(libc::SYS_msgsnd, &arguments);
    queue
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.target.queue >= 0 {
            const REMOVE: u64 = 0;
            let _gone = sys::call(
                libc::SYS_msgctl,
                &[self.target.queue.cast_unsigned(), REMOVE],
            );
        }
    }
}

/// Both ends of a terminal, which echoes what is typed.
#[derive(Debug)]
struct Terminal {
    outside: OwnedFd,
    inside: OwnedFd,
}

impl Terminal {
    fn new() -> io::Result<Self> {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let outside = openpt(flags)?;
        grantpt(&outside)?;
        unlockpt(&outside)?;
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let inside = rustix::fs::open(ptsname(&outside, Vec::new())?, flags, Mode::empty())?;
        rustix::io::ioctl_fionbio(&outside, true)?;
        Ok(Self { outside, inside })
    }
}

/// A process of this user that keeps a secret in its memory, its environment and its input.
#[derive(Debug)]
struct Process {
    child: Child,
    address: u64,
    state: String,
}

impl Process {
    fn start(secret: &str, directory: &Path) -> io::Result<Self> {
        let mut child = Command::new("/proc/self/exe")
            .arg0(PART)
            .arg("process")
            .env("DOORWARD_SELF_TEST", secret)
            .current_dir(directory)
            .stdin(fs::File::open(directory.join("secret"))?)
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        if let Some(told) = child.stdout.take() {
            BufReader::new(told).read_line(&mut line)?;
        }
        let mut process = Self {
            child,
            address: line.trim().parse().unwrap_or(0),
            state: String::new(),
        };
        process.state = process.now();
        Ok(process)
    }

    fn number(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap_or(0)
    }

    /// Its nice value and its processors.
    fn now(&self) -> String {
        let read = |entry: &str| {
            fs::read_to_string(format!("/proc/{}/{entry}", self.child.id())).unwrap_or_default()
        };
        let stat = read("stat");
        let nice = stat.rsplit(')').next().unwrap_or_default();
        let nice = nice.split_whitespace().nth(16).unwrap_or_default();
        let status = read("status");
        let line = |name| status.lines().find(|line| line.starts_with(name));
        let processors = line("Cpus_allowed:").unwrap_or_default();
        let limits = read("limits");
        let files = limits
            .lines()
            .find(|line| line.starts_with("Max open files"));
        format!("{nice} {processors} {}", files.unwrap_or_default())
    }

    fn is_disturbed(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None)) || self.now() != self.state
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// What [`Process`] is: it ends with whoever started it.
pub(super) fn wait() -> Result<(), ()> {
    nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL).map_err(drop)?;
    let secret = std::env::var("DOORWARD_SELF_TEST").map_err(drop)?;
    println!("{}", secret.as_ptr().expose_provenance());
    loop {
        nix::unistd::pause();
    }
}

/// Services that nobody is to reach.
#[derive(Debug)]
struct Sockets {
    name: String,
    internet: TcpListener,
    datagrams: UdpSocket,
    stream: UnixListener,
    datagram: UnixDatagram,
    path: UnixListener,
}

impl Sockets {
    fn new(name: &str, directory: &Path) -> io::Result<Self> {
        let named = |name: String| SocketAddr::from_abstract_name(name);
        let internet = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let datagrams = UdpSocket::bind(internet.local_addr()?)?;
        let stream = UnixListener::bind_addr(&named(name.to_owned())?)?;
        let datagram = UnixDatagram::bind_addr(&named(format!("{name}-datagram"))?)?;
        let path = UnixListener::bind(directory.join("socket"))?;
        internet.set_nonblocking(true)?;
        datagrams.set_nonblocking(true)?;
        stream.set_nonblocking(true)?;
        datagram.set_nonblocking(true)?;
        path.set_nonblocking(true)?;
        Ok(Self {
            name: name.to_owned(),
            internet,
            datagrams,
            stream,
            datagram,
            path,
        })
    }

    fn port(&self) -> io::Result<u16> {
        Ok(self.internet.local_addr()?.port())
    }

    fn heard(&self) -> bool {
        self.internet.accept().is_ok()
            || self.datagrams.recv(&mut [0; 64]).is_ok()
            || self.stream.accept().is_ok()
            || self.datagram.recv(&mut [0; 64]).is_ok()
            || self.path.accept().is_ok()
    }
}
