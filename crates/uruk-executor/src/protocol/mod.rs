//! What a controller and an executor in another process say to each other.
//!
//! Data flow: [`Hello`](hello) both ways → [`frame`]s, each a message with perhaps raw bytes behind it → [`Peer`], which
//! matches answers with calls and lets calls nest in both directions. What the messages are is said in [`message`]; the
//! bytes are described in the guide ("The executor protocol").
//!
//! Invariants: nothing that arrives is trusted: lengths are limits before they are sizes, and what cannot be decoded ends
//! the connection with a reason. Messages of one thread are carried out in the order in which they were sent.

#[cfg_attr(not(target_os = "linux"), path = "files/none.rs")]
pub mod files;
pub mod frame;
pub mod hello;
pub mod message;
mod peer;
mod reading;
#[cfg_attr(not(target_os = "linux"), path = "ready/none.rs")]
mod ready;
#[cfg_attr(windows, path = "signals/windows.rs")]
mod signals;
#[cfg_attr(windows, path = "spawn/windows.rs")]
pub mod spawn;
pub mod transport;
mod vanished;

pub use peer::{Gone, Handler, Incoming, Peer};
pub use reading::Source;
