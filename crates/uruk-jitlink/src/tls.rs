//! Thread-local storage: what a batch needs to know from the runtime before its edges can be fixed up.
//!
//! Data flow: planned entries and edges of thread-local kinds → a list of questions without repetition → answers from
//! the executor, whose C library owns the storage → values for slots and fields.
//! Source: "ELF Handling for Thread-Local Storage" (Drepper), §3 and §4.1.6; x86-64 psABI §4.4.1, TLS descriptors.

use crate::arch::{ThreadLayout, Value};
use crate::format::Container;
use crate::graph::{BlockId, Definition, Entry, LinkGraph, SectionKind, SymbolId};
use crate::layout::Member;
use crate::resolve::{Target, Targets};
use std::collections::HashMap;

/// Which variable a question is about.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Variable {
    /// The one at an offset of this batch's image.
    Own(u64),
    /// One of another module, by its number in the batch's list of these.
    Other(u32),
}

/// What is asked about it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Question {
    /// Its module's number and its offset there.
    ModuleAndOffset,
    /// Its offset from the thread pointer, the same in all threads.
    ThreadOffset,
    /// The function and argument that find it.
    Descriptor,
}

/// The questions of a batch, answered in the order of `asked` with two words each.
#[derive(Debug, Default)]
pub struct Questions {
    /// What is asked.
    pub asked: Vec<(Variable, Question)>,
    numbers: HashMap<(Variable, Question), usize>,
}

impl Questions {
    /// Gathers the questions of all members of a laid-out batch.
    pub fn gather(members: &[Member], targets: &[Targets]) -> Questions {
        let mut questions = Questions::default();
        for (member, targets) in members.iter().zip(targets) {
            for planned in &member.tables.planned {
                if let Some(question) = question(planned.entry) {
                    questions.ask(entry_variable(&member.graph, targets, planned.symbol, planned.entry), question);
                }
            }
            if member.graph.has_tls_fields {
                questions.ask_for_fields(member, targets);
            }
        }
        questions
    }

    /// Fields that hold an offset themselves.
    fn ask_for_fields(&mut self, member: &Member, targets: &Targets) {
        let graph = &member.graph;
        for block in graph.blocks.iter().filter(|block| block.live) {
            for edge in graph.edges(block) {
                let info = graph.arch().info(edge.kind);
                let question = match info.value {
                    Value::ModuleOffset => Question::ModuleAndOffset,
                    Value::ThreadOffset => Question::ThreadOffset,
                    Value::DescriptorFunction | Value::DescriptorArgument => Question::Descriptor,
                    _ if !info.takes_thread_offset() || member.tables.has(edge.target, info.entry) => continue,
                    _ => Question::ThreadOffset,
                };
                match variable(graph, targets, edge.target) {
                    Some(Variable::Own(offset)) if question == Question::Descriptor => {
                        let offset = offset.wrapping_add_signed(graph.addend(edge));
                        self.ask(Some(Variable::Own(offset)), question);
                    }
                    // The offset in the own image is known, if that is a module's.
                    Some(Variable::Own(_)) if question == Question::ModuleAndOffset && !is_part(graph) => {}
                    Some(Variable::Own(_)) => self.ask(Some(Variable::Own(0)), question),
                    other => self.ask(other, question),
                }
            }
        }
    }

    fn ask(&mut self, variable: Option<Variable>, question: Question) {
        let Some(variable) = variable else { return };
        let next = self.asked.len();
        self.numbers.entry((variable, question)).or_insert_with(|| {
            self.asked.push((variable, question));
            next
        });
    }

    /// The answer to a question that was asked.
    pub fn answer(&self, answers: &[[u64; 2]], variable: Variable, question: Question) -> Option<[u64; 2]> {
        answers.get(*self.numbers.get(&(variable, question))?).copied()
    }
}

/// The question that a table entry puts.
pub fn question(entry: Entry) -> Option<Question> {
    match entry {
        Entry::Got | Entry::Stub | Entry::Inside => None,
        Entry::ThreadOffset => Some(Question::ThreadOffset),
        Entry::ModuleAndOffset | Entry::Module => Some(Question::ModuleAndOffset),
        Entry::Descriptor => Some(Question::Descriptor),
    }
}

/// The answer about the variable at an offset of an image of `size` bytes at a multiple of `1 << align_log2`, in a program that
/// is linked statically and has no other image; descriptors are resolved to offsets there.
pub fn static_answer(threads: &ThreadLayout, question: Question, offset: u64, size: u64, align_log2: u8) -> [u64; 2] {
    let from_pointer = threads.image_offset(size, align_log2).wrapping_add(offset);
    match question {
        Question::ModuleAndOffset => [1, offset.wrapping_sub(threads.bias)],
        Question::ThreadOffset => [from_pointer, 0],
        Question::Descriptor => [0, from_pointer],
    }
}

/// The variable that an entry is about; a module entry is about the start of the own image.
pub fn entry_variable(graph: &LinkGraph, targets: &Targets, symbol: SymbolId, entry: Entry) -> Option<Variable> {
    if entry == Entry::Module { Some(Variable::Own(0)) } else { variable(graph, targets, symbol) }
}

/// The thread-local variable that a symbol names, if it is one.
pub fn variable(graph: &LinkGraph, targets: &Targets, id: SymbolId) -> Option<Variable> {
    match targets.get(id) {
        Target::ThreadLocal(number) => Some(Variable::Other(number)),
        Target::ThreadImage => Some(Variable::Own(0)),
        Target::Own => {
            let symbol = graph.symbol(id);
            let Definition::Block(block) = symbol.definition else { return None };
            is_thread_local(graph, block).then(|| Variable::Own(graph.block(block).address.wrapping_add(symbol.value)))
        }
        Target::Near | Target::Far | Target::Known(_) | Target::Bound => None,
    }
}

/// Whether a batch's image is a part of the program's, whose index code has been told: so it is on Windows.
pub fn is_part(graph: &LinkGraph) -> bool {
    graph.format.container == Container::Coff
}

fn is_thread_local(graph: &LinkGraph, block: BlockId) -> bool {
    let kind: SectionKind = graph.section(graph.block(block).section).kind;
    kind.is_thread_local()
}
