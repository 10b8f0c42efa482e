//! What belongs to which library: files are read, libraries found, and everything is added to the session.

use super::error::Error;
use super::flags::{Mention, Request};
use super::host::Host;
use super::values::{Alias, Created, Qualified};
use super::{harness, stub_file};
use crate::plan::Search;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use uruk::orc::generator::{ArchiveMembers, LibrarySymbols, archive_members};
use uruk::orc::reexports::Aliases;
use uruk::orc::unit::Definition;
use uruk::orc::{DylibId, SearchEntry};
use uruk_jitlink::archive::Archive;
use uruk_jitlink::edit::{EditError, NewSymbol, Stage};
use uruk_jitlink::format::{self, FORMATS, Format};
use uruk_jitlink::graph::{LinkGraph, SectionKind, SymbolKind};
use uruk_jitlink::input::Input;
use uruk_jitlink::interface::Strength;
use uruk_jitlink::names::Names;

/// A library of the program.
pub struct Library {
    /// As `-jd` names it.
    pub name: String,
    /// As the session does.
    pub dylib: DylibId,
    /// Where it looks for what it links against.
    folders: Vec<PathBuf>,
    /// What it resolves from after itself.
    others: Vec<SearchEntry>,
    /// Dylibs that are parts of it: of hidden archives, of lazy files.
    pub parts: Vec<DylibId>,
    objects: Vec<Input>,
    harness: Vec<Input>,
}

/// The format that everything is linked for: that of `-triple`, or of the first object.
pub fn format(request: &Request) -> Result<&'static Format, Error> {
    if let Some(triple) = &request.triple {
        let named = FORMATS.iter().copied().find(|format| is_for(format, triple));
        return named.ok_or_else(|| Error::UnknownTriple {
            triple: triple.clone(),
            known: FORMATS.iter().map(|format| format.name).collect::<Vec<_>>().join(", "),
        });
    }
    let names = Names::default();
    for mention in &request.mentions {
        let Mention::File { path, .. } = mention else { continue };
        let slices = format::slices(&uruk::read_file(path)?).map_err(uruk::orc::error::Error::from)?;
        let Some(input) = slices.into_iter().next() else { continue };
        let objects =
            if Archive::is_archive(&input) { archive_members(&input, &uruk::read_file)? } else { vec![input] };
        if let Some(interface) = objects.iter().find_map(|object| format::interface(object, &names).ok()) {
            return Ok(interface.format);
        }
    }
    // What it is, or why it cannot be read, is said when it is added.
    Ok(FORMATS[0])
}

/// Whether a format is that of a target.
fn is_for(format: &Format, triple: &str) -> bool {
    let container = if ["apple", "darwin", "macho"].iter().any(|word| triple.contains(word)) {
        "Mach-O"
    } else if ["windows", "win32", "coff"].iter().any(|word| triple.contains(word)) {
        "COFF"
    } else {
        "ELF"
    };
    let arch = triple.split('-').next().unwrap_or_default();
    let arch = match arch {
        "x86_64" | "amd64" => "x86-64",
        "arm64" => "aarch64",
        other => other,
    };
    format.name.starts_with(container) && format.arch.name.eq_ignore_ascii_case(arch)
}

/// Makes the libraries and adds what belongs to each.
pub fn add(host: &Host, request: &Request) -> Result<Vec<Library>, Error> {
    let mut libraries = vec![Library::new(host, super::MAIN)?];
    for mention in &request.mentions {
        if let Mention::Library(name) = mention
            && !libraries.iter().any(|library| library.name == *name)
        {
            libraries.push(Library::new(host, name)?);
        }
    }
    let mut current = 0;
    for mention in &request.mentions {
        if let Mention::Library(name) = mention {
            current = libraries.iter().position(|library| library.name == *name).unwrap_or(0);
        } else {
            let known: Vec<(String, DylibId)> =
                libraries.iter().map(|library| (library.name.clone(), library.dylib)).collect();
            let mut adder = Adder { host, request, known: &known, library: &mut libraries[current] };
            adder.add(mention)?;
        }
    }
    for library in &mut libraries {
        harness::add(host, library.dylib, std::mem::take(&mut library.objects), std::mem::take(&mut library.harness))?;
        host.set_order(library.dylib, &library.name, library.others.iter().copied());
        // Parts resolve from where the library does, and from the library first.
        let order = host.session.search_order(library.dylib);
        for part in &library.parts {
            let own = [SearchEntry { dylib: *part, all_symbols: true }];
            host.session.set_search_order(*part, own.into_iter().chain(order.iter().copied()).collect());
        }
    }
    Ok(libraries)
}

impl Library {
    fn new(host: &Host, name: &str) -> Result<Library, Error> {
        let dylib = host.create(name)?;
        let (folders, others, parts) = (Vec::new(), Vec::new(), Vec::new());
        let (objects, harness) = (Vec::new(), Vec::new());
        Ok(Library { name: name.to_string(), dylib, folders, others, parts, objects, harness })
    }
}

/// Adds to one library.
struct Adder<'a> {
    host: &'a Host,
    request: &'a Request,
    /// All libraries, by name.
    known: &'a [(String, DylibId)],
    library: &'a mut Library,
}

impl Adder<'_> {
    fn add(&mut self, mention: &Mention) -> Result<(), Error> {
        let session = &self.host.session;
        match mention {
            Mention::Library(_) => Ok(()),
            Mention::Folder(folder) => {
                self.library.folders.push(folder.clone());
                Ok(())
            }
            Mention::File { path, lazy, harness } => self.add_file(path, *lazy, *harness),
            Mention::Link { name, hidden } => self.link(name, *hidden),
            Mention::Hidden(path) => self.add_hidden(self.read(path)?),
            Mention::WeakLink(name) => {
                let path = self.find(name, &["{}.tbd", "lib{}.tbd"])?;
                self.add_stub_file(&path)
            }
            Mention::WeakFile(path) => self.add_stub_file(path),
            Mention::Absolute(absolute) => {
                let name = self.host.name(&absolute.name);
                session.define_absolute(self.library.dylib, &[(name, absolute.address, SymbolKind::None)]);
                Ok(())
            }
            Mention::Alias(alias) => self.add_alias(alias),
            Mention::Section(created) => self.add_section(created),
        }
    }

    fn add_file(&mut self, path: &Path, lazy: bool, harness: bool) -> Result<(), Error> {
        let input = self.read(path)?;
        if Archive::is_archive(&input) {
            return self.add_archive(self.library.dylib, input);
        }
        if is_shared(&input) {
            return self.add_shared(path);
        }
        match (lazy, harness) {
            (true, _) => self.add_lazy(&input),
            (false, true) => {
                self.library.harness.push(input);
                Ok(())
            }
            (false, false) => {
                self.library.objects.push(input);
                Ok(())
            }
        }
    }

    /// A file, or what of it is for the architecture that is linked for.
    fn read(&self, path: &Path) -> Result<Input, Error> {
        let input = uruk::read_file(path)?;
        Ok(format::slice(&input, self.host.format.arch).map_err(uruk::orc::error::Error::from)?)
    }

    fn add_archive(&self, dylib: DylibId, archive: Input) -> Result<(), Error> {
        let session = &self.host.session;
        if self.request.all_load {
            return Ok(session.add_objects(dylib, None, &archive_members(&archive, &uruk::read_file)?)?);
        }
        if self.request.objc {
            let mut members = archive_members(&archive, &uruk::read_file)?;
            members.retain(|member| has_objc_classes(member, session.names()));
            session.add_objects(dylib, None, &members)?;
        }
        let members = ArchiveMembers::new(session, archive, Arc::new(uruk::read_file))?;
        session.add_generator(dylib, Arc::new(members));
        Ok(())
    }

    fn add_shared(&self, path: &Path) -> Result<(), Error> {
        let session = &self.host.session;
        let symbols = LibrarySymbols::load(session, &path.to_string_lossy())?;
        session.add_generator(self.library.dylib, Arc::new(symbols));
        Ok(())
    }

    /// A dylib of its own that only this library sees.
    fn add_hidden(&mut self, archive: Input) -> Result<(), Error> {
        let part = self.create_part("hidden")?;
        self.library.others.push(SearchEntry { dylib: part, all_symbols: true });
        if Archive::is_archive(&archive) {
            return self.add_archive(part, archive);
        }
        Ok(self.host.session.add_objects(part, None, &[archive])?)
    }

    fn create_part(&mut self, kind: &str) -> Result<DylibId, Error> {
        let name = format!("{} <{kind} {}>", self.library.name, self.library.parts.len());
        let part = self.host.session.create_dylib(&name)?;
        self.host.session.place_with(part, self.library.dylib);
        self.library.parts.push(part);
        Ok(part)
    }

    /// Bodies in a dylib of their own, stubs and variables in the library.
    fn add_lazy(&mut self, object: &Input) -> Result<(), Error> {
        let session = self.host.session.clone();
        let interface = format::interface(object, session.names()).map_err(uruk::orc::error::Error::from)?;
        let part = self.create_part("lazy")?;
        session.add_members(part, std::slice::from_ref(object))?;
        let mut functions = Vec::new();
        let mut others = Vec::new();
        for global in interface.globals.iter().filter(|global| global.strength.defines()) {
            let definition = Definition { kind: global.kind, ..Definition::data(global.name) };
            let definition = if global.strength == Strength::Strong { definition } else { definition.weak() };
            let list = if global.kind == SymbolKind::Function { &mut functions } else { &mut others };
            list.push((definition, global.name));
        }
        if !functions.is_empty() {
            session.define_lazy_reexports(self.library.dylib, None, part, &functions)?;
        }
        if !others.is_empty() {
            session.define(self.library.dylib, None, Box::new(Aliases::new(part, others)))?;
        }
        Ok(())
    }

    fn link(&mut self, name: &str, hidden: bool) -> Result<(), Error> {
        if let (Some((_, dylib)), false) = (self.known.iter().find(|(known, _)| known == name), hidden) {
            self.library.others.push(SearchEntry { dylib: *dylib, all_symbols: false });
            return Ok(());
        }
        if hidden {
            let path = self.find(name, &["lib{}.a", "{}.lib"])?;
            return self.add_hidden(self.read(&path)?);
        }
        let path = self.find(name, &["lib{}.so", "lib{}.dylib", "{}.dll", "lib{}.a", "{}.lib"])?;
        self.add_file(&path, false, false)
    }

    /// The first file of these patterns in the library's folders.
    fn find(&self, name: &str, patterns: &[&str]) -> Result<PathBuf, Error> {
        let folders = match self.request.system_folders {
            true => Search::new(&self.library.folders).folders().to_vec(),
            false => self.library.folders.clone(),
        };
        let files = patterns.iter().map(|pattern| pattern.replace("{}", name));
        let files: Vec<String> = name.strip_prefix(':').map_or_else(|| files.collect(), |file| vec![file.to_string()]);
        let candidates = folders.iter().flat_map(|folder| files.iter().map(move |file| folder.join(file)));
        candidates.into_iter().find(|path| path.is_file()).ok_or_else(|| {
            let searched: Vec<String> = folders.iter().map(|folder| folder.display().to_string()).collect();
            let searched = if searched.is_empty() { "none given by -L".to_string() } else { searched.join(", ") };
            Error::NoLibrary { library: self.library.name.clone(), name: name.to_string(), searched }
        })
    }

    fn add_stub_file(&self, path: &Path) -> Result<(), Error> {
        let session = &self.host.session;
        let symbols = stub_file::symbols(path)?;
        let null = symbols.iter().map(|name| (self.host.name(name), 0, SymbolKind::None));
        session.define_absolute(self.library.dylib, &null.collect::<Vec<_>>());
        Ok(())
    }

    fn add_alias(&self, alias: &Alias) -> Result<(), Error> {
        let session = &self.host.session;
        let library = |qualified: &Qualified| match &qualified.library {
            None => Ok(self.library.dylib),
            Some(library) => {
                let known = self.known.iter().find(|(known, _)| known == library);
                known.map(|(_, dylib)| *dylib).ok_or_else(|| Error::NoDylib { library: library.clone() })
            }
        };
        let name = |qualified: &Qualified| self.host.name(&qualified.name);
        let aliases = vec![(Definition::function(name(&alias.alias)), name(&alias.target))];
        let unit = Aliases::new(library(&alias.target)?, aliases);
        Ok(session.define(library(&alias.alias)?, None, Box::new(unit))?)
    }

    fn add_section(&self, created: &Created) -> Result<(), Error> {
        let bytes = std::fs::read(&created.file);
        let bytes = bytes.map_err(|source| Error::File { what: "read", path: created.file.clone(), source })?;
        let graph = section(created, &bytes, self.host.format)
            .map_err(|error| Error::Content { path: created.file.clone(), problem: error.to_string() })?;
        Ok(self.host.session.add_graphs(self.library.dylib, None, [graph])?)
    }
}

/// A graph of nothing but a section with the bytes of a file.
fn section(created: &Created, bytes: &[u8], format: &'static Format) -> Result<LinkGraph, EditError> {
    let mut graph = LinkGraph::with_format(format!("<sectcreate {}>", created.section), format);
    let mut editor = graph.edit(Stage::BeforePruning);
    let section = editor.add_section(&created.section, SectionKind::Data)?;
    let block = editor.add_block(section, bytes, 16)?;
    for (name, offset) in &created.symbols {
        let size = (bytes.len() as u64).saturating_sub(*offset);
        editor.add_symbol(NewSymbol::global(name, block, *offset).kind(SymbolKind::Object).size(size))?;
    }
    drop(editor);
    Ok(graph)
}

/// Whether a file is a shared ELF library.
fn is_shared(input: &Input) -> bool {
    const ET_DYN: u8 = 3;
    input.starts_with(b"\x7fELF") && input.get(16) == Some(&ET_DYN)
}

/// Whether an object registers Objective-C classes or categories, or Swift's types.
fn has_objc_classes(object: &Input, names: &Names) -> bool {
    const SECTIONS: [&str; 6] = [
        "__objc_classlist",
        "__objc_nlclslist",
        "__objc_catlist",
        "__objc_nlcatlist",
        "__swift5_types",
        "__swift5_protos",
    ];
    let Ok(graph) = format::read(object, names) else { return false };
    graph.live_blocks().any(|(_, block)| {
        let name = String::from_utf8_lossy(graph.section_name(block.section)).into_owned();
        SECTIONS.iter().any(|section| name.ends_with(section))
    })
}
