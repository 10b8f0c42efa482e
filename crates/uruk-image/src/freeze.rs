//! A running program, frozen by one call: what its roots lead to and what its dylibs have linked, as graphs that any file is written of.
//!
//! Data flow: roots → all that they lead to → the dylibs' graphs, with names for functions that data points to and the values that
//! variables have now → words that would be wrong in another process, which are an error unless they are allowed → graphs, those of the
//! code first.

use crate::closure::{Closure, Share};
use crate::code::Code;
use crate::error::Error;
use crate::mapped::{Base, Change};
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
    /// Addresses of functions that the code is to have, which only matters for lazy ones: they are linked if they were not, with all that they
    /// refer to. Others are there once they have been looked up.
    pub functions: &'a [u64],
    /// What cells of these names lead to; nothing, if not given.
    pub data: Option<(&'a World, &'a [&'a str])>,
    /// Who knows objects that were not added to the world.
    pub heap: Option<&'a dyn Heap>,
    /// An image that this process has loaded, and that the one to be made builds on: what lies in it is not frozen again, but for what has
    /// changed since. Only mappable images can be made then.
    pub base: Option<&'a Base<'a>>,
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
    /// What has changed in the image that this one builds on.
    pub changes: Vec<Change>,
}

impl Freeze<'_> {
    /// Freezes this process.
    pub fn freeze(&self) -> Result<Frozen, Error> {
        let memory = ThisProcess::open().map_err(Error::Process)?;
        self.freeze_from(&memory, &Mappings::of_this_process().map_err(Error::Process)?)
    }

    /// The same of bytes that come from elsewhere, and of what is mapped there.
    pub fn freeze_from(&self, memory: &dyn Memory, mappings: &Mappings) -> Result<Frozen, Error> {
        let nothing = (&World::new(), &[][..]);
        let (world, roots) = self.data.unwrap_or(nothing);
        let closure = world.trace(roots, memory, self.heap)?;
        let mut code = match self.code {
            Some((session, dylibs)) => {
                let mut functions: Vec<u64> = closure.functions().collect();
                functions.extend(self.functions);
                Code::with_functions(session, dylibs, &functions)?
            }
            None => Code::default(),
        };
        self.base.into_iter().for_each(|base| code.build_on(base));
        code.connect(&closure)?;
        let of_code = code.take_values(memory, mappings)?;
        // The code is that of the machine where it runs.
        let format = code.format().unwrap_or(HERE);
        let mut findings = closure.prove(world, &code, mappings);
        findings.extend(of_code);
        let changes =
            self.base.map(|base| base.changes((world, &closure), &code, format, (memory, mappings))).transpose()?;
        let (changed, changes) = match changes {
            Some(changes) => {
                findings.extend(changes.findings);
                (changes.graph, changes.list)
            }
            None => (None, Vec::new()),
        };
        proof::check(findings, self.allowed)?;
        let data =
            if closure.kept.is_empty() { None } else { Some(closure.to_graph(world, "the data", format, &code)?) };
        let mut graphs = code.into_graphs();
        graphs.extend(data.into_iter().chain(changed));
        let shares = closure.shares(world);
        Ok(Frozen { graphs, closure, shares, changes })
    }
}
