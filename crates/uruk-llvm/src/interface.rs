//! What a module defines, found without compiling it.

use crate::context::ThreadSafeModule;
use crate::error::Error;
use crate::mangling::Mangling;
use crate::native;
use crate::target::Target;
use crate::values::{Global, globals};
use inkwell::llvm_sys::LLVMLinkage::*;
use uruk_jitlink::graph::SymbolKind;
use uruk_jitlink::names::Names;
use uruk_orc::unit::{Definition, Linkage};

/// How strongly a module defines a symbol.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Strength {
    /// Unless somebody else does (`weak`, `linkonce`).
    Weak,
    /// As room whose size is the largest that anybody wants.
    Common,
    /// For good.
    Strong,
}

/// A symbol that a module defines for others.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Symbol {
    /// The linker's name.
    pub name: Vec<u8>,
    /// How strong the definition is.
    pub strength: Strength,
    /// Other dylibs see it.
    pub exported: bool,
    /// What it stands for.
    pub kind: SymbolKind,
}

impl Symbol {
    /// The same as a promise to a session.
    pub fn definition(&self, names: &Names) -> Definition {
        let linkage = if self.strength == Strength::Strong { Linkage::Strong } else { Linkage::Weak };
        let (name, exported, kind) = (names.intern(&self.name), self.exported, self.kind);
        Definition { name, linkage, exported, kind, side_effects_only: false }
    }

    /// What a global value is to others; nothing if they do not see it.
    pub(crate) fn of(global: Global, mangling: Mangling) -> Option<Symbol> {
        if !global.is_definition() || global.is_local() || global.is_list() {
            return None;
        }
        let name = global.name();
        if name.starts_with(b"llvm.") {
            return None;
        }
        let strength = match global.linkage() {
            LLVMLinkOnceAnyLinkage | LLVMLinkOnceODRLinkage | LLVMWeakAnyLinkage | LLVMWeakODRLinkage => Strength::Weak,
            LLVMCommonLinkage => Strength::Common,
            _ => Strength::Strong,
        };
        Some(Symbol { name: mangling.mangle(&name), strength, exported: !global.is_hidden(), kind: global.kind() })
    }
}

/// What a module defines.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Interface {
    /// Its symbols that others can refer to.
    pub symbols: Vec<Symbol>,
    /// Something in it runs before anything else, or at the end (`llvm.global_ctors`, `llvm.global_dtors`).
    pub initialisers: bool,
}

impl Interface {
    /// Reads the interface of a module, and gives that its target if it has none. Errors if it has another one.
    #[allow(unsafe_code)]
    pub fn of(module: &ThreadSafeModule, target: &Target) -> Result<Interface, Error> {
        target.prepare(module)?;
        Ok(module.inspect(|ir| {
            let mangling = target.mangling();
            let raw = ir.as_mut_ptr();
            // SAFETY: the module is locked while this runs.
            let (globals, asm) = unsafe { (globals(raw), native::asm_symbols(raw)) };
            let mut symbols: Vec<Symbol> = globals.iter().filter_map(|global| Symbol::of(*global, mangling)).collect();
            for symbol in asm.into_iter().filter(native::AsmSymbol::is_global_definition) {
                let strength = if symbol.is_weak() { Strength::Weak } else { Strength::Strong };
                let kind = if symbol.is_executable() { SymbolKind::Function } else { SymbolKind::None };
                // Assembler spells names as the linker sees them.
                symbols.push(Symbol { name: symbol.name, strength, exported: true, kind });
            }
            let initialisers = globals.iter().any(|global| global.is_structor_list());
            Interface { symbols, initialisers }
        }))
    }
}
