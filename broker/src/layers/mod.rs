//! Layers: kernel mechanisms that hold by themselves, and which of them can be had here.

mod diagnosis;
mod fence;
mod filter;
mod layer;
mod level;
mod namespace;
mod reach;
mod start;
mod trial;

pub use diagnosis::{Diagnosis, diagnose};
pub use layer::Layer;
pub use level::Level;
pub(crate) use start::start;
