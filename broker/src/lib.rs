//! doorward: broker.
