//! What a world can have, each seen in files that are run.

mod support;

use std::path::PathBuf;
use std::process::Command;
use support::{Compiled, HERE, run};
use uruk_image::mapped::{MappedOptions, write_mapped};
use uruk_image::memory::ThisProcess;
use uruk_image::{
    Closure, Count, ElfKind, ElfOptions, External, Field, Heap, Library, Move, Pointer, PointerEntry, Tags, Type,
    TypeId, World, write_elf,
};
use uruk_jitlink::elf::x86_64::FORMAT;
use uruk_jitlink::graph::LinkGraph;

/// Bytes that stay where they are, as a heap's would, aligned to 16.
fn bytes(bytes: &[u8]) -> &'static mut [u8] {
    let words: &'static mut [u128] = Vec::leak(vec![0; bytes.len().div_ceil(16)]);
    // SAFETY: the memory is all of the words', which nobody else has, and any bytes make words.
    let whole = unsafe { std::slice::from_raw_parts_mut(words.as_mut_ptr().cast::<u8>(), bytes.len()) };
    whole.copy_from_slice(bytes);
    whole
}

fn address(bytes: &[u8]) -> u64 {
    bytes.as_ptr().expose_provenance() as u64
}

fn put(bytes: &mut [u8], offset: usize, word: u64) {
    bytes[offset..offset + 8].copy_from_slice(&word.to_le_bytes());
}

fn trace(world: &World, roots: &[&str], heap: Option<&dyn Heap>) -> Closure {
    world.trace(roots, &ThisProcess::open().unwrap(), heap).unwrap()
}

fn graph(world: &World, closure: &Closure) -> LinkGraph {
    closure.to_graph(world, "the data", &FORMAT, &()).unwrap()
}

/// Runs programs of this `main` with data: one that lies anywhere, and one with an address of its own.
fn run_with(data: &LinkGraph, main: &str) {
    let compiled = Compiled::new(&[("main.c", main)], &["-O1", "-fPIC", "-Wall", "-Werror"]);
    let libraries = HERE.libraries(&["libc.so.6"]);
    for address in [None, Some(0x80_0000)] {
        let kind = ElfKind::Executable { main: "main".into(), address };
        let options = ElfOptions { kind, ..ElfOptions::executable("main", &libraries) };
        let image = write_elf([compiled.graphs(), vec![data.clone()]].concat(), &options).unwrap();
        let output = run(&mut Command::new(compiled.write("image", &image)));
        assert_eq!(output.status, Some(0), "{address:?}: {}{}", output.text, output.errors);
    }
}

/// Pointers at odd offsets, elements of odd sizes, tags, cycles, and references that keep nothing.
#[test]
fn objects_of_every_shape() {
    let mut world = World::new();
    let reference = Pointer::Reference;
    let odd = Type::new("odd", 27, 1).field(3, reference).field(11, Pointer::Inner).field(19, Pointer::Data);
    let odd = world.add_type(Type { packed: true, ..odd }).unwrap();
    let element = [Field { offset: 1, pointer: Pointer::Tagged(Tags { bits: 2, references: 0b1000 }) }];
    let table = Type { packed: true, ..Type::new("table", 2, 4).tail(Count { offset: 0, width: 2 }, 9, element) };
    let table = world.add_type(table).unwrap();
    let links = Type::new("links", 24, 8).field(0, reference).field(8, Pointer::Weak).field(16, Pointer::Weak);
    let links = world.add_type(links).unwrap();
    let number = world.add_type(Type::new("number", 8, 8)).unwrap();

    let [first, second, root] = [bytes(b"one"), bytes(b"two"), bytes(b"")].map(|start| {
        let whole = bytes(&[0; 27]);
        whole[..start.len()].copy_from_slice(start);
        whole
    });
    let (kept, lost) = (bytes(&42u64.to_le_bytes()), bytes(&43u64.to_le_bytes()));
    let entries = bytes(&[0; 2 + 3 * 9]);
    let link = bytes(&[0; 24]);
    entries[0] = 3;
    (entries[2], entries[11], entries[20]) = (b'a', b'b', b'c');
    put(entries, 3, address(kept) + 3);
    put(entries, 12, 0x1000 + 2);
    put(entries, 21, address(entries) + 3);
    put(link, 0, address(entries));
    put(link, 8, address(kept));
    put(link, 16, address(lost));
    let odds = [address(first), address(second)];
    for (object, other) in [(&mut *first, odds[1]), (&mut *second, odds[0])] {
        put(object, 3, other);
        put(object, 11, other + 27);
    }
    put(root, 3, odds[0]);
    put(root, 11, address(link) + 4);
    for (object, type_id) in
        [(&*first, odd), (second, odd), (entries, table), (link, links), (kept, number), (lost, number)]
    {
        world.add_object(address(object), type_id).unwrap();
    }
    world.add_cell("root", address(root), odd).unwrap();
    world.add_pointer(odds[0] + 19, PointerEntry::Symbol(External::new("environ"))).unwrap();
    world.add_pointer(odds[1] + 19, PointerEntry::Own(odds[0] + 19)).unwrap();
    let main = r#"
#include <stdint.h>
#include <string.h>
struct __attribute__((packed)) odd { char name[3]; struct odd *other; char *inner; void *raw; };
struct __attribute__((packed)) entry { char name; uintptr_t tagged; };
struct __attribute__((packed)) table { uint16_t count; struct entry entries[]; };
struct links { struct table *table; uint64_t *kept, *lost; };
extern struct odd root;
extern char **environ;
int main(void) {
    struct odd *first = root.other, *second = first->other;
    struct links *links = (struct links *)(root.inner - 4);
    struct table *table = links->table;
    if (memcmp(first->name, "one", 3) || memcmp(second->name, "two", 3) || second->other != first) return 1;
    if (first->inner != (char *)(second + 1) || second->inner != (char *)(first + 1) || root.raw) return 2;
    if (first->raw != &environ || second->raw != &first->raw) return 3;
    if (table->count != 3 || table->entries[0].name != 'a' || table->entries[2].name != 'c') return 4;
    uint64_t *number = (uint64_t *)(table->entries[0].tagged - 3);
    if (*number != 42 || links->kept != number || links->lost) return 5;
    return table->entries[1].tagged != 0x1002 || table->entries[2].tagged != (uintptr_t)table + 3;
}
"#;
    run_with(&graph(&world, &trace(&world, &["root"], None)), main);
}

/// A collection has moved what entries and exported names are about.
#[test]
fn objects_that_have_been_moved() {
    let mut world = World::new();
    let file = world.add_type(Type::new("file", 16, 8).field(8, Pointer::Data)).unwrap();
    let cell =
        world.add_type(Type::new("files", 16, 8).field(0, Pointer::Reference).field(8, Pointer::Reference)).unwrap();
    let (space, files) = (bytes(&[0; 64]), bytes(&[0; 16]));
    let start = address(space);
    for (number, symbol) in [(0, "stdin"), (1, "stdout")] {
        world.add_object(start + 16 * number, file).unwrap();
        world.add_pointer(start + 16 * number + 8, PointerEntry::Symbol(External::new(symbol))).unwrap();
    }
    world.export("output", start + 16).unwrap();
    // The first goes to where the second was, which goes elsewhere.
    let moves = [Move { from: start, to: start + 16, size: 16 }, Move { from: start + 16, to: start + 48, size: 16 }];
    world.objects_moved(&moves);
    put(space, 16, 100);
    put(space, 48, 101);
    put(files, 0, start + 16);
    put(files, 8, start + 48);
    world.add_cell("files", address(files), cell).unwrap();
    let main = r#"
#include <stdio.h>
struct file { long number; FILE **stream; };
extern struct { struct file *input, *output; } files;
extern struct file output;
int main(void) {
    int same = files.input->stream == &stdin && files.output->stream == &stdout && files.output == &output;
    return !same || files.input->number != 100 || files.output->number != 101;
}
"#;
    run_with(&graph(&world, &trace(&world, &["files"], None)), main);
}

/// A heap of equal objects in one piece.
struct Nodes(std::ops::Range<u64>, TypeId);

impl Heap for Nodes {
    fn object_at(&self, address: u64) -> Option<(u64, TypeId)> {
        self.0.contains(&address).then(|| (address - (address - self.0.start) % 24, self.1))
    }
}

#[test]
fn a_million_objects() {
    const COUNT: u64 = 1_000_000;
    let mut world = World::new();
    let node = Type::new("node", 24, 8).field(0, Pointer::Reference).field(8, Pointer::Reference);
    let node = world.add_type(node).unwrap();
    let cell = world.add_type(Type::new("cell", 8, 8).field(0, Pointer::Reference)).unwrap();
    let (space, root) = (bytes(&vec![0; 24 * COUNT as usize]), bytes(&[0; 8]));
    let start = address(space);
    let place = |number: u64| start + 24 * number;
    for (number, bytes) in (0..COUNT).zip(space.chunks_exact_mut(24)) {
        // The order of the chain is far from that of addresses.
        put(bytes, 0, place((number + 7_777_777) % COUNT));
        put(bytes, 8, place(number / 2));
        put(bytes, 16, number);
    }
    put(root, 0, start);
    world.add_cell("nodes", address(root), cell).unwrap();
    let closure = trace(&world, &["nodes"], Some(&Nodes(start..start + 24 * COUNT, node)));
    assert_eq!(closure.kept.len(), COUNT as usize + 1);
    let main = r#"
struct node { struct node *next, *half; unsigned long number; };
extern struct node *nodes;
int main(void) {
    struct node *node = nodes;
    unsigned long count = 0, sum = 0;
    do {
        if (node->half->number != node->number / 2) return 1;
        count += 1, sum += node->number, node = node->next;
    } while (node != nodes);
    return count != 1000000 || sum != 499999500000;
}
"#;
    run_with(&graph(&world, &closure), main);
}

/// Large pages: an image has them wherever it lies, or cannot lie there.
#[test]
fn objects_that_are_aligned_to_large_pages() {
    const LARGE: u64 = 2 << 20;
    let space = bytes(&vec![0; 3 * LARGE as usize]);
    let first = address(space).next_multiple_of(LARGE);
    let cells = bytes(&[0; 16]);
    put(cells, 0, first);
    put(cells, 8, first + LARGE);
    let mut world = World::new();
    let large = world.add_type(Type::new("large", 24, LARGE)).unwrap();
    let pair = Type::new("pair", 16, 8).field(0, Pointer::Reference).field(8, Pointer::Reference);
    let pair = world.add_type(pair).unwrap();
    world.add_objects(&[(first, large), (first + LARGE, large)]).unwrap();
    world.add_cell("cells", address(cells), pair).unwrap();
    let data = graph(&world, &trace(&world, &["cells"], None));
    let main = r#"
extern unsigned long cells[2];
int main(void) { return cells[0] == cells[1] || (cells[0] | cells[1]) % (2 << 20); }
"#;
    run_with(&data, main);
    let compiled = Compiled::new(&[("main.c", main)], &["-O1", "-fPIC"]);
    let libraries = HERE.libraries(&["libc.so.6"]);
    let graphs = || [compiled.graphs(), vec![data.clone()]].concat();
    let mapped = |address| {
        write_mapped(
            graphs(),
            &MappedOptions { main: Some("main"), libraries: &libraries, address, ..Default::default() },
        )
    };
    for address in [None, Some(0x2a00_0000_0000)] {
        let image = compiled.write("mapped", &mapped(address).unwrap());
        let program = Command::new(env!("CARGO_BIN_EXE_uruk-load")).arg(image).status().unwrap();
        assert_eq!(program.code(), Some(0), "{address:?}");
    }
    let expected = "aligned to 2097152 bytes, and 0x810000 is no multiple of that";
    let kind = ElfKind::Executable { main: "main".into(), address: Some(0x81_0000) };
    let executable = write_elf(graphs(), &ElfOptions { kind, ..ElfOptions::executable("main", &libraries) });
    for refused in [executable, mapped(Some(0x81_0000))] {
        let error = refused.unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

/// A cell of raw pointers to symbols.
fn fields(name: &str, symbols: &[External]) -> LinkGraph {
    let mut world = World::new();
    let words = bytes(&vec![0; 8 * symbols.len()]);
    let start = address(words);
    let described =
        (0..symbols.len() as u64).fold(Type::new(name, 8 * symbols.len() as u64, 8), |described, number| {
            world.add_pointer(start + 8 * number, PointerEntry::Symbol(symbols[number as usize].clone())).unwrap();
            described.field(8 * number, Pointer::Data)
        });
    let described = world.add_type(described).unwrap();
    world.add_cell(name, start, described).unwrap();
    graph(&world, &trace(&world, &[name], None))
}

/// Links a library with the system's linker, and reads it.
fn library(sources: &Compiled, name: &str) -> (PathBuf, Library) {
    let path = sources.link(name, &["-shared", &format!("-Wl,-soname,{name}")]);
    let library = Library::open(&path).unwrap();
    (path, library)
}

const USER: &str = r#"
#include <dlfcn.h>
#include <stdio.h>
extern int offered;
struct fields { FILE **input; int *offered; void *absent; };
int main(int count, char **arguments) {
    offered = 7;
    void *image = dlopen(arguments[1], RTLD_NOW | RTLD_LOCAL);
    if (!image) return puts(dlerror()), 1;
    struct fields *fields = dlsym(image, "fields");
    int same = fields->input == &stdin && fields->input == dlsym(RTLD_DEFAULT, "stdin");
    same &= fields->offered == &offered && *fields->offered == 7 && fields->offered == dlsym(RTLD_DEFAULT, "offered");
    printf("%d %d\n", same, fields->absent == NULL);
    return dlclose(image);
}
"#;

/// A shared object's fields name the variables that all others mean, also where a program that was linked without `-fPIC` has copies
/// of them.
#[test]
fn variables_of_libraries_are_one_for_a_shared_object_and_its_program() {
    let sources = Compiled::new(&[("offered.c", "int offered = 3;")], &["-O1", "-fPIC"]);
    let (path, offering) = library(&sources, "liboffered.so");
    let folder = path.parent().unwrap().display().to_string();
    let mut libraries = HERE.libraries(&["libc.so.6"]);
    libraries.insert(0, offering);
    let absent = External::new("nobody_defines_this").weak();
    let data = fields("fields", &[External::new("stdin"), External::new("offered"), absent]);
    let options = ElfOptions { run_path: Some(&folder), ..ElfOptions::shared_object(&libraries) };
    let image = sources.write("libimage.so", &write_elf(vec![data], &options).unwrap());
    for (compiled, linked, copies) in [("-fPIC", "-pie", false), ("-fPIE", "-pie", true), ("-fno-pic", "-no-pie", true)]
    {
        let users = Compiled::new(&[("user.c", USER)], &["-O1", compiled]);
        let library = path.display().to_string();
        let user = users.link("user", &[linked, &format!("-Wl,-rpath,{folder}"), "-Wl,--no-as-needed", &library]);
        let relocations = run(Command::new("readelf").arg("-rW").arg(&user)).text;
        for name in ["stdin", "offered"] {
            let is_copied = |line: &str| line.contains("R_X86_64_COPY") && line.contains(name);
            assert_eq!(relocations.lines().any(is_copied), copies, "{compiled}: {relocations}");
        }
        let output = run(Command::new(&user).arg(&image));
        assert_eq!((output.text.as_str(), output.status), ("1 1\n", Some(0)), "{compiled}: {}", output.errors);
    }
}

/// The library has changed since: the system's loader says what it looked for.
#[test]
fn what_is_missing_when_a_program_starts_is_named() {
    let sources = Compiled::new(&[("offered.c", "int offered = 3; int other;")], &["-O1", "-fPIC"]);
    let (path, offering) = library(&sources, "liboffered.so");
    let folder = path.parent().unwrap().display().to_string();
    let mut libraries = HERE.libraries(&["libc.so.6"]);
    libraries.insert(0, offering);
    let main =
        "extern struct { int *offered, *absent; } fields; int main(void) { return *fields.offered + !fields.absent; }";
    let program = Compiled::new(&[("main.c", main)], &["-O1", "-fPIC"]);
    let data = fields("fields", &[External::new("offered"), External::new("other").weak()]);
    let options = ElfOptions { run_path: Some(&folder), ..ElfOptions::executable("main", &libraries) };
    let image = program.write("image", &write_elf([program.graphs(), vec![data]].concat(), &options).unwrap());
    assert_eq!(run(&mut Command::new(&image)).status, Some(3));
    let older = Compiled::new(&[("offered.c", "int offered = 4;")], &["-O1", "-fPIC"]);
    std::fs::copy(library(&older, "liboffered.so").0, &path).unwrap();
    assert_eq!(run(&mut Command::new(&image)).status, Some(5), "what is weak may be missing");
    let newer = Compiled::new(&[("offered.c", "int other;")], &["-O1", "-fPIC"]);
    std::fs::copy(library(&newer, "liboffered.so").0, &path).unwrap();
    let output = run(&mut Command::new(&image));
    assert!(output.status == Some(127) && output.errors.contains("undefined symbol: offered"), "{output:?}");
}
