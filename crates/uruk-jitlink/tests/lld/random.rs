//! Assembly of random relocations: templates in random order, with random symbols.

use crate::machines::{Machine, Operand, Template};

/// Templates in a source.
const COUNT: usize = 2_000;

/// A generator of random numbers (SplitMix64).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % limit as u64) as usize
    }
}

/// The source of a seed.
pub fn source(machine: &Machine, seed: u64) -> String {
    let mut random = Random(seed);
    let templates: Vec<&Template> = machine.templates.iter().copied().flatten().collect();
    let mut source = String::from(".text\n.globl g0, g7\n");
    for index in 0..COUNT {
        let template = templates[random.below(templates.len())];
        let operand = operand(&mut random, template.operand, index);
        source += &format!(" .balign 2\nl{index}: {}\n", template.text.replace("{}", &operand));
    }
    source += &format!("l{COUNT}:\n.data\n");
    for index in 0..8 {
        source += &format!("g{index}: .space {}\n", 1 + random.below(5_000));
    }
    for index in 0..4 {
        source += &format!(" .balign 16\na{index}: .space {}\n", 1 + random.below(5_000));
    }
    source += ".section .tdata,\"awT\",@progbits\n .balign 16\n .space 16\n";
    for index in 0..4 {
        source += &format!("t{index}: .space {}\n", 8 * (1 + random.below(300)));
    }
    source + ".section .tbss,\"awT\",@nobits\n .balign 64\nt4: .space 100\n"
}

fn operand(random: &mut Random, operand: Operand, index: usize) -> String {
    let mut label = |distance: usize| {
        let first = index.saturating_sub(distance);
        first + random.below((index + distance).min(COUNT) - first + 1)
    };
    match operand {
        Operand::Label(distance) => format!("l{}", label(distance)),
        Operand::Difference => difference(label(COUNT), label(COUNT)),
        Operand::Short(distance) => difference(label(distance), label(distance)),
        Operand::Thread => format!("t{}", random.below(5)),
        Operand::Aligned => match random.below(2) {
            0 => format!("a{}", random.below(4)),
            _ => format!("u{}", random.below(10)),
        },
        Operand::Defined => format!("g{}", random.below(8)),
        Operand::Symbol => symbol(random),
        Operand::Any => format!("{}+{}", symbol(random), random.below(0x3000)),
    }
}

fn symbol(random: &mut Random) -> String {
    match random.below(4) {
        0 => format!("l{}", random.below(COUNT)),
        1 => format!("u{}", random.below(10)),
        _ => format!("g{}", random.below(8)),
    }
}

fn difference(one: usize, other: usize) -> String {
    format!("l{} - l{}", one.max(other), one.min(other))
}
