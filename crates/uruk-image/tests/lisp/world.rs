//! What the Scheme's memory looks like, as `runtime.h` says.

use uruk::Jit;
use uruk_image::{Count, Field, Memory, Pointer, Tags, Type, TypeId, World};

const REFERENCE: Pointer = Pointer::Tagged(Tags { bits: 3, references: 0b10 });
const COUNT: Count = Count { offset: 4, width: 4 };

/// Kinds of objects, in the runtime's order, with the bytes of their elements.
fn types() -> [(Type, u64); 6] {
    let element = || [Field { offset: 0, pointer: REFERENCE }];
    let three = |name| Type::new(name, 32, 8).field(8, REFERENCE).field(16, REFERENCE).field(24, REFERENCE);
    [
        (Type::new("pair", 24, 8).field(8, REFERENCE).field(16, REFERENCE), 0),
        (three("symbol"), 0),
        (Type::new("string", 8, 8).tail(COUNT, 1, []), 1),
        (Type::new("vector", 8, 8).tail(COUNT, 8, element()), 8),
        (Type::new("closure", 16, 8).field(8, Pointer::Code).tail(COUNT, 8, element()), 8),
        (three("lambda"), 0),
    ]
}

/// Describes everything: all objects of the heap, dead or alive, and the variables of the runtime.
pub fn describe(jit: &Jit, memory: &dyn Memory) -> World {
    let mut world = World::new();
    let known = types().map(|(described, stride)| {
        let size = described.size;
        (world.add_type(described).unwrap(), size, stride)
    });
    let cell = |jit: &Jit, name: &str| jit.main().find(name).unwrap();
    let symbols = world.add_type(Type::new("symbols", 8, 8).field(0, REFERENCE)).unwrap();
    world.add_cell("symbols", cell(jit, "symbols"), symbols).unwrap();
    // The heap and the stack are no objects, and nothing keeps them: an image begins with none.
    let machine = world.add_type(Type::new("machine", 8, 8).field(0, Pointer::Weak)).unwrap();
    world.add_cell("machine", cell(jit, "machine"), machine).unwrap();
    let mut chunk = word(memory, word(memory, cell(jit, "machine")) + 8);
    while chunk != 0 {
        let (next, used) = (word(memory, chunk), word(memory, chunk + 8));
        add_objects(&mut world, &known, memory, chunk + 16..chunk + 16 + used);
        chunk = next;
    }
    world
}

fn add_objects(world: &mut World, known: &[(TypeId, u64, u64)], memory: &dyn Memory, range: std::ops::Range<u64>) {
    let mut address = range.start;
    while address < range.end {
        let header = word(memory, address);
        let (kind, count) = (header & 0xFF, header >> 32);
        let size = match kind.checked_sub(1) {
            None => 8 + 8 * count,
            Some(kind) => {
                let (type_id, size, stride) = known[kind as usize];
                world.add_object(address, type_id).unwrap();
                size + stride * count
            }
        };
        address += size.next_multiple_of(16);
    }
}

/// Reads a word.
pub fn word(memory: &dyn Memory, address: u64) -> u64 {
    let mut bytes = [0; 8];
    assert!(memory.read(address, &mut bytes), "{address:#x}");
    u64::from_le_bytes(bytes)
}
