//! Functions to be compiled.

use crate::emit::Scope;
use cranelift_codegen::ir;
use std::sync::Arc;

/// What the names `u0:7` of a function's references stand for: the symbol's name for a name space and an index.
pub type Names = Arc<dyn Fn(u32, u32) -> String + Send + Sync>;

/// A function, made with `cranelift-frontend` or read from text, that is compiled when somebody needs it.
///
/// It refers to others by name: `ExternalName::testcase("puts")` is `puts`, wherever that is defined.
#[derive(Clone)]
pub struct Function {
    /// Its name for others.
    pub name: String,
    /// Who sees it.
    pub scope: Scope,
    /// Its body.
    pub body: ir::Function,
    /// What its references of the form `u0:7` are called; `u0:7` if not said.
    pub names: Option<Names>,
    /// Where it comes from: a file, and the line of each instruction as its source location.
    pub source: Option<Source>,
}

/// Where a function comes from.
#[derive(Clone, Debug)]
pub struct Source {
    /// What messages and debuggers call the text.
    pub file: Arc<str>,
    /// The line where the function begins, counted from 1.
    pub line: u32,
    /// The source locations of its instructions are lines of the file.
    pub lines: bool,
}

impl Function {
    /// A function that all dylibs see.
    pub fn new(name: impl Into<String>, body: ir::Function) -> Function {
        Function { name: name.into(), scope: Scope::Exported, body, names: None, source: None }
    }

    /// The same for its own dylib only.
    pub fn hidden(mut self) -> Function {
        self.scope = Scope::Hidden;
        self
    }

    /// The same, giving way to another definition.
    pub fn weak(mut self) -> Function {
        self.scope = Scope::Weak;
        self
    }

    /// Says what references of the form `u0:7` are called.
    pub fn with_names(mut self, names: Names) -> Function {
        self.names = Some(names);
        self
    }

    /// What a reference of the form `u0:7` is called.
    pub(crate) fn name_of(&self, namespace: u32, index: u32) -> String {
        match &self.names {
            Some(names) => names(namespace, index),
            None => format!("u{namespace}:{index}"),
        }
    }

    /// The place where an instruction comes from, or the function itself, for messages.
    pub(crate) fn place(&self, instruction: Option<ir::Inst>) -> String {
        let Some(source) = &self.source else { return self.name.clone() };
        let line = instruction.map(|instruction| self.body.srcloc(instruction));
        let line = line.filter(|line| source.lines && !line.is_default()).map_or(source.line, ir::SourceLoc::bits);
        format!("{}:{line}", source.file)
    }
}
