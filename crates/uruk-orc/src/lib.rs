//! The execution session: dylibs, look-ups, units that are materialized when somebody asks for their symbols, and the
//! layer that links objects.
//!
//! [`session`] is the entrance. What a client defines is a [`unit`](mod@unit), for which it settles a [`responsibility`], or a representation that it gives to a [`layer`];
//! [`generator`]s define what is missing, [`reexports`] other names, [`lazy`] functions whose bodies come later; a
//! [`plugin`] takes part in links. [`dispatch`] says on which threads all of that happens, and the [`executor`] is the
//! process where the code runs. An [`engine`] has the life of MCJIT's, with sections that are mapped by hand. Inside, `state` holds what is known of every symbol and unit, and `objects` links.
#![forbid(unsafe_code)]

pub mod dispatch;
pub mod dry_run;
pub mod engine;
pub mod error;
pub mod executor;
pub mod generator;
pub mod in_process;
pub mod layer;
pub mod lazy;
pub mod listener;
mod objects;
pub mod order_file;
pub mod plugin;
pub mod reexports;
pub mod remote;
pub mod responsibility;
pub mod session;
mod state;
pub mod support;
mod sync;
pub mod translate;
pub mod turns;
pub mod unit;

pub use objects::{Linkable, Retained, is_linker_defined};
pub use state::{Answer, DylibId, GcRoots, Required, SearchEntry, TrackerId, UnitId};
