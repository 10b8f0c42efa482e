//! The JIT that makes functions when they are called.

use crate::builder::Builder;
use crate::jit::{Error, Jit};
use std::ops::Deref;
use std::sync::Arc;
use uruk_jitlink::input::Input;
use uruk_orc::layer::{ObjectLayer, OnDemandLayer, Whole};
use uruk_orc::{DylibId, TrackerId};

/// A [`Jit`] whose functions are compiled or linked by their first calls: what is added through it becomes stubs, and
/// looking one up, or pointing to it, makes nothing. What cannot be called is made when something is linked against it.
///
/// An object is linked as a whole, when one of its functions is called, and a source is compiled when one of its functions is
/// called that others of these sources only call. An object with initialisers, thread-local variables, or
/// weak or common definitions is linked like any other, when something is linked against it or its dylib is initialised.
pub struct LazyJit(Jit);

impl LazyJit {
    /// A lazy JIT with the default settings.
    pub fn new() -> Result<LazyJit, Error> {
        Builder::default().build_lazy()
    }

    /// Settings to begin with, to be [built](Builder::build_lazy).
    pub fn builder() -> Builder {
        Builder::default()
    }
}

impl Deref for LazyJit {
    type Target = Jit;

    fn deref(&self) -> &Jit {
        &self.0
    }
}

impl Builder {
    /// Makes a JIT of which each function is made when it is first called.
    pub fn build_lazy(self) -> Result<LazyJit, Error> {
        Ok(LazyJit(self.lazy(true).build()?))
    }
}

impl Jit {
    /// Adds objects to a dylib by its id, as ones that are linked by first calls if this is a lazy JIT.
    pub fn add_objects(&self, dylib: DylibId, tracker: Option<TrackerId>, objects: &[Input]) -> Result<(), Error> {
        if !self.is_lazy() {
            return match tracker {
                None if self.inner().lazy_calls.everywhere() => self.add_called_objects(dylib, objects),
                _ => Ok(self.session().add_objects(dylib, tracker, objects)?),
            };
        }
        let layer = Arc::new(OnDemandLayer::new(Whole(ObjectLayer), Arc::new(ObjectLayer)));
        for object in objects {
            self.session().add(&layer, dylib, tracker, object.clone())?;
        }
        Ok(())
    }
}
