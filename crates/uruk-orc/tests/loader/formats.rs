//! Every format, loaded at the addresses where the session links the same object: the bytes are the same.

use crate::support::{compile, resolve};
use std::sync::Arc;
use uruk_jitlink::fixup;
use uruk_jitlink::format::{self, Container};
use uruk_jitlink::graph::{SectionId, SymbolKind};
use uruk_jitlink::loader::Loader;
use uruk_jitlink::names::Names;
use uruk_jitlink::slab::Slab;
use uruk_orc::SearchEntry;
use uruk_orc::dry_run::DryRun;
use uruk_orc::session::Session;

const SOURCE: &str = r#"
    #define HIDDEN __attribute__((visibility("hidden")))
    extern HIDDEN int outside;
    HIDDEN int callee(int);
    HIDDEN int table[4] = { 1, 2, 3, 4 };
    HIDDEN int *pointer = &table[2];
    HIDDEN int (*function)(int) = callee;
    HIDDEN int (*const constant)(int) = callee;
    HIDDEN int counter = 7;
    HIDDEN char room[100];
    HIDDEN const char *name(int at) { return &"a constant"[at]; }
    HIDDEN __attribute__((noinline)) int work(int x) {
        counter += table[x & 3] + room[x];
        return callee(x) + *pointer + outside + name(x)[1];
    }
    int twice(int x) { return work(x) + work(x + 1) + function(x); }
"#;

const TARGETS: &[(&str, &[&str])] = &[
    ("x86_64-linux-gnu", &["-fno-pic", "-mcmodel=medium"]),
    ("x86_64-linux-gnu", &["-fPIC"]),
    ("aarch64-linux-gnu", &["-fno-pic"]),
    ("riscv64-linux-gnu", &["-fno-pic", "-mno-relax", "-mcmodel=medany"]),
    ("riscv32-linux-gnu", &["-fno-pic", "-mno-relax", "-mcmodel=medany"]),
    ("x86_64-apple-macos13", &["-fPIC"]),
    ("arm64-apple-macos13", &["-fPIC"]),
    ("x86_64-pc-windows-msvc", &[]),
    ("aarch64-pc-windows-msvc", &[]),
];

#[test]
fn bytes_are_those_that_a_session_links() {
    for (target, flags) in TARGETS {
        let object = compile(
            "object.c",
            target,
            SOURCE,
            &[*flags, &["-ffreestanding", "-fasynchronous-unwind-tables"]].concat(),
        );
        let format = format::interface(&object, &Names::default()).unwrap().format;
        let slab = Arc::new(Slab::new(0x1000_0000..0x1400_0000, 4096));
        let session = Session::new(Arc::new(DryRun::new(format.arch, slab.clone())), Some(1));
        let dylib = session.create_dylib("main").unwrap();
        session.retain_graphs(&[dylib]);
        let externals = [("outside", 0x13f0_0000), ("callee", 0x13f0_1000)];
        let absolute =
            externals.map(|(name, address)| (session.names().intern(name.as_bytes()), address, SymbolKind::None));
        session.define_absolute(dylib, &absolute);
        session.add_objects(dylib, None, std::slice::from_ref(&object)).unwrap();
        session
            .lookup(&[SearchEntry { dylib, all_symbols: true }], &["twice"])
            .unwrap_or_else(|error| panic!("{target}: {error}"));
        let retained = session.retained_graphs(dylib);
        let graph = retained[0].graph();

        let mut loader = Loader::new();
        let loaded = loader.load(&object).unwrap();
        loader.set_image_base(fixup::image_base(&(0x1000_0000..0x1400_0000)));
        // What the session needs no entries for may go through none here either.
        let mut entries = 0x13e0_0000;
        let mut compared = 0;
        let sections: Vec<_> = loader.sections().collect();
        for section in &sections {
            // Sections of one name follow each other in both.
            let same =
                sections.iter().take_while(|other| other.key != section.key).filter(|other| other.name == section.name);
            let ids = (0..graph.sections.len() as u32)
                .map(SectionId)
                .filter(|id| graph.section_name(*id) == section.name.as_bytes() && graph.section_range(*id).is_some());
            let here = ids.into_iter().nth(same.count());
            let address = here.and_then(|id| graph.section_range(id)).map_or(entries, |range| range.start);
            entries += if here.is_none() { section.size.next_multiple_of(4096) } else { 0 };
            loader.map_section(section.key, address).unwrap();
        }
        resolve(&mut loader, &externals).unwrap_or_else(|error| panic!("{target}: {error}"));
        for image in loader.images(loaded).unwrap().iter().filter(|image| image.address < 0x13e0_0000) {
            let end = graph.blocks.iter().filter(|block| block.live).map(|block| block.address + block.size);
            let end = end.filter(|end| (image.address..=image.address + image.bytes.len() as u64).contains(end)).max();
            let length = (end.unwrap_or(image.address) - image.address) as usize;
            let mut linked = vec![0; length];
            assert!(slab.read(image.address, &mut linked), "{target}");
            assert_eq!(image.bytes[..length], linked, "{target} at {:#x}", image.address);
            compared += length;
        }
        assert!(150 < compared, "{target}: {compared}");
        let start = loader.address("twice").unwrap();
        assert_eq!(
            Some(start),
            graph.globals().find_map(|(id, _)| {
                let name = graph.format.container.session_name(graph.symbol_name(id));
                (*name == *b"twice").then(|| graph.address(id)).flatten()
            })
        );
        // Of Mach-O's functions some have other records.
        if format.container != Container::MachO {
            assert_eq!(loader.unwind(loaded).is_some(), format.container == Container::Elf, "{target}");
        }
    }
}
