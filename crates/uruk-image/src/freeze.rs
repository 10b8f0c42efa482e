//! A running program, frozen by one call: what its roots lead to and what its dylibs have linked, as graphs that any file is written of.
//!
//! Data flow: roots → all that they lead to → the dylibs' graphs, with names for functions that data points to and the values that
//! variables have now → words that would be wrong in another process, which are an error unless they are allowed → graphs, those of the
//! code first.

use crate::closure::{Closure, Share};
use crate::code::Code;
use crate::data::CodeSymbols;
use crate::error::Error;
use crate::memory::{Memory, ThisProcess};
use crate::proof::{self, Mappings};
use crate::world::{Heap, World};
use uruk_jitlink::elf;
use uruk_jitlink::format::Format;
use uruk_jitlink::graph::LinkGraph;
use uruk_orc::DylibId;
use uruk_orc::session::Session;

/// The format of what runs here.
const HERE: &Format = if cfg!(target_arch = "aarch64") {
    &elf::aarch64::FORMAT
} else if cfg!(target_arch = "riscv64") {
    &elf::riscv64::FORMAT
} else {
    &elf::x86_64::FORMAT
};

/// What is frozen. Nothing changes in the running program; while this looks at it, nobody writes to what an image is to have.
#[derive(Clone, Copy, Default)]
pub struct Freeze<'a> {
    /// The code of these dylibs of a session that retains graphs, and runs in this process; none, if not given.
    pub code: Option<(&'a Session, &'a [DylibId])>,
    /// What cells of these names lead to; nothing, if not given.
    pub data: Option<(&'a World, &'a [&'a str])>,
    /// Who knows objects that were not added to the world.
    pub heap: Option<&'a dyn Heap>,
    /// Paths of findings that are right nevertheless, as messages print them.
    pub allowed: &'a [String],
}

/// A program that was frozen.
pub struct Frozen {
    /// Its code, and then its data.
    pub graphs: Vec<LinkGraph>,
    /// What was kept of the data.
    pub closure: Closure,
    /// How much of it each root keeps.
    pub shares: Vec<Share>,
}

impl Freeze<'_> {
    /// Freezes this process.
    pub fn freeze(&self) -> Result<Frozen, Error> {
        let memory = ThisProcess::open().map_err(Error::Process)?;
        self.freeze_from(&memory, &Mappings::of_this_process().map_err(Error::Process)?)
    }

    /// The same of bytes that come from elsewhere, and of what is mapped there.
    pub fn freeze_from(&self, memory: &dyn Memory, mappings: &Mappings) -> Result<Frozen, Error> {
        let closure = self.data.map(|(world, roots)| world.trace(roots, memory, self.heap)).transpose()?;
        let closure = closure.unwrap_or_default();
        let mut code = self.code.map(|(session, dylibs)| Code::of(session, dylibs)).transpose()?;
        let mut of_code = Vec::new();
        if let Some(code) = &mut code {
            code.connect(&closure)?;
            of_code = code.take_values(memory, mappings)?;
        }
        let symbols: &dyn CodeSymbols = code.as_ref().map_or(&(), |code| code);
        let mut findings = self.data.map_or_else(Vec::new, |(world, _)| closure.prove(world, symbols, mappings));
        findings.extend(of_code);
        proof::check(findings, self.allowed)?;
        // The code is that of the machine where it runs.
        let format = code.as_ref().and_then(Code::format).unwrap_or(HERE);
        let data = self.data.filter(|_| !closure.kept.is_empty());
        let data = data.map(|(world, _)| closure.to_graph(world, "the data", format, symbols)).transpose()?;
        let mut graphs = code.map_or_else(Vec::new, Code::into_graphs);
        graphs.extend(data);
        let shares = self.data.map_or_else(Vec::new, |(world, _)| closure.shares(world));
        Ok(Frozen { graphs, closure, shares })
    }
}
