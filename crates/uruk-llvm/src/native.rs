//! The functions of `native.cpp`, which has what LLVM's C interface lacks, in terms that need no care.
//!
//! Invariants: whoever calls one that takes a module or a context has it locked. Messages that LLVM allocates become
//! strings here and are freed.

use inkwell::llvm_sys::prelude::{LLVMContextRef, LLVMMemoryBufferRef, LLVMModuleRef, LLVMValueRef};
use inkwell::llvm_sys::target_machine::LLVMTargetMachineRef;
use inkwell::memory_buffer::MemoryBuffer;
use inkwell::targets::TargetMachine;
use std::ffi::{CStr, CString, c_char, c_void};
use std::ptr::null_mut;

#[repr(C)]
struct RawTarget {
    triple: *const c_char,
    cpu: *const c_char,
    features: *const c_char,
    code_model: i32,
    level: i32,
}

#[repr(C)]
#[derive(Default)]
struct RawPosition {
    line: i32,
    column: i32,
}

unsafe extern "C" {
    fn uruk_llvm_free(message: *mut c_char);
    fn uruk_llvm_machine(target: *const RawTarget, message: *mut *mut c_char) -> LLVMTargetMachineRef;
    fn uruk_llvm_parse(
        context: LLVMContextRef,
        bytes: *const c_char,
        size: usize,
        name: *const c_char,
        message: *mut *mut c_char,
        position: *mut RawPosition,
        broken: *mut bool,
    ) -> LLVMModuleRef;
    fn uruk_llvm_verify(module: LLVMModuleRef) -> *mut c_char;
    fn uruk_llvm_compile(
        module: LLVMModuleRef,
        machine: LLVMTargetMachineRef,
        passes: *const c_char,
        message: *mut *mut c_char,
        broken: *mut bool,
    ) -> LLVMMemoryBufferRef;
    fn uruk_llvm_extract(
        from: LLVMModuleRef,
        values: *const LLVMValueRef,
        count: usize,
        suffix: *const c_char,
        message: *mut *mut c_char,
        broken: *mut bool,
    ) -> LLVMMemoryBufferRef;
    fn uruk_llvm_loosen(module: LLVMModuleRef);
    fn uruk_llvm_is_copied(value: LLVMValueRef) -> bool;
    fn uruk_llvm_label_users(
        from: LLVMModuleRef,
        data: *mut c_void,
        found: unsafe extern "C" fn(*mut c_void, LLVMValueRef, LLVMValueRef),
    );
    fn uruk_llvm_asm_symbols(
        from: LLVMModuleRef,
        data: *mut c_void,
        found: unsafe extern "C" fn(*mut c_void, *const c_char, usize, u32),
    );
}

/// What LLVM said, and whether what it worked on must not be used any more.
pub struct Failure {
    pub message: String,
    pub broken: bool,
    /// Line and column, both from 1, where the input is text.
    pub position: Option<(u32, u32)>,
}

/// Takes a message of LLVM's; an empty one if there is none.
unsafe fn take(message: *mut c_char) -> String {
    if message.is_null() {
        return String::new();
    }
    // SAFETY: `native.cpp` gives zero-terminated texts of `malloc` away, each once.
    unsafe {
        let text = CStr::from_ptr(message).to_string_lossy().trim_end().to_owned();
        uruk_llvm_free(message);
        text
    }
}

/// A text without zero bytes, which end it for LLVM.
fn c_text(text: &str) -> CString {
    CString::new(text.split('\0').next().unwrap_or_default()).expect("it has no zero byte")
}

pub fn machine(
    triple: &str,
    cpu: &str,
    features: &str,
    code_model: Option<i32>,
    level: i32,
) -> Result<TargetMachine, String> {
    let (triple, cpu, features) = (c_text(triple), c_text(cpu), c_text(features));
    let target = RawTarget {
        triple: triple.as_ptr(),
        cpu: cpu.as_ptr(),
        features: features.as_ptr(),
        code_model: code_model.unwrap_or(-1),
        level,
    };
    let mut message = null_mut();
    // SAFETY: the texts live until the call returns; a machine that is returned is ours, else there is a message.
    unsafe {
        let machine = uruk_llvm_machine(&target, &mut message);
        if machine.is_null() { Err(take(message)) } else { Ok(TargetMachine::new(machine)) }
    }
}

/// Parses text or bitcode into a context.
///
/// # Safety
/// The context is valid and locked.
pub unsafe fn parse(context: LLVMContextRef, name: &str, bytes: &[u8]) -> Result<LLVMModuleRef, Failure> {
    let name = c_text(name);
    let (mut message, mut position, mut broken) = (null_mut(), RawPosition::default(), false);
    // SAFETY: as promised; the bytes are copied, and the module that is returned is the caller's.
    unsafe {
        let start = bytes.as_ptr().cast();
        let module =
            uruk_llvm_parse(context, start, bytes.len(), name.as_ptr(), &mut message, &mut position, &mut broken);
        if !module.is_null() {
            return Ok(module);
        }
        let RawPosition { line, column } = position;
        let position = (0 < line).then(|| (line as u32, column.max(0) as u32 + 1));
        Err(Failure { message: take(message), broken, position })
    }
}

/// What is wrong with a module, if anything is.
///
/// # Safety
/// The module is valid and locked.
pub unsafe fn verify(module: LLVMModuleRef) -> Result<(), String> {
    // SAFETY: as promised.
    unsafe {
        let message = uruk_llvm_verify(module);
        if message.is_null() { Ok(()) } else { Err(take(message)) }
    }
}

/// Runs passes, if any, and makes an object.
///
/// # Safety
/// The module is valid, verified and locked.
pub unsafe fn compile(
    module: LLVMModuleRef,
    machine: &TargetMachine,
    passes: Option<&str>,
) -> Result<MemoryBuffer<'static>, Failure> {
    let passes = passes.map(c_text);
    let passes = passes.as_ref().map_or(std::ptr::null(), |passes| passes.as_ptr());
    // SAFETY: as promised; the machine is borrowed.
    unsafe { buffer(|message, broken| uruk_llvm_compile(module, machine.as_mut_ptr(), passes, message, broken)) }
}

/// Bitcode of a module with copies of some definitions, functions with a suffix to their names.
///
/// # Safety
/// The module is valid and locked, and the values are definitions of it.
pub unsafe fn extract(
    module: LLVMModuleRef,
    values: &[LLVMValueRef],
    suffix: &str,
) -> Result<MemoryBuffer<'static>, Failure> {
    let suffix = c_text(suffix);
    // SAFETY: as promised.
    unsafe {
        buffer(|message, broken| {
            uruk_llvm_extract(module, values.as_ptr(), values.len(), suffix.as_ptr(), message, broken)
        })
    }
}

/// The buffer that a function makes, or its message.
///
/// # Safety
/// A buffer that the function returns is nobody else's.
unsafe fn buffer(
    make: impl FnOnce(*mut *mut c_char, *mut bool) -> LLVMMemoryBufferRef,
) -> Result<MemoryBuffer<'static>, Failure> {
    let (mut message, mut broken) = (null_mut(), false);
    let made = make(&mut message, &mut broken);
    // SAFETY: as promised, and `native.cpp` gives a message where it gives no buffer.
    unsafe {
        if made.is_null() {
            return Err(Failure { message: take(message), broken, position: None });
        }
        Ok(MemoryBuffer::new(made))
    }
}

/// Makes a module fit to be linked at another time than what refers to it.
///
/// # Safety
/// The module is valid and locked.
pub unsafe fn loosen(module: LLVMModuleRef) {
    // SAFETY: as promised.
    unsafe { uruk_llvm_loosen(module) }
}

/// Whether extraction copies a definition into every part that uses it.
///
/// # Safety
/// The value is a global one of a locked module.
pub unsafe fn is_copied(value: LLVMValueRef) -> bool {
    // SAFETY: as promised.
    unsafe { uruk_llvm_is_copied(value) }
}

/// Pairs of a function and another definition where the address of one of its labels stands.
///
/// # Safety
/// The module is valid and locked.
pub unsafe fn label_users(module: LLVMModuleRef) -> Vec<(LLVMValueRef, LLVMValueRef)> {
    unsafe extern "C" fn found(data: *mut c_void, owner: LLVMValueRef, user: LLVMValueRef) {
        // SAFETY: `data` is the vector below, which nobody else uses meanwhile.
        let pairs = unsafe { &mut *data.cast::<Vec<(LLVMValueRef, LLVMValueRef)>>() };
        pairs.push((owner, user));
    }
    let mut pairs: Vec<(LLVMValueRef, LLVMValueRef)> = Vec::new();
    // SAFETY: as promised.
    unsafe { uruk_llvm_label_users(module, (&raw mut pairs).cast(), found) };
    pairs
}

/// A symbol that module-level assembler mentions, as `llvm::object::BasicSymbolRef` describes it.
pub struct AsmSymbol {
    pub name: Vec<u8>,
    flags: u32,
}

impl AsmSymbol {
    /// Others can refer to it.
    pub fn is_global_definition(&self) -> bool {
        const UNDEFINED: u32 = 1;
        const GLOBAL: u32 = 2;
        self.flags & (UNDEFINED | GLOBAL) == GLOBAL || (self.is_weak() && self.flags & UNDEFINED == 0)
    }

    pub fn is_weak(&self) -> bool {
        self.flags & 4 != 0
    }

    pub fn is_executable(&self) -> bool {
        self.flags & 1 << 11 != 0
    }
}

/// The symbols that a module's own assembler mentions.
///
/// # Safety
/// The module is valid and locked.
pub unsafe fn asm_symbols(module: LLVMModuleRef) -> Vec<AsmSymbol> {
    unsafe extern "C" fn found(data: *mut c_void, name: *const c_char, size: usize, flags: u32) {
        // SAFETY: `data` is the vector below, which nobody else uses meanwhile; the name is `size` bytes long.
        unsafe {
            let name = std::slice::from_raw_parts(name.cast::<u8>(), size).to_vec();
            (*data.cast::<Vec<AsmSymbol>>()).push(AsmSymbol { name, flags });
        }
    }
    let mut symbols: Vec<AsmSymbol> = Vec::new();
    // SAFETY: as promised.
    unsafe { uruk_llvm_asm_symbols(module, (&raw mut symbols).cast(), found) };
    symbols
}
