//! Worlds of a few objects in memory that a test lays out.

use crate::*;

/// Memory from an address on.
struct Bytes {
    base: u64,
    bytes: Vec<u8>,
}

impl Bytes {
    fn new(base: u64, size: usize) -> Bytes {
        Bytes { base, bytes: vec![0xAA; size] }
    }

    fn put(&mut self, address: u64, word: u64) {
        let at = (address - self.base) as usize;
        self.bytes[at..at + 8].copy_from_slice(&word.to_le_bytes());
    }
}

impl Memory for Bytes {
    fn read(&self, address: u64, bytes: &mut [u8]) -> bool {
        let Some(start) = address.checked_sub(self.base) else { return false };
        let part = (start as usize).checked_add(bytes.len()).and_then(|end| self.bytes.get(start as usize..end));
        part.map(|part| bytes.copy_from_slice(part)).is_some()
    }
}

fn pair() -> Type {
    Type::new("pair", 16, 8).field(0, Pointer::Reference).field(8, Pointer::Reference)
}

/// A cell `root` at 0x1000 that refers to pairs from 0x1010 on.
fn pairs(base: u64, links: &[[usize; 2]]) -> (World, Bytes) {
    let (mut world, mut memory) = (World::new(), Bytes::new(base, 16 + 16 * links.len()));
    let cell = world.add_type(Type::new("cell", 8, 8).field(0, Pointer::Reference)).unwrap();
    let pair = world.add_type(pair()).unwrap();
    world.add_cell("root", base, cell).unwrap();
    let address = |number: usize| if number == 0 { 0 } else { base + 16 * number as u64 };
    memory.put(base, address(1));
    for (index, link) in links.iter().enumerate() {
        world.add_object(address(index + 1), pair).unwrap();
        memory.put(address(index + 1), address(link[0]));
        memory.put(address(index + 1) + 8, address(link[1]));
    }
    (world, memory)
}

fn places(closure: &Closure) -> Vec<(u32, u64, Target)> {
    closure.edges.iter().map(|edge| (edge.from.kept, edge.from.offset, edge.to)).collect()
}

fn to(kept: u32) -> Target {
    Target::Place(Place { kept, offset: 0 }, 0)
}

#[test]
fn what_roots_lead_to_is_kept_once_and_cycles_end() {
    // The fourth is garbage.
    let (world, memory) = pairs(0x1000, &[[2, 3], [1, 3], [3, 0], [1, 2]]);
    let closure = world.trace(&["root"], &memory, None).unwrap();
    let kept: Vec<u64> = closure.kept.iter().map(|kept| kept.address).collect();
    assert_eq!(kept, [0x1000, 0x1010, 0x1020, 0x1030]);
    let edges = [(0, 0, to(1)), (1, 0, to(2)), (1, 8, to(3)), (2, 0, to(1)), (2, 8, to(3)), (3, 0, to(3))];
    assert_eq!(places(&closure), edges);
    assert_eq!(closure.path(&world, closure.kept[3].parent), "root+0 -> pair+8");
    let share = Share { root: "root".into(), places: 4, bytes: 8 + 3 * 16 };
    assert_eq!(closure.shares(&world), [share]);
}

#[test]
fn the_order_is_the_graphs_and_not_the_addresses() {
    let links = [[3, 2], [4, 0], [2, 5], [1, 1], [0, 0]];
    let (world, memory) = pairs(0x1000, &links);
    let (other_world, other_memory) = pairs(0x7000, &links);
    let closure = world.trace(&["root"], &memory, None).unwrap();
    let other = other_world.trace(&["root"], &other_memory, None).unwrap();
    assert_eq!(places(&closure), places(&other));
    // The same with objects in other places: the third is the fifth and the other way round.
    let (world, memory) = pairs(0x1000, &[[5, 2], [4, 0], [0, 0], [1, 1], [2, 3]]);
    assert_eq!(places(&world.trace(&["root"], &memory, None).unwrap()), places(&closure));
}

#[test]
fn pointers_of_all_kinds_are_followed_as_they_say() {
    let (mut world, mut memory) = (World::new(), Bytes::new(0x1000, 0x100));
    let tags = Tags { bits: 2, references: 0b0010 };
    let of_each = Type::new("each", 48, 8)
        .field(0, Pointer::Inner)
        .field(8, Pointer::Weak)
        .field(16, Pointer::Weak)
        .field(24, Pointer::Tagged(tags))
        .field(32, Pointer::Tagged(tags))
        .field(40, Pointer::Code);
    let each = world.add_type(of_each).unwrap();
    let leaf = world.add_type(Type::new("leaf", 16, 8)).unwrap();
    world.add_cell("each", 0x1000, each).unwrap();
    for leaf_address in [0x1040, 0x1050, 0x1060] {
        world.add_object(leaf_address, leaf).unwrap();
    }
    for (offset, word) in [(0, 0x1047), (8, 0x1040), (16, 0x1060), (24, 0x1051), (32, 0x1062), (40, 0x5555)] {
        memory.put(0x1000 + offset, word);
    }
    let closure = world.trace(&["each"], &memory, None).unwrap();
    let place = |kept, offset, tag| Target::Place(Place { kept, offset }, tag);
    let edges =
        [(0, 0, place(1, 7, 0)), (0, 8, place(1, 0, 0)), (0, 24, place(2, 0, 1)), (0, 40, Target::Code(0x5555))];
    assert_eq!(places(&closure), edges);
    assert_eq!(closure.cleared, [Place { kept: 0, offset: 16 }], "nothing else keeps it");
}

#[test]
fn objects_are_as_long_as_they_say() {
    let (mut world, mut memory) = (World::new(), Bytes::new(0x1000, 0x100));
    let element = [Field { offset: 8, pointer: Pointer::Reference }];
    let vector = Type::new("vector", 8, 8).tail(Count { offset: 0, width: 4 }, 16, element);
    let vector = world.add_type(vector).unwrap();
    world.add_cell("vector", 0x1000, vector).unwrap();
    memory.put(0x1000, 0xFFFF_FFFF_0000_0002);
    memory.put(0x1010, 0x1000);
    memory.put(0x1020, 0);
    let closure = world.trace(&["vector"], &memory, None).unwrap();
    assert_eq!(closure.kept[0].size, 8 + 2 * 16);
    assert_eq!(places(&closure), [(0, 16, to(0))]);
    memory.put(0x1000, 0xFFFF_FFFF);
    let error = world.trace(&["vector"], &memory, None).unwrap_err().to_string();
    assert!(error.contains("cannot be read"), "{error}");
    let wide = Type::new("wide", 8, 8).tail(Count { offset: 0, width: 8 }, u64::MAX, []);
    let wide = world.add_type(wide).unwrap();
    world.add_cell("wide", 0x1080, wide).unwrap();
    memory.put(0x1080, 3);
    let error = world.trace(&["wide"], &memory, None).unwrap_err().to_string();
    assert!(error.contains("the number of elements of a `wide`"), "{error}");
}

#[test]
fn entries_say_what_raw_pointers_point_to_and_follow_objects() {
    let (mut world, mut memory) = (World::new(), Bytes::new(0x1000, 0x200));
    let raw = Type::new("raw", 16, 8).field(0, Pointer::Data).field(8, Pointer::Function);
    let raw = world.add_type(raw).unwrap();
    let cell = world.add_type(Type::new("cell", 8, 8).field(0, Pointer::Reference)).unwrap();
    world.add_cell("root", 0x1000, cell).unwrap();
    world.add_object(0x1100, raw).unwrap();
    memory.put(0x1000, 0x1040);
    for address in [0x1040, 0x1048] {
        memory.put(address, 0x1234);
    }
    let puts = External::new("puts").version("GLIBC_2.2.5").addend(4);
    world.add_pointer(0x1100, PointerEntry::Own(0x1108)).unwrap();
    world.add_pointer(0x1108, PointerEntry::Symbol(puts.clone())).unwrap();
    assert_eq!(world.pointers().count(), 2);
    // What was said of where it goes was said of something that is gone.
    let stdin = PointerEntry::Symbol(External::new("stdin"));
    world.add_pointer(0x1048, stdin.clone()).unwrap();
    world.objects_moved(&[Move { from: 0x1100, to: 0x1040, size: 16 }]);
    world.add_pointer(0x1180, stdin.clone()).unwrap();
    let closure = world.trace(&["root"], &memory, None).unwrap();
    let own = Target::Place(Place { kept: 1, offset: 8 }, 0);
    assert_eq!(places(&closure), [(0, 0, to(1)), (1, 0, own), (1, 8, Target::External(0))]);
    assert_eq!(closure.externals, [puts]);
    assert_eq!(closure.unused_entries, [0x1180]);
    assert_eq!(world.remove_pointer(0x1180), Some(stdin));
    world.objects_moved(&[]);
    assert!(world.trace(&["root"], &memory, None).unwrap().unused_entries.is_empty());
}

#[test]
fn objects_trade_places() {
    let (mut world, mut memory) = pairs(0x1000, &[[2, 0], [0, 1]]);
    world.export("second", 0x1028).unwrap();
    let swapped = [Move { from: 0x1010, to: 0x1020, size: 16 }, Move { from: 0x1020, to: 0x1010, size: 16 }];
    world.objects_moved(&swapped);
    for (address, word) in [(0x1000, 0x1020), (0x1020, 0x1010), (0x1028, 0), (0x1010, 0), (0x1018, 0x1020)] {
        memory.put(address, word);
    }
    let closure = world.trace(&["root"], &memory, None).unwrap();
    assert_eq!(closure.exports, [("second".to_owned(), Place { kept: 1, offset: 8 })]);
    // What is exported is found before what is referred to.
    assert_eq!(places(&closure), [(0, 0, to(2)), (1, 8, to(2)), (2, 0, to(1))]);
}

/// What lies behind a moved object stays what it is, and what one has taken the place of is gone with all that was said of it.
#[test]
fn objects_are_moved_beside_others_and_onto_others() {
    let (mut world, memory) = (World::new(), Bytes::new(0x1000, 0x100));
    let raw = Type::new("raw", 16, 8).field(0, Pointer::Data).field(8, Pointer::Data);
    let raw = world.add_type(raw).unwrap();
    world.add_cell("cell", 0x1000, raw).unwrap();
    world.add_objects(&[(0x1010, raw), (0x1020, raw), (0x1030, raw)]).unwrap();
    for (field, place) in [(0x1000, 0x1020), (0x1008, 0x1038), (0x1010, 0x1040), (0x1028, 0x1010)] {
        world.add_pointer(field, PointerEntry::Own(place)).unwrap();
    }
    for (name, place) in [("behind", 0x1020), ("gone", 0x1030), ("end", 0x1040)] {
        world.export(name, place).unwrap();
    }
    let entries = |world: &World| {
        let entry = |(field, entry): (u64, &PointerEntry)| match entry {
            PointerEntry::Own(place) => (field, *place),
            PointerEntry::Symbol(_) => panic!("there is none"),
        };
        world.pointers().map(entry).collect::<Vec<_>>()
    };
    world.objects_moved(&[Move { from: 0x1010, to: 0x1030, size: 16 }]);
    assert_eq!(entries(&world), [(0x1000, 0x1020), (0x1028, 0x1030), (0x1030, 0x1040)]);
    assert_eq!(world.exports().collect::<Vec<_>>(), [("behind", 0x1020), ("end", 0x1040)]);
    world.objects_moved(&[Move { from: 0x1030, to: 0x1060, size: 16 }]);
    assert_eq!(entries(&world), [(0x1000, 0x1020), (0x1028, 0x1060), (0x1060, 0x1070)], "an end goes along");
    let closure = world.trace(&["cell"], &memory, None).unwrap();
    let kept: Vec<u64> = closure.kept.iter().map(|kept| kept.address).collect();
    assert_eq!(kept, [0x1000, 0x1020, 0x1060]);
}

struct Rows;

impl Heap for Rows {
    fn object_at(&self, address: u64) -> Option<(u64, TypeId)> {
        (0x2000..0x3000).contains(&address).then_some((address & !15, TypeId(if address < 0x2800 { 1 } else { 9 })))
    }
}

#[test]
fn a_heap_is_asked_for_what_was_not_added() {
    let (mut world, mut memory) = pairs(0x1000, &[[0, 0]]);
    memory.bytes.resize(0x2000, 0);
    memory.put(0x1010, 0x2000);
    memory.put(0x2000, 0x2010);
    let error = world.trace(&["root"], &memory, None).unwrap_err().to_string();
    assert_eq!(error, "root+0 -> pair+0: 0x2000 is neither null nor the address of an object or a cell");
    let closure = world.trace(&["root"], &memory, Some(&Rows)).unwrap();
    assert_eq!(closure.kept.iter().map(|kept| kept.address).collect::<Vec<_>>(), [0x1000, 0x1010, 0x2000, 0x2010]);
    world.add_pointer(0x2008, PointerEntry::Symbol(External::new("stdin"))).unwrap();
    let error = world.trace(&["root"], &memory, Some(&Rows)).unwrap_err().to_string();
    assert!(error.contains("the `pair` at 0x2000 has no raw pointer at 8"), "{error}");
    memory.put(0x2000, 0x2800);
    let error = world.trace(&["root"], &memory, Some(&Rows)).unwrap_err().to_string();
    assert!(error.contains("whose type was never added"), "{error}");
    memory.put(0x2000, 0x2018);
    let error = world.trace(&["root"], &memory, Some(&Rows)).unwrap_err().to_string();
    assert!(error.starts_with("root+0 -> pair+0 -> pair+0: 0x2018 is an address inside an object"), "{error}");
}

/// What lies before an object of the heap, and ends there or has a variable part, does not have it.
#[test]
fn objects_of_a_heap_lie_behind_what_was_added() {
    let (mut world, mut memory) = (World::new(), Bytes::new(0x1F00, 0x200));
    let element = [Field { offset: 0, pointer: Pointer::Reference }];
    let table = world.add_type(Type::new("table", 8, 8).tail(Count { offset: 0, width: 8 }, 8, element)).unwrap();
    world.add_type(pair()).unwrap();
    world.add_cell("table", 0x1FE8, table).unwrap();
    for (address, word) in [(0x1FE8, 2), (0x1FF0, 0x2000), (0x1FF8, 0x2010), (0x2000, 0), (0x2008, 0)] {
        memory.put(address, word);
    }
    for address in [0x2010, 0x2018] {
        memory.put(address, 0);
    }
    let closure = world.trace(&["table"], &memory, Some(&Rows)).unwrap();
    assert_eq!(closure.kept.iter().map(|kept| kept.address).collect::<Vec<_>>(), [0x1FE8, 0x2000, 0x2010]);
    let place = |address| closure.place_of(address).map(|place| (place.kept, place.offset));
    assert_eq!([0x1FF8, 0x2000, 0x201F].map(place), [Some((0, 16)), Some((1, 0)), Some((2, 15))]);
    assert_eq!([0x1FE7, 0x2020].map(place), [None; 2]);
}

#[test]
fn types_that_make_no_sense_are_refused() {
    let refused = |described: Type, part: &str| {
        let error = World::new().add_type(described).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    };
    let word = |offset| Type::new("t", 16, 8).field(offset, Pointer::Reference);
    refused(Type::new("t", 16, 3), "no power of two");
    refused(Type::new("t", 16, 1 << 31), "an image to 1073741824 at most");
    refused(Type { align: 4, ..word(0) }, "aligned to 8 bytes and it to 4");
    refused(Type::new("t", 0, 8), "no bytes");
    refused(Type::new("t", u64::MAX, 8), "more than there can be");
    refused(word(12), "lies outside");
    refused(word(u64::MAX - 2), "lies outside");
    refused(word(4), "not aligned");
    refused(Type { packed: true, ..word(1) }.field(8, Pointer::Data), "overlap");
    refused(word(8).field(8, Pointer::Weak), "overlap");
    refused(Type::new("t", 16, 8).field(0, Pointer::Tagged(Tags { bits: 7, references: 1 })), "tag bits");
    let tail = |offset, width, stride, at| {
        Type::new("t", 16, 8).tail(Count { offset, width }, stride, [Field { offset: at, pointer: Pointer::Inner }])
    };
    refused(tail(0, 3, 8, 0), "3 bytes");
    refused(tail(12, 8, 8, 0), "count at 12 lies outside");
    refused(tail(0, 8, 0, 0), "no bytes");
    refused(tail(0, 8, 8, 8), "lies outside");
    refused(tail(0, 8, 12, 0), "not aligned");
    assert!(World::new().add_type(Type::new("t", 16, 1 << 30).field(8, Pointer::Reference)).is_ok());
    let odd = Type { packed: true, ..Type::new("odd", 9, 1).field(1, Pointer::Reference) };
    assert!(World::new().add_type(odd).is_ok());
}

#[test]
fn places_names_and_entries_that_make_no_sense_are_refused() {
    let (mut world, memory) = pairs(0x1000, &[[0, 0]]);
    let pair = TypeId(1);
    let text = |error: Result<(), Error>| error.unwrap_err().to_string();
    assert!(text(world.add_object(0x1018, pair)).contains("overlaps the `pair` at 0x1010"));
    assert!(text(world.add_object(0xFF8, pair)).contains("overlaps the cell `root`"));
    assert!(text(world.add_object(0x1021, pair)).contains("aligned to 8"));
    assert!(text(world.add_object(0, pair)).contains("null"));
    assert!(text(world.add_object(0x3000, TypeId(7))).contains("no type 7"));
    assert!(text(world.add_cell("root", 0x3000, pair)).contains("one of that name"));
    assert!(text(world.add_cell("a\0b", 0x3000, pair)).contains("zero byte"));
    assert!(text(world.add_cell("a@V", 0x3000, pair)).contains("versions are given apart"));
    assert!(text(world.export("root", 0x1010)).contains("one of that name at 0x1000"));
    assert!(text(world.export("", 0x1010)).contains("a name is empty"));
    assert!(text(world.export("null", 0)).contains("nothing is at null"));
    world.export("exported", 0x1004).unwrap();
    assert!(text(world.add_cell("exported", 0x3000, pair)).contains("one of that name at 0x1004"));
    for (field, entry, part) in [
        (0x5000, symbol(""), "empty"),
        (0x5000, symbol("a\0"), "zero byte"),
        (0x5000, symbol("a@V"), "versions are given apart"),
        (0, symbol("a"), "null"),
        (0x5000, PointerEntry::Own(0), "nothing is at null"),
        (0x1010, symbol("a"), "has no raw pointer at 0"),
    ] {
        let error = world.add_pointer(field, entry).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
    world.add_pointer(0x5000, symbol("a")).unwrap();
    world.add_pointer(0x5000, symbol("a")).unwrap();
    assert!(text(world.add_pointer(0x5000, symbol("b"))).contains("points to symbol `a` already"));
    assert!(text(world.add_pointer(0x5004, symbol("a"))).contains("overlaps the pointer at 0x5000"));
    let error = world.trace(&["nothing"], &memory, None).unwrap_err().to_string();
    assert_eq!(error, "there is no root `nothing`; roots are cells that were added under a name, as `root`");
    assert!(world.remove_object(0x1010) && !world.remove_object(0x1010) && !world.remove_object(0x1000));
    let error = world.trace(&["root"], &memory, None).unwrap_err().to_string();
    assert!(error.starts_with("root+0: 0x1010 is neither null"), "{error}");
}

fn symbol(name: &str) -> PointerEntry {
    PointerEntry::Symbol(External::new(name))
}

#[test]
fn lists_are_taken_whole_or_not_at_all() {
    let (mut world, _) = pairs(0x1000, &[[0, 0]]);
    let failed = |result: Result<(), Error>, start: &str, reason: &str| {
        let error = result.unwrap_err().to_string();
        assert!(error.starts_with(start) && error.contains(reason), "{error}");
    };
    world.add_pointer(0x5000, symbol("there")).unwrap();
    let pair = TypeId(1);
    failed(world.add_objects(&[(0x2000, pair), (0x2010, pair), (0x2008, pair)]), "objects[2]: ", "overlaps");
    let entries = [(0x5000, symbol("there")), (0x5010, symbol("new")), (0x5000, symbol("other"))];
    failed(world.add_pointers(&entries), "fields[2]: ", "points to symbol `there` already");
    let symbols = [(0x1010, "first"), (0x1018, "second")];
    failed(world.add_named(&[symbols[0], (0x1018, "root")], &[]), "symbols[1]: ", "one of that name");
    failed(world.add_named(&symbols, &[(0x5010, symbol("new")), (0, symbol("null"))]), "relocations[1]: ", "null");
    let fields = |world: &World| world.pointers().map(|(field, _)| field).collect::<Vec<_>>();
    assert_eq!(fields(&world), [0x5000], "what was there stays, and nothing else was added");
    // All of it can be added now.
    world.add_objects(&[(0x2000, pair), (0x2010, pair)]).unwrap();
    world.add_named(&symbols, &[(0x5010, symbol("new"))]).unwrap();
    world.add_pointers(&[(0x5020, symbol("last"))]).unwrap();
    assert_eq!(fields(&world), [0x5000, 0x5010, 0x5020]);
    assert_eq!(world.exports().collect::<Vec<_>>(), [("first", 0x1010), ("second", 0x1018)]);
}

#[test]
fn what_is_removed_takes_its_entries_along() {
    let mut world = World::new();
    let raw = world.add_type(Type::new("raw", 16, 8).field(0, Pointer::Data).field(8, Pointer::Data)).unwrap();
    let element = [Field { offset: 0, pointer: Pointer::Data }];
    let table = world.add_type(Type::new("table", 8, 8).tail(Count { offset: 0, width: 8 }, 8, element)).unwrap();
    world.add_objects(&[(0x1000, raw), (0x1010, raw), (0x2000, table), (0x2040, raw)]).unwrap();
    for field in [0x1000, 0x1008, 0x1010, 0x2040] {
        world.add_pointer(field, symbol("a")).unwrap();
    }
    // Those of a variable part are checked when it is known how long that is.
    world.add_pointer(0x2038, symbol("a")).unwrap();
    assert!(world.remove_object(0x1000) && world.remove_object(0x2000));
    assert_eq!(world.pointers().map(|(field, _)| field).collect::<Vec<_>>(), [0x1010, 0x2040]);
}

/// Bytes of this process are read where they are, and nothing else is.
#[test]
fn this_process_is_read_as_it_is() {
    let memory = memory::ThisProcess::open().unwrap();
    let large: Vec<u8> = (0..300_000u32).map(|number| number as u8).collect();
    let at = large.as_ptr().expose_provenance() as u64;
    for (offset, length) in [(0, 1), (70_000, 16), (69_990, 40), (0, 300_000), (299_999, 1)] {
        let mut read = vec![0; length];
        assert!(memory.read(at + offset as u64, &mut read));
        assert_eq!(read, large[offset..offset + length]);
    }
    assert!(!memory.read(8, &mut [0; 8]) && !memory.read(u64::MAX - 4, &mut [0; 8]));
}

/// A tag takes the lowest bits of an address: an image has to put objects where they are free.
#[test]
fn tags_have_room_below_addresses() {
    let (mut world, mut memory) = (World::new(), Bytes::new(0x1000, 0x100));
    let tags = Tags { bits: 4, references: 0b10 };
    let cell = world.add_type(Type::new("cell", 8, 8).field(0, Pointer::Tagged(tags))).unwrap();
    let [narrow, wide] = [("narrow", 8), ("wide", 16)].map(|(name, align)| Type::new(name, 8, align));
    let (narrow, wide) = (world.add_type(narrow).unwrap(), world.add_type(wide).unwrap());
    world.add_cell("cell", 0x1000, cell).unwrap();
    world.add_objects(&[(0x1010, narrow), (0x1020, wide)]).unwrap();
    memory.put(0x1000, 0x1011);
    let error = world.trace(&["cell"], &memory, None).unwrap_err().to_string();
    let expected = "cell+0: 0x1011 is a reference with 4 tag bits to a `narrow`, whose alignment to 8 bytes leaves no room for them";
    assert!(error.starts_with(expected), "{error}");
    for (word, edges) in [(0x1021, 1), (0x1012, 0), (1, 0)] {
        memory.put(0x1000, word);
        assert_eq!(world.trace(&["cell"], &memory, None).unwrap().edges.len(), edges);
    }
}

/// How long an object with a variable part is, is only seen when it is kept.
#[test]
fn objects_do_not_lie_in_others() {
    let (mut world, mut memory) = (World::new(), Bytes::new(0x1000, 0x100));
    let table = world.add_type(Type::new("table", 8, 8).tail(Count { offset: 0, width: 8 }, 8, [])).unwrap();
    let pair = world.add_type(pair()).unwrap();
    world.add_cell("root", 0x1000, pair).unwrap();
    world.add_objects(&[(0x1020, table), (0x1030, pair)]).unwrap();
    for (address, word) in [(0x1000, 0x1020), (0x1008, 0x1030), (0x1020, 1), (0x1030, 0), (0x1038, 0)] {
        memory.put(address, word);
    }
    assert_eq!(world.trace(&["root"], &memory, None).unwrap().kept.len(), 3);
    memory.put(0x1020, 2);
    let error = world.trace(&["root"], &memory, None).unwrap_err().to_string();
    assert_eq!(error, "root+8: 0x1030 is the address of a `pair` amid the 24 bytes of the `table` at 0x1020");
}

#[test]
fn roots_and_exported_symbols_that_are_nowhere_are_named() {
    let (mut world, _) = pairs(0x1000, &[[0, 0]]);
    let error = world.trace(&["root"], &Bytes::new(0x2000, 8), None).unwrap_err().to_string();
    assert_eq!(error, "root `root`: 8 bytes at 0x1000 cannot be read");
    world.export("nowhere", 0x4000).unwrap();
    let error = world.trace(&[], &Bytes::new(0x1000, 0x100), None).unwrap_err().to_string();
    assert_eq!(error, "exported symbol `nowhere`: 0x4000 is neither null nor the address of an object or a cell");
}

/// Objects that are aligned to a gigabyte would take one each.
#[test]
fn areas_have_an_end() {
    struct Zero;
    impl Memory for Zero {
        fn read(&self, _: u64, bytes: &mut [u8]) -> bool {
            bytes.fill(0);
            true
        }
    }
    let mut world = World::new();
    let far = world.add_type(Type::new("far", 8, 1 << 30)).unwrap();
    let cells: Vec<String> = (1..=5u64).map(|number| format!("cell{number}")).collect();
    for (number, cell) in (1..).zip(&cells) {
        world.add_cell(cell, number << 30, far).unwrap();
    }
    let roots: Vec<&str> = cells.iter().map(String::as_str).collect();
    let closure = world.trace(&roots, &Zero, None).unwrap();
    let graph = closure.to_graph(&world, "the data", &uruk_jitlink::elf::x86_64::FORMAT, &());
    assert!(matches!(graph, Err(Error::Large)));
}
