//! What the fuzz targets share: the bounds that every input is held to, generated
//! documents, and the slow references that decisions are compared with.

mod bounds;
pub mod broker;
pub mod documents;
pub mod reference;
mod sys;
pub mod tree;

pub use bounds::{Cost, bounded};
pub use sys::take;
