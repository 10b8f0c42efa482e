//! A link graph as text, for people and for tests: the same graph gives the same text, whatever made it.
//!
//! One table each for sections, blocks, symbols, edges and groups; empty ones are left out. Names are as the object
//! has them; bytes that a terminal would not show are escaped.

use crate::graph::*;
use crate::names::Names;
use std::fmt::{self, Display, Formatter};

/// The text of a graph. `names` is the pool that it was read with.
pub fn dump<'a>(graph: &'a LinkGraph, names: &'a Names) -> impl Display + 'a {
    Dump { graph, names }
}

struct Dump<'a> {
    graph: &'a LinkGraph,
    names: &'a Names,
}

impl Display for Dump<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "object {}", self.graph.input.name())?;
        let marks =
            [(self.graph.needs_low, "low addresses"), (self.graph.needs_static_tls, "static thread-local storage")];
        for (_, mark) in marks.iter().filter(|(needed, _)| *needed) {
            writeln!(f, "needs {mark}")?;
        }
        Table::new("sections", &["id", "name", "kind", ""], 1, self.sections()).fmt(f)?;
        Table::new("blocks", &["id", "section", "size", "align", "address", ""], 1, self.blocks()).fmt(f)?;
        Table::new("symbols", &["id", "name", "at", "size", "kind", "binding", ""], 1, self.symbols()).fmt(f)?;
        Table::new("edges", &["at", "kind", "target"], 0, self.edges()).fmt(f)?;
        Table::new("groups", &["signature", "blocks"], 0, self.groups()).fmt(f)
    }
}

impl Dump<'_> {
    fn sections(&self) -> Vec<Vec<String>> {
        let rows = (0..).zip(&self.graph.sections).map(|(id, section)| {
            let marks = marks(&[(section.large, "large"), (section.retain, "retain")]);
            vec![id.to_string(), self.section_name(SectionId(id)), kind(section.kind), marks]
        });
        rows.collect()
    }

    fn blocks(&self) -> Vec<Vec<String>> {
        let rows = (0u32..).zip(&self.graph.blocks).map(|(id, block)| {
            vec![
                id.to_string(),
                self.section_name(block.section),
                format!("{:#x}", block.size),
                (1u64 << block.align_log2).to_string(),
                if block.address == 0 { String::new() } else { format!("{:#x}", block.address) },
                marks(&[(!block.live, "dropped")]),
            ]
        });
        rows.collect()
    }

    fn symbols(&self) -> Vec<Vec<String>> {
        let rows = (0u32..).zip(&self.graph.symbols).skip(1).map(|(id, symbol)| {
            let at = match symbol.definition {
                Definition::Undefined => "undefined".to_string(),
                Definition::Block(block) => format!("block {}+{:#x}", block.0, symbol.value),
                Definition::Absolute => format!("{:#x}", symbol.value),
                Definition::Common => format!("common, align {}", symbol.value),
            };
            let binding = match symbol.binding {
                Binding::Local => "local",
                Binding::Global => "global",
                Binding::Weak => "weak",
                Binding::Unique => "unique",
            };
            let visibility = match symbol.visibility {
                Visibility::Default => "",
                Visibility::Protected => "protected",
                Visibility::Hidden => "hidden",
            };
            let kind = match symbol.kind {
                SymbolKind::None => "",
                SymbolKind::Function => "function",
                SymbolKind::Object => "object",
                SymbolKind::Section => "section",
                SymbolKind::ThreadLocal => "thread-local",
                SymbolKind::Indirect => "indirect function",
                SymbolKind::File => "file",
            };
            let size = if symbol.size == 0 { String::new() } else { format!("{:#x}", symbol.size) };
            let words = [kind, binding, visibility].map(str::to_string);
            let [kind, binding, visibility] = words;
            vec![id.to_string(), self.symbol_name(SymbolId(id)), at, size, kind, binding, visibility]
        });
        rows.collect()
    }

    fn edges(&self) -> Vec<Vec<String>> {
        let blocks = (0u32..).zip(&self.graph.blocks);
        let rows = blocks.flat_map(|(id, block)| {
            self.graph.edges(block).iter().map(move |edge| {
                let target = match self.graph.addend(edge) {
                    0 => self.symbol_name(edge.target),
                    addend if addend < 0 => format!("{} - {:#x}", self.symbol_name(edge.target), addend.unsigned_abs()),
                    addend => format!("{} + {addend:#x}", self.symbol_name(edge.target)),
                };
                vec![
                    format!("block {id}+{:#x}", edge.offset),
                    (self.graph.format.relocation)(edge.kind).to_string(),
                    target,
                ]
            })
        });
        rows.collect()
    }

    fn groups(&self) -> Vec<Vec<String>> {
        let rows = self.graph.groups.iter().map(|group| {
            let blocks: Vec<String> = group.blocks.iter().map(|block| block.0.to_string()).collect();
            vec![text(&self.names.bytes(group.signature)), blocks.join(" ")]
        });
        rows.collect()
    }

    fn section_name(&self, id: SectionId) -> String {
        match self.graph.section_name(id) {
            b"" => "(common)".to_string(),
            name => text(name),
        }
    }

    fn symbol_name(&self, id: SymbolId) -> String {
        match self.graph.symbol_name(id) {
            b"" => format!("#{}", id.0),
            name => text(name),
        }
    }
}

fn kind(kind: SectionKind) -> String {
    match kind {
        SectionKind::Code => "code".into(),
        SectionKind::ReadOnly => "read-only".into(),
        SectionKind::Data => "data".into(),
        SectionKind::Zero => "zero".into(),
        SectionKind::TlsData => "thread-local data".into(),
        SectionKind::TlsZero => "thread-local zero".into(),
        SectionKind::EhFrame => "unwind records".into(),
        SectionKind::Pdata => "function records".into(),
        SectionKind::Scratch => "scratch".into(),
        SectionKind::Unloaded => "not loaded".into(),
        SectionKind::Functions(table, order) => {
            let table = match table {
                FunctionTable::Preinit => "preinitialisers",
                FunctionTable::Init => "initialisers",
                FunctionTable::Fini => "finalisers",
            };
            format!("{table}, priority {}{}", order.priority, if order.backwards { ", backwards" } else { "" })
        }
    }
}

fn marks(marks: &[(bool, &str)]) -> String {
    let set: Vec<&str> = marks.iter().filter(|(set, _)| *set).map(|(_, mark)| *mark).collect();
    set.join(" ")
}

/// Bytes as text on one line.
fn text(bytes: &[u8]) -> String {
    let escaped = |c: char| -> String { if c.is_control() { c.escape_default().to_string() } else { c.to_string() } };
    String::from_utf8_lossy(bytes).chars().map(escaped).collect()
}

/// Rows below a title, in columns as wide as they need to be.
struct Table<'a> {
    title: &'a str,
    headings: &'a [&'a str],
    /// How many of the first columns are set flush right.
    right: usize,
    rows: Vec<Vec<String>>,
}

impl<'a> Table<'a> {
    fn new(title: &'a str, headings: &'a [&'a str], right: usize, rows: Vec<Vec<String>>) -> Self {
        Table { title, headings, right, rows }
    }

    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.rows.is_empty() {
            return Ok(());
        }
        writeln!(f, "\n{}", self.title)?;
        let headings: Vec<String> = self.headings.iter().map(|heading| heading.to_string()).collect();
        // A name of thousands of characters must not make all lines that long.
        const MAX_WIDTH: usize = 60;
        let width = |column: usize| {
            let cells = self.rows.iter().chain([&headings]).map(|row| row[column].chars().count());
            cells.filter(|width| *width <= MAX_WIDTH).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..headings.len()).map(width).collect();
        for row in std::iter::once(&headings).chain(&self.rows) {
            let mut line = String::from(" ");
            for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
                let gap = if column == 0 { " " } else { "  " };
                line += &match column < self.right {
                    true => format!("{gap}{cell:>width$}"),
                    false => format!("{gap}{cell:<width$}"),
                };
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
