//! What a worker returned.

/// A value that a worker returned, which may be hostile: any value that its type can have.
/// There is no way to the value but to verify it, or to say that nothing depends on it.
#[derive(Clone, PartialEq, Eq)]
#[must_use]
pub struct Tainted<T>(T);

impl<T> Tainted<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(value)
    }

    /// Takes the value through a check, which gives what the host goes on with.
    ///
    /// # Errors
    /// Those of the check.
    pub fn verify<U, E>(self, check: impl FnOnce(T) -> Result<U, E>) -> Result<U, E> {
        check(self.0)
    }

    /// Another value made of it, as tainted as it is.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Tainted<U> {
        Tainted(change(self.0))
    }

    /// The value, where any value will do: it decides nothing, sizes nothing and names nothing.
    pub fn whatever_it_is(self) -> T {
        self.0
    }
}

impl<T> std::fmt::Debug for Tainted<T> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Its text could hold what commands a terminal.
        formatter.write_str("Tainted")
    }
}
