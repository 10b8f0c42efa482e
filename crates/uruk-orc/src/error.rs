//! What can go wrong in a session.

use std::fmt::Write as _;
use std::sync::Arc;
use uruk_jitlink::error::LinkError;
use uruk_jitlink::memory::MemoryError;

/// What a client's compiler, or another part of a layer, says is wrong.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// A reference that nothing defines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// The symbol.
    pub symbol: String,
    /// An object that refers to it; empty where a look-up asked for it.
    pub referrer: String,
}

/// A failed operation of a session. Cloning is cheap: a failure reaches everything that depended on it.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Symbols that no dylib of the search order and no generator defines.
    #[error("{}", missing_text(missing, searched))]
    Missing {
        /// All of them, in order of mention.
        missing: Arc<Vec<Missing>>,
        /// The dylibs that were searched.
        searched: Arc<Vec<String>>,
    },
    /// A symbol whose section a collection or a plugin has dropped.
    #[error(
        "symbol `{symbol}`, which {referrer} asks for, was dropped with its section, as nothing needed it when its object was linked or as a plugin wanted it; make it a root or do not collect sections"
    )]
    Collected {
        /// The symbol.
        symbol: String,
        /// The object that refers to it, or `a look-up`.
        referrer: String,
    },
    /// Two strong definitions of one symbol in one dylib.
    #[error(
        "duplicate definition of `{symbol}` in dylib `{dylib}`: {first} and {second} both define it; make one of them static or weak"
    )]
    Duplicate {
        /// The symbol.
        symbol: String,
        /// The dylib.
        dylib: String,
        /// Who defined it first.
        first: String,
        /// Who came later.
        second: String,
    },
    /// Two definitions of a symbol that have to be alike are not.
    #[error(
        "`{symbol}` in {second} does not have {what} of that in {first}; compile both with the same sources, compiler and flags"
    )]
    Unlike {
        /// The symbol.
        symbol: String,
        /// What they should have in common.
        what: &'static str,
        /// Who defined it first.
        first: String,
        /// Who came later.
        second: String,
    },
    /// Two objects of a dylib want different things of the link.
    #[error(
        "{second} has `{second_option}`, but {first} has `{first_option}`; compile both with the same options, or add them to dylibs of their own"
    )]
    Disagree {
        /// Who came first.
        first: String,
        /// The option that says what it wants.
        first_option: String,
        /// Who came later.
        second: String,
        /// What it wants instead.
        second_option: String,
    },
    /// A dylib of this name exists.
    #[error("a dylib named `{0}` exists already")]
    DylibExists(String),
    /// An object or an archive member could not be linked.
    #[error("{0}")]
    Link(Arc<LinkError>),
    /// An archive is damaged.
    #[error("{file}: {reason}")]
    Archive {
        /// The archive.
        file: String,
        /// What is wrong.
        reason: String,
    },
    /// A file could not be read.
    #[error("{file}: {source}")]
    File {
        /// The file.
        file: String,
        /// What the system said.
        source: Arc<std::io::Error>,
    },
    /// Something that was needed has failed.
    #[error("{who} needs `{symbol}` of {whose}, which failed: {cause}")]
    Dependency {
        /// The object that needed it.
        who: String,
        /// The symbol through which it was needed.
        symbol: String,
        /// The object that failed.
        whose: String,
        /// How many such steps lie between this and what failed first.
        steps: usize,
        /// Why it failed.
        cause: Arc<Error>,
    },
    /// A plugin has refused an object.
    #[error("{object}: plugin `{plugin}` failed {phase}: {cause}")]
    Plugin {
        /// The object.
        object: String,
        /// What the plugin calls itself.
        plugin: String,
        /// Where the link was, as "before pruning".
        phase: &'static str,
        /// What it said.
        cause: Arc<dyn std::error::Error + Send + Sync>,
    },
    /// An allocation action has failed.
    #[error("{object}: an action {when} failed: {reason}")]
    Action {
        /// The object.
        object: String,
        /// When it was called, as "after finalization".
        when: &'static str,
        /// What became of it.
        reason: String,
    },
    /// A unit could not be compiled, or what it was compiled from not be changed.
    #[error("{unit} cannot be compiled: {cause}")]
    Compile {
        /// The unit.
        unit: String,
        /// What the compiler said.
        cause: Arc<dyn std::error::Error + Send + Sync>,
    },
    /// An input that is no object could not be made one.
    #[error("{file}: {cause}")]
    Translate {
        /// The input.
        file: String,
        /// What its compiler said.
        cause: Arc<dyn std::error::Error + Send + Sync>,
    },
    /// Something was to be added that the compiler for it cannot make sense of.
    #[error("cannot add this: {0}")]
    Representation(Arc<dyn std::error::Error + Send + Sync>),
    /// A cache was out of order; what it should have had was compiled.
    #[error("{0}")]
    Cache(Arc<dyn std::error::Error + Send + Sync>),
    /// The rest of a long chain of dependences, shortened to what failed first.
    #[error("(through {steps} more) {cause}")]
    Chain {
        /// How many steps are left out.
        steps: usize,
        /// What failed first.
        cause: Arc<Error>,
    },
    /// What was needed has been removed.
    #[error("{unit} has been removed")]
    Removed {
        /// The object.
        unit: String,
    },
    /// A unit was asked for something that it does not define.
    #[error("{unit} did not promise to define `{symbol}`")]
    NotPromised {
        /// The unit.
        unit: String,
        /// The symbol.
        symbol: String,
    },
    /// A unit was emitted before all that it promised had an address.
    #[error("{unit} promised to define {} and did not", quoted(symbols))]
    NotDefined {
        /// The unit.
        unit: String,
        /// The symbols.
        symbols: Vec<String>,
    },
    /// A unit was compiled to something else than it promised.
    #[error(
        "{unit} was compiled to `{symbol}` as {}, which it did not promise; let the kind of its definition say so",
        if *.thread_local { "a thread-local variable" } else { "something that is no thread-local variable" }
    )]
    WrongKind {
        /// The unit.
        unit: String,
        /// The symbol.
        symbol: String,
        /// It was compiled to a thread-local variable.
        thread_local: bool,
    },
    /// A unit's responsibility was dropped without being settled.
    #[error("{unit} was given up without a reason")]
    Abandoned {
        /// The unit.
        unit: String,
    },
    /// A materializer or a generator panicked.
    #[error("{unit} panicked")]
    Panicked {
        /// The unit or the generator.
        unit: String,
    },
    /// A wait could never end.
    #[error(
        "{unit} waits for something that waits for {unit}; let one of them be emitted with the other as a need instead of waiting for it"
    )]
    Deadlock {
        /// A unit of the circle.
        unit: String,
    },
    /// A generator has failed.
    #[error("{generator}: {cause}")]
    Generator {
        /// The generator.
        generator: String,
        /// What it said.
        cause: Arc<dyn std::error::Error + Send + Sync>,
    },
    /// A generator looks for what it is asked for.
    #[error("{generator} asks for something that it is asked for itself")]
    Endless {
        /// The generator.
        generator: String,
    },
    /// A lazy function's body is another one, and so on, and the last leads back to the first.
    #[error(
        "`{symbol}`, called through lazy re-exports, leads back to itself; let the dylib where it is looked for find its definition first"
    )]
    EndlessCall {
        /// The name under which the body was looked for.
        symbol: String,
    },
    /// A tracker's content can be transferred within its dylib only.
    #[error("a tracker of dylib `{dylib}` cannot be transferred to one of dylib `{other}`")]
    OtherDylib {
        /// The dylib.
        dylib: String,
        /// The other one.
        other: String,
    },
    /// Something was under way when the process forked, and this is the child.
    #[error(
        "{what} was under way in another thread when the process forked, which the child does not have; begin anew in the child, or fork when no other thread links"
    )]
    Forked {
        /// The unit or the look-up.
        what: String,
    },
    /// The session has ended.
    #[error("the session has ended")]
    Ended,
    /// The process could not do what linked code asks for.
    #[error("{what}: {reason}")]
    Executor {
        /// What was attempted.
        what: String,
        /// What was said.
        reason: String,
    },
    /// The process where linked code ran is gone.
    #[error("{executor} is gone: {report}")]
    ExecutorLost {
        /// What it is called.
        executor: String,
        /// How it ended, as far as that is known.
        report: String,
        /// The status with which it ended by itself.
        status: Option<i32>,
        /// The signal that ended it.
        signal: Option<i32>,
    },
    /// The thread-local variables at fixed offsets do not fit what the process has left.
    #[error(
        "the program's thread-local variables need {needed} bytes of static storage, more than this process has left; start it with GLIBC_TUNABLES=glibc.rtld.optional_static_tls={needed}"
    )]
    StaticThreadStorage {
        /// Bytes needed.
        needed: u64,
    },
}

impl Error {
    /// The loss of the executor ([`Error::ExecutorLost`]), if that is what is behind this.
    pub fn executor_lost(&self) -> Option<&Error> {
        match self {
            Error::ExecutorLost { .. } => Some(self),
            Error::Dependency { cause, .. } | Error::Chain { cause, .. } => cause.executor_lost(),
            Error::Plugin { cause, .. } | Error::Compile { cause, .. } => {
                cause.downcast_ref::<Error>()?.executor_lost()
            }
            Error::Link(error) => match &**error {
                LinkError::Memory(MemoryError::Other(cause)) => cause.downcast_ref::<Error>()?.executor_lost(),
                _ => None,
            },
            _ => None,
        }
    }
}

impl From<LinkError> for Error {
    fn from(error: LinkError) -> Self {
        Error::Link(Arc::new(error))
    }
}

impl Error {
    /// A name that a look-up or a client's unit asked for and nothing defines.
    pub(crate) fn missing(symbol: String, searched: Vec<String>) -> Error {
        let missing = vec![Missing { symbol, referrer: String::new() }];
        Error::Missing { missing: Arc::new(missing), searched: Arc::new(searched) }
    }

    /// What failed first, and how many steps of dependence lie between.
    fn root(&self) -> (&Error, usize) {
        match self {
            Error::Dependency { steps, cause, .. } => (cause.root().0, *steps),
            Error::Chain { cause, .. } => (cause, 0),
            error => (error, 0),
        }
    }

    /// The failure of something that needed what failed. Only the first steps of a long chain are kept one by one.
    pub(crate) fn dependency(who: String, symbol: String, whose: String, cause: Error) -> Error {
        const KEPT: usize = 16;
        let (root, steps) = cause.root();
        let cause = if steps < KEPT { cause } else { Error::Chain { steps, cause: Arc::new(root.clone()) } };
        Error::Dependency { who, symbol, whose, steps: steps + 1, cause: Arc::new(cause) }
    }

    /// One error for many: the loss of the executor, as other things may be wrong because of it; else all missing names
    /// together, else the first that is not a mere consequence.
    pub(crate) fn of_many(errors: Vec<Error>) -> Result<(), Error> {
        if let Some(lost) = errors.iter().find_map(Error::executor_lost) {
            return Err(lost.clone());
        }
        let mut all: Vec<Missing> = Vec::new();
        let mut places = None;
        for error in &errors {
            if let Error::Missing { missing, searched } = error {
                all.extend(missing.iter().cloned());
                places = Some(searched.clone());
            }
        }
        if let Some(searched) = places {
            all.dedup();
            return Err(Error::Missing { missing: Arc::new(all), searched });
        }
        let cause = errors.iter().find(|error| !matches!(error, Error::Dependency { .. })).or(errors.first());
        cause.map_or(Ok(()), |error| Err(error.clone()))
    }
}

fn quoted(symbols: &[String]) -> String {
    symbols.iter().map(|symbol| format!("`{symbol}`")).collect::<Vec<_>>().join(", ")
}

fn missing_text(missing: &[Missing], searched: &[String]) -> String {
    const SHOWN: usize = 20;
    let mut text = String::new();
    for (index, Missing { symbol, referrer }) in missing.iter().take(SHOWN).enumerate() {
        let separator = if index == 0 { "" } else { "; " };
        let _ = match referrer.as_str() {
            "" => write!(text, "{separator}symbol `{symbol}` is not defined"),
            referrer => write!(text, "{separator}symbol `{symbol}`, which {referrer} refers to, is not defined"),
        };
    }
    if SHOWN < missing.len() {
        let _ = write!(text, "; and {} more", missing.len() - SHOWN);
    }
    let _ = write!(text, " (searched: {})", searched.join(", "));
    text
}
