//! What is to be linked: the arguments with every file found and its kind known.
//!
//! Data flow: [`Request`] in; each mention becomes inputs of a dylib, `-l` names become files, linker scripts become what
//! they name. Reads the first bytes of each file and no more; compiles nothing.
//!
//! Invariants: the first dylib is the main one, there is always one; `links` hold valid positions, never the dylib's own.

mod detect;
mod script;
mod search;
#[cfg(test)]
mod tests;

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf, is_separator};

pub use detect::{Kind, Machine, detect};
pub use search::Search;

use uruk_cc::Language;

use crate::Error;
use crate::args::{Mention, Options, Request};

/// The main dylib's name.
pub const MAIN: &str = "main";

/// Everything the linker needs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The dylibs in the order of mention, the main one first.
    pub dylibs: Vec<DylibPlan>,
    /// The function to call.
    pub entry: String,
    /// What the program takes for its own name: the first file, as it was written.
    pub program: OsString,
    /// The program's arguments, its name not among them.
    pub arguments: Vec<OsString>,
    /// Where libraries were looked for, and missing ones should be.
    pub search: Search,
    /// Everything else.
    pub options: Options,
}

/// A dylib: what it is made of, and where it looks for what it lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DylibPlan {
    /// Its name.
    pub name: String,
    /// What it is made of, in the order of mention.
    pub inputs: Vec<Input>,
    /// The dylibs it links against after itself, in order, by their position in the plan.
    pub links: Vec<usize>,
}

/// A part of a dylib.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A relocatable object, linked whole.
    Object(PathBuf),
    /// An archive, of which what is needed is linked.
    Archive {
        /// The file.
        path: PathBuf,
        /// Link all members instead.
        whole: bool,
    },
    /// A shared library, to be loaded.
    Library {
        /// Which.
        library: Library,
        /// Load it only if something refers to it.
        as_needed: bool,
    },
    /// A source, to be compiled first.
    Source {
        /// The file.
        path: PathBuf,
        /// Its language.
        language: Language,
    },
    /// Functions in Cranelift's language, which are compiled when something refers to them.
    Clif(PathBuf),
}

/// How a shared library is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Library {
    /// By its file.
    Path(PathBuf),
    /// By a name that the system's loader looks for.
    Soname(OsString),
}

impl Plan {
    /// Finds every file and tells its kind. Errors if one is missing or nothing we take.
    pub fn build(request: Request) -> Result<Plan, Error> {
        let search = Search::new(&request.folders);
        let program = request.mentions.iter().find_map(|mention| match mention {
            Mention::File(path, _) => Some(path.clone().into_os_string()),
            _ => None,
        });
        let mut builder =
            Builder { dylibs: Vec::new(), named: Vec::new(), current: 0, search: &search, scripts: Vec::new() };
        builder.open(MAIN);
        // A library may name a dylib that is mentioned only later.
        for mention in &request.mentions {
            if let Mention::Dylib(name) = mention {
                builder.open(name);
            }
        }
        builder.current = 0;
        for mention in request.mentions {
            builder.take(mention)?;
        }
        let dylibs = builder.finish();
        Ok(Plan {
            dylibs,
            entry: request.entry,
            program: program.unwrap_or_else(|| OsString::from(MAIN)),
            arguments: request.arguments,
            search,
            options: request.options,
        })
    }

    /// The languages of each dylib's sources.
    pub fn languages(&self) -> Vec<Vec<Language>> {
        let of = |dylib: &DylibPlan| {
            let mut used = Vec::new();
            for input in &dylib.inputs {
                if let Input::Source { language, .. } = input
                    && !used.contains(language)
                {
                    used.push(*language);
                }
            }
            used
        };
        self.dylibs.iter().map(of).collect()
    }

    /// Whether anything must be compiled before it can be linked.
    pub fn has_sources(&self) -> bool {
        self.dylibs.iter().any(|dylib| dylib.inputs.iter().any(|input| matches!(input, Input::Source { .. })))
    }
}

struct Builder<'search> {
    dylibs: Vec<DylibPlan>,
    /// For each dylib those that it names by `-l`.
    named: Vec<Vec<usize>>,
    current: usize,
    search: &'search Search,
    /// The linker scripts being read, outermost first.
    scripts: Vec<PathBuf>,
}

impl Builder<'_> {
    /// Makes a dylib current, a new one if there is none of that name.
    fn open(&mut self, name: &str) {
        self.current = self.position(name).unwrap_or_else(|| {
            self.dylibs.push(DylibPlan { name: name.to_owned(), inputs: Vec::new(), links: Vec::new() });
            self.named.push(Vec::new());
            self.dylibs.len() - 1
        });
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.dylibs.iter().position(|dylib| dylib.name == name)
    }

    fn take(&mut self, mention: Mention) -> Result<(), Error> {
        match mention {
            Mention::Dylib(name) => self.open(&name),
            Mention::File(path, whole) => self.file(path, whole, false)?,
            Mention::Library(name, whole) => match name.to_str().and_then(|name| self.position(name)) {
                Some(dylib) if dylib == self.current => {}
                Some(dylib) if self.named[self.current].contains(&dylib) => {}
                Some(dylib) => self.named[self.current].push(dylib),
                None => self.file(self.search.library(&name)?, whole, false)?,
            },
            Mention::Shared(name) => {
                let library = if name.as_encoded_bytes().iter().any(|byte| is_separator((*byte).into())) {
                    let path = PathBuf::from(name);
                    std::fs::metadata(&path).map_err(|source| Error::Unreadable { path: path.clone(), source })?;
                    Library::Path(path)
                } else {
                    Library::Soname(name)
                };
                self.push(Input::Library { library, as_needed: false });
            }
        }
        Ok(())
    }

    fn push(&mut self, input: Input) {
        self.dylibs[self.current].inputs.push(input);
    }

    fn file(&mut self, path: PathBuf, whole: bool, as_needed: bool) -> Result<(), Error> {
        let input = match detect(&path)?.0 {
            Kind::Object => Input::Object(path),
            Kind::Archive => Input::Archive { path, whole },
            Kind::Shared => Input::Library { library: Library::Path(path), as_needed },
            Kind::Source(language) => Input::Source { path, language },
            Kind::Clif => Input::Clif(path),
            Kind::Script => return self.script(path, whole, as_needed),
        };
        self.push(input);
        Ok(())
    }

    fn script(&mut self, path: PathBuf, whole: bool, as_needed: bool) -> Result<(), Error> {
        let unreadable = |source| Error::Unreadable { path: path.clone(), source };
        let real = path.canonicalize().map_err(unreadable)?;
        if self.scripts.contains(&real) {
            return Err(Error::ScriptCycle { path });
        }
        let content = std::fs::read(&path).map_err(unreadable)?;
        let entries = script::parse(&String::from_utf8_lossy(&content)).map_err(|(line, problem)| Error::Script {
            path: path.clone(),
            line,
            problem,
        })?;
        self.scripts.push(real);
        for entry in entries {
            let file = match entry.name.strip_prefix("-l") {
                Some(name) => self.search.library(OsStr::new(name))?,
                None => self.script_file(&path, &entry.name),
            };
            self.file(file, whole, as_needed || entry.as_needed)?;
        }
        self.scripts.pop();
        Ok(())
    }

    /// A file that a script names: beside the script, here, or where libraries are. A leading `=` stands for the root of
    /// another system, which is this one.
    fn script_file(&self, script: &Path, name: &str) -> PathBuf {
        let name = Path::new(name.strip_prefix('=').unwrap_or(name));
        let beside = script.parent().unwrap_or(Path::new("")).join(name);
        if beside.is_file() || name.is_file() {
            return if beside.is_file() { beside } else { name.to_owned() };
        }
        // If it is nowhere, the message names it as the script does.
        self.search.file(name).unwrap_or_else(|| name.to_owned())
    }

    fn finish(mut self) -> Vec<DylibPlan> {
        let count = self.dylibs.len();
        for (position, (dylib, named)) in self.dylibs.iter_mut().zip(self.named).enumerate() {
            dylib.links =
                if named.is_empty() { (0..count).filter(|&other| other != position).collect() } else { named };
        }
        self.dylibs
    }
}
