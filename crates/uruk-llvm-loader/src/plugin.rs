//! Calls of the plugin's functions.
//!
//! Invariants: a [`Unit`] owns what it points to until it is handed back; callbacks only fill values on the stack of
//! their caller.

use crate::abi::{Bytes, Options, RawCompiler, RawSymbol, RawUnit, SYMBOL, Sink, Table, VERSION};
use crate::search::{Error, find};
use crate::sys;
use crate::unit::Symbol;
use std::ffi::c_void;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use uruk_cache::Key;
use uruk_jitlink::graph::SymbolKind;
use uruk_jitlink::input::Input;
use uruk_orc::executor::Processor;
use uruk_orc::unit::Linkage;

/// A loaded plugin.
#[derive(Clone, Copy)]
pub struct Plugin {
    table: &'static Table,
}

impl Plugin {
    /// Loads the plugin that `URUK_LLVM` names, or that lies beside the running program or in `../lib/uruk` from there.
    pub fn find() -> Result<Plugin, Error> {
        if !sys::SUPPORTED {
            return Err(Error::Unsupported);
        }
        let named = std::env::var_os("URUK_LLVM").filter(|path| !path.is_empty()).map(PathBuf::from);
        Plugin::load(&find(named, std::env::current_exe().ok().as_deref())?)
    }

    /// Loads a plugin, for good.
    pub fn load(path: &Path) -> Result<Plugin, Error> {
        // SAFETY: the library is never closed, so the table stays. That it is what it says is the promise of whoever
        // installed it; the version is read before anything else is believed.
        unsafe {
            let table = sys::load(path, SYMBOL).map_err(|reason| Error::Load { reason })?;
            let found = *table.cast::<u32>();
            if found != VERSION {
                return Err(Error::Version { path: path.to_owned(), found, expected: VERSION });
            }
            Ok(Plugin { table: &*table.cast::<Table>() })
        }
    }
}

/// Where a sink puts what it is given.
type Taken = Option<Vec<u8>>;

fn sink(taken: &mut Taken) -> Sink {
    unsafe extern "C" fn take(data: *mut c_void, bytes: Bytes) {
        // SAFETY: `data` is the value below, whose owner waits for the call to end; the bytes are lent.
        unsafe { *data.cast::<Taken>() = Some(bytes_of(&bytes).to_vec()) };
    }
    Sink { data: (taken as *mut Taken).cast(), take }
}

/// # Safety
/// They are lent for as long as they are used.
unsafe fn bytes_of(bytes: &Bytes) -> &[u8] {
    // SAFETY: as promised.
    unsafe { std::slice::from_raw_parts(bytes.start, bytes.length) }
}

fn text(taken: Taken) -> String {
    String::from_utf8_lossy(&taken.unwrap_or_default()).into_owned()
}

fn key(taken: Taken) -> Option<Key> {
    Some(Key(taken?.try_into().ok()?))
}

/// Compiles IR for this process, on any number of threads at once.
#[derive(Clone)]
pub struct Compiler {
    shared: Arc<Shared>,
}

struct Shared {
    table: &'static Table,
    raw: *mut RawCompiler,
}

// SAFETY: the plugin's compilers may be used by several threads at once.
unsafe impl Send for Shared {}
// SAFETY: likewise.
unsafe impl Sync for Shared {}

impl Drop for Shared {
    fn drop(&mut self) {
        // SAFETY: nobody has it any more.
        unsafe { (self.table.free)(self.raw) }
    }
}

impl Compiler {
    /// A compiler for an optimisation level, the last letter of `-O0` to `-O3`, `-Os`, `-Oz`; without one there are no
    /// passes, and code is generated as for `-O2`.
    /// It compiles for a processor, or for this one.
    pub fn new(plugin: Plugin, optimize: Option<char>, processor: Option<&Processor>) -> Result<Compiler, Error> {
        let (architecture, system) = processor.map_or(("", ""), |known| (&known.architecture, &known.system));
        let features = processor.map_or_else(String::new, |known| known.features.join(","));
        let options = Options {
            optimize: optimize.map_or(0, |letter| letter as u8),
            architecture: architecture.as_bytes().into(),
            system: system.as_bytes().into(),
            features: features.as_bytes().into(),
        };
        let mut message = None;
        // SAFETY: the options and the sink live during the call.
        let raw = unsafe { (plugin.table.new)(&options, sink(&mut message)) };
        if raw.is_null() {
            return Err(Error::Refused(text(message)));
        }
        Ok(Compiler { shared: Arc::new(Shared { table: plugin.table, raw }) })
    }

    /// The key in a cache of what text or bitcode [compiles](Compiler::compile) to, without reading it.
    pub fn key_of_ir(&self, name: &str, ir: &[u8]) -> Option<Key> {
        let mut taken = None;
        let Shared { table, raw } = &*self.shared;
        // SAFETY: everything lives during the call.
        unsafe { (table.key_of_ir)(*raw, name.as_bytes().into(), ir.into(), 0, sink(&mut taken)) };
        key(taken)
    }

    /// The key in a cache of what a unit becomes as one that [was promised](Compiler::compile_promised).
    pub fn key_promised(&self, unit: &Unit) -> Option<Key> {
        let mut taken = None;
        let Shared { table, raw } = &*self.shared;
        // SAFETY: everything lives during the call.
        unsafe { (table.key)(*raw, unit.raw, 1, sink(&mut taken)) };
        key(taken)
    }

    /// Reads text or bitcode.
    pub fn open(&self, name: &str, ir: &[u8]) -> Result<Unit, Error> {
        let mut message = None;
        // SAFETY: everything lives during the call; a unit that is returned is ours.
        unsafe {
            let raw = (self.shared.table.open)(self.shared.raw, name.as_bytes().into(), ir.into(), sink(&mut message));
            if raw.is_null() { Err(Error::Refused(text(message))) } else { Ok(Unit { compiler: self.clone(), raw }) }
        }
    }

    /// Makes an object as a compiler driver would.
    pub fn compile(&self, unit: Unit) -> Result<Input, Error> {
        self.make(unit, false)
    }

    /// Makes an object that has all that was promised of the unit, also what nothing in it refers to.
    pub fn compile_promised(&self, unit: Unit) -> Result<Input, Error> {
        self.make(unit, true)
    }

    fn make(&self, unit: Unit, promised: bool) -> Result<Input, Error> {
        let (name, raw) = (unit.name(), unit.into_raw());
        let (mut object, mut message) = (None, None);
        let Shared { table, raw: compiler } = &*self.shared;
        // SAFETY: the unit is handed over; the sinks live during the call.
        unsafe { (table.compile)(*compiler, raw, promised.into(), sink(&mut object), sink(&mut message)) };
        object.map(|object| Input::from_bytes(name, object)).ok_or_else(|| Error::Refused(text(message)))
    }
}

/// Symbols, each with a name.
pub type Pairs = Vec<(Symbol, Vec<u8>)>;

/// # Safety
/// Its name is lent for the call.
unsafe fn symbol_of(symbol: &RawSymbol) -> Symbol {
    let kind = match symbol.kind {
        0 => SymbolKind::Function,
        1 => SymbolKind::Object,
        2 => SymbolKind::ThreadLocal,
        3 => SymbolKind::Indirect,
        _ => SymbolKind::None,
    };
    let linkage = if symbol.strength == 0 { Linkage::Strong } else { Linkage::Weak };
    // SAFETY: as promised.
    let name = unsafe { bytes_of(&symbol.name) }.to_vec();
    Symbol { name, linkage, exported: symbol.exported != 0, kind }
}

/// A module, or a part of one.
pub struct Unit {
    compiler: Compiler,
    raw: *mut RawUnit,
}

// SAFETY: the plugin's units belong to no thread.
unsafe impl Send for Unit {}

impl Drop for Unit {
    fn drop(&mut self) {
        // SAFETY: nobody has it any more.
        unsafe { (self.compiler.shared.table.free_unit)(self.raw) }
    }
}

impl Unit {
    fn into_raw(self) -> *mut RawUnit {
        let mut unit = std::mem::ManuallyDrop::new(self);
        let raw = unit.raw;
        // SAFETY: only the unit itself is forgotten, so its compiler is dropped once.
        unsafe { std::ptr::drop_in_place(&mut unit.compiler) };
        raw
    }

    /// What messages call it.
    pub fn name(&self) -> String {
        let mut taken = None;
        // SAFETY: the unit and the sink live during the call.
        unsafe { (self.compiler.shared.table.name)(self.raw, sink(&mut taken)) };
        text(taken)
    }

    /// What it defines, and whether it has initialisers.
    pub fn symbols(&self) -> (Vec<Symbol>, bool) {
        unsafe extern "C" fn visit(data: *mut c_void, symbol: RawSymbol) {
            // SAFETY: `data` is the vector below, whose owner waits for the call to end; the symbol is lent.
            unsafe { (*data.cast::<Vec<Symbol>>()).push(symbol_of(&symbol)) };
        }
        let mut symbols: Vec<Symbol> = Vec::new();
        // SAFETY: the unit and the vector live during the call.
        let initialisers = unsafe { (self.compiler.shared.table.symbols)(self.raw, (&raw mut symbols).cast(), visit) };
        (symbols, initialisers != 0)
    }

    /// The stubs of its functions, each with the name of its body, and other names of stubs, each with the stub's; if it
    /// can wait until one of them is called.
    pub fn stubs(&self) -> Option<(Pairs, Pairs)> {
        unsafe extern "C" fn visit(data: *mut c_void, stub: RawSymbol, target: Bytes, is_alias: u8) {
            // SAFETY: `data` is the pair below, whose owner waits for the call to end; the symbol and the name are lent.
            unsafe {
                let (functions, aliases) = &mut *data.cast::<(Pairs, Pairs)>();
                let pairs = if is_alias == 0 { functions } else { aliases };
                pairs.push((symbol_of(&stub), bytes_of(&target).to_vec()));
            }
        }
        let mut pairs: (Pairs, Pairs) = Default::default();
        // SAFETY: the unit and the pairs live during the call.
        let has_stubs = unsafe { (self.compiler.shared.table.stubs)(self.raw, (&raw mut pairs).cast(), visit) };
        (has_stubs != 0).then_some(pairs)
    }

    /// Parts that can be compiled one by one.
    pub fn split(self) -> Result<Vec<Unit>, Error> {
        unsafe extern "C" fn take(data: *mut c_void, unit: *mut RawUnit) {
            // SAFETY: `data` is the vector below, whose owner waits for the call to end.
            unsafe { (*data.cast::<Vec<*mut RawUnit>>()).push(unit) };
        }
        let compiler = self.compiler.clone();
        let (mut parts, mut message): (Vec<*mut RawUnit>, Taken) = (Vec::new(), None);
        let raw = self.into_raw();
        // SAFETY: the unit is handed over; the parts that come are ours.
        let split = unsafe { (compiler.shared.table.split)(raw, (&raw mut parts).cast(), take, sink(&mut message)) };
        if split == 0 {
            return Err(Error::Refused(text(message)));
        }
        Ok(parts.into_iter().map(|raw| Unit { compiler: compiler.clone(), raw }).collect())
    }
}
