//! Layers: kernel mechanisms that hold by themselves, and which of them can be had here.

mod layer;
mod level;
mod start;

pub use layer::Layer;
pub use level::Level;
pub(crate) use start::start;
