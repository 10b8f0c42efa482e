//! A test harness: files that may name private symbols of the tested ones, and whose definitions replace theirs.

use super::error::Error;
use super::host::Host;
use std::collections::HashSet;
use uruk::orc::DylibId;
use uruk_jitlink::edit::{EditError, NewSymbol, Stage};
use uruk_jitlink::format;
use uruk_jitlink::graph::{Binding, Definition, LinkGraph, SymbolId, SymbolKind};
use uruk_jitlink::input::Input;

/// Adds tested objects and those of the harness to a dylib.
pub fn add(host: &Host, dylib: DylibId, tested: Vec<Input>, harness: Vec<Input>) -> Result<(), Error> {
    let session = &host.session;
    if harness.is_empty() {
        return Ok(session.add_objects(dylib, None, &tested)?);
    }
    let mut defined: HashSet<Vec<u8>> = HashSet::new();
    let mut wanted: HashSet<Vec<u8>> = HashSet::new();
    for object in &harness {
        let graph = format::read(object, session.names()).map_err(uruk::orc::error::Error::from)?;
        for (id, _) in graph.globals().filter(|(_, symbol)| symbol.binding != Binding::Local) {
            let list = match graph.symbol(id).definition {
                Definition::Undefined => &mut wanted,
                _ => &mut defined,
            };
            list.insert(graph.symbol_name(id).to_vec());
        }
    }
    let mut unchanged = harness;
    for object in tested {
        let mut graph = format::read(&object, session.names()).map_err(uruk::orc::error::Error::from)?;
        let changed = open(&mut graph, &defined, &wanted);
        let changed = changed.map_err(|error| Error::Content {
            path: object.name().to_string().into(),
            problem: format!("it cannot be opened to the harness: {error}"),
        })?;
        if changed {
            session.add_graphs(dylib, None, [graph])?;
        } else {
            unchanged.push(object);
        }
    }
    Ok(session.add_objects(dylib, None, &unchanged)?)
}

/// Lets the harness see what it wants of an object, and the object use what the harness defines. Says whether that
/// changed anything.
fn open(graph: &mut LinkGraph, defined: &HashSet<Vec<u8>>, wanted: &HashSet<Vec<u8>>) -> Result<bool, EditError> {
    let own = graph.all_symbols().filter(|(_, symbol)| {
        matches!(symbol.definition, Definition::Block(_))
            && !matches!(symbol.kind, SymbolKind::Section | SymbolKind::File)
    });
    let own: Vec<(SymbolId, Vec<u8>)> = own.map(|(id, _)| (id, graph.symbol_name(id).to_vec())).collect();
    let mut editor = graph.edit(Stage::BeforePruning);
    for (id, name) in &own {
        let symbol = editor.symbol(*id).clone();
        if defined.contains(name) {
            let replacement = editor.add_symbol(NewSymbol::external(name))?;
            editor.redirect(*id, replacement)?;
            editor.drop_symbol(*id)?;
        } else if let (true, Binding::Local, Definition::Block(block)) =
            (wanted.contains(name), symbol.binding, symbol.definition)
        {
            let shown = NewSymbol::global(name, block, symbol.value).hidden().kind(symbol.kind).size(symbol.size);
            editor.add_symbol(shown)?;
        }
    }
    Ok(editor.is_changed())
}
