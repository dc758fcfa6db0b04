//! Positive controls: named defences that a test build can switch off, so that a test can
//! show that what it tries would succeed without them. A release build has none of this.

/// A defence that can be switched off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Defence {
    /// The name of a pin is read back from the kernel and judged.
    CanonicalName,
}

#[cfg(test)]
thread_local! {
    static OFF: std::cell::Cell<Option<Defence>> = const { std::cell::Cell::new(None) };
}

/// Whether a defence is switched off.
#[cfg(test)]
pub(crate) fn is_off(defence: Defence) -> bool {
    OFF.get() == Some(defence)
}

/// Whether a defence is switched off.
#[cfg(not(test))]
pub(crate) const fn is_off(defence: Defence) -> bool {
    match defence {
        Defence::CanonicalName => cfg!(doorward_control = "canonical-name"),
    }
}

/// Does something without a defence.
#[cfg(test)]
pub(crate) fn without(defence: Defence, act: impl FnOnce()) {
    OFF.set(Some(defence));
    act();
    OFF.set(None);
}
