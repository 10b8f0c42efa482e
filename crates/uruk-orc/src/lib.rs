//! The execution session: dylibs, look-ups, and the layer that links objects when somebody asks for their symbols.
//!
//! [`session`] is the entrance; [`generator`] defines what is missing; `state` holds what is known of every symbol and
//! unit; `objects` links, and lets a [`plugin`] take part. The [`executor`] is the process where the code runs.
#![forbid(unsafe_code)]

mod claims;
pub mod dispatch;
pub mod error;
pub mod executor;
pub mod generator;
pub mod in_process;
pub mod lazy;
mod objects;
pub mod plugin;
pub mod reexports;
pub mod responsibility;
pub mod session;
mod state;
pub mod support;
pub mod unit;

pub use objects::Retained;
pub use state::{Answer, DylibId, GcRoots, Required, SearchEntry, TrackerId, UnitId};
