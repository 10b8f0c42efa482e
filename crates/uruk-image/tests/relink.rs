//! Data of this process, frozen, and linked into this process again: a copy that is right where it lies.

use std::collections::BTreeMap;
use uruk::Jit;
use uruk_image::memory::ThisProcess;
use uruk_image::{Closure, CodeSymbols, Count, External, Field, Pointer, PointerEntry, Tags, Type, TypeId, World};
use uruk_jitlink::elf::x86_64::FORMAT;

/// Words that stay where they are, as a heap's would.
fn words(words: &[u64]) -> &'static mut [u64] {
    Vec::leak(words.to_vec())
}

fn address(words: &[u64]) -> u64 {
    words.as_ptr().expose_provenance() as u64
}

/// Reads a word of what was linked.
fn word(address: u64) -> u64 {
    // SAFETY: the tests ask for words of linked data, which stays while they have its JIT.
    unsafe { std::ptr::with_exposed_provenance::<u64>(address as usize).read_unaligned() }
}

struct Named(BTreeMap<u64, &'static str>);

impl CodeSymbols for Named {
    fn function_at(&self, address: u64) -> Option<String> {
        self.0.get(&address).map(|name| (*name).into())
    }
}

fn linked(jit: &Jit, world: &World, closure: &Closure, functions: &dyn CodeSymbols) {
    let graph = closure.to_graph(world, "the image", &FORMAT, functions).unwrap();
    jit.session().add_graphs(jit.main().id(), None, [graph]).unwrap();
}

fn find(jit: &Jit, name: &str) -> u64 {
    jit.main().find(name).unwrap()
}

#[test]
fn data_is_the_same_elsewhere() {
    let mut world = World::new();
    let tags = Tags { bits: 3, references: 0b10 };
    let cell = Type::new("cell", 48, 8)
        .field(0, Pointer::Reference)
        .field(8, Pointer::Inner)
        .field(16, Pointer::Tagged(tags))
        .field(24, Pointer::Weak)
        .field(32, Pointer::Data)
        .field(40, Pointer::Code);
    let cell = world.add_type(cell).unwrap();
    let constant = Type { constant: true, ..Type::new("text", 8, 8).tail(Count { offset: 0, width: 8 }, 1, []) };
    let text = world.add_type(constant).unwrap();
    let element = [Field { offset: 0, pointer: Pointer::Reference }];
    let vector = world.add_type(Type::new("vector", 8, 8).tail(Count { offset: 0, width: 8 }, 8, element)).unwrap();
    let hello = words(&[8, u64::from_le_bytes(*b"hello, w")]);
    let list = words(&[3, 0, address(hello), 0]);
    list[1] = address(list);
    let garbage = words(&[0]);
    let code = 0xC0DE;
    let root = [address(list), address(hello) + 9, address(list) + 1, address(garbage), 0x1234, code];
    let root = words(&root);
    let add = |world: &mut World, words: &[u64], type_id: TypeId| world.add_object(address(words), type_id).unwrap();
    add(&mut world, hello, text);
    add(&mut world, list, vector);
    add(&mut world, garbage, vector);
    world.add_cell("root", address(root), cell).unwrap();
    world.export("middle", address(hello) + 8).unwrap();
    let stdin = External::new("stdin").addend(4);
    world.add_pointer(address(root) + 32, PointerEntry::Symbol(stdin)).unwrap();
    let closure = world.trace(&["root"], &ThisProcess::open().unwrap(), None).unwrap();
    assert_eq!(closure.kept.len(), 3, "all but the garbage");

    let jit = Jit::new().unwrap();
    jit.main().define("function", code + 7);
    linked(&jit, &world, &closure, &Named(BTreeMap::from([(code, "function")])));
    let copy = find(&jit, "root");
    assert_ne!(copy, address(root));
    let [copy_list, inner, tagged, weak, raw, function] = [0, 8, 16, 24, 32, 40].map(|offset| word(copy + offset));
    assert_eq!([word(copy_list), word(copy_list + 8), word(copy_list + 24)], [3, copy_list, 0]);
    let copy_hello = word(copy_list + 16);
    assert_eq!([word(copy_hello), word(copy_hello + 8)], [hello[0], hello[1]]);
    assert_eq!((inner, tagged, weak, function), (copy_hello + 9, copy_list + 1, 0, code + 7));
    assert_eq!(find(&jit, "middle"), copy_hello + 8);
    assert_eq!(raw, jit.main().find("stdin").unwrap() + 4, "the library's own variable");
    assert_eq!(root[4], 0x1234, "nothing has changed here");
}

/// The same state gives the same bytes, though it lies elsewhere.
#[test]
fn addresses_of_this_process_leave_no_trace() {
    let bytes = || {
        let mut world = World::new();
        let pair = Type::new("pair", 24, 8).field(0, Pointer::Reference).field(8, Pointer::Weak);
        let pair = world.add_type(pair).unwrap();
        let [first, second, third] = [words(&[0, 0, 1]), words(&[0, 0, 2]), words(&[0, 0, 3])];
        (first[0], second[0], second[1], first[1]) = (address(second), address(first), address(third), address(second));
        world.add_cell("first", address(first), pair).unwrap();
        for object in [&*second, &*third] {
            world.add_object(address(object), pair).unwrap();
        }
        let closure = world.trace(&["first"], &ThisProcess::open().unwrap(), None).unwrap();
        let graph = closure.to_graph(&world, "the image", &FORMAT, &()).unwrap();
        (graph.made.clone(), format!("{:?}", graph.edges), address(first))
    };
    let (first, second) = (bytes(), bytes());
    assert_ne!(first.2, second.2);
    assert_eq!((first.0, first.1), (second.0, second.1));
}

#[test]
fn functions_that_nobody_knows_are_errors_with_the_way_there() {
    let mut world = World::new();
    let cell = world.add_type(Type::new("cell", 8, 8).field(0, Pointer::Code)).unwrap();
    let root = words(&[0xC0DE]);
    world.add_cell("root", address(root), cell).unwrap();
    let closure = world.trace(&["root"], &ThisProcess::open().unwrap(), None).unwrap();
    let error = closure.to_graph(&world, "the image", &FORMAT, &()).err().unwrap().to_string();
    assert_eq!(error, "root+0: 0xc0de is not the address of a function that was linked here");
}
