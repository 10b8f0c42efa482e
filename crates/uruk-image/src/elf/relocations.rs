//! What the system's loader does to an image: its relocations, long and short.
//!
//! Sources: gABI, "Relocation" (`SHT_RELR`: "Relative Relocation Table"); the psABIs' lists of dynamic relocations.

use super::bytes::Bytes;
use crate::link::{Dynamic, What};
use crate::packed::pack;
use object::elf;
use uruk_jitlink::format::Format;

/// What a machine's loader is told with.
pub struct Machine {
    pub number: u16,
    pub interpreter: &'static str,
    /// What segments' addresses and offsets in the file agree in: the largest page that a system may have.
    pub page: u64,
    absolute: u32,
    slot: u32,
    relative: u32,
    indirect: u32,
    module: u32,
    module_offset: u32,
    thread_offset: u32,
    descriptor: u32,
}

#[rustfmt::skip]
static MACHINES: &[(&Format, Machine)] = &[
    (&uruk_jitlink::elf::x86_64::FORMAT, Machine {
        number: elf::EM_X86_64.0, interpreter: "/lib64/ld-linux-x86-64.so.2", page: 0x1000,
        absolute: 1, slot: 6, relative: 8, indirect: 37, module: 16, module_offset: 17, thread_offset: 18, descriptor: 36,
    }),
    (&uruk_jitlink::elf::aarch64::FORMAT, Machine {
        number: elf::EM_AARCH64.0, interpreter: "/lib/ld-linux-aarch64.so.1", page: 0x1_0000,
        absolute: 257, slot: 1025, relative: 1027, indirect: 1032, module: 1028, module_offset: 1029, thread_offset: 1030, descriptor: 1031,
    }),
    // A slot takes any word's relocation there.
    (&uruk_jitlink::elf::riscv64::FORMAT, Machine {
        number: elf::EM_RISCV.0, interpreter: "/lib/ld-linux-riscv64-lp64d.so.1", page: 0x1000,
        absolute: 2, slot: 2, relative: 3, indirect: 58, module: 7, module_offset: 9, thread_offset: 11, descriptor: 12,
    }),
];

/// The machine of a format.
pub fn machine(format: &Format) -> Option<&'static Machine> {
    MACHINES.iter().find(|(known, _)| *known == format).map(|(_, machine)| machine)
}

/// The format of a machine.
pub fn format_of(number: u16) -> Option<&'static Format> {
    MACHINES.iter().find(|(_, machine)| machine.number == number).map(|(format, _)| *format)
}

/// Bytes of a long relocation.
pub const LONG: u64 = 24;

/// An image's relocations.
#[derive(Default)]
pub struct Relocations {
    /// Long ones: the image's own addresses first.
    pub long: Vec<u8>,
    /// How many of these are of its own addresses.
    pub relative: u64,
    /// Short ones, of its own addresses.
    pub short: Vec<u64>,
    /// Thread-local variables have to be at the same distance from every thread's pointer.
    pub static_threads: bool,
}

impl Relocations {
    /// Of all words, whose imports have these symbols.
    pub fn new(machine: &Machine, dynamics: &[Dynamic], imports: &[u32], short: bool) -> Relocations {
        let mut relocations = Relocations::default();
        let mut places = Vec::new();
        let mut long = Vec::new();
        for Dynamic { place, what } in dynamics {
            let symbol = what.import().map_or(0, |number| imports[number as usize]);
            let (kind, addend) = match *what {
                What::Own(_) if short && place.is_multiple_of(2) => {
                    places.push(*place);
                    continue;
                }
                What::Own(target) => (machine.relative, target),
                What::Import(_, addend) => (machine.absolute, addend as u64),
                What::Slot(_) => (machine.slot, 0),
                What::Indirect(function) => (machine.indirect, function),
                What::Module(_) => (machine.module, 0),
                What::ModuleOffset(_) => (machine.module_offset, 0),
                What::ThreadOffset(_, offset) => (machine.thread_offset, offset),
                What::Descriptor(_, offset) => (machine.descriptor, offset),
                // Such fields are not asked for.
                What::ThreadField(..) => continue,
            };
            let order = match kind {
                kind if kind == machine.relative => 0,
                // Functions that decide may use everything else.
                kind if kind == machine.indirect => 2,
                _ => 1,
            };
            // The loader remembers the last symbol that it has looked up.
            long.push((order, symbol, *place, kind, addend));
        }
        relocations.static_threads = dynamics.iter().any(|dynamic| matches!(dynamic.what, What::ThreadOffset(..)));
        long.sort_unstable();
        relocations.relative = long.iter().filter(|(order, ..)| *order == 0).count() as u64;
        for (_, symbol, place, kind, addend) in long {
            relocations.long.long(place);
            relocations.long.long(u64::from(symbol) << 32 | u64::from(kind));
            relocations.long.long(addend);
        }
        relocations.short = pack(&places);
        relocations
    }
}
