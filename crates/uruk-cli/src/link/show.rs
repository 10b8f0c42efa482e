//! What the `-show` flags print, on standard output.

use super::error::Error;
use super::flags::Request;
use super::host::Host;
use super::inputs::Library;
use super::view::{GOT, Linked, STUBS, base_name, named_symbols, size};
use regex_lite::Regex;
use std::fmt::Write;
use std::path::Path;
use uruk::orc::plugin::{Context, PassResult, Plugin};
use uruk_jitlink::check::View;
use uruk_jitlink::dump::dump;
use uruk_jitlink::edit::Editor;
use uruk_jitlink::graph::{Definition, Entry, SectionId};

/// Names each object when it is linked.
pub struct Announce;

impl Plugin for Announce {
    fn pre_prune(&self, context: &Context, _: &mut Editor<'_>) -> PassResult {
        crate::print(&format!("Linking {}\n", context.object));
        Ok(())
    }
}

/// The expression of `-show-graphs`.
pub fn pattern(request: &Request) -> Result<Option<Regex>, Error> {
    let compiled = request.show.graphs.as_ref().map(|pattern| {
        Regex::new(pattern).map_err(|error| Error::Pattern { pattern: pattern.clone(), reason: error.to_string() })
    });
    compiled.transpose()
}

/// Libraries with the states of their symbols.
pub fn session(host: &Host, libraries: &[Library]) {
    let mut text = String::new();
    for library in libraries {
        let _ = writeln!(text, "library \"{}\"", library.name);
        let order = host.session.search_order(library.dylib);
        let order: Vec<String> =
            order.iter().map(|entry| format!("\"{}\"", host.session.dylib_name(entry.dylib))).collect();
        let _ = writeln!(text, "  resolves from {}", order.join(", "));
        for symbol in host.session.symbol_states(library.dylib) {
            let name = String::from_utf8_lossy(&symbol.name).into_owned();
            let address = symbol.address.map_or("no address".to_string(), |address| format!("{address:#018x}"));
            let hidden = if symbol.exported { "" } else { ", hidden" };
            let _ = writeln!(text, "  \"{name}\": {address}, {}{hidden}", symbol.state);
        }
    }
    crate::print(&text);
}

/// Graphs of files whose names match.
pub fn graphs(host: &Host, linked: &Linked, pattern: &Regex) {
    for retained in linked.graphs.iter().filter(|retained| pattern.is_match(retained.object())) {
        crate::print(&format!("{}\n", dump(&retained.graph(), host.session.names())));
    }
}

/// Addresses of everything that rules can name.
pub fn addresses(linked: &Linked) {
    let mut text = String::new();
    for retained in &linked.graphs {
        let graph = retained.graph();
        let file = base_name(retained.object());
        let _ = writeln!(text, "file \"{file}\"");
        for section in (0..graph.sections.len() as u32).map(SectionId) {
            let name = String::from_utf8_lossy(graph.section_name(section)).into_owned();
            if let (Some(range), Ok(address)) = (graph.section_range(section), linked.section(file, &name)) {
                let size = range.end - range.start;
                let _ = writeln!(text, "  section \"{name}\": {address:#018x}, {size} bytes");
            }
        }
        for name in [GOT, STUBS] {
            if let Ok(address) = linked.section(file, name) {
                let _ = writeln!(text, "  section \"{name}\": {address:#018x}");
            }
        }
        for (name, id) in named_symbols(&graph) {
            let address = graph.address(id).unwrap_or_default();
            let absolute = if graph.symbol(id).definition == Definition::Absolute { ", absolute" } else { "" };
            let _ = writeln!(text, "  symbol \"{name}\": {address:#018x}, {} bytes{absolute}", size(&graph, id));
        }
        for (id, entry, address) in retained.entries() {
            let name = String::from_utf8_lossy(graph.symbol_name(*id)).into_owned();
            let what = match entry {
                Entry::Got => "GOT slot",
                Entry::Stub | Entry::Inside => "stub",
                Entry::ThreadOffset => "thread offset",
                Entry::ModuleAndOffset => "module and offset",
                Entry::Module => "module",
                Entry::Descriptor => "descriptor",
            };
            let _ = writeln!(text, "  {what} \"{name}\": {address:#018x}");
        }
    }
    crate::print(&text);
}

/// Bytes of sections as they were linked.
pub fn contents(linked: &Linked) {
    const ROW: u64 = 16;
    for retained in &linked.graphs {
        let graph = retained.graph();
        let mut text = format!("contents of \"{}\"\n", base_name(retained.object()));
        for section in (0..graph.sections.len() as u32).map(SectionId) {
            let name = String::from_utf8_lossy(graph.section_name(section)).into_owned();
            let zero = graph.section(section).kind.is_zero_fill();
            let _ = match graph.section_range(section) {
                None => continue,
                Some(range) if zero => writeln!(text, "section \"{name}\": {} zero bytes", range.end - range.start),
                Some(_) => writeln!(text, "section \"{name}\""),
            };
            for (id, _) in graph.blocks_of(section).filter(|_| !zero) {
                let Some(range) = graph.block_range(id) else { continue };
                let mut at = range.start;
                while at < range.end {
                    let mut bytes = vec![0; ROW.min(range.end - at) as usize];
                    linked.read(at, &mut bytes);
                    let bytes: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                    let _ = writeln!(text, "  {at:#018x}: {}", bytes.join(" "));
                    at += ROW;
                }
            }
        }
        crate::print(&text);
    }
}

/// Writes a line for each file and for each of its symbols.
pub fn write_symbols(linked: &Linked, path: &Path) -> Result<(), Error> {
    let mut text = String::new();
    for retained in &linked.graphs {
        let graph = retained.graph();
        let _ = writeln!(text, "\"{}\"", retained.object());
        for (name, id) in named_symbols(&graph) {
            let _ = writeln!(text, "{:#x} {name}", graph.address(id).unwrap_or_default());
        }
    }
    std::fs::write(path, text).map_err(|source| Error::File { what: "write", path: path.to_owned(), source })
}
