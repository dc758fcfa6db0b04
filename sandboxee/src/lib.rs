//! doorward: sandboxee.
