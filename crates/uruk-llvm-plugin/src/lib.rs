//! The plugin's side of [`uruk_llvm_loader::abi`]: each function does what the table there says of it.
//!
//! Invariants: nothing unwinds out of here; units and compilers are boxes whose ownership the caller has.

use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use uruk_jitlink::graph::SymbolKind;
use uruk_llvm::{
    ConcurrentCompiler, Error, Interface, Options, Part, Processor, Strength, Symbol, Target, ThreadSafeModule, split,
};
use uruk_llvm_loader::abi::{
    self, Bytes, RawCompiler, RawSymbol, RawUnit, Sink, Table, TakeUnit, VERSION, Visit, VisitStub,
};

/// What the loader looks for.
#[unsafe(no_mangle)]
pub static URUK_LLVM_PLUGIN: Table = Table {
    version: VERSION,
    new: new_compiler,
    free: free_compiler,
    key_of_ir,
    key,
    open,
    free_unit,
    name,
    symbols,
    stubs,
    compile,
    split: split_unit,
};

/// A module or a part of one.
enum Unit {
    Whole(ThreadSafeModule, Interface),
    Part(Part),
}

/// What a body makes, unless it panics, which is a message.
fn guard<R>(body: impl FnOnce() -> Result<R, Error>) -> Result<R, String> {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(made) => made.map_err(|error| error.to_string()),
        Err(_) => Err("the LLVM plugin panicked".into()),
    }
}

/// # Safety
/// The sink is valid.
unsafe fn tell(sink: Sink, bytes: &[u8]) {
    // SAFETY: as promised.
    unsafe { (sink.take)(sink.data, bytes.into()) }
}

/// # Safety
/// The bytes are lent for as long as they are used.
unsafe fn lent<'a>(bytes: Bytes) -> &'a [u8] {
    // SAFETY: as promised.
    unsafe { std::slice::from_raw_parts(bytes.start, bytes.length) }
}

/// # Safety
/// It was made by [`new_compiler`].
unsafe fn compiler_of<'a>(raw: *const RawCompiler) -> &'a ConcurrentCompiler {
    // SAFETY: as promised.
    unsafe { &*raw.cast::<ConcurrentCompiler>() }
}

/// # Safety
/// It was made here and is not used any more.
unsafe fn take(raw: *mut RawUnit) -> Unit {
    // SAFETY: as promised.
    *unsafe { Box::from_raw(raw.cast::<Unit>()) }
}

fn give(unit: Unit) -> *mut RawUnit {
    Box::into_raw(Box::new(unit)).cast()
}

unsafe extern "C" fn new_compiler(options: *const abi::Options, message: Sink) -> *mut RawCompiler {
    // SAFETY: the loader lends valid options, and what they refer to.
    let (letter, [architecture, system, features]) = unsafe {
        let abi::Options { optimize, architecture, system, features } = *options;
        let texts = [architecture, system, features];
        (char::from(optimize), texts.map(|text| String::from_utf8_lossy(lent(text)).into_owned()))
    };
    let made = guard(|| {
        let options = if letter == '\0' { Some(Options::default()) } else { Options::optimized(letter) };
        let unknown = || Error::Compile { module: format!("-O{letter}"), message: "there is no such level".into() };
        let mut options = options.ok_or_else(unknown)?;
        if !architecture.is_empty() {
            let features = features.split(',').filter(|feature| !feature.is_empty()).map(str::to_owned).collect();
            options = options.for_processor(&Processor { architecture, system, features });
        }
        ConcurrentCompiler::new(Arc::new(Target::new(options)?))
    });
    match made {
        Ok(compiler) => Box::into_raw(Box::new(compiler)).cast(),
        Err(text) => {
            // SAFETY: the loader lends a valid sink.
            unsafe { tell(message, text.as_bytes()) };
            std::ptr::null_mut()
        }
    }
}

unsafe extern "C" fn free_compiler(raw: *mut RawCompiler) {
    // SAFETY: it was made above, and the loader does not use it any more.
    drop(unsafe { Box::from_raw(raw.cast::<ConcurrentCompiler>()) });
}

unsafe extern "C" fn key_of_ir(raw: *const RawCompiler, name: Bytes, ir: Bytes, promised: u8, sink: Sink) {
    // SAFETY: the loader lends all of them.
    unsafe {
        let (compiler, name, ir) = (compiler_of(raw), String::from_utf8_lossy(lent(name)), lent(ir));
        tell(sink, &compiler.key_of_ir(&name, ir, promised != 0).0);
    }
}

unsafe extern "C" fn key(raw: *const RawCompiler, unit: *const RawUnit, promised: u8, sink: Sink) {
    // SAFETY: the loader lends the compiler and the unit.
    let (compiler, unit) = unsafe { (compiler_of(raw), &*unit.cast::<Unit>()) };
    let key = guard(|| match unit {
        Unit::Whole(module, _) => Ok(compiler.key(module, promised != 0)),
        Unit::Part(part) => part.key(compiler),
    });
    if let Ok(key) = key {
        // SAFETY: the loader lends a valid sink.
        unsafe { tell(sink, &key.0) };
    }
}

unsafe extern "C" fn open(compiler: *const RawCompiler, name: Bytes, ir: Bytes, message: Sink) -> *mut RawUnit {
    // SAFETY: the loader lends all of them.
    let (compiler, name, ir) = unsafe { (compiler_of(compiler), String::from_utf8_lossy(lent(name)), lent(ir)) };
    let opened = guard(|| {
        let module = ThreadSafeModule::parse(&name, ir)?;
        let interface = Interface::of(&module, compiler.target())?;
        Ok(Unit::Whole(module, interface))
    });
    match opened {
        Ok(unit) => give(unit),
        Err(text) => {
            // SAFETY: the loader lends a valid sink.
            unsafe { tell(message, text.as_bytes()) };
            std::ptr::null_mut()
        }
    }
}

unsafe extern "C" fn free_unit(raw: *mut RawUnit) {
    // SAFETY: it was made here, and the loader does not use it any more.
    drop(unsafe { take(raw) });
}

unsafe extern "C" fn name(raw: *const RawUnit, sink: Sink) {
    // SAFETY: the loader lends a valid unit and a valid sink.
    unsafe {
        let name = match &*raw.cast::<Unit>() {
            Unit::Whole(module, _) => module.name(),
            Unit::Part(part) => part.name(),
        };
        tell(sink, name.as_bytes());
    }
}

unsafe extern "C" fn symbols(raw: *const RawUnit, data: *mut c_void, visit: Visit) -> u8 {
    // SAFETY: the loader lends a valid unit.
    let (symbols, initialisers) = match unsafe { &*raw.cast::<Unit>() } {
        Unit::Whole(_, interface) => (&interface.symbols[..], interface.initialisers),
        Unit::Part(part) => (part.symbols(), part.has_initialisers()),
    };
    for symbol in symbols {
        // SAFETY: the loader's visitor takes its own data and borrows the name.
        unsafe { visit(data, raw_symbol(symbol)) };
    }
    initialisers.into()
}

unsafe extern "C" fn stubs(raw: *const RawUnit, data: *mut c_void, visit: VisitStub) -> u8 {
    // SAFETY: the loader lends a valid unit.
    let Unit::Part(part) = (unsafe { &*raw.cast::<Unit>() }) else { return 0 };
    let Some((functions, aliases)) = part.stubs() else { return 0 };
    let functions = functions.iter().map(|pair| (pair, 0));
    for ((stub, target), is_alias) in functions.chain(aliases.iter().map(|pair| (pair, 1))) {
        // SAFETY: the loader's visitor takes its own data and borrows the names.
        unsafe { visit(data, raw_symbol(stub), target[..].into(), is_alias) };
    }
    1
}

fn raw_symbol(symbol: &Symbol) -> RawSymbol {
    let strength = match symbol.strength {
        Strength::Strong => 0,
        Strength::Weak => 1,
        Strength::Common => 2,
    };
    let kind = match symbol.kind {
        SymbolKind::Function => 0,
        SymbolKind::Object => 1,
        SymbolKind::ThreadLocal => 2,
        SymbolKind::Indirect => 3,
        _ => 4,
    };
    RawSymbol { name: symbol.name[..].into(), strength, exported: symbol.exported.into(), kind }
}

unsafe extern "C" fn compile(
    compiler: *const RawCompiler,
    raw: *mut RawUnit,
    promised: u8,
    object: Sink,
    message: Sink,
) {
    // SAFETY: the loader lends the compiler, and hands the unit over.
    let (compiler, unit) = unsafe { (compiler_of(compiler), take(raw)) };
    let made = guard(|| match unit {
        Unit::Whole(module, _) => {
            if promised != 0 {
                module.loosen();
            }
            compiler.compile(&module)
        }
        Unit::Part(part) => compiler.compile(&part.extract()?),
    });
    // SAFETY: the loader lends valid sinks.
    unsafe {
        match made {
            Ok(bytes) => tell(object, &bytes),
            Err(text) => tell(message, text.as_bytes()),
        }
    }
}

unsafe extern "C" fn split_unit(raw: *mut RawUnit, data: *mut c_void, each: TakeUnit, message: Sink) -> u8 {
    // SAFETY: the loader hands the unit over.
    let unit = unsafe { take(raw) };
    let parts = guard(|| match unit {
        Unit::Whole(module, _) if !module.has_assembler() => Ok(split(module)?.into_iter().map(Unit::Part).collect()),
        undivided => Ok(vec![undivided]),
    });
    // SAFETY: the loader's function takes its own data, and the units over; the sink is valid.
    unsafe {
        match parts {
            Ok(parts) => {
                parts.into_iter().for_each(|part| each(data, give(part)));
                1
            }
            Err(text) => {
                tell(message, text.as_bytes());
                0
            }
        }
    }
}
