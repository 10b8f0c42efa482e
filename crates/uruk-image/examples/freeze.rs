//! Freezes a world of half a million pairs that point to each other, and one of 100,000 pointers to what a library defines, into
//! programs: `freeze MAIN.o LIBRARY.so LIBC.so FOLDER`, where the library defines `value_0` to `value_999`.
//! Prints how long that took, as JSON.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use uruk_executor::libraries::load_apart;
use uruk_image::mapped::{InProcess, LoadOptions, Mapped, MappedOptions, MemoryOptions, write_mapped};
use uruk_image::memory::ThisProcess;
use uruk_image::{Count, ElfKind, ElfOptions, External, Field, Library, Pointer, PointerEntry, Type, World, write_elf};
use uruk_jitlink::elf::x86_64::FORMAT;
use uruk_jitlink::format;
use uruk_jitlink::graph::LinkGraph;
use uruk_jitlink::input::Input;
use uruk_jitlink::names::Names;

const PAIRS: usize = 500_000;
const FIELDS: usize = 100_000;
const NAMES: usize = 1_000;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [object, library, c_library, folder] = arguments.as_slice() else {
        return Err("usage: freeze MAIN.o LIBRARY.so LIBC.so FOLDER".into());
    };
    let code = format::read(&Input::from_bytes("main.o", std::fs::read(object)?), &Names::default())?;
    let libraries = [Library::open(Path::new(library))?, Library::open(Path::new(c_library))?];

    let mut pairs = vec![[0u64; 2]; PAIRS];
    let address = |number: usize| (pairs.as_ptr() as u64) + 16 * (number % PAIRS) as u64;
    let links: Vec<[u64; 2]> = (0..PAIRS).map(|number| [address(number + 1), address(number * 7)]).collect();
    pairs.copy_from_slice(&links);
    let start = Instant::now();
    let mut world = World::new();
    let pair = world.add_type(Type::new("pair", 16, 8).field(0, Pointer::Reference).field(8, Pointer::Reference))?;
    world.add_cell("data", pairs.as_ptr() as u64, pair)?;
    for pair_address in pairs.iter().skip(1).map(|pair| pair.as_ptr() as u64) {
        world.add_object(pair_address, pair)?;
    }
    let added = start.elapsed();
    let start = Instant::now();
    let closure = world.trace(&["data"], &ThisProcess::open()?, None)?;
    let traced = start.elapsed();
    for (name, address) in [("own", None), ("own-fixed", Some(0x40_0000))] {
        let data = closure.to_graph(&world, "the data", &FORMAT, &())?;
        let kind = ElfKind::Executable { main: "main".into(), address };
        let options = ElfOptions { kind, ..ElfOptions::executable("main", &libraries[1..]) };
        std::fs::write(Path::new(folder).join(name), write_elf(vec![code.clone(), data], &options)?)?;
    }
    let written = start.elapsed() - traced;
    let graphs = vec![code.clone(), closure.to_graph(&world, "the data", &FORMAT, &())?];
    let loaded = loaded(graphs, &libraries[1..], Path::new(folder))?;

    let fields = [&[FIELDS as u64][..], &vec![0; FIELDS]].concat();
    let mut world = World::new();
    let element = [Field { offset: 0, pointer: Pointer::Data }];
    let table = world.add_type(Type::new("table", 8, 8).tail(Count { offset: 0, width: 8 }, 8, element))?;
    world.add_cell("data", fields.as_ptr() as u64, table)?;
    for (number, field) in fields.iter().skip(1).enumerate() {
        let symbol = External::new(format!("value_{}", number % NAMES));
        world.add_pointer(std::ptr::from_ref(field) as u64, PointerEntry::Symbol(symbol))?;
    }
    let data = world.trace(&["data"], &ThisProcess::open()?, None)?.to_graph(&world, "the data", &FORMAT, &())?;
    let image = write_elf(vec![code, data], &ElfOptions::executable("main", &libraries))?;
    std::fs::write(Path::new(folder).join("externals"), image)?;

    let milliseconds = |duration: std::time::Duration| duration.as_secs_f64() * 1e3;
    let (added, traced, written) = (milliseconds(added), milliseconds(traced), milliseconds(written) / 2.0);
    let [mapped, library] = loaded.map(milliseconds);
    println!(
        "{{\"added_ms\": {added:.1}, \"traced_ms\": {traced:.1}, \"written_ms\": {written:.1}, \
          \"mapped_ms\": {mapped:.2}, \"library_ms\": {library:.2}}}"
    );
    Ok(())
}

/// How long a process that runs takes to load a mappable image, and a shared object of the same.
fn loaded(graphs: Vec<LinkGraph>, libraries: &[Library], folder: &Path) -> Result<[Duration; 2], Box<dyn Error>> {
    let (image, library) = (folder.join("mapped"), folder.join("libown.so"));
    std::fs::write(&library, write_elf(graphs.clone(), &ElfOptions::shared_object(libraries))?)?;
    std::fs::write(&image, write_mapped(graphs, &MappedOptions { libraries, ..MappedOptions::default() })?)?;
    let executor = Arc::new(InProcess::new(MemoryOptions::default()));
    let path = library.to_str().ok_or("the folder's name is no text")?;
    let mut least = [Duration::MAX; 2];
    for _ in 0..5 {
        let start = Instant::now();
        let mapped = Mapped::load(&image, &LoadOptions::default(), &executor)?;
        least[0] = least[0].min(start.elapsed());
        drop(mapped);
        let start = Instant::now();
        let loaded = load_apart(path)?;
        least[1] = least[1].min(start.elapsed());
        drop(loaded);
    }
    Ok(least)
}
