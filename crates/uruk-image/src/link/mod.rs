//! Graphs as one image: linked with each other, placed, and with a list of what only its loader can know.
//!
//! Data flow: graphs → names ([`symbols`]) → what roots reach → tables of slots and stubs, with everything that libraries define out
//! of reach → offsets in three lanes ([`Link::new`]) → addresses ([`Link::place`]), which may be given again → the words that depend on
//! where the image or a library is loaded ([`Link::dynamics`]) → bytes ([`Link::write`]).
//! Invariants: a field depends on nothing but the image's own layout, or its word is in the list; any other is an error. The same
//! graphs give the same bytes.

mod dynamics;
mod symbols;

pub(crate) use dynamics::{Dynamic, What};
pub(crate) use symbols::{Import, text, utf8};

use crate::error::Error;
use crate::library::Library;
use std::ops::Range;
use symbols::{End, Meaning, Symbols};
use uruk_jitlink::debug::{self, Origin, Places};
use uruk_jitlink::ehframe;
use uruk_jitlink::fixup::{self, Fixup, Threads, Window};
use uruk_jitlink::gc::{self, Candidate, Referent};
use uruk_jitlink::graph::*;
use uruk_jitlink::layout::{Layout, Member, Share, lane};
use uruk_jitlink::memory::{Lane, LaneDemand, Placement};
use uruk_jitlink::prune;
use uruk_jitlink::resolve::{Target, Targets};
use uruk_jitlink::tables::Tables;
use uruk_jitlink::tls::{Question, Questions, Variable, static_answer};
use uruk_jitlink::wishes;

/// The address of what is not in the image, while its bytes are made: out of reach of everything.
const ELSEWHERE: u64 = 1 << 62;

/// The section of unwind records.
const UNWIND_RECORDS: &str = ".eh_frame";

/// Tables of functions that the system's loader runs.
const FUNCTION_TABLES: [&str; 3] = [".preinit_array", ".init_array", ".fini_array"];

/// What is linked, and how.
pub(crate) struct Wanted<'a> {
    pub graphs: Vec<LinkGraph>,
    /// What nobody refers to from inside, and is kept with all that it refers to; all that others can see, if none.
    pub roots: Option<&'a [String]>,
    /// Where a program starts.
    pub entry: Option<&'a str>,
    pub libraries: &'a [Library],
    /// It is the program, whose thread-local variables lie where its compiler knows.
    pub executable: bool,
    /// It is loaded at the address that it is linked for, and nowhere else.
    pub fixed: Option<u64>,
    /// Its loader is ours, which fills fields of code, too, with places of thread-local variables, and knows each graph's unwind records.
    pub mapped: bool,
}

/// Linked graphs.
pub(crate) struct Link {
    members: Vec<Member>,
    targets: Vec<Targets>,
    symbols: Symbols,
    layout: Layout,
    questions: Questions,
    /// Thread-local variables that a graph refers to and another one, or a library, defines.
    variables: Vec<Meaning>,
    executable: bool,
    fixed: Option<u64>,
    mapped: bool,
    /// The image's first byte, where the lanes begin, and the image of thread-local variables.
    start: u64,
    lanes: [u64; 3],
    thread_image: u64,
    /// Addresses of symbols, by graph.
    addresses: Vec<Vec<u64>>,
}

/// A symbol of an image.
pub(crate) struct Defined<'a> {
    pub name: &'a [u8],
    pub symbol: &'a Symbol,
    /// Its address; of a thread-local variable the offset in its image.
    pub address: u64,
    /// The lane that it lies in.
    pub lane: Option<Lane>,
}

impl Link {
    pub fn new(wanted: Wanted<'_>) -> Result<Link, Error> {
        let Wanted { mut graphs, roots, entry, libraries, executable, fixed, mapped } = wanted;
        check(&graphs.iter().collect::<Vec<_>>())?;
        check_tables(&graphs)?;
        let mut symbols = Symbols::define(&mut graphs)?;
        collect(&mut graphs, &symbols, roots, entry)?;
        symbols.bind(&graphs, libraries)?;
        // Where it will lie: code with addresses of 32 bits is only good below 2 GiB.
        let start = fixed.unwrap_or(1 << 46);
        let span = start..start.saturating_add(1 << 30);
        let mut variables = Vec::new();
        let mut members = Vec::new();
        let mut all_targets = Vec::new();
        for (position, mut graph) in graphs.into_iter().enumerate() {
            wishes::gather(&mut graph);
            if !executable {
                // Only the loader knows the offsets, and it fills slots.
                let offsets = graph.wants.iter_mut().filter(|want| want.entry == Entry::ThreadOffset);
                offsets.for_each(|want| want.relaxable = false);
            }
            let mut targets = Targets::new(&graph);
            for id in (graph.first_global.0..graph.symbols.len() as u32).map(SymbolId) {
                let meaning = symbols.meaning(position, &graph, id);
                targets.set(id, target(&symbols, &graph, position, id, meaning, &mut variables));
            }
            if let Some(rewrite) = graph.arch().rewrite {
                rewrite(&mut graph, &targets, &span)?;
            }
            let tables = Tables::plan(&graph, &targets, &span);
            members.push(Member { graph, tables, share: Share::default() });
            all_targets.push(targets);
        }
        let mut gather = symbols.bounds.clone();
        gather.extend(FUNCTION_TABLES.map(|name| name.as_bytes().to_vec()));
        // Tools look for them in one section.
        gather.extend((!mapped).then(|| UNWIND_RECORDS.as_bytes().to_vec()));
        let layout = Layout::new(&mut members, &gather, Placement::Near)?;
        let questions = Questions::gather(&members, &all_targets);
        Ok(Link {
            members,
            targets: all_targets,
            symbols,
            layout,
            questions,
            variables,
            executable,
            fixed,
            mapped,
            start: 0,
            lanes: [0; 3],
            thread_image: 0,
            addresses: Vec::new(),
        })
    }

    /// What each lane takes.
    pub fn demands(&self) -> [LaneDemand; 3] {
        self.layout.demand.lanes
    }

    /// Bytes of the image of thread-local variables that have initial values, all of them, and its alignment.
    pub fn thread_image(&self) -> (u64, u64, u64) {
        (self.layout.tls_data, self.layout.tls_size, 1 << self.layout.tls_align_log2)
    }

    /// The strictest alignment of anything in it.
    pub fn align(&self) -> u64 {
        let (_, _, threads) = self.thread_image();
        self.demands().iter().fold(threads, |most, demand| most.max(demand.align))
    }

    /// Errors if what it has would not be aligned when it lies at an address.
    pub fn check_address(&self, address: u64) -> Result<(), Error> {
        let align = self.align();
        if address.is_multiple_of(align) {
            return Ok(());
        }
        let what =
            format!("something in the image is aligned to {align} bytes, and {address:#x} is no multiple of that");
        Err(Error::Option(format!("{what}; give it another address, or none")))
    }

    pub fn imports(&self) -> &[Import] {
        &self.symbols.imports
    }

    /// Gives lanes and the image of thread-local variables their addresses, perhaps not for the first time.
    pub fn place(&mut self, start: u64, lanes: [u64; 3], thread_image: u64) {
        let moves = [0, 1, 2].map(|lane: usize| lanes[lane].wrapping_sub(self.lanes[lane]));
        self.layout.place(&mut self.members, moves);
        (self.start, self.lanes, self.thread_image) = (start, lanes, thread_image);
        let members = self.members.iter().zip(&self.targets);
        let own: Vec<Vec<u64>> = members.map(|(member, targets)| fixup::addresses(member, targets)).collect();
        let mut addresses = own.clone();
        for (position, (member, known)) in self.members.iter().zip(&mut addresses).enumerate() {
            for id in (member.graph.first_global.0..member.graph.symbols.len() as u32).map(SymbolId) {
                known[id.0 as usize] = match self.symbols.meaning(position, &member.graph, id) {
                    Meaning::Own(other, id) => own[other][id.0 as usize],
                    Meaning::Import(_) => ELSEWHERE,
                    Meaning::Bound(number, end) => {
                        let bounds = self.layout.bounds(&self.symbols.bounds[number]);
                        bounds.map_or(0, |range| if end == End::First { range.start } else { range.end })
                    }
                    Meaning::Slots => member.share.got,
                    Meaning::ThreadImage => 0,
                    Meaning::Start => start,
                };
            }
        }
        self.addresses = addresses;
    }

    /// Makes the bytes of the lanes and of the image of thread-local variables.
    pub fn write(&self) -> Result<([Vec<u8>; 3], Vec<u8>), Error> {
        let mut bytes = self.demands().map(|demand| vec![0; (demand.size - demand.zero_fill) as usize]);
        let mut thread_image = vec![0; self.layout.tls_data as usize];
        let answers: Vec<[u64; 2]> =
            self.questions.asked.iter().map(|(of, question)| self.answer(*of, *question)).collect();
        let [code, read_only, data] = &mut bytes;
        let mut lanes = self.lanes.into_iter();
        let mut windows =
            [code, read_only, data].map(|bytes| Window { address: lanes.next().unwrap_or_default(), bytes });
        for ((member, targets), addresses) in self.members.iter().zip(&self.targets).zip(&self.addresses) {
            let threads = Threads { questions: &self.questions, answers: &answers };
            let fixup = Fixup { member, targets, addresses, threads, image: self.start };
            fixup.write(&mut windows)?;
            fixup.write_thread_image(&mut thread_image)?;
        }
        Ok((bytes, thread_image))
    }

    /// What the words about a thread-local variable hold before anything is loaded.
    fn answer(&self, of: Variable, question: Question) -> [u64; 2] {
        let offset = match of {
            Variable::Own(offset) => Some(offset),
            Variable::Other(number) => self.own_variable(self.variables[number as usize]),
        };
        let (_, size, _) = self.thread_image();
        match offset {
            Some(offset) if self.executable && question != Question::Descriptor => {
                let threads = &self.members[0].graph.arch().threads;
                static_answer(threads, question, offset, size, self.layout.tls_align_log2)
            }
            Some(offset) => match question {
                Question::ModuleAndOffset => [0, offset.wrapping_sub(self.members[0].graph.arch().threads.bias)],
                Question::ThreadOffset => [offset, 0],
                Question::Descriptor => [0, offset],
            },
            None => [0, 0],
        }
    }

    /// The offset of a thread-local variable that is the image's own.
    fn own_variable(&self, meaning: Meaning) -> Option<u64> {
        let Meaning::Own(position, id) = meaning else { return None };
        let graph = &self.members[position].graph;
        let symbol = graph.symbol(id);
        let Definition::Block(block) = symbol.definition else { return None };
        Some(graph.block(block).address.wrapping_add(symbol.value))
    }

    /// The address of a symbol that others see.
    pub fn address(&self, name: &str) -> Option<u64> {
        let (position, id) = self.symbols.find(name)?;
        Some(self.addresses[position][id.0 as usize])
    }

    /// All unwind records, if they lie together.
    pub fn unwind_records(&self) -> Option<Range<u64>> {
        self.layout.bounds(UNWIND_RECORDS.as_bytes()).cloned()
    }

    /// The range of a table of functions: `.init_array` and so on.
    pub fn functions(&self, name: &str) -> Option<Range<u64>> {
        self.layout.bounds(name.as_bytes()).cloned()
    }

    /// Definitions that other modules may refer to, in order of their names.
    pub fn exports(&self) -> impl Iterator<Item = Defined<'_>> {
        let all = self.symbols.definitions().map(|(name, (position, id))| self.defined(name, position, id));
        all.filter(|defined| defined.symbol.visibility != Visibility::Hidden && defined.address != fixup::DROPPED)
    }

    /// Every function and variable with a name, graph by graph.
    pub fn named(&self) -> impl Iterator<Item = Defined<'_>> {
        self.members.iter().enumerate().flat_map(move |(position, Member { graph, .. })| {
            let ids = (1..graph.symbols.len() as u32).map(SymbolId);
            let live = ids.filter(|id| {
                let symbol = graph.symbol(*id);
                matches!(symbol.definition, Definition::Block(block) if graph.block(block).live)
                    && matches!(symbol.kind, SymbolKind::Function | SymbolKind::Object | SymbolKind::Indirect)
                    && !graph.symbol_name(*id).is_empty()
            });
            live.map(move |id| self.defined(graph.symbol_name(id), position, id))
        })
    }

    fn defined<'a>(&'a self, name: &'a [u8], position: usize, id: SymbolId) -> Defined<'a> {
        let graph = &self.members[position].graph;
        let symbol = graph.symbol(id);
        let lane = match symbol.definition {
            Definition::Block(block) => lane(graph.section(graph.block(block).section).kind),
            _ => None,
        };
        Defined { name, symbol, address: self.addresses[position][id.0 as usize], lane }
    }

    /// Unwind records: where each function begins, and its record, in order of the functions.
    pub fn unwind(&self) -> Result<Vec<(u64, u64)>, Error> {
        let mut found = Vec::new();
        for (Member { graph, .. }, addresses) in self.members.iter().zip(&self.addresses) {
            let records = graph.blocks.iter().filter(|block| block.live);
            for block in records.filter(|block| graph.section(block.section).kind == SectionKind::EhFrame) {
                let malformed = |at: usize| Error::Unwind { place: graph.place(block, at as u64) };
                let records = ehframe::records(graph.content(block)).map_err(malformed)?;
                for (record, edges) in ehframe::split_edges(&records, graph.edges(block)) {
                    let Some(function) =
                        record.entry.and_then(|_| edges.iter().find(|edge| edge.offset as usize == record.id + 4))
                    else {
                        continue;
                    };
                    let function = addresses[function.target.0 as usize].wrapping_add_signed(graph.addend(function));
                    found.push((function, block.address + record.range.start as u64));
                }
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    /// Runs of code, each with its unwind records, a zero word behind them.
    pub fn unwind_parts(&self) -> impl Iterator<Item = (Range<u64>, Range<u64>)> {
        let shares = self.members.iter().map(|member| &member.share);
        shares.filter(|share| !share.unwind.is_empty()).map(|share| (share.lanes[0].clone(), share.unwind.clone()))
    }

    /// What debuggers and symbolizers know of the objects: names, and debug information. Addresses count from `base`.
    pub fn debug_image(&self, base: u64) -> Result<Vec<u8>, Error> {
        let members = self.members.iter().zip(&self.targets).zip(&self.addresses);
        let places: Vec<Places> =
            members.map(|((member, targets), addresses)| Places::new(member, targets, addresses)).collect();
        let inputs = self.members.iter().map(|member| &member.graph.input);
        // Debuggers know where a module has its thread-local variables.
        let origin = Origin { base, threads: Some(0) };
        Ok(debug::image(&inputs.zip(&places).collect::<Vec<_>>(), origin)?)
    }

    /// Whether any code uses compressed instructions.
    pub fn is_compressed(&self) -> bool {
        self.members.iter().any(|member| member.graph.compressed)
    }
}

/// Errors unless graphs are of one format and have nothing that no image can have.
pub(crate) fn check(graphs: &[&LinkGraph]) -> Result<(), Error> {
    let Some(first) = graphs.first() else { return Err(Error::Empty) };
    for graph in graphs {
        let refused = |what: String| Err(Error::Object { object: graph.input.name().to_string(), what });
        if graph.format != first.format {
            return refused(format!("it is {}, and what comes before it is {}", graph.format.name, first.format.name));
        }
        if let Some(name) = used_section(graph, |kind| kind == SectionKind::Scratch) {
            return refused(format!("section `{name}` is for actions of the linker, which no image has"));
        }
        if !graph.actions.is_empty() {
            return refused("a plugin has added actions of the linker to it, which no image has".into());
        }
    }
    Ok(())
}

/// Errors for tables of functions that loaders do not run.
fn check_tables(graphs: &[LinkGraph]) -> Result<(), Error> {
    let backwards = |kind| matches!(kind, SectionKind::Functions(_, Order { backwards: true, .. }));
    for graph in graphs {
        if let Some(name) = used_section(graph, backwards) {
            let what = format!("functions in `{name}` run backwards; compile with `-fuse-init-array`");
            return Err(Error::Object { object: graph.input.name().to_string(), what });
        }
    }
    Ok(())
}

/// The name of a section of such a kind that has something in it.
fn used_section(graph: &LinkGraph, wanted: impl Fn(SectionKind) -> bool) -> Option<String> {
    let mut used = graph.blocks.iter().filter(|block| block.live && block.size != 0).map(|block| block.section);
    used.find(|section| wanted(graph.section(*section).kind)).map(|section| text(graph.section_name(section)))
}

/// Drops what the roots do not reach.
fn collect(
    graphs: &mut [LinkGraph],
    symbols: &Symbols,
    roots: Option<&[String]>,
    entry: Option<&str>,
) -> Result<(), Error> {
    let find = |name: &str| symbols.find(name).ok_or_else(|| Error::NoRoot { name: name.into() });
    let mut places = match roots {
        None => {
            let all = symbols.definitions().map(|(_, place)| place);
            let visible = |(graph, id): &(usize, SymbolId)| graphs[*graph].symbol(*id).visibility != Visibility::Hidden;
            all.filter(visible).collect()
        }
        Some(roots) => roots.iter().map(|name| find(name)).collect::<Result<Vec<_>, _>>()?,
    };
    places.extend(entry.map(find).transpose()?);
    let candidates: Vec<Candidate<'_>> = graphs.iter().map(|graph| Candidate { graph, whole: false }).collect();
    // Bounds keep all sections of their name.
    let bounds: Vec<Vec<u8>> = bounded(graphs);
    let reached = gc::mark(&candidates, &places, &bounds, |position, id| {
        let graph = &graphs[position];
        let name = graph.symbol_name(id);
        match (symbols.definition(graph, id), bound_name(name)) {
            (Some((other, id)), _) => Referent::Symbol(other, id),
            (None, Some(section)) => bounds
                .binary_search_by(|bound| bound.as_slice().cmp(section))
                .map_or(Referent::Elsewhere, Referent::Bound),
            (None, None) => Referent::Elsewhere,
        }
    });
    for (graph, reached) in graphs.iter_mut().zip(&reached) {
        gc::sweep(graph, reached);
        prune::drop_unwind_records(graph)?;
    }
    Ok(())
}

fn bound_name(name: &[u8]) -> Option<&[u8]> {
    name.strip_prefix(b"__start_").or_else(|| name.strip_prefix(b"__stop_"))
}

/// The names of sections whose bounds are asked for, in order.
fn bounded(graphs: &[LinkGraph]) -> Vec<Vec<u8>> {
    let globals = graphs.iter().flat_map(|graph| graph.globals().map(move |(id, _)| graph.symbol_name(id)));
    let mut names: Vec<Vec<u8>> = globals.filter_map(bound_name).map(<[u8]>::to_vec).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Where a symbol is, for the linker.
fn target(
    symbols: &Symbols,
    graph: &LinkGraph,
    position: usize,
    id: SymbolId,
    meaning: Meaning,
    variables: &mut Vec<Meaning>,
) -> Target {
    let is_thread_local = graph.symbol(id).kind == SymbolKind::ThreadLocal;
    let mut variable = || {
        let known = variables.iter().position(|known| *known == meaning);
        Target::ThreadLocal(known.unwrap_or_else(|| {
            variables.push(meaning);
            variables.len() - 1
        }) as u32)
    };
    match meaning {
        Meaning::Own(own, _) if own == position => Target::Own,
        Meaning::Own(..) if is_thread_local => variable(),
        Meaning::Own(..) | Meaning::Start => Target::Near,
        Meaning::Import(number) if symbols.imports[number as usize].kind == SymbolKind::ThreadLocal => variable(),
        Meaning::Import(_) => Target::Far,
        Meaning::ThreadImage => Target::ThreadImage,
        Meaning::Bound(..) | Meaning::Slots => Target::Bound,
    }
}
