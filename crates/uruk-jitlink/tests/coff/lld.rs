//! A second opinion: random objects, linked at the addresses at which `lld-link` has put their sections, are the same bytes.

use crate::support::*;
use std::process::Command;
use uruk_jitlink::memory::Lane;

const BASE: u64 = 0x1_8000_0000;
/// Bytes of each section.
const SIZE: u32 = 0x2000;

/// Numbers without end.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 20) as u32 % limit
    }
}

/// Three sections with symbols all over them, and fields of these types and first bytes, which refer to any of them: in code,
/// or in data.
fn object(machine: u16, random: &mut Random, code: &[(u16, u32)], data: &[(u16, u32)]) -> Vec<u8> {
    let mut sections = [
        section(b".text", CODE, &vec![0; SIZE as usize]),
        section(b".rdata", READ_ONLY, &vec![0; SIZE as usize]),
        section(b".data", DATA, &vec![0; SIZE as usize]),
    ];
    let mut symbols = vec![external("start", 1, 0)];
    for number in 0..60 {
        let (section, value) = (1 + random.below(3) as i16, 16 * random.below(SIZE / 16));
        let class = if random.below(2) == 0 { EXTERNAL } else { STATIC };
        symbols.push(Symbol { class, ..external(&format!("symbol_{number}"), section, value) });
    }
    let in_code: Vec<u32> = (0..).zip(&symbols).filter(|(_, symbol)| symbol.section == 1).map(|(at, _)| at).collect();
    for (number, section) in sections.iter_mut().enumerate() {
        let fields = if number == 0 { code } else { data };
        for at in (0..SIZE).step_by(16) {
            let (kind, bytes) = fields[random.below(fields.len() as u32) as usize];
            let symbol = match is_branch(machine, kind) {
                true => in_code[random.below(in_code.len() as u32) as usize],
                false => random.below(symbols.len() as u32),
            };
            let field = match machine {
                // Small addends of both signs.
                X86_64 => (random.below(64) as i64 - 32).to_le_bytes(),
                _ => [bytes.to_le_bytes(), [0; 4]].concat().try_into().unwrap(),
            };
            let length = if machine == X86_64 && kind != 1 { 4 } else { 8 };
            let start = at as usize;
            section.content[start..start + length].copy_from_slice(&field[..length]);
            section.relocations.push((at, symbol, kind));
        }
    }
    build(machine, &sections, &symbols)
}

fn is_branch(machine: u16, kind: u16) -> bool {
    machine == ARM64 && matches!(kind, 3 | 0xf | 0x10)
}

/// The first bytes of each section of an image, with their addresses.
fn image(object: &[u8]) -> Vec<(String, u64, Vec<u8>)> {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("a.obj"), folder.path().join("a.dll"));
    std::fs::write(&input, object).unwrap();
    let linked = Command::new("lld-link-22")
        .args(["/dll", "/noentry", "/nodefaultlib", "/opt:noref", "/opt:noicf", &format!("/base:{BASE:#x}")])
        .arg(format!("/out:{}", output.display()))
        .arg(&input)
        .output()
        .unwrap();
    assert!(linked.status.success(), "{}", String::from_utf8_lossy(&linked.stderr));
    let bytes = std::fs::read(output).unwrap();
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    let header = word(0x3c) as usize + 4;
    let count = word(header + 2) as u16 as usize;
    let table = header + 20 + (word(header + 16) & 0xffff) as usize;
    let headers = (0..count).map(|number| table + 40 * number).map(|at| {
        let name = String::from_utf8_lossy(&bytes[at..at + 8]).trim_end_matches('\0').to_string();
        (name, at)
    });
    let sections =
        headers.filter(|(name, _)| [".text", ".rdata", ".data"].contains(&name.as_str())).map(|(name, at)| {
            let start = word(at + 20) as usize;
            (name, BASE + u64::from(word(at + 12)), bytes[start..start + SIZE as usize].to_vec())
        });
    sections.collect()
}

fn check(machine: u16, code: &[(u16, u32)], data: &[(u16, u32)]) {
    for seed in 1..=8u64 {
        let object = object(machine, &mut Random(0x9e37_79b9_7f4a_7c15u64.wrapping_mul(seed)), code, data);
        let sections = image(&object);
        let lanes = [0, 1, 2].map(|lane| sections[lane].1);
        let (_, bytes) = link(&object, lanes, BASE, &[]).unwrap();
        for (lane, (name, address, expected)) in Lane::ALL.into_iter().zip(&sections) {
            for (at, (own, expected)) in self::lane(&bytes, lane).chunks(16).zip(expected.chunks(16)).enumerate() {
                assert_eq!(own, expected, "seed {seed}, {name}+{:#x} at {address:#x}", 16 * at);
            }
        }
    }
}

#[test]
fn x86_64_objects_are_what_lld_makes_of_them() {
    let distances: Vec<_> = (4..=9).chain([3, 1]).map(|kind| (kind, 0)).collect();
    check(X86_64, &distances, &[(1, 0), (3, 0), (4, 0)]);
}

#[test]
fn arm64_objects_are_what_lld_makes_of_them() {
    let code = [
        (3, 0x9400_0000),    // bl
        (3, 0x1400_0002),    // b, with an addend
        (4, 0x9000_0010),    // adrp
        (4, 0xb000_0030),    // adrp, with an addend
        (5, 0x1000_0001),    // adr
        (6, 0x9100_0000),    // add
        (6, 0x9100_1000),    // add, with an addend
        (7, 0x3940_0000),    // ldrb
        (7, 0x7940_0400),    // ldrh, with an addend
        (7, 0xb940_0000),    // ldr w
        (7, 0xf940_0000),    // ldr x
        (7, 0x3dc0_0000),    // ldr q
        (0xf, 0x5400_0001),  // b.ne
        (0x10, 0x3600_0003), // tbz
    ];
    check(ARM64, &code, &[(0xe, 0), (2, 8), (0x11, 4)]);
}
