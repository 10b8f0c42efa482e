//! Loading an image into this process.
//!
//! Data flow: a file → its header → the digest of all its bytes → the stamp → one mapping → libraries, imports, thread-local variables →
//! words → bytes of the image that it builds on → protection → unwind records → functions that are chosen → initialisers.
//! Invariant: whatever fails, fails before any code of the image has run, and leaves nothing behind.

use super::contents::{Change, Contents, Exported, Imported, Kind};
use super::error::{MappedError, Problem};
use super::file::{HEADER, HERE, Header, machine_name};
use super::region::{Access, Region};
use crate::elf::format_of;
use crate::library::Library;
use crate::link::{Dynamic, What};
use crate::packed;
use crate::proof::Mappings;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::ops::Range;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use uruk_executor::in_process::{InProcess, Kept};
use uruk_executor::libraries::{Definition, LibraryError, SymbolKind, defining_object, is_loaded};
use uruk_executor::tls::{TlsModule, TlsRequest, TlsSlot, TlsSlotKind, TlsTarget};
use uruk_executor::unwind::Registration;
use uruk_jitlink::arch::Architecture;
use uruk_jitlink::graph::EdgeKind;

/// Finds the address of a symbol.
pub type Find<'a> = dyn Fn(&str) -> Option<u64> + 'a;

/// What an image is loaded with.
#[derive(Clone, Copy, Default)]
pub struct LoadOptions<'a> {
    /// What it has to be stamped with, if that is known.
    pub stamp: Option<&'a str>,
    /// The layout of the client's types ([`World::layout`](crate::World::layout)), which has to be the image's.
    pub layout: Option<[u8; 32]>,
    /// The image that it builds on. Nothing of it is at work while its variables are given the values that they had.
    pub base: Option<&'a Mapped>,
    /// What symbols mean before the process is asked: the runtime's own, by name.
    pub symbols: Option<&'a Find<'a>>,
    /// Libraries that the process was started with use what the image defines, for good, as those of a program that the system starts.
    pub interpose: bool,
}

/// An image that has been loaded into this process.
pub struct Mapped {
    pub(super) contents: Contents,
    pub(super) digest: [u8; 32],
    /// The address of each import, 0 if it has none.
    pub(super) imports: Vec<u64>,
    executor: Arc<InProcess>,
    /// The number of the module of its thread-local variables, and that.
    threads: Option<(u64, TlsModule)>,
    _unwind: Vec<Registration>,
    /// Registered with debuggers and backtraces.
    _shown: Vec<Kept>,
    /// Goes last, after all that is known of it.
    region: Region,
}

impl Mapped {
    /// Loads an image, and runs its initialisers. Its arguments are the executor's.
    ///
    /// The file is to stay as it is while the image is used, as a shared library's.
    pub fn load(path: &Path, options: &LoadOptions<'_>, executor: &Arc<InProcess>) -> Result<Mapped, MappedError> {
        let mapped = Mapped::prepare(path, options, executor);
        let refused = |problem: Problem| problem.of(&path.display().to_string());
        let mapped = mapped.map_err(refused)?;
        if options.interpose {
            let find = |name: &[u8]| mapped.address(std::str::from_utf8(name).ok()?);
            executor.interpose(&find).map_err(|error| refused(process(error)))?;
        }
        let [before, initialisers, finalisers] = &mapped.contents.functions;
        let (before, initialisers) = (mapped.words(before), mapped.words(initialisers));
        let mut finalisers = mapped.words(finalisers);
        // The last of the table is the first to run.
        finalisers.reverse();
        executor.run_at_exit(&finalisers);
        executor.run_initialisers(&before);
        executor.run_initialisers(&initialisers);
        Ok(mapped)
    }

    fn prepare(path: &Path, options: &LoadOptions<'_>, executor: &Arc<InProcess>) -> Result<Mapped, Problem> {
        let (header, mut region, contents) = read(path, options)?;
        let base = contents.libraries.iter().any(|library| library.base).then_some(options.base).flatten();
        for library in contents.libraries.iter().filter(|library| library.load) {
            load_library(&library.name, &contents.folders, path, executor).map_err(process)?;
        }
        check_builds(&contents, executor)?;
        let imports = Imports { contents: &contents, options, base, executor }.find()?;
        let arch = format_of(header.machine).map(|format| format.arch).ok_or(Problem::Kind)?;
        let threads = relocate(&mut region, &contents, &imports, executor, arch)?;
        let address = region.address();
        let changes = changes(&region, &contents, base)?;
        let resolvers = resolvers(&contents, address);
        protect(&mut region, &header, &contents)?;
        let at = |range: &Range<u64>| range.start + address..range.end + address;
        let unwind = contents.unwind.iter().map(|(code, records)| executor.register_unwind(at(code), at(records)));
        let unwind = unwind.collect::<Result<_, _>>().map_err(process)?;
        for (base, place, bytes) in changes {
            base.overwrite(place, &bytes);
        }
        let shown = show(path, &region, &contents, executor);
        executor.run_resolvers(&resolvers);
        let (digest, executor) = (header.digest, Arc::clone(executor));
        Ok(Mapped { region, contents, digest, imports, executor, threads, _unwind: unwind, _shown: shown })
    }

    /// The address of what it defines under a name, in this process; thread-local variables have none.
    pub fn address(&self, name: &str) -> Option<u64> {
        let found = self.contents.exports.binary_search_by(|export| export.name.as_str().cmp(name)).ok()?;
        self.address_of(&self.contents.exports[found])
    }

    /// All that it defines for others, with addresses in this process.
    pub fn definitions(&self) -> impl Iterator<Item = (&Exported, u64)> {
        self.contents.exports.iter().filter_map(|export| Some((export, self.address_of(export)?)))
    }

    fn address_of(&self, export: &Exported) -> Option<u64> {
        match export.kind {
            Kind::ThreadLocal => None,
            Kind::Absolute => Some(export.place),
            _ => Some(self.region.address() + export.place),
        }
    }

    /// Where it lies.
    pub fn range(&self) -> Range<u64> {
        self.region.range()
    }

    /// Where a program of it begins: the function that it was written with if that is called `main` here, or what it defines under a name.
    pub fn entry(&self, name: &str) -> Option<u64> {
        let own = if name == "main" { self.contents.entry } else { None };
        own.map(|entry| self.region.address() + entry).or_else(|| self.address(name))
    }

    /// Runs the program that it is, with the arguments of the executor, and gives its status.
    pub fn run(&self) -> Result<i32, Problem> {
        Ok(self.executor.run_main(self.entry("main").ok_or(Problem::NoEntry)?))
    }

    /// Lets it stay for good.
    pub fn keep(mut self) {
        self.threads.take().into_iter().for_each(|(_, module)| module.keep());
        std::mem::forget(self);
    }

    fn words(&self, table: &Range<u64>) -> Vec<u64> {
        let mut bytes = vec![0; (table.end - table.start) as usize];
        InProcess::read(self.region.address() + table.start, &mut bytes);
        bytes.chunks_exact(8).map(word).filter(|function| ![0, u64::MAX].contains(function)).collect()
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        let memory = [self.region.range()];
        self.executor.finalize(&memory);
        let size = self.contents.threads.as_ref().map_or(0, |threads| threads.size);
        let variables: Vec<(u64, Range<u64>)> = self.threads.iter().map(|(module, _)| (*module, 0..size)).collect();
        self.executor.forget(&memory, &variables);
    }
}

/// Checks all that can be said of a file without looking at the process, and maps it.
fn read(path: &Path, options: &LoadOptions<'_>) -> Result<(Header, Region, Contents), Problem> {
    let system = |what: &'static str| move |error| Problem::System { what, error };
    let file = File::open(path).map_err(system("opening it"))?;
    let length = file.metadata().map_err(system("looking at it"))?.len();
    let mut head = vec![0; length.min(HEADER as u64) as usize];
    file.read_exact_at(&mut head, 0).map_err(system("reading it"))?;
    let header = Header::read(&head, length)?;
    if header.machine != HERE {
        return Err(Problem::Architecture { found: machine_name(header.machine), here: machine_name(HERE) });
    }
    let mut rest = vec![0; (length - header.contents) as usize];
    file.read_exact_at(&mut rest, header.contents).map_err(system("reading it"))?;
    header.verify(&file).map_err(system("reading it"))??;
    let contents = header.contents(&rest)?;
    check_stamp(&contents, options)?;
    let size = contents.end.next_multiple_of(header.page);
    let address = Some(contents.address).filter(|address| *address != 0);
    let region =
        Region::map(&file, contents.debug.start, size, contents.align, address).map_err(system("mapping it"))?;
    Ok((header, region, contents))
}

fn check_stamp(contents: &Contents, options: &LoadOptions<'_>) -> Result<(), Problem> {
    if let Some(wanted) = options.stamp.filter(|wanted| *wanted != contents.stamp.client) {
        return Err(Problem::Stamp { found: contents.stamp.client.clone(), wanted: wanted.into() });
    }
    if options.layout.is_some() && options.layout != contents.stamp.layout {
        return Err(Problem::Layout);
    }
    let given = options.base.map(|base| base.digest);
    if contents.base.is_some() && contents.base != given {
        let short = |digest: &[u8; 32]| digest[..8].iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let found = given.as_ref().map_or_else(|| "none".into(), |digest| format!("image {}", short(digest)));
        let wanted = contents.base.as_ref().map_or_else(String::new, |digest| format!("image {}", short(digest)));
        return Err(Problem::Base { wanted, found });
    }
    Ok(())
}

/// Loads a library, if the process has not, from the first of the folders that has it, or from wherever the system's loader finds it.
fn load_library(name: &str, folders: &[String], image: &Path, executor: &InProcess) -> Result<(), LibraryError> {
    if is_loaded(name) {
        return executor.load_library(name);
    }
    let origin = std::path::absolute(image).unwrap_or_default();
    let origin = origin.parent().unwrap_or(Path::new("/")).as_os_str();
    let place = |folder: &String| {
        let parts: Vec<&OsStr> = folder.split("$ORIGIN").map(OsStr::new).collect();
        Path::new(&parts.join(origin)).join(name)
    };
    let found = folders.iter().map(place).find(|place| place.exists());
    executor.load_library(found.unwrap_or_else(|| name.into()))
}

/// Libraries that have to be the very ones.
fn check_builds(contents: &Contents, executor: &InProcess) -> Result<(), Problem> {
    if contents.stamp.builds.is_empty() {
        return Ok(());
    }
    let mappings =
        Mappings::of_this_process().map_err(|error| Problem::System { what: "looking for its libraries", error })?;
    for (name, build) in &contents.stamp.builds {
        let number = contents.libraries.iter().position(|library| library.name == *name).map(|at| at as u32);
        let imports = contents.imports.iter().filter(|import| number.is_some() && import.library == number);
        let places: Vec<Option<PathBuf>> = imports.map(|import| defined_in(import, executor, &mappings)).collect();
        // Something else in the process may stand in for some of what a library defines, and not for all of it.
        let mut files: Vec<&PathBuf> = places.iter().flatten().collect();
        files.sort();
        files.dedup();
        let is_it = |file: &&PathBuf| Library::open(file).is_ok_and(|library| library.build_id() == Some(build));
        if !places.is_empty() && !files.iter().any(is_it) {
            return Err(Problem::Library { library: name.clone() });
        }
    }
    Ok(())
}

/// The file of whatever an import is in.
fn defined_in(import: &Imported, executor: &InProcess, mappings: &Mappings) -> Option<PathBuf> {
    let definition = executor.definition(full_name(import).as_bytes())?;
    if definition.kind == SymbolKind::ThreadLocal {
        return defining_object(import.name.as_bytes()).map(|object| OsString::from_vec(object.path.into()).into());
    }
    mappings.at(definition.address).map(|mapping| mapping.name.clone().into())
}

/// Finds what an image refers to.
struct Imports<'a> {
    contents: &'a Contents,
    options: &'a LoadOptions<'a>,
    base: Option<&'a Mapped>,
    executor: &'a InProcess,
}

impl Imports<'_> {
    /// The address of each import, 0 if it has none.
    fn find(&self) -> Result<Vec<u64>, Problem> {
        let mut missing = Vec::new();
        let mut addresses = Vec::with_capacity(self.contents.imports.len());
        for import in &self.contents.imports {
            let found = self.find_one(import)?;
            if found.is_none() && !import.weak {
                missing.push(full_name(import));
            }
            addresses.push(found.unwrap_or(0));
        }
        if missing.is_empty() { Ok(addresses) } else { Err(Problem::Undefined(missing)) }
    }

    fn find_one(&self, import: &Imported) -> Result<Option<u64>, Problem> {
        let of_base = import.library.is_some_and(|number| self.contents.libraries[number as usize].base);
        if let Some(base) = self.base.filter(|_| of_base) {
            return Ok(if import.name == BASE { Some(base.region.address()) } else { base.address(&import.name) });
        }
        if let Some(address) = self.options.symbols.and_then(|symbols| symbols(&import.name)) {
            return Ok(Some(address));
        }
        let name = full_name(import);
        let Some(definition) = self.executor.definition(name.as_bytes()) else { return Ok(None) };
        let Definition { address, kind, size_bytes } = definition;
        let here = match kind {
            SymbolKind::Function | SymbolKind::IndirectFunction => Kind::Function,
            SymbolKind::Object => Kind::Object,
            SymbolKind::ThreadLocal => Kind::ThreadLocal,
            SymbolKind::Unknown => Kind::Unknown,
        };
        let differs = here != import.kind && ![here, import.kind].contains(&Kind::Unknown);
        let resized = import.kind == Kind::Object && import.size != 0 && size_bytes != 0 && import.size != size_bytes;
        if differs || resized {
            let found = described(here, size_bytes);
            return Err(Problem::Symbol { symbol: name, found, wanted: described(import.kind, import.size) });
        }
        Ok(Some(if here == Kind::ThreadLocal { 0 } else { address }))
    }
}

/// The symbol that stands for the first byte of the image that another one builds on.
pub const BASE: &str = "uruk.base";

fn full_name(import: &Imported) -> String {
    match &import.version {
        Some(version) => format!("{}@{version}", import.name),
        None => import.name.clone(),
    }
}

fn described(kind: Kind, size: u64) -> String {
    match kind {
        Kind::Unknown | Kind::Absolute => "a symbol".into(),
        Kind::Function => "a function".into(),
        Kind::Object => format!("a variable of {size} bytes"),
        Kind::ThreadLocal => "a thread-local variable".into(),
    }
}

/// Fills all words but those of functions that are chosen, and gives threads their variables.
fn relocate(
    region: &mut Region,
    contents: &Contents,
    imports: &[u64],
    executor: &InProcess,
    arch: &Architecture,
) -> Result<Option<(u64, TlsModule)>, Problem> {
    let address = region.address();
    let outside = || Problem::Malformed("a pointer of its own lies outside of it".into());
    let bytes = region.bytes_mut(0..contents.mapped()).ok_or_else(outside)?;
    let moved = address.wrapping_sub(contents.address);
    if moved != 0 {
        let mut is_within = true;
        packed::each(&contents.own, |place| {
            match usize::try_from(place).ok().and_then(|place| bytes.get_mut(place..)?.first_chunk_mut::<8>()) {
                Some(own) => *own = u64::from_le_bytes(*own).wrapping_add(moved).to_le_bytes(),
                None => is_within = false,
            }
        });
        if !is_within {
            return Err(outside());
        }
    }
    let mut set = |place: u64, value: u64| bytes[place as usize..][..8].copy_from_slice(&value.to_le_bytes());
    for Dynamic { place, what } in &contents.words {
        match *what {
            What::Own(target) => set(*place, address.wrapping_add(target)),
            What::Import(number, addend) => {
                let found = imports[number as usize];
                // What is absent is null, whatever lies behind it.
                set(*place, if found == 0 { 0 } else { found.wrapping_add_signed(addend) });
            }
            What::Slot(number) => set(*place, imports[number as usize]),
            _ => {}
        }
    }
    // What is copied for each thread has to have its words by now.
    let answers = threads(bytes, contents, executor)?;
    let Some(Threads { questions, own, pointer, module }) = answers else { return Ok(None) };
    let value = |number: Option<usize>| number.map_or(0, |number| module.values()[number][0]);
    let (own, pointer) = (value(own), value(pointer));
    for Dynamic { place, what } in &contents.words {
        let What::ThreadField(kind, offset) = *what else { continue };
        let field = arch.info(EdgeKind(kind)).field;
        let value = pointer.wrapping_add(offset) as i64;
        let encoded = arch.encode(field, value, &mut bytes[*place as usize..]);
        encoded.map_err(|_| process("its thread-local variables are too far from the thread pointer for its code"))?;
    }
    for ((place, what, _), values) in questions.iter().zip(module.values()) {
        let mut set = |place: u64, value: u64| bytes[place as usize..][..8].copy_from_slice(&value.to_le_bytes());
        match what {
            What::Module(_) | What::ThreadOffset(..) => set(*place, values[0]),
            What::ModuleOffset(_) => set(*place, values[1]),
            _ => {
                set(*place, values[0]);
                set(*place + 8, values[1]);
            }
        }
    }
    Ok(Some((own, module)))
}

/// What is known of thread-local variables.
struct Threads<'a> {
    /// What the image asks, and where: each has the module's value of its number.
    questions: Vec<(u64, What, TlsSlot<'a>)>,
    /// The numbers of the values about the first of its own variables: the module, and the offset from the thread pointer.
    own: Option<usize>,
    pointer: Option<usize>,
    module: TlsModule,
}

fn threads<'a>(bytes: &[u8], contents: &'a Contents, executor: &InProcess) -> Result<Option<Threads<'a>>, Problem> {
    let target = |import: Option<u32>, offset: u64| match import {
        Some(number) => TlsTarget::Native(contents.imports[number as usize].name.as_bytes()),
        None => TlsTarget::Own(offset),
    };
    let question = |word: &Dynamic| {
        let (target, kind) = match word.what {
            What::Module(import) => (target(import, 0), TlsSlotKind::ModuleAndOffset),
            What::ModuleOffset(import) => (target(Some(import), 0), TlsSlotKind::ModuleAndOffset),
            What::ThreadOffset(import, offset) => (target(import, offset), TlsSlotKind::ThreadOffset),
            What::Descriptor(import, offset) => (target(import, offset), TlsSlotKind::Descriptor),
            _ => return None,
        };
        Some((word.place, word.what, TlsSlot { target, kind }))
    };
    let questions: Vec<(u64, What, TlsSlot<'a>)> = contents.words.iter().filter_map(question).collect();
    let mut slots: Vec<TlsSlot<'_>> = questions.iter().map(|(_, _, slot)| *slot).collect();
    let mut ask = |kind, wanted: bool| {
        slots.extend(wanted.then_some(TlsSlot { target: TlsTarget::Own(0), kind }));
        wanted.then(|| slots.len() - 1)
    };
    let has_own = contents.threads.is_some();
    let own = ask(TlsSlotKind::ModuleAndOffset, has_own);
    let in_code = |word: &Dynamic| matches!(word.what, What::ThreadField(..));
    let pointer = ask(TlsSlotKind::ThreadOffset, has_own && contents.words.iter().any(in_code));
    if slots.is_empty() {
        return Ok(None);
    }
    let (image, mem_size, align) = match &contents.threads {
        Some(threads) => {
            (&bytes[threads.image.start as usize..threads.image.end as usize], threads.size, threads.align)
        }
        None => (&[][..], 0, 1),
    };
    let module = executor.load_threads(&TlsRequest { image, mem_size, align, slots: &slots }).map_err(process)?;
    Ok(Some(Threads { questions, own, pointer, module }))
}

/// Slots of functions that are chosen, with those that choose.
fn resolvers(contents: &Contents, address: u64) -> Vec<(u64, u64)> {
    let resolver = |word: &Dynamic| match word.what {
        What::Indirect(function) => Some((address + word.place, address.wrapping_add(function))),
        _ => None,
    };
    contents.words.iter().filter_map(resolver).collect()
}

/// Bytes for the image that this one builds on, and where they go.
type Overwritten<'a> = (&'a Region, u64, Vec<u8>);

fn changes<'a>(
    region: &Region,
    contents: &Contents,
    base: Option<&'a Mapped>,
) -> Result<Vec<Overwritten<'a>>, Problem> {
    let outside = || Problem::Malformed("bytes that change another image lie outside of it".into());
    let Some(base) = base else { return Ok(Vec::new()) };
    let variables = base.contents.parts[2].start..base.contents.end;
    let one = |change: &Change| {
        let bytes = region.bytes(change.own..change.own + change.size).ok_or_else(outside)?;
        if !variables.contains(&change.base) || variables.end - change.base < change.size {
            return Err(outside());
        }
        Ok((&base.region, change.base, bytes.to_vec()))
    };
    contents.changes.iter().map(one).collect()
}

/// Lets backtraces name its functions, and debuggers that are attached show them where they are told true addresses.
fn show(path: &Path, region: &Region, contents: &Contents, executor: &InProcess) -> Vec<Kept> {
    let Range { start, end } = contents.debug;
    if start == end {
        return Vec::new();
    }
    let path = path.to_owned();
    let image = move || {
        let mut bytes = vec![0; (end - start) as usize];
        File::open(&path).ok()?.read_exact_at(&mut bytes, start).ok().map(|()| bytes)
    };
    let is_at_its_own = region.address() == contents.address;
    let debugged = (is_at_its_own && executor.debug_wanted()).then(&image).flatten();
    let debugged = debugged.and_then(|image| executor.register_debug(image).ok());
    let code = contents.parts[0].start + region.address()..contents.parts[0].end + region.address();
    let base = region.address().wrapping_sub(contents.address);
    let named =
        InProcess::backtraces_wanted().then(|| executor.register_names(base, vec![code], Box::new(image))).flatten();
    debugged.into_iter().chain(named).collect()
}

fn protect(region: &mut Region, header: &Header, contents: &Contents) -> Result<(), Problem> {
    let [code, read_only, data] = &contents.parts;
    let end = contents.end.next_multiple_of(header.page);
    let parts = [
        (0..code.start, Access::Read),
        (code.start..read_only.start, Access::Execute),
        (read_only.start..data.start, Access::Read),
        (data.start..end, Access::Write),
    ];
    region.protect(&parts).map_err(|error| Problem::System { what: "protecting it", error })
}

fn word(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes.try_into().expect("a word has eight bytes"))
}

fn process(error: impl std::fmt::Display) -> Problem {
    Problem::Process(error.to_string())
}
