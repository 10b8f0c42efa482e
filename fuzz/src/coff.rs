//! What the fuzz targets of COFF do with their input: objects, import libraries, function records.

use super::bodies::{archive_reader, check_edges, elf_reader, link_noexec, read_object};
use super::parts::Choices;
use uruk_jitlink::arch::IMAGE32;
use uruk_jitlink::archive::{Archive, MemberData};
use uruk_jitlink::coff::{self, import};
use uruk_jitlink::edit::{EditError, Editor, NewSymbol, Stage};
use uruk_jitlink::error::LinkError;
use uruk_jitlink::format;
use uruk_jitlink::graph::*;
use uruk_jitlink::input::Input;
use uruk_jitlink::names::Names;
use uruk_jitlink::pdata;

/// Reads the bytes as one COFF object or a member of an import library, and links it without running it.
pub fn coff_reader(data: &[u8]) {
    elf_reader(data);
    link_noexec(data);
}

/// Reads the bytes as an import library: its members, also in the other form, are objects.
pub fn import_library(data: &[u8]) {
    archive_reader(data);
    let input = Input::from_bytes("fuzz.lib", data.to_vec());
    let Ok(archive) = Archive::parse(&input) else { return };
    let part = |data: MemberData<'_>| match data {
        MemberData::Inline { offset, bytes } => {
            input.part("fuzz.lib(member)", offset as usize..offset as usize + bytes.len())
        }
        MemberData::External { .. } => None,
    };
    let find = |name: &[u8]| {
        let id = archive.symbols().filter_map(Result::ok).find(|(symbol, _)| *symbol == name);
        let member = id.and_then(|(_, id)| archive.member(id).ok());
        Ok::<_, LinkError>(member.and_then(|member| part(member.data)))
    };
    for member in archive.members().into_iter().flatten().take(64).filter_map(Result::ok) {
        let Some(member) = part(member.data) else { continue };
        if let Ok(Some(short)) = import::shorten(&member, find) {
            assert!(format::read(&short, &Names::default()).is_ok(), "an import that was made cannot be read");
            read_object(&short);
        }
    }
}

/// Takes the bytes apart as function records of an object one of whose functions has gone.
pub fn function_records(data: &[u8]) {
    let Some((choice, data)) = data.split_first() else { return };
    let format = if choice & 1 == 0 { &coff::x86_64::FORMAT } else { &coff::arm64::FORMAT };
    let mut choices = Choices::new(data);
    let mut graph = LinkGraph::with_format("fuzz", format);
    let mut editor = graph.edit(Stage::BeforePruning);
    let mut build = |editor: &mut Editor<'_>| {
        let text = editor.add_section(".text", SectionKind::Code)?;
        let functions = [editor.add_block(text, &[0xc3; 8], 8)?, editor.add_block(text, &[0xc3; 8], 8)?];
        let symbols = [
            editor.add_symbol(NewSymbol::global("stays", functions[0], 0))?,
            editor.add_symbol(NewSymbol::global("goes", functions[1], 0))?,
        ];
        let section = editor.add_section(".pdata", SectionKind::Pdata)?;
        let records = editor.add_block(section, data, 4)?;
        let mut at = 0;
        while at < data.len() as u32 {
            // Mostly at the words of a record.
            let symbol = symbols[choices.below(2) as usize];
            let _ = editor.add_edge(records, at, IMAGE32, symbol, 0);
            at += if choices.below(16) == 0 { 1 + choices.below(9) as u32 } else { 4 };
        }
        Ok::<_, EditError>((functions[1], records))
    };
    let Ok((gone, records)) = build(&mut editor) else { return };
    drop(editor);
    graph.blocks[gone.0 as usize].live = false;
    let before = graph.block(records).size;
    match pdata::drop_dead_records(&mut graph, records) {
        Err(error) => assert!(error.to_string().contains("fuzz"), "an error that does not name the file: {error}"),
        Ok(()) => {
            check_edges(&graph);
            let block = graph.block(records).clone();
            assert!(block.size <= before && block.size.is_multiple_of(pdata::record_size(graph.arch()) as u64));
            let left = pdata::records(&graph, &block).unwrap_or_default();
            let dead = |record: &pdata::Record| pdata::function(&graph, record) == Some(gone);
            assert!(!left.iter().any(dead), "a record of a function that has gone");
            pdata::sort(graph.arch(), &mut data.to_vec());
        }
    }
}
