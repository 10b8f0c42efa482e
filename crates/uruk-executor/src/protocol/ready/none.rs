//! Nothing says here when something can be read, so that one thread reads all the time.

use std::io;
use std::time::Instant;

/// Whatever may be read.
pub trait Descriptor {}

impl<T> Descriptor for T {}

/// There is none.
pub enum Ready {}

impl Ready {
    pub fn new(_of: &impl Descriptor) -> io::Result<Ready> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub fn wait(&self, _until: Instant) -> bool {
        match *self {}
    }

    pub fn wait_or_stir(&self, _until: Instant) -> bool {
        match *self {}
    }

    pub fn stir(&self) {
        match *self {}
    }

    pub fn arm(&self) {
        match *self {}
    }

    pub fn disarm(&self) {
        match *self {}
    }

    pub fn poke(&self) {
        match *self {}
    }

    pub fn stand_by(&self) {
        match *self {}
    }
}
