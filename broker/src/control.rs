//! Positive controls: named defences that a build can leave out, so that a test can show that
//! what it tries would succeed without them. Such a build has `--cfg doorward_control="chosen"`
//! and carries a mark; a release build has neither (`tests/tests/notify/control.rs`). It leaves
//! out those that `$DOORWARD_WITHOUT` names, with commas between them; so does the build
//! `taken-over`, whose broker does what its sandboxee says.

macro_rules! defences {
    ($($(#[$doc:meta])* $defence:ident = $name:tt,)*) => {
        /// A defence that can be left out.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Defence {
            $($(#[$doc])* $defence,)*
        }

        /// Whether this build leaves a defence out.
        #[cfg(not(doorward_control))]
        const fn is_left_out(_: Defence) -> bool {
            false
        }

        /// Whether this defence was chosen to be left out.
        #[cfg(doorward_control)]
        fn is_left_out(defence: Defence) -> bool {
            let name = match defence {
                $(Defence::$defence => $name,)*
            };
            let chosen = chosen().and_then(std::ffi::OsStr::to_str);
            chosen.is_some_and(|chosen| chosen.split(',').any(|one| one == name))
        }

        /// What a test looks for in a binary.
        #[cfg(doorward_control)]
        #[used]
        static MARK: &str = "this doorward was built without one of its defences";
    };
}

defences! {
    /// The name of a pin is read back from the kernel and judged.
    CanonicalName = "canonical-name",
    /// So is the name of what was pinned by an entry of a judged directory.
    EntryName = "entry-name",
    /// A link needs a `read` rule of its own to be followed.
    LinkRule = "link-rule",
    /// The last link is followed only by those who ask for it.
    LastLink = "last-link",
    /// `..` leaves the directory that was walked to, not the last component of the text.
    DotsWalked = "dots-walked",
    /// Only what a rule reaches is looked up on a walk.
    StepReach = "step-reach",
    /// What is denied or hidden is not even looked up.
    StepBarred = "step-barred",
    /// Devices, pipes and sockets need a rule of their own.
    ObjectType = "object-type",
    /// Mounts that others serve must be named literally.
    MountKind = "mount-kind",
    /// `O_TRUNC` needs a `write` rule.
    TruncateRight = "truncate-right",
    /// A file without a name never gets one.
    TemporaryHidden = "temporary-hidden",
    /// New files have permission bits alone.
    ModeMask = "mode-mask",
    /// A new name gives no more rights than the old.
    Widening = "widening",
    /// A directory is moved only where the rules treat both names alike.
    Alike = "alike",
    /// What was moved without having been judged is moved back.
    MoveBack = "move-back",
    /// Only regular files get further names.
    LinkKind = "link-kind",
    /// A new link says only what the sandboxee could name itself.
    LinkTarget = "link-target",
    /// What was decided on is what is opened: the asker's memory is read once.
    OneCopy = "one-copy",
    /// The broker's copy of a grant is closed before anything else is served.
    GrantClosed = "grant-closed",
    /// A grant is in the asker's table before the asker is answered.
    AddedFirst = "added-first",
    /// An asker that was held on the broker's CPU for a grant is let go before it runs.
    HoldReleased = "hold-released",
    /// An asker is held only while a CPU is idle, so that holding makes nothing wait.
    HoldSparing = "hold-always",
    /// The filter refuses; without it, it only notifies.
    SystemCalls = "seccomp",
    /// The sandboxee is in a Landlock domain.
    Landlock = "landlock",
    /// Memory that was written is never made executable.
    Mdwe = "mdwe",
    /// The sandboxee has no capabilities.
    Capabilities = "capabilities",
    /// The sandboxee has a session keyring of its own.
    SessionKeyring = "session keyring",
    /// The broker has a filter of its own.
    BrokerFilter = "broker filter",
    /// The launcher's memory is closed to the broker.
    Hidden = "hidden launcher",
    /// The broker has no capabilities.
    BrokerCapabilities = "broker capabilities",
    /// Decisions are made by the restrictions of the session, too.
    Restricted = "restricted",
    /// What was learnt by the number of an asker is used only while its request stands.
    Revalidated = "revalidated",
    /// Who wrote into the memory of another than the asker ends.
    AstrayEnds = "astray-ends",
    /// What has to wait does so in a worker, out of everybody's way.
    WaitsElsewhere = "waits-elsewhere",
    /// Lanes that nobody has greeted are few.
    UntakenFew = "untaken-few",
    /// What waits is given up as soon as its asker is gone.
    GivenUp = "given-up",
    /// A restriction waits until what was decided before is done.
    Drained = "drained",
    /// What waited while its session was narrowed is judged anew.
    Rejudged = "rejudged",
}

/// The variable that names the defence to leave out.
#[cfg(doorward_control)]
const CHOICE: &str = "DOORWARD_WITHOUT";

/// The choice. It is read once, and by [`choice`] before a broker is forked, since that forgets
/// its environment.
#[cfg(doorward_control)]
fn chosen() -> Option<&'static std::ffi::OsStr> {
    static CHOSEN: std::sync::OnceLock<Option<std::ffi::OsString>> = std::sync::OnceLock::new();
    CHOSEN.get_or_init(|| std::env::var_os(CHOICE)).as_deref()
}

/// What a broker is told of that choice: nothing, but in a build that has it.
pub(crate) fn choice() -> Option<(std::ffi::OsString, std::ffi::OsString)> {
    #[cfg(doorward_control)]
    return chosen().map(|chosen| (CHOICE.into(), chosen.into()));
    #[cfg(not(doorward_control))]
    None
}

#[cfg(test)]
thread_local! {
    static OFF: std::cell::Cell<Option<Defence>> = const { std::cell::Cell::new(None) };
}

/// Whether a defence is switched off.
#[cfg(test)]
pub(crate) fn is_off(defence: Defence) -> bool {
    OFF.get() == Some(defence) || is_left_out(defence)
}

/// Whether a defence is switched off.
#[cfg(all(not(test), doorward_control))]
pub(crate) fn is_off(defence: Defence) -> bool {
    is_left_out(defence)
}

/// Whether a defence is switched off.
#[cfg(all(not(test), not(doorward_control)))]
pub(crate) const fn is_off(defence: Defence) -> bool {
    is_left_out(defence)
}

/// Does something without a defence.
#[cfg(test)]
pub(crate) fn without(defence: Defence, act: impl FnOnce()) {
    OFF.set(Some(defence));
    act();
    OFF.set(None);
}
