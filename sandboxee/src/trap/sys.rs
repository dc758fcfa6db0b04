//! The only `unsafe` of the trap front: raw system calls, the handler's entry, and the memory
//! that it may use.
//!
//! Calls are made by one instruction, which the filter knows by its address, so that the
//! handler may make those that it takes from others. They return the kernel's value and leave
//! errno alone.

#[cfg(not(target_arch = "x86_64"))]
compile_error!("the trap front is made for x86-64");

use std::{
    cell::UnsafeCell,
    ops::RangeInclusive,
    os::fd::{FromRawFd, OwnedFd},
    sync::atomic::{AtomicPtr, Ordering},
};

use rustix::io::Errno;

use super::{
    control::{Promise, holds},
    handler,
    table::Table,
};

std::arch::global_asm!(
    ".globl doorward_trap_call",
    ".hidden doorward_trap_call",
    ".type doorward_trap_call,@function",
    "doorward_trap_call:",
    "mov rax, rdi",
    "mov rdi, rsi",
    "mov rsi, rdx",
    "mov rdx, rcx",
    "mov r10, r8",
    "mov r8, r9",
    "mov r9, [rsp + 8]",
    "syscall",
    ".globl doorward_trap_called",
    ".hidden doorward_trap_called",
    "doorward_trap_called:",
    "ret",
    ".globl doorward_trap_return",
    ".hidden doorward_trap_return",
    ".type doorward_trap_return,@function",
    "doorward_trap_return:",
    "mov eax, 15",
    "syscall",
);

unsafe extern "C" {
    fn doorward_trap_call(number: i64, a: u64, b: u64, c: u64, d: u64, e: u64, f: u64) -> i64;
    static doorward_trap_called: u8;
    fn doorward_trap_return();
}

/// The address that the kernel sees when [`call`] has entered it.
pub(super) fn own_address() -> u64 {
    let address = &raw const doorward_trap_called;
    u64::try_from(address.expose_provenance()).unwrap_or_default()
}

/// Makes a system call.
///
/// # Errors
/// The kernel's.
pub(super) fn call(number: libc::c_long, arguments: [u64; 6]) -> Result<u64, Errno> {
    let [a, b, c, d, e, f] = arguments;
    // SAFETY: the callers below pass pointers to memory of their own, or addresses of the
    // program's, which the kernel checks and which this code never looks behind.
    let value = unsafe { doorward_trap_call(number, a, b, c, d, e, f) };
    match value {
        -4095..=-1 => Err(Errno::from_raw_os_error(
            i32::try_from(value.saturating_neg()).unwrap_or(libc::EIO),
        )),
        value => Ok(value.cast_unsigned()),
    }
}

/// The address of something of ours, for the kernel.
pub(super) fn address<T: ?Sized>(of: &T) -> u64 {
    let pointer: *const T = of;
    u64::try_from(pointer.cast::<u8>().expose_provenance()).unwrap_or_default()
}

/// The same of what the kernel writes to.
pub(super) fn address_mut<T: ?Sized>(of: &mut T) -> u64 {
    let pointer: *mut T = of;
    u64::try_from(pointer.cast::<u8>().expose_provenance()).unwrap_or_default()
}

/// `struct sigaction` as the kernel has it.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C)]
pub(super) struct Action {
    pub(super) handler: u64,
    pub(super) flags: u64,
    pub(super) restorer: u64,
    pub(super) mask: u64,
}

const RESTORER: u64 = 0x0400_0000;
const INFORMATION: u64 = 4;
const OTHER_STACK: u64 = 0x0800_0000;
const NESTED: u64 = 0x4000_0000;
/// Bytes of a stack for signals on which the handler stays.
const SPACIOUS: u64 = 32 * 1024;
/// Bytes of the instruction by which a call is made.
const INSTRUCTION: i64 = 2;

impl Action {
    /// The handler's: nothing is blocked while it runs, itself included. Threads that have a
    /// stack of their own for signals run it there, or where they made the call.
    pub(super) fn own(stack: Stack) -> Self {
        let entry: extern "C" fn(i32, *const Information, *mut Context) = entry;
        let restorer: unsafe extern "C" fn() = doorward_trap_return;
        Self {
            handler: u64::try_from((entry as *const ()).expose_provenance()).unwrap_or_default(),
            flags: RESTORER
                | INFORMATION
                | NESTED
                | match stack {
                    Stack::OfSignals => OTHER_STACK,
                    Stack::OfTheCall => 0,
                },
            restorer: u64::try_from((restorer as *const ()).expose_provenance())
                .unwrap_or_default(),
            mask: 0,
        }
    }
}

/// Where the handler runs in a thread that has a stack for signals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stack {
    OfSignals,
    OfTheCall,
}

/// The head of `siginfo_t` of a trapped call.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
struct Information {
    signal: i32,
    error: i32,
    code: i32,
    spare: i32,
    address: u64,
    call: i32,
    arch: u32,
}

/// The head of `ucontext_t` as the kernel has it.
#[derive(Debug)]
#[repr(C)]
struct Context {
    flags: u64,
    link: u64,
    stack: [u64; 3],
    registers: [i64; 23],
    floats: u64,
    spare: [u64; 8],
    mask: u64,
}

impl Context {
    fn register(&mut self, index: i32) -> Option<&mut i64> {
        let index = usize::try_from(index).ok()?;
        self.registers.get_mut(index)
    }

    /// Whether the kernel took the thread to a stack that has room for this handler alone, and
    /// not for others that interrupt it and ask as well.
    fn is_cramped(&mut self) -> bool {
        let here = address(self);
        let [at, _, length] = self.stack;
        let called_on = self.register(libc::REG_RSP).map_or(0, |value| *value);
        let within = |address: u64| address.wrapping_sub(at) < length;
        length < SPACIOUS && within(here) && !within(called_on.cast_unsigned())
    }
}

const SYS_SECCOMP: i32 = 1;
const AUDIT_ARCH: u32 = 0xc000_003e;

/// A trapped call.
#[derive(Debug, Clone, Copy)]
pub(super) struct Trapped {
    pub(super) number: u64,
    pub(super) arguments: [u64; 6],
    /// The signals that the thread has blocked, when the handler returns.
    pub(super) mask: u64,
    /// Where its stack is then.
    pub(super) stack: u64,
}

extern "C" fn entry(_signal: i32, information: *const Information, context: *mut Context) {
    // SAFETY: the kernel passes a handler with SA_SIGINFO a whole one, on this stack.
    let told = unsafe { &*information };
    // SAFETY: and its context likewise; nothing else refers to it meanwhile.
    let context = unsafe { &mut *context };
    let mut register =
        |index: i32| (context.register(index)).map_or(0, |value| value.cast_unsigned());
    let number = register(libc::REG_RAX);
    let called = i32::try_from(number).is_ok_and(|number| number == told.call);
    if told.code != SYS_SECCOMP || told.arch != AUDIT_ARCH || !called {
        return handler::stray();
    }
    let mut trapped = Trapped {
        number,
        arguments: [
            register(libc::REG_RDI),
            register(libc::REG_RSI),
            register(libc::REG_RDX),
            register(libc::REG_R10),
            register(libc::REG_R8),
            register(libc::REG_R9),
        ],
        stack: register(libc::REG_RSP),
        mask: context.mask,
    };
    if context.is_cramped() && holds(Promise::RoomToNest) {
        handler::run_on(Stack::OfTheCall);
        if let Some(next) = context.register(libc::REG_RIP) {
            *next = next.saturating_sub(INSTRUCTION);
        }
        return;
    }
    let value = match handler::handle(&mut trapped) {
        Ok(value) => value.cast_signed(),
        Err(errno) => i64::from(errno.raw_os_error()).saturating_neg(),
    };
    for (index, value) in [
        (libc::REG_RAX, value),
        (libc::REG_RSP, trapped.stack.cast_signed()),
    ] {
        if let Some(place) = context.register(index) {
            *place = value;
        }
    }
    context.mask = trapped.mask;
}

/// Memory that one operation at a time owns.
#[derive(Debug)]
pub(super) struct Owned<T>(UnsafeCell<T>);

// SAFETY: the table hands a slot to one operation, which alone reaches this until it gives the
// slot back.
unsafe impl<T: Send> Sync for Owned<T> {}

impl<T> Owned<T> {
    /// What it holds. To be called by who claimed it, once for each claim.
    #[allow(clippy::mut_from_ref, reason = "a claim is what makes it exclusive")]
    pub(super) fn claimed(&self) -> &mut T {
        // SAFETY: see above.
        unsafe { &mut *self.0.get() }
    }
}

static TABLE: AtomicPtr<Table> = AtomicPtr::new(std::ptr::null_mut());

/// The table, once there is one.
pub(super) fn table() -> Option<&'static Table> {
    let table = TABLE.load(Ordering::Acquire);
    // SAFETY: it is null, or a mapping that is never taken away.
    unsafe { table.as_ref() }
}

/// Makes the table; in a child after fork(2) it is all zero again.
///
/// # Errors
/// `EALREADY`, or what mmap(2) and madvise(2) meet.
pub(super) fn make_table() -> Result<&'static Table, Errno> {
    const WIPE_ON_FORK: u64 = 18;
    if table().is_some() {
        return Err(Errno::ALREADY);
    }
    let (at, length) = map::<Table>()?;
    call(libc::SYS_madvise, [at, length, WIPE_ON_FORK, 0, 0, 0])?;
    let pointer = std::ptr::with_exposed_provenance_mut(usize::try_from(at).unwrap_or_default());
    let free = std::ptr::null_mut();
    TABLE
        .compare_exchange(free, pointer, Ordering::AcqRel, Ordering::Acquire)
        .map_err(|_| Errno::ALREADY)?;
    table().ok_or(Errno::NOMEM)
}

fn map<T>() -> Result<(u64, u64), Errno> {
    let length = u64::try_from(size_of::<T>()).map_err(|_| Errno::NOMEM)?;
    let protection = u64::try_from(libc::PROT_READ | libc::PROT_WRITE).unwrap_or_default();
    let flags = u64::try_from(libc::MAP_PRIVATE | libc::MAP_ANONYMOUS).unwrap_or_default();
    let none = u64::MAX;
    let at = call(libc::SYS_mmap, [0, length, protection, flags, none, 0])?;
    Ok((at, length))
}

/// A mapping for one operation.
#[derive(Debug)]
pub(super) struct Mapped<T>(*mut T);

impl<T> Mapped<T> {
    /// Maps it, zero.
    ///
    /// # Errors
    /// What mmap(2) meets.
    ///
    /// `T` has to be valid when all its bytes are zero.
    pub(super) fn new() -> Result<Self, Errno> {
        let (at, _) = map::<T>()?;
        let at = usize::try_from(at).unwrap_or_default();
        Ok(Self(std::ptr::with_exposed_provenance_mut(at)))
    }

    /// What it holds.
    pub(super) fn get(&self) -> &T {
        // SAFETY: the mapping lives as long as this, and zero bytes are a value of it.
        unsafe { &*self.0 }
    }
}

impl<T> Drop for Mapped<T> {
    fn drop(&mut self) {
        let at = u64::try_from(self.0.expose_provenance()).unwrap_or_default();
        let length = u64::try_from(size_of::<T>()).unwrap_or_default();
        let _unmapped = call(libc::SYS_munmap, [at, length, 0, 0, 0, 0]);
    }
}

/// A descriptor that the kernel has just made.
pub(super) fn owned(number: i32) -> OwnedFd {
    // SAFETY: the caller passes what a call returned, which nothing else owns.
    unsafe { OwnedFd::from_raw_fd(number) }
}

/// Where the code of libc lies in this process; none where that is not known.
pub(super) fn code_of_libc() -> Vec<RangeInclusive<u64>> {
    let mut found = Vec::new();
    let data: *mut Vec<RangeInclusive<u64>> = &raw mut found;
    // SAFETY: the callback is called before this returns, with this very vector.
    unsafe { libc::dl_iterate_phdr(Some(code_of_object), data.cast()) };
    found
}

/// Adds the code of an object, if it is libc.
unsafe extern "C" fn code_of_object(
    object: *mut libc::dl_phdr_info,
    _size: libc::size_t,
    found: *mut libc::c_void,
) -> libc::c_int {
    // SAFETY: the loader passes one of its objects.
    let object = unsafe { &*object };
    // SAFETY: and it has so many headers there.
    let headers =
        unsafe { std::slice::from_raw_parts(object.dlpi_phdr, usize::from(object.dlpi_phnum)) };
    let known: unsafe extern "C" fn() -> *mut libc::c_int = libc::__errno_location;
    let known = u64::try_from((known as *const ()).expose_provenance()).unwrap_or_default();
    let code: Vec<RangeInclusive<u64>> = headers
        .iter()
        .filter(|header| header.p_type == libc::PT_LOAD && header.p_flags & libc::PF_X != 0)
        .map(|header| {
            let first = object.dlpi_addr.saturating_add(header.p_vaddr);
            first..=first.saturating_add(header.p_memsz)
        })
        .collect();
    if code.iter().any(|part| part.contains(&known)) {
        // SAFETY: it is the vector of the caller above, to which nothing else refers meanwhile.
        let found = unsafe { &mut *found.cast::<Vec<RangeInclusive<u64>>>() };
        found.extend(code);
        return 1;
    }
    0
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::{Action, RESTORER, doorward_trap_return};

    /// How often a [`counted`] signal was handled.
    pub(crate) static COUNT: AtomicU32 = AtomicU32::new(0);

    extern "C" fn count(_: i32) {
        COUNT.fetch_add(1, Ordering::SeqCst);
    }

    /// Has a signal counted, with further flags.
    pub(crate) fn counted(flags: u64) -> Action {
        let (handler, restorer): (extern "C" fn(i32), unsafe extern "C" fn()) =
            (count, doorward_trap_return);
        let address =
            |pointer: *const ()| u64::try_from(pointer.expose_provenance()).unwrap_or_default();
        Action {
            handler: address(handler as *const ()),
            flags: RESTORER | flags,
            restorer: address(restorer as *const ()),
            mask: 0,
        }
    }
}
