//! Directory handles of a lane: numbers by which a client names directories it was granted.

use std::collections::BTreeMap;

use doorward_protocol::{Base, Request};

/// The first handle. Handles begin where no descriptor number is, so that one cannot be
/// mistaken for the other.
pub const FIRST_HANDLE: i32 = 1 << 30;

/// The directories that the handles in one request mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pins<P>([Option<(i32, P)>; 2]);

impl<P> Pins<P> {
    /// Of a request whose numbers are no handles.
    pub(super) fn none() -> Self {
        Self([None, None])
    }

    /// What a handle of the request means.
    pub fn get(&self, handle: i32) -> Option<&P> {
        self.0
            .iter()
            .flatten()
            .find(|(number, _)| *number == handle)
            .map(|(_, pin)| pin)
    }
}

#[derive(Debug)]
pub(super) struct Handles<P> {
    pins: BTreeMap<i32, P>,
    /// The next one; none when all numbers have been used, for they are used once.
    next: Option<i32>,
    limit: usize,
}

impl<P: Clone> Handles<P> {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            pins: BTreeMap::new(),
            next: Some(FIRST_HANDLE),
            limit,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.pins.len()
    }

    pub(super) fn clear(&mut self) {
        self.pins.clear();
    }

    /// A handle for a directory; none if there are as many as may be.
    pub(super) fn add(&mut self, pin: P) -> Option<i32> {
        if self.pins.len() >= self.limit {
            return None;
        }
        let handle = self.next?;
        self.next = handle.checked_add(1);
        self.pins.insert(handle, pin);
        Some(handle)
    }

    pub(super) fn forget(&mut self, handle: i32) -> bool {
        self.pins.remove(&handle).is_some()
    }

    /// What the handles in a request mean.
    pub(super) fn pins(&self, request: &Request<'_>) -> Pins<P> {
        Pins(request.paths().map(|path| match path?.base {
            Base::Descriptor(handle) => Some((handle, self.pins.get(&handle)?.clone())),
            Base::WorkingDirectory => None,
        }))
    }
}
