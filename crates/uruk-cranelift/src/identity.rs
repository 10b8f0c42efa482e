//! What compiled code depends on, as bytes, for caches whose keys are hashes of contents.
//!
//! Cranelift says what a function's code depends on by implementing `Hash` for it; here the bytes are kept that it would
//! have hashed. They are the same in every run of one build of this crate.

use crate::function::Function;
use cranelift_codegen::isa::TargetIsa;
use std::hash::{Hash, Hasher};

/// A hasher that keeps everything.
struct Bytes(Vec<u8>);

impl Hasher for Bytes {
    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn finish(&self) -> u64 {
        0
    }
}

/// The compiler with all its settings.
pub fn of_target(isa: &dyn TargetIsa, debug_info: bool) -> Vec<u8> {
    let mut bytes = Bytes(concat!("uruk ", env!("CARGO_PKG_VERSION"), " cranelift ").into());
    cranelift_codegen::VERSION.hash(&mut bytes);
    debug_info.hash(&mut bytes);
    isa.name().hash(&mut bytes);
    isa.triple().hash(&mut bytes);
    isa.flags().hash(&mut bytes);
    isa.isa_flags_hash_key().hash(&mut bytes);
    bytes.0
}

/// A compiler, as [`of_target`] has it, and a function with the names of all that it refers to; `lines` says whether it
/// is compiled with debug information.
pub fn of_function(compiler: &[u8], function: &Function, lines: bool) -> Vec<u8> {
    let mut bytes = Bytes(Vec::with_capacity(4096));
    bytes.write(compiler);
    function.name.hash(&mut bytes);
    (function.scope as u8).hash(&mut bytes);
    function.body.stencil.hash(&mut bytes);
    for name in function.body.params.user_named_funcs().values() {
        function.name_of(name.namespace, name.index).hash(&mut bytes);
    }
    if let Some(source) = function.source.as_ref().filter(|source| lines && source.lines) {
        (&source.file, source.line, function.body.params.base_srcloc().bits()).hash(&mut bytes);
    }
    bytes.0
}
