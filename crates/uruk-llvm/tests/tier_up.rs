//! A kernel that Cranelift has compiled is compiled again by LLVM while it is called.

#[expect(dead_code, reason = "an example's `main` is not called here")]
#[path = "../examples/tier_up.rs"]
mod example;

use example::{Dot, IR, add_kernel};
use std::ffi::{CStr, CString, c_char};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use uruk::Jit;
use uruk::orc::plugin::{Context, PassResult, Plugin};
use uruk_jitlink::placed::{Placed, Working};
use uruk_llvm::inkwell::llvm_sys::disassembler::{LLVMCreateDisasm, LLVMDisasmDispose, LLVMDisasmInstruction};

/// Keeps the code of the kernel whenever it is linked.
#[derive(Default)]
struct Codes(Mutex<Vec<Vec<u8>>>);

impl Plugin for Codes {
    fn post_fixup(&self, _: &Context, graph: &Placed<'_>, bytes: &mut Working<'_, '_>) -> PassResult {
        // Others only refer to it.
        let block = graph.find_symbol(b"dot").and_then(|symbol| graph.block_of(symbol));
        self.0.lock().unwrap().extend(block.and_then(|block| bytes.block(block)).map(|code| code.to_vec()));
        Ok(())
    }
}

/// The instructions of code, as LLVM writes them.
fn disassembled(code: &[u8]) -> Vec<String> {
    let triple = CString::new("x86_64-linux-gnu").unwrap();
    let mut code = code.to_vec();
    let mut rest = &mut code[..];
    let mut lines = Vec::new();
    // SAFETY: the target has been initialised, and the context is used here only.
    let context = unsafe { LLVMCreateDisasm(triple.as_ptr(), std::ptr::null_mut(), 0, None, None) };
    assert!(!context.is_null());
    while !rest.is_empty() {
        let mut line = [0 as c_char; 128];
        // SAFETY: both buffers are as long as is said, and LLVM ends the line with a zero.
        let length = unsafe {
            LLVMDisasmInstruction(context, rest.as_mut_ptr(), rest.len() as u64, 0, line.as_mut_ptr(), line.len())
        };
        assert!(length != 0, "it is code: {rest:02x?}");
        // SAFETY: as before.
        lines.push(unsafe { CStr::from_ptr(line.as_ptr()) }.to_str().unwrap().trim().to_owned());
        rest = &mut rest[length..];
    }
    // SAFETY: it is not used any more.
    unsafe { LLVMDisasmDispose(context) };
    lines
}

/// Whether code multiplies several numbers with one instruction.
fn is_vectorised(code: &[u8]) -> bool {
    let multiplies = |line: &str| {
        let name = line.split_whitespace().next().unwrap_or_default();
        name.ends_with("ps") && ["mul", "vmul", "vfmadd"].iter().any(|start| name.starts_with(start))
    };
    disassembled(code).iter().any(|line| multiplies(line))
}

#[test]
fn calls_reach_vectorised_code_at_the_address_that_the_caller_has() {
    const THRESHOLD: u32 = 100;
    static CALLED: AtomicUsize = AtomicUsize::new(0);
    extern "C" fn note() {
        CALLED.fetch_add(1, Ordering::Relaxed);
    }
    let codes = Arc::new(Codes::default());
    let jit = Jit::builder().plugin(codes.clone()).build().unwrap();
    jit.main().define_function("note", note as extern "C" fn());
    // LLVM's version tells who calls it.
    let ir = IR.replace("entry:", "entry:\n call void @note()") + "declare void @note()";
    add_kernel(&jit, THRESHOLD, &ir).unwrap();
    // SAFETY: that is its type in both languages.
    let dot = unsafe { jit.main().function::<Dot>("dot") }.unwrap();

    let array: Vec<f32> = (0..1003).map(|index| (index % 7) as f32).collect();
    let expected = array.iter().map(|number| number * number).sum::<f32>();
    let call = || {
        assert_eq!(dot(array.as_ptr(), array.as_ptr(), array.len()), expected);
        CALLED.load(Ordering::Relaxed)
    };
    // In place, the call that fills the count has LLVM compile the kernel, and goes on in the old code.
    let called: Vec<usize> = (0..THRESHOLD + 3).map(|_| call()).collect();
    let (old, new) = called.split_at(THRESHOLD as usize);
    assert!(old.iter().all(|count| *count == 0), "{old:?}");
    assert_eq!(new, [1, 2, 3]);
    assert_eq!(jit.session().take_reports().len(), 0);

    let codes = codes.0.lock().unwrap();
    let vectorised: Vec<bool> = codes.iter().map(|code| is_vectorised(code)).collect();
    assert_eq!(vectorised, [false, true]);
}
