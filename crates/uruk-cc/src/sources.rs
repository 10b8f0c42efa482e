//! Sources of a dylib, each compiled when a look-up misses what it may define.
//!
//! Data flow: a missing name → the sources whose text seems to define it are compiled, one after the other, until it is
//! there → if the process has it neither, those that have it as a word, then all others. What is compiled is added to
//! the dylib like the member of an archive: it is linked where something refers to it.
//! Invariants: a source is compiled once, by one thread, whoever waits; one that is never needed is not compiled.

use crate::scan::{self, Names};
use crate::{Error, Folder, Language, Toolchain};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use uruk_jitlink::input::Input;
use uruk_jitlink::names::Name;
use uruk_orc::error::Error as SessionError;
use uruk_orc::generator::{DefinitionGenerator, LookupKind, Wanted};
use uruk_orc::session::Session;
use uruk_orc::turns::Turns;
use uruk_orc::{DylibId, is_linker_defined};

/// The sources of a dylib.
pub struct Sources {
    dylib: DylibId,
    toolchain: Toolchain,
    files: RwLock<Vec<Arc<Source>>>,
}

struct Source {
    path: PathBuf,
    language: Language,
    names: Names,
    /// What came of compiling it, once that has been done.
    outcome: Turns<Option<Result<(), Arc<Error>>>>,
}

/// When sources are asked for a name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    /// Before the process and other libraries: the sources that seem to define it.
    Likely,
    /// When nobody else has it: all.
    Possible,
}

impl Sources {
    /// No sources yet, for a dylib.
    pub fn new(dylib: DylibId, toolchain: Toolchain) -> Sources {
        Sources { dylib, toolchain, files: RwLock::default() }
    }

    /// Adds a source, whose text is read and not compiled.
    pub fn add(&self, path: &Path) -> Result<(), Error> {
        let language = Language::of_file(path).ok_or_else(|| Error::Language { path: path.to_owned() })?;
        let text = std::fs::read(path).map_err(|source| Error::Unreadable { path: path.to_owned(), source })?;
        let names = Names::of(&String::from_utf8_lossy(&text));
        let source = Source { path: path.to_owned(), language, names, outcome: Turns::new(None) };
        self.files.write().unwrap_or_else(PoisonError::into_inner).push(Arc::new(source));
        Ok(())
    }

    /// Whether a source seems to define a symbol.
    pub fn seem_to_define(&self, symbol: &str) -> bool {
        let base = scan::base(symbol);
        self.files().iter().any(|file| file.names.defined.contains(&base))
    }

    fn files(&self) -> Vec<Arc<Source>> {
        self.files.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Those that may define a symbol, the likeliest first.
    fn candidates(&self, symbol: &str, stage: Stage) -> Vec<Arc<Source>> {
        let base = scan::base(symbol);
        let mut files = self.files();
        match stage {
            Stage::Likely => files.retain(|file| file.names.defined.contains(&base)),
            Stage::Possible => files.sort_by_key(|file| !file.names.mentioned.contains(&base)),
        }
        files
    }

    /// Compiles sources until one of them defines a name. Errors with the first that could not be compiled if none does.
    fn define(&self, session: &Session, name: Name, stage: Stage) -> Result<(), SessionError> {
        let symbol = session.names().text(name);
        let mut failure = None;
        for source in self.candidates(&symbol, stage) {
            if session.defines(self.dylib, name) {
                return Ok(());
            }
            if let Err(error) = self.compile(session, &source)? {
                failure.get_or_insert(error);
            }
        }
        match failure {
            Some(cause) if !session.defines(self.dylib, name) => {
                Err(SessionError::Compile { unit: format!("what may define `{symbol}`"), cause })
            }
            _ => Ok(()),
        }
    }

    /// Compiles a source, unless that has been done, and adds its object.
    fn compile(&self, session: &Session, source: &Source) -> Result<Result<(), Arc<Error>>, SessionError> {
        let turn = source.outcome.take();
        if let Some(outcome) = turn.with(|outcome| outcome.clone()) {
            return Ok(outcome);
        }
        let outcome = match self.object(source) {
            Ok(object) => Ok(session.add_members(self.dylib, &[object])?),
            Err(error) => Err(Arc::new(error)),
        };
        turn.with(|known| *known = Some(outcome.clone()));
        Ok(outcome)
    }

    fn object(&self, source: &Source) -> Result<Input, Error> {
        // Its own, since a program that ends the process leaves nobody to drop one for all.
        let folder = Folder::new()?;
        let job = folder.job(&source.path, source.language);
        self.toolchain.compile(&job)?;
        let unreadable = |error| Error::Unreadable { path: job.object.clone(), source: error };
        let bytes = std::fs::read(&job.object).map_err(unreadable)?;
        Ok(Input::from_bytes(source.path.display().to_string(), bytes))
    }
}

/// Has sources asked for names at a stage of a look-up.
pub struct SourceFiles {
    sources: Arc<Sources>,
    stage: Stage,
}

impl SourceFiles {
    /// For the dylib of the sources if the stage is [`Likely`](Stage::Likely), otherwise for one behind all others that it
    /// searches.
    pub fn new(sources: Arc<Sources>, stage: Stage) -> SourceFiles {
        SourceFiles { sources, stage }
    }
}

impl DefinitionGenerator for SourceFiles {
    fn generate(&self, session: &Session, _: DylibId, wanted: Wanted<'_>) -> Result<(), SessionError> {
        if wanted.kind == LookupKind::Dynamic {
            return Ok(());
        }
        let required = wanted.required().filter(|name| !is_linker_defined(&session.names().bytes(*name)));
        required.into_iter().try_for_each(|name| self.sources.define(session, name, self.stage))
    }

    fn name(&self) -> String {
        "sources".into()
    }
}
