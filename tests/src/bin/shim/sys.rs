//! Raw system calls, handlers of signals, forks of each kind, and memory at the edge.

pub(crate) mod allocator;

use std::{
    cell::UnsafeCell,
    sync::atomic::{AtomicI64, Ordering},
};

std::arch::global_asm!(
    // i64 doorward_vforked(const char *path, i64 *first, i64 *second): in a vfork(2) child opens
    // the path, stores the value, closes what was opened and stores that value.
    ".type doorward_vforked,@function",
    "doorward_vforked:",
    "push rbx",
    "push r12",
    "push r13",
    "mov rbx, rdi",
    "mov r12, rsi",
    "mov r13, rdx",
    "mov eax, 58",
    "syscall",
    "test rax, rax",
    "jnz 2f",
    "mov eax, 2",
    "mov rdi, rbx",
    "xor esi, esi",
    "xor edx, edx",
    "syscall",
    "mov [r12], rax",
    "mov rdi, rax",
    "mov eax, 3",
    "syscall",
    "mov [r13], rax",
    "mov eax, 60",
    "xor edi, edi",
    "syscall",
    "ud2",
    "2:",
    "pop r13",
    "pop r12",
    "pop rbx",
    "ret",
);

unsafe extern "C" {
    fn doorward_vforked(path: *const libc::c_char, first: *mut i64, second: *mut i64) -> i64;
}

/// Makes a system call.
pub(crate) fn call(number: i64, arguments: [u64; 6]) -> Result<u64, i32> {
    let [a, b, c, d, e, f] = arguments;
    // SAFETY: the cases pass pointers to what they own, or such as lead nowhere on purpose.
    let value = unsafe { libc::syscall(number, a, b, c, d, e, f) };
    match value {
        -1 => Err(errno()),
        value => Ok(value.cast_unsigned()),
    }
}

/// The address of something.
pub(crate) fn address<T: ?Sized>(of: &T) -> u64 {
    let pointer: *const T = of;
    u64::try_from(pointer.cast::<u8>().expose_provenance()).unwrap()
}

/// The same of what is written to.
pub(crate) fn address_mut<T: ?Sized>(of: &mut T) -> u64 {
    let pointer: *mut T = of;
    u64::try_from(pointer.cast::<u8>().expose_provenance()).unwrap()
}

fn place() -> *mut i32 {
    // SAFETY: it has no conditions.
    unsafe { libc::__errno_location() }
}

/// errno of this thread.
pub(crate) fn errno() -> i32 {
    // SAFETY: it is this thread's own.
    unsafe { *place() }
}

/// Sets it.
pub(crate) fn set_errno(errno: i32) {
    // SAFETY: it is this thread's own.
    unsafe { *place() = errno }
}

/// Handles a signal. The handlers of this program do what may be done anywhere.
pub(crate) fn handle(signal: i32, handler: extern "C" fn(i32), flags: i32) {
    let action = libc::sigaction {
        sa_sigaction: (handler as *const ()).expose_provenance(),
        // SAFETY: an empty set is all zero.
        sa_mask: unsafe { std::mem::zeroed() },
        sa_flags: flags,
        sa_restorer: None,
    };
    // SAFETY: see above.
    let done = unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) };
    assert_eq!(done, 0);
}

/// Blocks every signal of this thread, and of those and the processes that it makes.
pub(crate) fn block_all() {
    let all = nix::sys::signal::SigSet::all();
    all.thread_block().unwrap();
}

/// Forks without the C library.
pub(crate) fn fork() -> i32 {
    i32::try_from(call(libc::SYS_fork, [0; 6]).unwrap()).unwrap()
}

/// Forks with it.
pub(crate) fn fork_by_libc() -> i32 {
    // SAFETY: the children of the cases do what other threads' locks do not hinder.
    unsafe { libc::fork() }
}

/// Ends this process.
pub(crate) fn exit(code: i32) -> ! {
    // SAFETY: it has no conditions.
    unsafe { libc::_exit(code) }
}

/// Ends it with 0 if all went well.
pub(crate) fn child(act: impl FnOnce()) -> ! {
    let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(act));
    exit(i32::from(done.is_err()))
}

/// Waits for a child, whose exit status it tells.
pub(crate) fn wait(child: i32) -> i32 {
    loop {
        if let Some(status) = waited(child, 0) {
            return status;
        }
    }
}

/// The exit status of a child, if it has ended.
pub(crate) fn ended(child: i32) -> Option<i32> {
    waited(child, libc::WNOHANG)
}

/// As a shell tells it.
fn waited(child: i32, options: i32) -> Option<i32> {
    let mut status = 0;
    // SAFETY: the status is ours.
    let waited = unsafe { libc::waitpid(child, &raw mut status, options) };
    if waited == child {
        return Some(if libc::WIFEXITED(status) {
            libc::WEXITSTATUS(status)
        } else {
            128 + libc::WTERMSIG(status)
        });
    }
    assert!(waited == 0 || errno() == libc::EINTR, "{}", errno());
    None
}

/// What open(2) and close(2) said in a child of vfork(2), and the child.
pub(crate) fn vforked(path: &std::ffi::CStr) -> (i64, i64, i32) {
    static FIRST: AtomicI64 = AtomicI64::new(0);
    static SECOND: AtomicI64 = AtomicI64::new(0);
    // SAFETY: the child touches these two words and nothing else of ours.
    let child = unsafe { doorward_vforked(path.as_ptr(), FIRST.as_ptr(), SECOND.as_ptr()) };
    let (first, second) = (FIRST.load(Ordering::SeqCst), SECOND.load(Ordering::SeqCst));
    (first, second, i32::try_from(child).unwrap())
}

/// A stack for a child that is made by clone(2).
#[repr(align(16))]
struct Stack(UnsafeCell<[u8; 256 * 1024]>);

// SAFETY: the one test at a time that clones uses it.
unsafe impl Sync for Stack {}

/// Makes a process by clone(2) on a stack of its own, with these flags.
pub(crate) fn clone(flags: i32, run: extern "C" fn(*mut libc::c_void) -> i32) -> i32 {
    static STACK: Stack = Stack(UnsafeCell::new([0; 256 * 1024]));
    let top = STACK.0.get().wrapping_add(1);
    // SAFETY: the stack is used by one child at a time, which has ended before the next.
    let child = unsafe {
        libc::clone(
            run,
            top.cast(),
            flags | libc::SIGCHLD,
            std::ptr::null_mut::<libc::c_void>(),
        )
    };
    assert!(child > 0, "clone: {}", errno());
    child
}

/// Has a program spawned whose standard input is opened by name first; what came of it.
pub(crate) fn spawn(program: &std::ffi::CStr, input: &std::ffi::CStr) -> i32 {
    // SAFETY: it is initialised by the next call.
    let mut actions: libc::posix_spawn_file_actions_t = unsafe { std::mem::zeroed() };
    // SAFETY: it is ours.
    let ready = unsafe { libc::posix_spawn_file_actions_init(&raw mut actions) };
    assert_eq!(ready, 0);
    // SAFETY: it was initialised; the name is a string.
    let added = unsafe {
        libc::posix_spawn_file_actions_addopen(
            &raw mut actions,
            0,
            input.as_ptr(),
            libc::O_RDONLY,
            0,
        )
    };
    assert_eq!(added, 0);
    let arguments = [program.as_ptr().cast_mut(), std::ptr::null_mut()];
    let mut child = 0;
    // SAFETY: all are ours and end as they have to.
    let result = unsafe {
        libc::posix_spawn(
            &raw mut child,
            program.as_ptr(),
            &raw const actions,
            std::ptr::null(),
            arguments.as_ptr(),
            arguments.as_ptr().wrapping_add(1),
        )
    };
    // SAFETY: it was initialised.
    unsafe { libc::posix_spawn_file_actions_destroy(&raw mut actions) };
    result
}

/// The inode of a descriptor that is a socket or a pipe.
pub(crate) fn inode(number: i32) -> Option<u64> {
    // SAFETY: all zero is a status.
    let mut status: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: the status is ours.
    let looked = unsafe { libc::fstat(number, &raw mut status) };
    let kind = status.st_mode & libc::S_IFMT;
    (looked == 0 && (kind == libc::S_IFSOCK || kind == libc::S_IFIFO)).then_some(status.st_ino)
}

/// Whether it is a socket.
pub(crate) fn is_socket(number: i32) -> bool {
    let mut kind = 0_u32;
    let mut length = 4_u32;
    let (kind, length) = (address_mut(&mut kind), address_mut(&mut length));
    let number = u64::from(number.cast_unsigned());
    let [level, name] = [libc::SOL_SOCKET, libc::SO_TYPE].map(|word| word.cast_unsigned().into());
    call(libc::SYS_getsockopt, [number, level, name, kind, length, 0]).is_ok()
}

/// A descriptor that is known by its number.
pub(crate) fn borrowed(number: i32) -> std::os::fd::BorrowedFd<'static> {
    // SAFETY: the cases name what is open for as long as they run.
    unsafe { std::os::fd::BorrowedFd::borrow_raw(number) }
}

/// Pages of memory.
pub(crate) fn pages(count: u64) -> u64 {
    let protection = u64::try_from(libc::PROT_READ | libc::PROT_WRITE).unwrap();
    let flags = u64::try_from(libc::MAP_PRIVATE | libc::MAP_ANONYMOUS).unwrap();
    let arguments = [0, count * PAGE, protection, flags, u64::MAX, 0];
    call(libc::SYS_mmap, arguments).unwrap()
}

/// The size of one.
pub(crate) const PAGE: u64 = 4096;

/// Changes how pages may be used.
pub(crate) fn protect(at: u64, length: u64, protection: i32) {
    let protection = u64::try_from(protection).unwrap();
    call(libc::SYS_mprotect, [at, length, protection, 0, 0, 0]).unwrap();
}

/// Writes to mapped memory.
pub(crate) fn put(at: u64, bytes: &[u8]) {
    let to = std::ptr::with_exposed_provenance_mut::<u8>(usize::try_from(at).unwrap());
    // SAFETY: the cases mapped so much there, and nothing else refers to it.
    unsafe { to.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) }
}

/// Reads mapped memory.
pub(crate) fn get(at: u64, length: u64) -> Vec<u8> {
    let length = usize::try_from(length).unwrap();
    let mut bytes = vec![0; length];
    let from = std::ptr::with_exposed_provenance::<u8>(usize::try_from(at).unwrap());
    // SAFETY: as above.
    unsafe { from.copy_to_nonoverlapping(bytes.as_mut_ptr(), length) }
    bytes
}

/// Bytes of a signal's frame at most, as the kernel tells.
pub(crate) fn frame() -> u64 {
    // SAFETY: it has no conditions.
    unsafe { libc::getauxval(libc::AT_MINSIGSTKSZ) }
}

/// Has `SIGALRM` sent after so many microseconds.
pub(crate) fn alarm_after(microseconds: u64) {
    alarm_every(0, microseconds);
}

/// The same, and again each time that `interval` has passed.
pub(crate) fn alarm_every(interval: u64, microseconds: u64) {
    let timer = [0, interval, 0, microseconds];
    let arguments = [0, address(&timer), 0, 0, 0, 0];
    call(libc::SYS_setitimer, arguments).unwrap();
}
