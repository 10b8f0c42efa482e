//! Functions to link graphs.

use crate::debug;
use crate::emit::{Graph, Relocation, Scope, external};
use crate::error::Error;
use crate::function::{Function, Source};
use crate::identity;
use crate::machine::Machine;
use crate::target::Options;
use cranelift_codegen::control::ControlPlane;
use cranelift_codegen::ir::entities::AnyEntity;
use cranelift_codegen::ir::{self, LibCall};
use cranelift_codegen::isa::{OwnedTargetIsa, TargetIsa};
use cranelift_codegen::{CodegenError, CompiledCode, Context};
use std::cell::RefCell;
use uruk_cache::{Key, KeyBuilder};
use uruk_jitlink::graph::LinkGraph;
use uruk_orc::error::Cause;
use uruk_orc::layer::{Compiler, Interface};
use uruk_orc::session::Session;
use uruk_orc::{Linkable, unit};

/// Cranelift for one machine: compiles functions, any number of them at once.
pub struct Cranelift {
    pub(crate) isa: OwnedTargetIsa,
    debug_info: bool,
    /// What sets its results apart from those of others.
    identity: Box<[u8]>,
}

thread_local! {
    /// Cranelift's tables, which are made once for all functions that a thread compiles.
    static CONTEXT: RefCell<Context> = RefCell::new(Context::new());
}

impl Cranelift {
    /// A compiler with these settings.
    pub fn new(options: &Options) -> Result<Cranelift, Error> {
        Ok(Cranelift::for_target(options.isa()?, options.debug_info))
    }

    /// A compiler for a machine that Cranelift has been set up for.
    pub fn with_isa(isa: OwnedTargetIsa) -> Cranelift {
        Cranelift::for_target(isa, false)
    }

    fn for_target(isa: OwnedTargetIsa, debug_info: bool) -> Cranelift {
        Cranelift { identity: identity::of_target(&*isa, debug_info).into(), isa, debug_info }
    }

    /// What it compiles for.
    pub fn isa(&self) -> &dyn TargetIsa {
        &*self.isa
    }

    /// Everything that the code of a function depends on, this compiler and its settings among it: as long as that is the
    /// same, so is the code, in any process.
    pub fn identity(&self, function: &Function) -> Vec<u8> {
        identity::of_function(&self.identity, function, self.debug_info)
    }

    /// Compiles a function to a graph that defines it and nothing else.
    pub fn compile(&self, function: Function) -> Result<LinkGraph, Error> {
        // A compiler that runs while another does on this thread, in a call-back, has tables of its own.
        CONTEXT.with(|context| match context.try_borrow_mut() {
            Ok(mut context) => self.compile_in(&mut context, function),
            Err(_) => self.compile_in(&mut Context::new(), function),
        })
    }

    fn compile_in(&self, context: &mut Context, mut function: Function) -> Result<LinkGraph, Error> {
        context.clear();
        std::mem::swap(&mut context.func, &mut function.body);
        // The linker makes what a call needs to reach far.
        for callee in context.func.dfg.ext_funcs.values_mut() {
            callee.colocated = true;
        }
        let compiled = context.compile(&*self.isa, &mut ControlPlane::default()).map(drop).map_err(|error| error.inner);
        if let Err(error) = compiled {
            std::mem::swap(&mut context.func, &mut function.body);
            return Err(explain(error, &function));
        }
        let user = |namespace: u32, index: u32| function.name_of(namespace, index);
        let Some(code) = context.compiled_code() else {
            return Err(Error::Codegen { function: function.name, message: "there is no code".into() });
        };
        let source = function.source.as_ref().filter(|source| self.debug_info && source.lines);
        let definition = Definition { name: &function.name, scope: function.scope, body: &context.func, source };
        definition.graph(&*self.isa, code, &user, &library_name)
    }
}

impl Compiler<Function> for Cranelift {
    fn interface(&self, session: &Session, function: &Function) -> Result<Interface, Cause> {
        let definition = unit::Definition::function(session.names().intern(function.name.as_bytes()));
        let definition = match function.scope {
            Scope::Exported => definition,
            Scope::Hidden => definition.hidden(),
            Scope::Weak => definition.weak(),
        };
        Ok(Interface::new(&function.name, vec![definition]))
    }

    fn compile(&self, _: &Session, function: Function) -> Result<Linkable, Cause> {
        Ok(Cranelift::compile(self, function)?.into())
    }

    fn key(&self, _: &Session, function: &Function) -> Option<Key> {
        Some(KeyBuilder::new("Cranelift").part(&self.identity(function)).finish())
    }
}

/// A compiled function's identity.
pub(crate) struct Definition<'a> {
    pub name: &'a str,
    pub scope: Scope,
    pub body: &'a ir::Function,
    /// Where its debug information comes from, if it is to have some.
    pub source: Option<&'a Source>,
}

impl Definition<'_> {
    /// The graph of its code; `user` and `library` name what it refers to.
    pub fn graph(
        &self,
        isa: &dyn TargetIsa,
        code: &CompiledCode,
        user: &dyn Fn(u32, u32) -> String,
        library: &dyn Fn(LibCall) -> String,
    ) -> Result<LinkGraph, Error> {
        let machine = Machine::of(isa)?;
        let mut made = machine.graph(self.name);
        // With the unwind records: what grows is copied.
        made.made.reserve_exact(code.code_buffer().len() + 96);
        made.edges.reserve_exact(code.buffer.relocs().len() + 1);
        let mut graph = Graph::new(&mut made, self.name, machine);
        let align = code.buffer.alignment.max(isa.function_alignment().minimum);
        let bytes = code.code_buffer();
        let (block, symbol) = graph.code(bytes, align, self.scope)?;
        let relocations = code.buffer.relocs().iter().map(|relocation| {
            let target = external(&relocation.target, self.body, user, library);
            Relocation { offset: relocation.offset, kind: relocation.kind, target, addend: relocation.addend }
        });
        graph.relocate((block, symbol), bytes, relocations)?;
        graph.unwind(isa, code, symbol)?;
        if let Some(source) = self.source {
            let locations = code.buffer.get_srclocs_sorted();
            debug::add(&mut graph, self.name, (symbol, code.buffer.total_size()), source, locations)?;
        }
        drop(graph);
        Ok(made)
    }
}

/// The names of what Cranelift calls by itself.
pub fn library_name(call: LibCall) -> String {
    cranelift_module::default_libcall_names()(call)
}

fn explain(error: CodegenError, function: &Function) -> Error {
    let name = function.name.clone();
    match error {
        CodegenError::Verifier(errors) => {
            let first = errors.0.first();
            let instruction = first.and_then(|error| match error.location {
                AnyEntity::Inst(instruction) => Some(instruction),
                _ => None,
            });
            let message = first.map_or_else(
                || "it is not well-formed".into(),
                |error| match &error.context {
                    Some(context) => format!("{} ({context})", error.message),
                    None => error.message.clone(),
                },
            );
            Error::Verifier { place: function.place(instruction), function: name, message }
        }
        error => Error::Codegen { function: name, message: error.to_string() },
    }
}
