//! Definition generators: asked for names that a dylib lacks, they may define them.

use crate::error::Error;
use crate::executor::{Exports, Found};
use crate::session::{Session, Suspended};
use crate::state::DylibId;
use crate::turns::Turns;
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use uruk_jitlink::archive::{Archive, ArchiveError, Member, MemberData, MemberId, Nesting};
use uruk_jitlink::coff::import;
use uruk_jitlink::format::{self, Container};
use uruk_jitlink::graph::SymbolKind;
use uruk_jitlink::input::Input;
use uruk_jitlink::names::Name;

/// Who looks names up.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum LookupKind {
    /// A linker, on behalf of objects or of a client that builds the program: what is not there may be brought in.
    #[default]
    Static,
    /// The running program, as by `dlsym`: archives add nothing to it.
    Dynamic,
}

/// The names that a look-up misses in a dylib.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// Who looks them up.
    pub kind: LookupKind,
    /// The names, and whether each is required; a weak reference is content with a definition that is there anyway.
    pub names: &'a [(Name, bool)],
}

impl Wanted<'_> {
    /// The names that are required.
    pub fn required(&self) -> impl Iterator<Item = Name> + '_ {
        self.names.iter().filter(|(_, required)| *required).map(|(name, _)| *name)
    }
}

/// Defines what is missing in a dylib. Called without any lock of the session, perhaps by several threads at once.
pub trait DefinitionGenerator: Send + Sync {
    /// Defines those of the wanted names that it can, in `dylib`.
    fn generate(&self, session: &Session, dylib: DylibId, wanted: Wanted<'_>) -> Result<(), Error>;

    /// What messages call it.
    fn name(&self) -> String;
}

/// The same, if it takes its time: the look-up that asks is suspended until the generator finishes it, from any thread.
pub trait AsyncGenerator: Send + Sync {
    /// Takes a look-up over; it goes on once [`Suspended::finish`] is called.
    fn generate(&self, suspended: Suspended);

    /// What messages call it.
    fn name(&self) -> String;
}

#[derive(Clone)]
pub(crate) enum Generator {
    Now(Arc<dyn DefinitionGenerator>),
    Later(Arc<dyn AsyncGenerator>),
}

/// What the target process and its libraries export.
pub struct ProcessSymbols;

impl DefinitionGenerator for ProcessSymbols {
    fn generate(&self, session: &Session, dylib: DylibId, wanted: Wanted<'_>) -> Result<(), Error> {
        define_found(session, dylib, wanted, |names| session.executor().find(names))
    }

    fn name(&self) -> String {
        "the process and its libraries".into()
    }
}

/// What one shared library exports; with [`Filtered`](crate::reexports::Filtered), some of that.
pub struct LibrarySymbols {
    name: String,
    library: Box<dyn Exports>,
}

impl LibrarySymbols {
    /// Loads a library by path or soname, for as long as this lives.
    pub fn load(session: &Session, path_or_soname: &str) -> Result<LibrarySymbols, Error> {
        Ok(LibrarySymbols { name: path_or_soname.into(), library: session.executor().open_library(path_or_soname)? })
    }
}

impl DefinitionGenerator for LibrarySymbols {
    fn generate(&self, session: &Session, dylib: DylibId, wanted: Wanted<'_>) -> Result<(), Error> {
        define_found(session, dylib, wanted, |names| self.library.find(names))
    }

    fn name(&self) -> String {
        self.name.clone()
    }
}

/// Defines what lies outside of the session, which is asked for all of it at once.
fn define_found(
    session: &Session,
    dylib: DylibId,
    wanted: Wanted<'_>,
    find: impl FnOnce(&[&[u8]]) -> Result<Vec<Option<Found>>, Error>,
) -> Result<(), Error> {
    let texts: Vec<_> = wanted.names.iter().map(|(name, _)| session.names().bytes(*name)).collect();
    let texts: Vec<&[u8]> = texts.iter().map(|text| &**text).collect();
    let definition = |((name, _), found): (&(Name, bool), Option<Found>)| {
        let found = found?;
        let kind = if found.thread_local { SymbolKind::ThreadLocal } else { SymbolKind::None };
        Some((*name, found.address, kind))
    };
    let found: Vec<_> = wanted.names.iter().zip(find(&texts)?).filter_map(definition).collect();
    if !found.is_empty() {
        session.define_absolute(dylib, &found);
    }
    Ok(())
}

/// Shared libraries that are loaded, one after the other, when something is missing that they may define.
pub struct LibrariesOnDemand {
    /// Sonames that have not been tried yet, the next one last. One look-up at a time is served, so that no other one
    /// misses what a library that is being loaded defines.
    waiting: Turns<Vec<String>>,
}

impl LibrariesOnDemand {
    /// Libraries to be tried in this order.
    pub fn new(sonames: &[&str]) -> LibrariesOnDemand {
        LibrariesOnDemand { waiting: Turns::new(sonames.iter().rev().map(|soname| soname.to_string()).collect()) }
    }
}

impl DefinitionGenerator for LibrariesOnDemand {
    fn generate(&self, session: &Session, dylib: DylibId, wanted: Wanted<'_>) -> Result<(), Error> {
        let mut missing: Vec<(Name, bool)> = wanted.required().map(|name| (name, true)).collect();
        missing.retain(|(name, _)| !crate::objects::is_linker_defined(&session.names().bytes(*name)));
        if missing.is_empty() {
            return Ok(());
        }
        let turn = self.waiting.take();
        // Another look-up may have loaded something meanwhile.
        ProcessSymbols.generate(session, dylib, Wanted { names: &missing, ..wanted })?;
        missing.retain(|(name, _)| !session.defines(dylib, *name));
        loop {
            let next = turn.with(|waiting| waiting.last().cloned());
            let (false, Some(soname)) = (missing.is_empty(), next) else { return Ok(()) };
            let loaded = session.executor().load_library(&soname);
            if let Err(error) = &loaded
                && error.executor_lost().is_some()
            {
                return loaded;
            }
            turn.with(|waiting| waiting.retain(|waiting| *waiting != soname));
            // A library that is not installed defines nothing.
            if loaded.is_ok() {
                ProcessSymbols.generate(session, dylib, Wanted { names: &missing, ..wanted })?;
                missing.retain(|(name, _)| !session.defines(dylib, *name));
            }
        }
    }

    fn name(&self) -> String {
        "the usual run-time libraries".into()
    }
}

/// Reads a file that an archive or a client names.
pub type ReadFile = dyn Fn(&Path) -> Result<Input, Error> + Send + Sync;

/// Members of a static archive, each added when one of its symbols is required.
pub struct ArchiveMembers {
    /// The archives, the nested ones of thin archives among them.
    archives: Vec<Nested>,
    /// The archive and the member that defines each name first.
    index: HashMap<Name, (usize, MemberId)>,
    /// Members that were added. One look-up at a time is served, so that no other one misses what this one is about to
    /// add.
    pulled: Turns<HashSet<(usize, MemberId)>>,
    read: Arc<ReadFile>,
}

struct Nested {
    input: Input,
    nesting: Nesting,
}

impl ArchiveMembers {
    /// Reads an archive's index, or its members' symbols if it has none. `read` fetches the members of a thin archive.
    pub fn new(session: &Session, input: Input, read: Arc<ReadFile>) -> Result<ArchiveMembers, Error> {
        let nesting = Nesting::new(Path::new(&**input.name()));
        let input = format::slice(&input, session.executor().architecture())?;
        let archives = vec![Nested { input, nesting }];
        let mut members = ArchiveMembers { archives, index: HashMap::new(), pulled: Turns::new(HashSet::new()), read };
        members.read_index(session)?;
        Ok(members)
    }

    /// Whether a member defines a name.
    pub fn defines(&self, name: Name) -> bool {
        self.index.contains_key(&name)
    }

    fn member(&self, (number, id): (usize, MemberId)) -> Result<Input, Error> {
        let Nested { input, nesting } = &self.archives[number];
        let damaged = |error: ArchiveError| archive_error(input, &error);
        let member = Archive::parse(input).map_err(damaged)?.member(id).map_err(damaged)?;
        let member = member_input(input, nesting, &member, &*self.read)?;
        let member = shortened(input, nesting, member, &*self.read)?;
        // A copy lets the archive go when nothing more is pulled from it.
        Ok(Input::from_bytes(member.name().clone(), member.to_vec()))
    }

    fn read_index(&mut self, session: &Session) -> Result<(), Error> {
        let mut number = 0;
        while number < self.archives.len() {
            let Nested { input, nesting } = &self.archives[number];
            let (input, nesting) = (input.clone(), nesting.clone());
            let archive = Archive::parse(&input).map_err(|error| archive_error(&input, &error))?;
            let container = match archive.first().map_err(|error| archive_error(&input, &error))? {
                Some(first) if archive.has_index() => {
                    format::container(&member_input(&input, &nesting, &first, &*self.read)?)
                }
                _ => Container::Elf,
            };
            for symbol in archive.symbols() {
                let (name, member) = symbol.map_err(|error| archive_error(&input, &error))?;
                let name = session.names().intern(&container.session_name(name));
                self.index.entry(name).or_insert((number, member));
            }
            if !archive.has_index() {
                self.read_symbols(session, number, &input, &nesting, &archive)?;
            }
            number += 1;
        }
        Ok(())
    }

    fn read_symbols(
        &mut self,
        session: &Session,
        number: usize,
        input: &Input,
        nesting: &Nesting,
        archive: &Archive<'_>,
    ) -> Result<(), Error> {
        for member in archive.members().map_err(|error| archive_error(input, &error))? {
            let member = member.map_err(|error| archive_error(input, &error))?;
            let object = member_input(input, nesting, &member, &*self.read)?;
            if Archive::is_archive(&object) {
                let nesting =
                    nesting.enter(Path::new(&**object.name())).map_err(|error| archive_error(input, &error))?;
                self.archives.push(Nested { input: object, nesting });
                continue;
            }
            for name in format::interface(&session.translated(&object)?, session.names())?.defined_names() {
                self.index.entry(name).or_insert((number, member.id));
            }
        }
        Ok(())
    }
}

/// Whether an object defines a name.
fn defines(object: &Input, session: &Session, name: Name) -> Result<bool, Error> {
    let interface = format::interface(&session.translated(object)?, session.names())?;
    Ok(interface.defined_names().any(|defined| defined == name))
}

/// All members of an archive as inputs, those of nested archives in their place.
pub fn archive_members(input: &Input, read: &ReadFile) -> Result<Vec<Input>, Error> {
    let mut found = Vec::new();
    collect_members(input, &Nesting::new(Path::new(&**input.name())), read, &mut found)?;
    Ok(found)
}

fn collect_members(input: &Input, nesting: &Nesting, read: &ReadFile, found: &mut Vec<Input>) -> Result<(), Error> {
    let damaged = |error: ArchiveError| archive_error(input, &error);
    let archive = Archive::parse(input).map_err(damaged)?;
    for member in archive.members().map_err(damaged)? {
        let object = member_input(input, nesting, &member.map_err(damaged)?, read)?;
        if Archive::is_archive(&object) {
            let nesting = nesting.enter(Path::new(&**object.name())).map_err(damaged)?;
            collect_members(&object, &nesting, read, found)?;
        } else {
            found.push(shortened(input, nesting, object, read)?);
        }
    }
    Ok(())
}

/// The bytes of a member, called `archive(member)`, or by their path where they are a file of their own.
fn member_input(input: &Input, nesting: &Nesting, member: &Member<'_>, read: &ReadFile) -> Result<Input, Error> {
    match member.data {
        MemberData::Inline { offset, bytes } => {
            let name = format!("{}({})", input.name(), String::from_utf8_lossy(member.name));
            let start = offset as usize;
            let part = input.part(name, start..start + bytes.len());
            part.ok_or_else(|| archive_error(input, &ArchiveError::NotAnArchive))
        }
        MemberData::External { path, .. } => read(&nesting.resolve(path)),
    }
}

/// The same member, or, if it is an import's object, what it says with others in fewer words.
fn shortened(input: &Input, nesting: &Nesting, member: Input, read: &ReadFile) -> Result<Input, Error> {
    let damaged = |error: ArchiveError| archive_error(input, &error);
    let short = import::shorten(&member, |name| {
        let archive = Archive::parse(input).map_err(damaged)?;
        let mut symbols = archive.symbols().filter_map(Result::ok);
        let Some((_, id)) = symbols.find(|(symbol, _)| *symbol == name) else { return Ok(None) };
        member_input(input, nesting, &archive.member(id).map_err(damaged)?, read).map(Some)
    });
    Ok(short?.unwrap_or(member))
}

fn archive_error(input: &Input, error: &ArchiveError) -> Error {
    Error::Archive { file: input.name().to_string(), reason: error.to_string() }
}

impl DefinitionGenerator for ArchiveMembers {
    fn generate(&self, session: &Session, dylib: DylibId, wanted: Wanted<'_>) -> Result<(), Error> {
        if wanted.kind == LookupKind::Dynamic {
            return Ok(());
        }
        let turn = self.pulled.take();
        let mut inputs = Vec::new();
        let mut taken = HashSet::new();
        for name in wanted.required().filter(|name| !session.defines(dylib, *name)) {
            let Some(member) = self.index.get(&name).copied() else { continue };
            if taken.contains(&member) || session.executor().insists_on(&session.names().bytes(name)) {
                continue;
            }
            let input = self.member(member)?;
            // What was pulled before and lacks the name has been removed, if it had the name at all.
            if turn.with(|pulled| pulled.insert(member)) || defines(&input, session, name)? {
                taken.insert(member);
                inputs.push(input);
            }
        }
        session.add_members(dylib, &inputs)
    }

    fn name(&self) -> String {
        self.archives[0].input.name().to_string()
    }
}
