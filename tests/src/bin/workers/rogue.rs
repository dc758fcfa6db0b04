//! The worker: it does what the host asks of it, most of it bad.

use std::os::fd::OwnedFd;

use doorward::{Sandboxee, worker::Call};
use doorward_sandboxee::{Client, ClientError};
use rustix::fs::{Mode, OFlags};

doorward::interface! {
    /// What the host asks.
    pub trait Rogue, stub Rogues {
        /// The input, changed.
        fn change() -> u64, idempotent;
        /// Ends in the middle of the call.
        fn die(how: u8);
        /// Goes on until it is told that the call was given up, or for ever.
        fn spin(politely: bool);
        /// The errno of something that is to be refused; 0 if it was not.
        fn attempt(what: String) -> i32;
        /// Fills so much memory; how much it could.
        fn fill(bytes: u64) -> u64;
        /// Fills so much memory and keeps it.
        fn keep(bytes: u64);
        /// What a file holds, or the errno.
        fn read(path: String) -> Result<Vec<u8>, i32>;
        /// Narrows itself, by its lane; the errno.
        fn narrow(document: String) -> i32;
        /// Opens a file to read, by its lane; the errno.
        fn open(path: String) -> i32;
        /// Its descriptors, and its process.
        fn own() -> (Vec<i32>, i32);
        /// The answer to so many questions.
        fn ask(questions: u32) -> u64;
        /// Ends if the host answers 1, else gives its answer.
        fn flaky() -> u64, idempotent;
        /// The same, but may not be done twice.
        fn fragile() -> u64;
    }
}

/// Ways to die.
pub(crate) const EXIT: u8 = 0;
pub(crate) const ABORT: u8 = 1;
pub(crate) const AFTER_OUTPUT: u8 = 2;
pub(crate) const IN_QUESTION: u8 = 3;
pub(crate) const PANIC: u8 = 4;
pub(crate) const FORBIDDEN: u8 = 5;

#[derive(Default)]
struct Bad {
    /// Until it asks for the first time.
    lane: Option<OwnedFd>,
    client: Option<Client>,
}

/// The entry.
pub(crate) fn serve(mut sandboxee: Sandboxee) -> u8 {
    let interface: &mut dyn Rogue = &mut Bad {
        lane: sandboxee.lane.take(),
        ..Bad::default()
    };
    sandboxee.serve(interface)
}

impl Bad {
    fn asked(&mut self, ask: impl FnOnce(&mut Client) -> Result<(), ClientError>) -> i32 {
        if let Some(lane) = self.lane.take() {
            self.client = Some(Client::from_fd(lane).unwrap());
        }
        match ask(self.client.as_mut().expect("it has a lane")) {
            Ok(()) => 0,
            Err(ClientError::Errno(errno)) => errno.raw_os_error(),
            Err(error) => panic!("{error}"),
        }
    }
}

impl Rogue for Bad {
    fn change(&mut self, call: &mut Call<'_>) -> u64 {
        let mut input = call.input().unwrap();
        input
            .iter_mut()
            .for_each(|byte| *byte = byte.wrapping_add(1));
        call.output(&input).unwrap();
        input.len() as u64
    }

    fn die(&mut self, call: &mut Call<'_>, how: u8) {
        match how {
            EXIT => std::process::exit(3),
            ABORT => std::process::abort(),
            AFTER_OUTPUT => {
                call.output(b"half").unwrap();
                std::process::exit(4)
            }
            IN_QUESTION => {
                let _answer: Result<u64, _> = call.ask(&1_u32);
                std::process::exit(5)
            }
            PANIC => panic!("as it was told"),
            // A call that kills.
            _ => {
                sys::forbidden();
            }
        }
    }

    fn spin(&mut self, call: &mut Call<'_>, politely: bool) {
        while !(politely && call.is_cancelled()) {
            std::hint::spin_loop();
        }
    }

    fn attempt(&mut self, _call: &mut Call<'_>, what: String) -> i32 {
        sys::attempt(&what)
    }

    fn fill(&mut self, _call: &mut Call<'_>, bytes: u64) -> u64 {
        let mut kept: Vec<Vec<u8>> = Vec::new();
        let mut filled = 0;
        while filled < bytes {
            let mut block = Vec::new();
            if block.try_reserve_exact(1 << 20).is_err() {
                break;
            }
            block.resize(1 << 20, 1);
            filled += 1 << 20;
            kept.push(block);
        }
        std::hint::black_box(&kept);
        filled
    }

    fn keep(&mut self, _call: &mut Call<'_>, bytes: u64) {
        let length = usize::try_from(bytes).unwrap();
        std::mem::forget(std::hint::black_box(vec![1_u8; length]));
    }

    fn read(&mut self, _call: &mut Call<'_>, path: String) -> Result<Vec<u8>, i32> {
        std::fs::read(path).map_err(|error| error.raw_os_error().unwrap_or(-1))
    }

    fn narrow(&mut self, _call: &mut Call<'_>, document: String) -> i32 {
        self.asked(|client| client.restrict(&document))
    }

    fn open(&mut self, _call: &mut Call<'_>, path: String) -> i32 {
        let path = path.as_str();
        self.asked(|client| client.open(path, OFlags::RDONLY, Mode::empty()).map(drop))
    }

    fn own(&mut self, _call: &mut Call<'_>) -> (Vec<i32>, i32) {
        let open = |number: &i32| sys::is_open(*number);
        (
            (0..1024).filter(open).collect(),
            std::process::id().cast_signed(),
        )
    }

    fn flaky(&mut self, call: &mut Call<'_>) -> u64 {
        if_told(call)
    }

    fn fragile(&mut self, call: &mut Call<'_>) -> u64 {
        if_told(call)
    }

    fn ask(&mut self, call: &mut Call<'_>, questions: u32) -> u64 {
        (0..questions)
            .map(|one| call.ask::<u32, u64>(&one).unwrap())
            .sum()
    }
}

/// Ends if the host says so.
fn if_told(call: &mut Call<'_>) -> u64 {
    match call.ask(&0_u32).unwrap() {
        1 => std::process::abort(),
        answer => answer,
    }
}

#[allow(unsafe_code, reason = "raw system calls")]
mod sys {
    //! Calls that are refused.

    fn errno(result: i64) -> i32 {
        match result {
            0.. => 0,
            _ => std::io::Error::last_os_error().raw_os_error().unwrap_or(-1),
        }
    }

    /// Whether a descriptor of this number is open.
    pub(super) fn is_open(number: i32) -> bool {
        // SAFETY: F_GETFD takes a number.
        unsafe { libc::fcntl(number, libc::F_GETFD) >= 0 }
    }

    /// A call for which the filter kills.
    pub(super) fn forbidden() {
        // SAFETY: the process does not come back from it.
        let _never = unsafe { libc::syscall(libc::SYS_init_module, 0, 0, 0) };
        std::process::exit(9);
    }

    fn call(number: libc::c_long, arguments: [libc::c_long; 4]) -> i32 {
        let [a, b, c, d] = arguments;
        // SAFETY: no pointer is passed but null, and none of these calls writes memory.
        errno(unsafe { libc::syscall(number, a, b, c, d) })
    }

    /// Tries something; its errno.
    pub(super) fn attempt(what: &str) -> i32 {
        let (name, number) = what.split_once(' ').unwrap_or((what, "0"));
        let number: libc::c_long = number.parse().unwrap_or(0);
        match name {
            "fork" => call(libc::SYS_clone, [libc::SIGCHLD.into(), 0, 0, 0]),
            "kill" => call(libc::SYS_kill, [number, libc::SIGKILL.into(), 0, 0]),
            "shmget" => call(libc::SYS_shmget, [7, 4096, 0o1600, 0]),
            "ptrace" => call(libc::SYS_ptrace, [libc::PTRACE_SEIZE.into(), number, 0, 0]),
            "socket" => call(libc::SYS_socket, [libc::AF_INET.into(), 2, 0, 0]),
            "truncate" => call(libc::SYS_ftruncate, [number, 4096, 0, 0]),
            _ => -1,
        }
    }
}
