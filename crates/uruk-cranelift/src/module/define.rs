//! Definitions of a module: functions and data become graphs.

use super::{Item, Stub, UrukModule, backend, names};
use crate::compiler::{Cranelift, Definition};
use crate::emit::{Graph, Initial, Relocation, Scope, Target, known};
use crate::error::Error;
use crate::function::Function;
use crate::machine::Machine;
use cranelift_codegen::binemit::Reloc;
use cranelift_codegen::control::ControlPlane;
use cranelift_codegen::isa::TargetIsa;
use cranelift_codegen::{Context, ir};
use cranelift_module::*;
use std::collections::HashMap;
use std::sync::Arc;
use uruk_jitlink::graph::{BlockId, LinkGraph, SectionKind, SymbolId, SymbolKind};

/// A definition that is to be linked.
pub struct Pending {
    pub id: FuncOrDataId,
    pub symbol: String,
    pub thread_local: bool,
    pub size: usize,
    pub content: Content,
}

/// What is linked, or compiled first.
pub enum Content {
    Graph(Box<LinkGraph>),
    Function(Box<Function>),
    /// Nothing: the compiler has it.
    Taken,
}

impl Pending {
    pub fn is_function(&self) -> bool {
        matches!(self.content, Content::Function(_))
    }

    /// Makes a graph of a function.
    pub fn compile(&mut self, compiler: &Cranelift) -> Result<(), Error> {
        match std::mem::replace(&mut self.content, Content::Taken) {
            Content::Function(function) => {
                let graph = compiler.compile(*function)?;
                self.size = graph.blocks.first().map_or(0, |code| code.size as usize);
                self.content = Content::Graph(Box::new(graph));
            }
            other => self.content = other,
        }
        Ok(())
    }
}

impl UrukModule {
    /// Defines a function that is compiled when the module is finalized, together with the others and on several
    /// threads. Errors of the compiler come from there.
    pub fn define_function_later(&mut self, id: FuncId, body: ir::Function) -> ModuleResult<()> {
        let (symbol, scope) = self.begin_function(id)?;
        let called = body.params.user_named_funcs().values();
        let called: HashMap<(u32, u32), String> =
            called.map(|name| ((name.namespace, name.index), self.user(name.namespace, name.index))).collect();
        let names = move |namespace, index| called.get(&(namespace, index)).cloned().unwrap_or_default();
        let function = Function { scope, ..Function::new(&symbol, body) }.with_names(Arc::new(names));
        self.enter(FuncOrDataId::Func(id), symbol, 0, false, Content::Function(Box::new(function)));
        Ok(())
    }

    fn user(&self, namespace: u32, index: u32) -> String {
        names::user(&self.declarations, &self.suffix, namespace, index)
    }

    /// The symbol and the scope of a function that is about to be defined.
    fn begin_function(&mut self, id: FuncId) -> ModuleResult<(String, Scope)> {
        let declared = self.declarations.get_function_decl(id);
        let mut symbol = names::function(&self.declarations, &self.suffix, id);
        let (linkage, name) = (declared.linkage, declared.linkage_name(id).into_owned());
        self.check_undefined(FuncOrDataId::Func(id), linkage, name)?;
        if let Some(stubs) = &mut self.stubs {
            let none = || Stub { redirectable: None, address: 0, bodies: 0, old: Vec::new() };
            let stub = stubs.entry(id).or_insert_with(none);
            symbol = format!("{symbol}.body{}", stub.bodies);
            stub.bodies += 1;
        }
        Ok((symbol, scope(linkage)))
    }

    fn check_undefined(&self, id: FuncOrDataId, linkage: Linkage, name: String) -> ModuleResult<()> {
        if !linkage.is_definable() {
            return Err(ModuleError::InvalidImportDefinition(name));
        }
        if self.items.contains_key(&id) {
            return Err(ModuleError::DuplicateDefinition(name));
        }
        Ok(())
    }

    fn enter(&mut self, id: FuncOrDataId, symbol: String, size: usize, thread_local: bool, content: Content) {
        self.items.insert(id, Item::Pending);
        self.pending.push(Pending { id, symbol, thread_local, size, content });
    }

    /// Adds the edges of relocations as `cranelift-module` has them.
    fn relocate(
        &self,
        graph: &mut Graph<'_>,
        place: (BlockId, SymbolId),
        bytes: &[u8],
        relocs: impl Iterator<Item = ModuleReloc>,
    ) -> Result<(), Error> {
        graph.relocate(
            place,
            bytes,
            relocs.map(|reloc| {
                let named = |key: (u8, u32, u32), name: String| Target::Named(key, name.into());
                let target = match reloc.name {
                    ModuleRelocTarget::User { namespace, index } => {
                        named((0, namespace, index), self.user(namespace, index))
                    }
                    ModuleRelocTarget::LibCall(call) => named((1, call as u32, 0), (self.libcall_names)(call)),
                    ModuleRelocTarget::KnownSymbol(symbol) => named((2, symbol as u32, 0), known(symbol).into()),
                    ModuleRelocTarget::FunctionOffset(_, offset) => Target::Own(offset),
                };
                Relocation { offset: reloc.offset, kind: reloc.kind, target, addend: reloc.addend }
            }),
        )
    }

    fn function_bytes(
        &self,
        (symbol, scope): (&str, Scope),
        align: u64,
        bytes: &[u8],
        relocs: &[ModuleReloc],
    ) -> Result<LinkGraph, Error> {
        let machine = Machine::of(self.compiler.isa())?;
        let mut made = machine.graph(symbol);
        let mut graph = Graph::new(&mut made, symbol, machine);
        let place = graph.code(bytes, align.max(1) as u32, scope)?;
        self.relocate(&mut graph, place, bytes, relocs.iter().cloned())?;
        drop(graph);
        Ok(made)
    }

    fn data_graph(&self, symbol: &str, declared: &DataDeclaration, data: &DataDescription) -> Result<LinkGraph, Error> {
        let machine = Machine::of(self.compiler.isa())?;
        let mut made = machine.graph(symbol);
        let mut graph = Graph::new(&mut made, symbol, machine);
        let relocs: Vec<ModuleReloc> = data.all_relocs(Reloc::Abs8).collect();
        let zeros;
        let bytes: Option<&[u8]> = match &data.init {
            Init::Uninitialized => return Err(Error::Uninitialized { data: symbol.into() }),
            Init::Bytes { contents } => Some(contents),
            // What starts as zero takes no bytes unless pointers go there or it may not be written.
            Init::Zeros { size } if !relocs.is_empty() || !declared.writable && !declared.tls => {
                zeros = vec![0; *size];
                Some(&zeros)
            }
            Init::Zeros { .. } => None,
        };
        let (section, kind) = match (declared.tls, bytes.is_some(), declared.writable) {
            (true, true, _) => (".tdata", SectionKind::TlsData),
            (true, false, _) => (".tbss", SectionKind::TlsZero),
            (false, true, false) => (".rodata", SectionKind::ReadOnly),
            (false, true, true) => (".data", SectionKind::Data),
            (false, false, _) => (".bss", SectionKind::Zero),
        };
        let section = data.custom_section.as_deref().unwrap_or(section);
        let size = data.init.size() as u64;
        let initial = bytes.map_or(Initial::Zeros(size), Initial::Bytes);
        let block = graph.data(kind, section, initial, data.align.unwrap_or(WORD))?;
        let kind = if declared.tls { SymbolKind::ThreadLocal } else { SymbolKind::Object };
        let own = graph.define(block, kind, size, scope(declared.linkage))?;
        self.relocate(&mut graph, (block, own), bytes.unwrap_or_default(), relocs.into_iter())?;
        drop(graph);
        Ok(made)
    }
}

/// Alignment of data that does not say.
const WORD: u64 = 8;

fn scope(linkage: Linkage) -> Scope {
    match linkage {
        Linkage::Import | Linkage::Export => Scope::Exported,
        Linkage::Local | Linkage::Hidden => Scope::Hidden,
        Linkage::Preemptible => Scope::Weak,
    }
}

impl Module for UrukModule {
    fn isa(&self) -> &dyn TargetIsa {
        self.compiler.isa()
    }

    fn declarations(&self) -> &ModuleDeclarations {
        &self.declarations
    }

    fn declare_function(&mut self, name: &str, linkage: Linkage, signature: &ir::Signature) -> ModuleResult<FuncId> {
        Ok(self.declarations.declare_function(name, linkage, signature)?.0)
    }

    fn declare_anonymous_function(&mut self, signature: &ir::Signature) -> ModuleResult<FuncId> {
        self.declarations.declare_anonymous_function(signature)
    }

    fn declare_data(&mut self, name: &str, linkage: Linkage, writable: bool, tls: bool) -> ModuleResult<DataId> {
        Ok(self.declarations.declare_data(name, linkage, writable, tls)?.0)
    }

    fn declare_anonymous_data(&mut self, writable: bool, tls: bool) -> ModuleResult<DataId> {
        self.declarations.declare_anonymous_data(writable, tls)
    }

    /// As the trait does, but that all functions count as near: the linker makes what a call needs to reach far.
    fn declare_func_in_func(&mut self, id: FuncId, function: &mut ir::Function) -> ir::FuncRef {
        let declared = self.declarations.get_function_decl(id);
        let signature = function.import_signature(declared.signature.clone());
        let name = ir::UserExternalName { namespace: 0, index: id.as_u32() };
        let name = ir::ExternalName::user(function.declare_imported_user_function(name));
        let colocated = declared.linkage != Linkage::Preemptible;
        function.import_function(ir::ExtFuncData { name, signature, colocated, patchable: false })
    }

    fn define_function_with_control_plane(
        &mut self,
        id: FuncId,
        context: &mut Context,
        control: &mut ControlPlane,
    ) -> ModuleResult<()> {
        let (symbol, scope) = self.begin_function(id)?;
        context.compile(self.compiler.isa(), control)?;
        let Some(code) = context.compiled_code() else { return Ok(()) };
        let definition = Definition { name: &symbol, scope, body: &context.func, source: None };
        let user = |namespace, index| self.user(namespace, index);
        let graph = definition.graph(self.compiler.isa(), code, &user, &*self.libcall_names).map_err(backend)?;
        let size = code.code_buffer().len();
        self.enter(FuncOrDataId::Func(id), symbol, size, false, Content::Graph(Box::new(graph)));
        Ok(())
    }

    fn define_function_bytes(
        &mut self,
        id: FuncId,
        align: u64,
        bytes: &[u8],
        relocs: &[ModuleReloc],
    ) -> ModuleResult<()> {
        let (symbol, scope) = self.begin_function(id)?;
        let graph = self.function_bytes((&symbol, scope), align, bytes, relocs).map_err(backend)?;
        self.enter(FuncOrDataId::Func(id), symbol, bytes.len(), false, Content::Graph(Box::new(graph)));
        Ok(())
    }

    fn define_data(&mut self, id: DataId, data: &DataDescription) -> ModuleResult<()> {
        let declared = self.declarations.get_data_decl(id);
        let symbol = names::data(&self.declarations, &self.suffix, id);
        self.check_undefined(FuncOrDataId::Data(id), declared.linkage, declared.linkage_name(id).into_owned())?;
        let graph = self.data_graph(&symbol, declared, data).map_err(backend)?;
        let (size, thread_local) = (data.init.size(), declared.tls);
        self.enter(FuncOrDataId::Data(id), symbol, size, thread_local, Content::Graph(Box::new(graph)));
        Ok(())
    }
}
