//! The ways by which operations reach the broker. A front turns what arrives into
//! a [`doorward_protocol::Request`] and an [`crate::service::Asker`], and delivers the answer.

pub mod notify;

use std::sync::Arc;

use crate::{audit::Log, service::Services};

/// What the fronts of one sandbox share.
#[derive(Debug, Clone)]
pub struct Context {
    /// Decides and performs.
    pub services: Arc<Services>,
    /// Where each decision is recorded.
    pub audit: Arc<Log>,
}
