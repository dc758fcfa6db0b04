//! What `doorward run --front trap` loads before a program: a constructor that enters the trap
//! front. A crate of its own, since whoever links the constructor runs it.

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, reason = "what the loader calls is named by its section")]
mod sys {
    /// What the loader calls when the libraries that this one needs are ready.
    // SAFETY: the section holds pointers to functions of this kind, and nothing else.
    #[used]
    #[unsafe(link_section = ".init_array")]
    static BEGIN: extern "C" fn() = begin;

    extern "C" fn begin() {
        // Where it cannot be entered, notifications serve.
        let _joined = doorward_sandboxee::trap::join();
    }
}
