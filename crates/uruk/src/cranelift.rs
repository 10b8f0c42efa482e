//! Cranelift's functions in dylibs.

use crate::builder::Builder;
use crate::dylib::{Dylib, Tracker};
use crate::jit::{Error, Inner, Jit};
use once_cell::race::OnceBox;
use std::sync::Arc;
use uruk_cranelift::{Function, Options, UrukBuilder, UrukModule};
use uruk_orc::error::Cause;
use uruk_orc::layer::{CompileLayer, Layer, OnDemandLayer, Whole};
use uruk_orc::responsibility::Responsibility;
use uruk_orc::session::Session;
use uruk_orc::{DylibId, TrackerId};

/// The layer that compiles functions.
pub type CraneliftLayer = CompileLayer<uruk_cranelift::Cranelift>;

/// What a JIT compiles functions with, made when the first one is added.
pub(crate) struct Cranelift {
    options: Options,
    layer: OnceBox<Arc<CraneliftLayer>>,
}

impl Cranelift {
    pub fn new(options: Options) -> Cranelift {
        Cranelift { options, layer: OnceBox::new() }
    }
}

impl Builder {
    /// How Cranelift compiles: for the machine where code runs with all its features, and optimised for speed, if not
    /// said.
    pub fn cranelift_options(mut self, options: Options) -> Self {
        self.cranelift = options;
        self
    }
}

impl Inner {
    fn cranelift(&self) -> Result<&Arc<CraneliftLayer>, Error> {
        let Cranelift { options, layer } = &self.cranelift;
        if layer.get().is_none() {
            let debug_info = options.debug_info || self.session.executor().debug_wanted();
            let processor = options.processor.clone().or_else(|| self.session.executor().processor());
            let options = Options { debug_info, processor, ..options.clone() };
            let compiler = uruk_cranelift::Cranelift::new(&options)?;
            let made = Arc::new(self.compile_layer(compiler));
            // Another thread may have been faster.
            if layer.set(Box::new(made.clone())).is_ok() {
                made.compiler().provide(&self.session, self.process);
            }
        }
        Ok(layer.get().expect("it was set above"))
    }

    fn add_functions(
        &self,
        dylib: DylibId,
        tracker: Option<TrackerId>,
        functions: impl IntoIterator<Item = Function>,
    ) -> Result<(), Error> {
        let layer = self.cranelift()?;
        if self.lazy {
            let layer = Arc::new(OnDemandLayer::new(Whole(layer.clone()), layer.clone()));
            return add_all(&self.session, &layer, dylib, tracker, functions);
        }
        add_all(&self.session, layer, dylib, tracker, functions)
    }

    fn read_clif(&self, file: &str, text: &str) -> Result<Vec<Function>, Error> {
        Ok(uruk_cranelift::read(file, text, self.cranelift()?.compiler().isa())?)
    }
}

fn add_all(
    session: &Session,
    layer: &Arc<impl Layer<Function> + 'static>,
    dylib: DylibId,
    tracker: Option<TrackerId>,
    functions: impl IntoIterator<Item = Function>,
) -> Result<(), Error> {
    for function in functions {
        session.add(layer, dylib, tracker, function)?;
    }
    Ok(())
}

impl Jit {
    /// Adds the functions of a text to a dylib by its id; see [`Dylib::add_clif`].
    pub fn add_clif(&self, dylib: DylibId, tracker: Option<TrackerId>, file: &str, text: &str) -> Result<(), Error> {
        self.inner().add_functions(dylib, tracker, self.inner().read_clif(file, text)?)
    }

    /// Has the one function of a text compiled and linked for a unit of one's own that has promised it. Errors are the unit's.
    pub fn compile_clif(&self, responsibility: Responsibility, file: &str, text: &str) {
        let read = || {
            let functions = self.inner().read_clif(file, text)?;
            let count = functions.len();
            let one = <[Function; 1]>::try_from(functions);
            let [function] = one.map_err(|_| format!("{file}: {count} functions are in a text that is to have one"))?;
            Ok::<_, Cause>((self.inner().cranelift()?, function))
        };
        match read() {
            Ok((layer, function)) => layer.emit(responsibility, function),
            Err(cause) => responsibility.fail_to_compile(cause),
        }
    }
}

impl Dylib<'_> {
    /// Adds functions made with Cranelift's front end, each of which is compiled when something asks for it, or, in a
    /// [`LazyJit`](crate::LazyJit), when it is called first.
    pub fn add_functions(&self, functions: impl IntoIterator<Item = Function>) -> Result<(), Error> {
        self.jit.inner().add_functions(self.id(), None, functions)
    }

    /// Makes a `cranelift-module` module whose functions and data are linked into this dylib, beside what else it has.
    pub fn cranelift_module(&self, builder: UrukBuilder) -> Result<UrukModule, Error> {
        self.jit.inner().cranelift()?;
        Ok(builder.build_in(self.jit.session(), self.id()))
    }

    /// Adds the functions of a text in Cranelift's language, each of which is compiled when something asks for it.
    /// Messages call the text `file`. It has no way to define data: a `symbol` is what other code or
    /// [`define`](Dylib::define) has under that name, and if nobody has, looking up what refers to it fails.
    pub fn add_clif(&self, file: &str, text: &str) -> Result<(), Error> {
        self.add_functions(self.jit.inner().read_clif(file, text)?)
    }
}

impl Tracker<'_> {
    /// Adds functions that are removed with everything else of this tracker.
    pub fn add_functions(&self, functions: impl IntoIterator<Item = Function>) -> Result<(), Error> {
        self.jit.inner().add_functions(self.dylib, Some(self.id()), functions)
    }

    /// Adds the functions of a text, to be removed with everything else of this tracker.
    pub fn add_clif(&self, file: &str, text: &str) -> Result<(), Error> {
        self.add_functions(self.jit.inner().read_clif(file, text)?)
    }
}
