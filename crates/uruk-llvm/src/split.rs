//! Parts of a module that can be compiled one by one, each when it is needed.
//!
//! Data flow: module → [`split`] makes what is local to it visible to its own parts, and groups its definitions →
//! [`Part::extract`] copies one group to a module with a context of its own, which refers to the others by name.
//!
//! Functions are parts of their own, with two exceptions. What only works together stays together: members of a COMDAT
//! group, aliases and what they stand for, indirect functions and what decides them, functions and whoever has the
//! address of one of their labels. And all variables are one part, as they cost little and refer to each other; private
//! constants that nobody can tell from their copies (literals) go into every part that uses them.
//!
//! Sources: LLVM language reference, "Linkage Types", "Comdats".
#![allow(unsafe_code)]

use crate::compiler::ConcurrentCompiler;
use crate::context::ThreadSafeModule;
use crate::error::Error;
use crate::interface::Symbol;
use crate::mangling::Mangling;
use crate::native;
use crate::values::{Global, globals, has_assembler, layout, positions};
use inkwell::llvm_sys::LLVMLinkage::LLVMExternalLinkage;
use inkwell::llvm_sys::prelude::LLVMModuleRef;
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, Hasher};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use uruk_cache::Key;
use uruk_jitlink::graph::SymbolKind;

/// A group of definitions of a module that are compiled together.
pub struct Part {
    source: Arc<ThreadSafeModule>,
    name: String,
    values: Vec<Global>,
    symbols: Vec<Symbol>,
    initialisers: bool,
    /// If all that it defines is functions: their stubs, and other names of stubs, each with what it leads to.
    stubs: Option<(Pairs, Pairs)>,
    /// The module that it is extracted as, once somebody has asked for that or its key.
    bitcode: OnceLock<Box<[u8]>>,
}

/// Symbols, each with a name.
pub type Pairs = Vec<(Symbol, Vec<u8>)>;

/// What follows the name of a function in the name of its body, if there is a stub between them.
const BODY: &str = ".body";

// SAFETY: the values are used only with the context of their module locked, which lives as long as they do and which
// nobody else can change.
unsafe impl Send for Part {}
// SAFETY: likewise.
unsafe impl Sync for Part {}

impl Part {
    /// Its name, for messages: the module's and what it defines first.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it defines.
    pub fn symbols(&self) -> &[Symbol] {
        &self.symbols
    }

    /// Something in it runs before anything else, or at the end.
    pub fn has_initialisers(&self) -> bool {
        self.initialisers
    }

    /// The stubs of its functions, each with the name of its body, and other names of stubs, each with the stub's; if it
    /// defines functions only, and can wait until one of them is called. Its symbols are the bodies then.
    pub fn stubs(&self) -> Option<&(Pairs, Pairs)> {
        self.stubs.as_ref()
    }

    /// A module, in a context of its own, of what belongs to this part.
    pub fn extract(&self) -> Result<ThreadSafeModule, Error> {
        ThreadSafeModule::parse(&self.name, self.bitcode()?)
    }

    /// What the object of the extracted module depends on.
    pub fn key(&self, compiler: &ConcurrentCompiler) -> Result<Key, Error> {
        Ok(compiler.key_of_ir(&self.name, self.bitcode()?, false))
    }

    fn bitcode(&self) -> Result<&[u8], Error> {
        if let Some(bitcode) = self.bitcode.get() {
            return Ok(bitcode);
        }
        let values: Vec<_> = self.values.iter().map(|value| value.0).collect();
        let suffix = if self.stubs.is_some() { BODY } else { "" };
        // SAFETY: the module is locked and is the one in which the values were found.
        let bitcode = self.source.attempt(|module| unsafe { native::extract(module, &values, suffix) })?;
        Ok(self.bitcode.get_or_init(|| bitcode.as_slice().into()))
    }
}

impl ThreadSafeModule {
    /// Whether it has assembler outside of its functions.
    pub fn has_assembler(&self) -> bool {
        // SAFETY: the module is locked while this runs.
        self.inspect(|ir| unsafe { has_assembler(ir.as_mut_ptr()) })
    }
}

/// Divides a module whose target is known. Errors if it breaks the language's rules, or has assembler of its own, which
/// cannot be divided: such a module is to be compiled whole.
pub fn split(module: ThreadSafeModule) -> Result<Vec<Part>, Error> {
    module.verify()?;
    let source = Arc::new(module);
    let parts = source.inspect(|ir| {
        let module = ir.as_mut_ptr();
        // SAFETY: the module is locked while this runs, and what it finds here stays in it.
        unsafe {
            if has_assembler(module) {
                return None;
            }
            let mangling = Mangling::of(&layout(module));
            promote(module, source.name());
            native::loosen(module);
            Some(group(module).into_iter().map(|values| part(&source, values, mangling)).collect())
        }
    });
    parts.ok_or_else(|| Error::Assembler { module: source.name().into() })
}

fn part(source: &Arc<ThreadSafeModule>, values: Vec<Global>, mangling: Mangling) -> Part {
    let mut symbols: Vec<Symbol> = values.iter().filter_map(|value| Symbol::of(*value, mangling)).collect();
    let first = symbols.first().map(|symbol| String::from_utf8_lossy(&symbol.name).into_owned());
    let name = format!("{}({})", source.name(), first.as_deref().unwrap_or("lists"));
    let initialisers = values.iter().any(|value| value.is_structor_list());
    let called = |symbol: &Symbol| matches!(symbol.kind, SymbolKind::Function | SymbolKind::Indirect);
    let is_callable = !symbols.is_empty() && symbols.iter().all(called);
    let stubs = is_callable.then(|| behind_stubs(&mut symbols, &values, mangling));
    Part { source: source.clone(), name, values, symbols, initialisers, stubs, bitcode: OnceLock::new() }
}

/// Gives functions the names of their bodies; returns their stubs, and the other names of stubs.
fn behind_stubs(symbols: &mut [Symbol], values: &[Global], mangling: Mangling) -> (Pairs, Pairs) {
    let other_names: Vec<(Vec<u8>, Vec<u8>)> = values
        .iter()
        .filter(|value| value.kind() == SymbolKind::Function && !value.is_function() && value.object().is_function())
        .map(|alias| (mangling.mangle(&alias.name()), mangling.mangle(&alias.object().name())))
        .collect();
    let (mut stubs, mut aliases) = (Vec::with_capacity(symbols.len()), Vec::new());
    for symbol in symbols {
        let body = [&symbol.name, BODY.as_bytes()].concat();
        let stub = Symbol { kind: SymbolKind::Function, ..symbol.clone() };
        match other_names.iter().find(|(name, _)| *name == symbol.name) {
            Some((_, function)) => aliases.push((stub, function.clone())),
            None => stubs.push((stub, body.clone())),
        }
        symbol.name = body;
    }
    (stubs, aliases)
}

/// Gives local definitions names of which there is one in the process, and makes them hidden ones.
///
/// # Safety
/// The module is valid and locked.
unsafe fn promote(module: LLVMModuleRef, name: &str) {
    // SAFETY: as promised.
    let globals = unsafe { globals(module) };
    let suffix = unique_suffix(name, &globals);
    for (number, global) in globals.into_iter().enumerate() {
        // SAFETY: it was found in this module.
        if !global.is_definition() || !global.is_local() || unsafe { native::is_copied(global.0) } {
            continue;
        }
        let own = global.name();
        let own = own.strip_prefix(b"\x01").unwrap_or(&own);
        let own = if own.is_empty() { format!("unnamed.{number}").into_bytes() } else { own.to_vec() };
        global.set_name(&[&own, suffix.as_bytes()].concat());
        global.set_linkage(LLVMExternalLinkage);
        global.hide();
    }
}

/// A suffix that depends on what the module defines, so that cached code is found again, and that no other has had.
fn unique_suffix(name: &str, globals: &[Global]) -> String {
    static USED: Mutex<Option<HashSet<u64>>> = Mutex::new(None);
    let mut hasher = foldhash::quality::FixedState::default().build_hasher();
    hasher.write(name.as_bytes());
    for global in globals.iter().filter(|global| global.is_definition()) {
        hasher.write(&global.name());
    }
    let mut number = hasher.finish();
    let mut used = USED.lock().unwrap_or_else(PoisonError::into_inner);
    while !used.get_or_insert_default().insert(number) {
        number = number.wrapping_add(1);
    }
    format!(".{number:016x}")
}

/// The definitions of a module by what they have to stay with.
///
/// # Safety
/// The module is valid and locked.
unsafe fn group(module: LLVMModuleRef) -> Vec<Vec<Global>> {
    // SAFETY: as promised.
    let (mut globals, labels) = unsafe { (globals(module), native::label_users(module)) };
    // SAFETY: they were found in this module.
    globals.retain(|global| global.is_definition() && !unsafe { native::is_copied(global.0) });
    let positions = positions(&globals);
    let mut sets = Sets::new(globals.len());
    let mut comdats: HashMap<usize, usize> = HashMap::new();
    // Variables with addresses of labels go with the function; the others belong together.
    let labelled: HashSet<Global> = labels.iter().map(|(_, user)| Global(*user)).collect();
    let mut data = None;
    for (position, global) in globals.iter().enumerate() {
        if let Some(group) = global.group() {
            sets.unite(position, *comdats.entry(group).or_insert(position));
        }
        if let Some(object) = positions.get(&global.object()) {
            sets.unite(position, *object);
        }
        if global.is_variable() && !labelled.contains(global) {
            sets.unite(position, *data.get_or_insert(position));
        }
    }
    for (owner, user) in labels {
        if let (Some(owner), Some(user)) = (positions.get(&Global(owner)), positions.get(&Global(user))) {
            sets.unite(*owner, *user);
        }
    }
    let mut groups: Vec<Vec<Global>> = Vec::new();
    let mut by_root: HashMap<usize, usize> = HashMap::new();
    for (position, global) in globals.into_iter().enumerate() {
        let at = *by_root.entry(sets.root(position)).or_insert_with(|| {
            groups.push(Vec::new());
            groups.len() - 1
        });
        groups[at].push(global);
    }
    groups
}

/// Sets of numbers that can be united.
struct Sets {
    parents: Vec<usize>,
}

impl Sets {
    fn new(count: usize) -> Sets {
        Sets { parents: (0..count).collect() }
    }

    fn root(&mut self, mut member: usize) -> usize {
        while self.parents[member] != member {
            self.parents[member] = self.parents[self.parents[member]];
            member = self.parents[member];
        }
        member
    }

    fn unite(&mut self, one: usize, other: usize) {
        let (one, other) = (self.root(one), self.root(other));
        self.parents[one.max(other)] = one.min(other);
    }
}
