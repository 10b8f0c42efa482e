//! The global values of a module, seen through LLVM's C interface.
//!
//! Invariants: a [`Global`] is used only while its module is locked and as it was when the value was found; the functions
//! that find them say so.
#![allow(unsafe_code)]

use inkwell::llvm_sys::core::*;
use inkwell::llvm_sys::prelude::{LLVMModuleRef, LLVMValueRef};
use inkwell::llvm_sys::{LLVMLinkage, LLVMThreadLocalMode, LLVMTypeKind, LLVMVisibility};
use std::collections::HashMap;
use std::ffi::{CStr, CString};
use uruk_jitlink::graph::SymbolKind;

/// A function, a variable, an alias or an indirect function.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Global(pub LLVMValueRef);

type Walk = (unsafe extern "C" fn(LLVMModuleRef) -> LLVMValueRef, unsafe extern "C" fn(LLVMValueRef) -> LLVMValueRef);

/// All global values of a module in the order of their kinds.
///
/// # Safety
/// The module is valid and locked.
pub unsafe fn globals(module: LLVMModuleRef) -> Vec<Global> {
    const WALKS: [Walk; 4] = [
        (LLVMGetFirstFunction, LLVMGetNextFunction),
        (LLVMGetFirstGlobal, LLVMGetNextGlobal),
        (LLVMGetFirstGlobalAlias, LLVMGetNextGlobalAlias),
        (LLVMGetFirstGlobalIFunc, LLVMGetNextGlobalIFunc),
    ];
    let mut found = Vec::new();
    for (first, next) in WALKS {
        // SAFETY: as promised.
        unsafe {
            let mut value = first(module);
            while !value.is_null() {
                found.push(Global(value));
                value = next(value);
            }
        }
    }
    found
}

/// A module's triple and data layout, given to it first where it has none.
///
/// # Safety
/// The module is valid and locked.
pub unsafe fn default_target(module: LLVMModuleRef, triple: &str, layout: &str) -> (String, String) {
    // SAFETY: as promised; LLVM copies what it is given, and what it gives lives until it is changed.
    unsafe {
        let text = |start| CStr::from_ptr(start).to_string_lossy().into_owned();
        let own = (text(LLVMGetTarget(module)), text(LLVMGetDataLayoutStr(module)));
        let c_text = |text: &str| CString::new(text).expect("LLVM's own words have no zero byte");
        if own.0.is_empty() {
            LLVMSetTarget(module, c_text(triple).as_ptr());
        }
        if own.1.is_empty() {
            LLVMSetDataLayout(module, c_text(layout).as_ptr());
        }
        let or = |own: String, given: &str| if own.is_empty() { given.to_owned() } else { own };
        (or(own.0, triple), or(own.1, layout))
    }
}

/// A module's data layout.
///
/// # Safety
/// The module is valid and locked.
pub unsafe fn layout(module: LLVMModuleRef) -> String {
    // SAFETY: as promised.
    unsafe { CStr::from_ptr(LLVMGetDataLayoutStr(module)).to_string_lossy().into_owned() }
}

/// Whether a module has assembler outside of its functions.
///
/// # Safety
/// The module is valid and locked.
pub unsafe fn has_assembler(module: LLVMModuleRef) -> bool {
    let mut length = 0;
    // SAFETY: as promised.
    unsafe { LLVMGetModuleInlineAsm(module, &mut length) };
    length != 0
}

/// What of a global value decides how it is linked. Each function's safety: its module is valid and locked, which
/// whoever got the value from [`globals`] has promised.
impl Global {
    pub fn name(self) -> Vec<u8> {
        let mut length = 0;
        // SAFETY: see above; the name lives as long as nobody changes it.
        unsafe {
            let start = LLVMGetValueName2(self.0, &mut length);
            std::slice::from_raw_parts(start.cast::<u8>(), length).to_vec()
        }
    }

    pub fn set_name(self, name: &[u8]) {
        // SAFETY: see above; the bytes are copied.
        unsafe { LLVMSetValueName2(self.0, name.as_ptr().cast(), name.len()) };
    }

    pub fn linkage(self) -> LLVMLinkage {
        // SAFETY: see above.
        unsafe { LLVMGetLinkage(self.0) }
    }

    pub fn set_linkage(self, linkage: LLVMLinkage) {
        // SAFETY: see above.
        unsafe { LLVMSetLinkage(self.0, linkage) };
    }

    pub fn is_hidden(self) -> bool {
        // SAFETY: see above.
        unsafe { LLVMGetVisibility(self.0) == LLVMVisibility::LLVMHiddenVisibility }
    }

    pub fn hide(self) {
        // SAFETY: see above.
        unsafe { LLVMSetVisibility(self.0, LLVMVisibility::LLVMHiddenVisibility) };
    }

    /// It is defined here, for others too unless it is local.
    pub fn is_definition(self) -> bool {
        // SAFETY: see above.
        let declared = unsafe { LLVMIsDeclaration(self.0) } != 0;
        !declared && self.linkage() != LLVMLinkage::LLVMAvailableExternallyLinkage
    }

    pub fn is_local(self) -> bool {
        matches!(self.linkage(), LLVMLinkage::LLVMInternalLinkage | LLVMLinkage::LLVMPrivateLinkage)
    }

    /// One of LLVM's own lists: initialisers, what is kept.
    pub fn is_list(self) -> bool {
        self.linkage() == LLVMLinkage::LLVMAppendingLinkage
    }

    /// A list of what runs before anything else, or at the end.
    pub fn is_structor_list(self) -> bool {
        self.is_list() && matches!(&*self.name(), b"llvm.global_ctors" | b"llvm.global_dtors")
    }

    pub fn is_function(self) -> bool {
        // SAFETY: see above.
        unsafe { !LLVMIsAFunction(self.0).is_null() }
    }

    pub fn is_variable(self) -> bool {
        // SAFETY: see above.
        unsafe { !LLVMIsAGlobalVariable(self.0).is_null() }
    }

    pub fn kind(self) -> SymbolKind {
        // SAFETY: see above.
        unsafe {
            if !LLVMIsAGlobalIFunc(self.0).is_null() {
                SymbolKind::Indirect
            } else if LLVMGetTypeKind(LLVMGlobalGetValueType(self.0)) == LLVMTypeKind::LLVMFunctionTypeKind {
                SymbolKind::Function
            } else if LLVMGetThreadLocalMode(self.storage()) != LLVMThreadLocalMode::LLVMNotThreadLocal {
                SymbolKind::ThreadLocal
            } else {
                SymbolKind::Object
            }
        }
    }

    /// What an alias leads to in the end, or an indirect function is decided by; else itself.
    pub fn object(self) -> Global {
        let mut value = self.0;
        // SAFETY: see above; operands of valid constants are valid.
        unsafe {
            loop {
                let next = if !LLVMIsAGlobalAlias(value).is_null() {
                    LLVMAliasGetAliasee(value)
                } else if !LLVMIsAGlobalIFunc(value).is_null() {
                    LLVMGetGlobalIFuncResolver(value)
                } else if !LLVMIsAConstantExpr(value).is_null() {
                    LLVMGetOperand(value, 0)
                } else {
                    return Global(value);
                };
                if next.is_null() {
                    return Global(value);
                }
                value = next;
            }
        }
    }

    /// The value that says where it is stored: a variable.
    fn storage(self) -> LLVMValueRef {
        let object = self.object();
        // A variable has a mode; of anything else, an address made of numbers, it is none.
        if object.is_variable() { object.0 } else { self.0 }
    }

    /// Its COMDAT group.
    pub fn group(self) -> Option<usize> {
        let object = self.object();
        if !object.is_function() && !object.is_variable() {
            return None;
        }
        // SAFETY: see above; functions and variables may have one.
        let group = unsafe { inkwell::llvm_sys::comdat::LLVMGetComdat(object.0) };
        (!group.is_null()).then_some(group as usize)
    }
}

/// Positions of global values by their value.
pub fn positions(globals: &[Global]) -> HashMap<Global, usize, foldhash::fast::RandomState> {
    globals.iter().enumerate().map(|(position, global)| (*global, position)).collect()
}
