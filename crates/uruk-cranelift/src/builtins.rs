//! What Cranelift calls by itself and no library has, made when it is missing.

use crate::compiler::{Cranelift, library_name};
use crate::emit::{Graph, Scope};
use crate::error::Error;
use crate::function::Function;
use crate::machine::{Machine, X64, is_windows};
use crate::text;
use cranelift_codegen::ir::LibCall;
use cranelift_codegen::isa::OwnedTargetIsa;
use std::sync::Arc;
use uruk_jitlink::graph::LinkGraph;
use uruk_orc::DylibId;
use uruk_orc::error::Error as SessionError;
use uruk_orc::generator::{DefinitionGenerator, LibrariesOnDemand, Wanted};
use uruk_orc::layer::ObjectLayer;
use uruk_orc::session::Session;

/// Libraries that have what Cranelift calls by itself, where the process does not.
const LIBRARIES: &[&str] = &["libm.so.6"];

impl Cranelift {
    /// Lets a dylib, that of the process say, define what compiled code calls by itself.
    pub fn provide(&self, session: &Session, dylib: DylibId) {
        // On Windows the C library has all of it.
        if !is_windows(&*self.isa) {
            session.add_generator(dylib, Arc::new(LibrariesOnDemand::new(LIBRARIES)));
        }
        // Elsewhere it calls nothing that libraries do not have.
        if self.isa.name() == X64 {
            session.add_generator(dylib, Arc::new(Builtins { isa: self.isa.clone() }));
        }
    }
}

/// x86's `pshufb` for processors without it: each byte of the second vector chooses one of the first by its four low bits, or
/// zero if it is negative.
const PSHUFB: &str = "
function %__cranelift_x86_pshufb(i8x16, i8x16) -> i8x16 system_v {
    ss0 = explicit_slot 16
    ss1 = explicit_slot 16
block0(v0: i8x16, v1: i8x16):
    v2 = stack_addr.i64 ss0
    v3 = stack_addr.i64 ss1
    store v0, v2
    store v1, v3
    v4 = iconst.i8 0
    v5 = iconst.i8 15
    v6 = iconst.i64 1
    v7 = iconst.i64 16
    v8 = iconst.i64 0
    jump block1(v8)
block1(v9: i64):
    v10 = iadd v3, v9
    v11 = load.i8 v10
    v12 = band v11, v5
    v13 = uextend.i64 v12
    v14 = iadd v2, v13
    v15 = load.i8 v14
    v16 = icmp slt v11, v4
    v17 = select v16, v4, v15
    store v17, v10
    v18 = iadd v9, v6
    v19 = icmp ult v18, v7
    brif v19, block1(v18), block2
block2:
    v20 = load.i8x16 v3
    return v20
}";

/// Touches each page of a frame of `rax` bytes, from the top, before it is used, so that none jumps over the guard page.
/// Called before the frame exists, with arguments in registers: changes `rax`, `r11` and flags only.
#[rustfmt::skip]
const PROBESTACK: &[u8] = &[
    0x49, 0x89, 0xe3,                         //       mov  r11, rsp
    0x48, 0x3d, 0x00, 0x10, 0x00, 0x00,       // next: cmp  rax, 4096
    0x76, 0x12,                               //       jbe  last
    0x49, 0x81, 0xeb, 0x00, 0x10, 0x00, 0x00, //       sub  r11, 4096
    0x49, 0x85, 0x23,                         //       test [r11], rsp
    0x48, 0x2d, 0x00, 0x10, 0x00, 0x00,       //       sub  rax, 4096
    0xeb, 0xe6,                               //       jmp  next
    0x49, 0x29, 0xc3,                         // last: sub  r11, rax
    0x49, 0x85, 0x23,                         //       test [r11], rsp
    0xc3,                                     //       ret
];

/// What functions begin at a multiple of.
const CODE_ALIGN: u32 = 16;

/// Defines these functions when they are missing.
struct Builtins {
    isa: OwnedTargetIsa,
}

impl Builtins {
    /// A function's graph; several that were made at once are one.
    fn make(&self, call: LibCall) -> Result<LinkGraph, Error> {
        let name = library_name(call);
        if call == LibCall::Probestack {
            let machine = Machine::of(&*self.isa)?;
            let mut made = machine.graph(&name);
            Graph::new(&mut made, &name, machine).code(PROBESTACK, CODE_ALIGN, Scope::Weak)?;
            return Ok(made);
        }
        let text = PSHUFB.replace("system_v", &self.isa.default_call_conv().to_string());
        let mut functions = text::read(&name, &text, &*self.isa)?;
        let function = functions.pop().expect("the text is a function");
        Cranelift::with_isa(self.isa.clone()).compile(Function { scope: Scope::Weak, ..function })
    }
}

impl DefinitionGenerator for Builtins {
    fn generate(&self, session: &Session, dylib: DylibId, wanted: Wanted<'_>) -> Result<(), SessionError> {
        for call in [LibCall::Probestack, LibCall::X86Pshufb] {
            let name = library_name(call);
            let missing = |wanted| session.names().bytes(wanted) == name.as_bytes() && !session.defines(dylib, wanted);
            if wanted.required().any(missing) {
                let made = self.make(call);
                let made = made.map_err(|cause| SessionError::Compile { unit: name, cause: Arc::new(cause) })?;
                session.add(&Arc::new(ObjectLayer), dylib, None, made)?;
            }
        }
        Ok(())
    }

    fn name(&self) -> String {
        "Cranelift's own functions".into()
    }
}
