//! Damaged Mach-O objects: each damage to one good object gives an error that says what is wrong and where.

use super::assemble::assemble;
use super::{bodies, outcome};
use uruk_jitlink::format;
use uruk_jitlink::input::Input;
use uruk_jitlink::names::Names;

/// A field: offset in the file and length in bytes.
type At = (usize, usize);

const FILE_TYPE: At = (12, 4);
const SUBTYPE: At = (8, 4);
const COMMAND_BYTES: At = (20, 4);
const SEGMENT: usize = 32;
const SECTIONS: usize = SEGMENT + 72;

/// A field of a section's header.
fn section(index: usize, (at, size): At) -> At {
    (SECTIONS + 80 * index + at, size)
}

const ADDRESS: At = (32, 8);
const SIZE: At = (40, 8);
const OFFSET: At = (48, 4);
const ALIGN: At = (52, 4);
const RELOCATIONS: At = (56, 4);
const COUNT: At = (60, 4);
const FLAGS: At = (64, 4);

fn get(bytes: &[u8], (at, size): At) -> u64 {
    bytes[at..at + size].iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

fn put(bytes: &mut [u8], (at, size): At, value: u64) {
    bytes[at..at + size].copy_from_slice(&value.to_le_bytes()[..size]);
}

/// One of everything: two functions, a call, a difference, a string, a common symbol.
const SOURCE: &str = ".text\n.globl _f\n_f: callq _g\nleaq L_text(%rip), %rax\nretq\n_g: retq\n
    .data\n.globl _d\n_d: .quad _f - _e\n_e: .quad _d\n.comm _c, 8, 3\n
    .cstring\nL_text: .asciz \"text\"\n.subsections_via_symbols\n";

struct Good {
    bytes: Vec<u8>,
    symbols: usize,
    strings: usize,
}

impl Good {
    fn new() -> Good {
        let bytes = assemble("x86_64", SOURCE);
        let mut at = SEGMENT;
        while get(&bytes, (at, 4)) != 2 {
            at += get(&bytes, (at + 4, 4)) as usize;
        }
        let [symbols, strings] = [8, 16].map(|field| get(&bytes, (at + field, 4)) as usize);
        Good { bytes, symbols, strings }
    }

    /// The two words of a relocation.
    fn relocation(&self, of: usize, index: usize) -> [At; 2] {
        let at = get(&self.bytes, section(of, RELOCATIONS)) as usize + 8 * index;
        [(at, 4), (at + 4, 4)]
    }

    fn symbol(&self, index: usize) -> usize {
        self.symbols + 16 * index
    }

    #[track_caller]
    fn check(&self, damages: &[(At, u64)], expected: &str) {
        let mut bytes = self.bytes.clone();
        for (at, value) in damages {
            put(&mut bytes, *at, *value);
        }
        assert_eq!(outcome(bytes), expected, "after {damages:x?}");
    }

    #[track_caller]
    fn damaged(&self, damages: &[(At, u64)], what: &str, offset: usize) {
        self.check(damages, &format!("a.o: {what} at offset {offset:#x}: the file is damaged"));
    }
}

const TEXT: usize = 0;
const DATA: usize = 1;

#[test]
fn headers() {
    let good = Good::new();
    good.check(&[], "ok");
    let hint = "a Mach-O object for x86-64 or arm64 is expected here, as `cc -c` makes it";
    good.check(&[(FILE_TYPE, 2)], &format!("a.o: a linked Mach-O file, not an object; {hint}"));
    good.check(&[(SUBTYPE, 77)], &format!("a.o: a Mach-O object for another architecture; {hint}"));
    good.damaged(&[(COMMAND_BYTES, 40)], "a load command of a size that makes no sense", SEGMENT);
    good.damaged(&[((SEGMENT + 4, 4), 4)], "a load command of a size that makes no sense", SEGMENT);
    good.damaged(&[((SEGMENT + 64, 4), 1 << 20)], "a segment with more sections than it has room for", SEGMENT);
}

#[test]
#[rustfmt::skip]
fn sections() {
    let good = Good::new();
    let text = SECTIONS;
    good.damaged(&[(section(TEXT, OFFSET), 1 << 30)], "a section that lies past the end of the file", text);
    good.damaged(&[(section(TEXT, SIZE), 1 << 40)], "a section that lies past the end of the file", text);
    good.damaged(&[(section(TEXT, ALIGN), 60)], "a section of an address or alignment that makes no sense", text);
    good.damaged(&[(section(TEXT, ADDRESS), u64::MAX - 2)], "a symbol that lies outside its section", good.symbol(0));
    good.damaged(&[(section(DATA, FLAGS), 0x16)], "a relocation of an initialiser that is no offset", good.relocation(DATA, 0)[0].0);
    good.check(&[(section(DATA, FLAGS), 13)],
        "a.o: section `__DATA,__data` is of a type that is not linked; compile for macOS 10.15 or later");
    good.damaged(&[(section(DATA, FLAGS), 1)], "a relocation that lies outside its section", good.relocation(DATA, 0)[0].0);
}

#[test]
#[rustfmt::skip]
fn symbols() {
    let good = Good::new();
    let first = good.symbol(0);
    good.damaged(&[((first, 4), 0xffff)], "a name that lies past the end of its string table", good.strings + 0xffff);
    good.damaged(&[((first + 5, 1), 99)], "a section number past the last section", first);
    good.damaged(&[((first + 8, 8), 1 << 20)], "a symbol that lies outside its section", first);
    good.damaged(&[((first + 4, 1), 4)], "a symbol of an unknown type", first);
}

#[test]
#[rustfmt::skip]
fn relocations() {
    let good = Good::new();
    let [place, what] = good.relocation(TEXT, 0);
    let word = get(&good.bytes, what);
    let at = place.0;
    good.damaged(&[(section(TEXT, RELOCATIONS), 1 << 30)], "relocations that lie past the end of the file", 1 << 30);
    good.damaged(&[(section(TEXT, COUNT), 1 << 30)], "relocations that lie past the end of the file", at);
    good.damaged(&[(section(TEXT, RELOCATIONS), 0), (section(TEXT, COUNT), 60), (section(DATA, RELOCATIONS), 0), (section(DATA, COUNT), 60)],
        "a relocation whose length does not go with its type", 0);
    good.damaged(&[(place, 1 << 20)], "a relocation that lies outside its section", at);
    good.damaged(&[(what, (word & !0xff_ffff) | 0x800 | 1 << 27)], "a relocation to a symbol that does not exist", at);
    good.damaged(&[(what, (word & !(1 << 27 | 0xff_ffff)) | 99)], "a relocation to a section that does not exist", at);
    good.damaged(&[(what, word & !(3 << 25))], "a relocation whose length does not go with its type", at);
    good.check(&[(what, (word & 0x0fff_ffff) | 15 << 28)], "a.o(__TEXT,__text+0x8): relocation type 15 is not supported");
    // What has to come together: a SUBTRACTOR and an UNSIGNED one, of one place and one length.
    let (first, second) = (good.relocation(DATA, 1), good.relocation(DATA, 2));
    assert_eq!(get(&good.bytes, first[1]) >> 28, 5, "the source has a difference");
    let alone = "a SUBTRACTOR relocation without an UNSIGNED one of its place and length behind it";
    good.damaged(&[(second[0], 4)], alone, first[0].0);
    good.damaged(&[(second[1], get(&good.bytes, second[1]) & !(3 << 25) | 2 << 25)], alone, first[0].0);
    good.damaged(&[(section(DATA, COUNT), 2)], alone, first[0].0);
    let by_section = get(&good.bytes, first[1]) & !(1 << 27 | 0xff_ffff) | 1;
    good.damaged(&[(first[1], by_section)], "a SUBTRACTOR relocation that does not name a symbol", first[0].0);
    // A load from a slot names what the slot is for.
    let load = (word & !(1 << 27 | 0xff_ffff | 0xf << 28)) | 1 | 3 << 28;
    good.damaged(&[(what, load)], "a relocation that has to name a symbol and does not", at);
}

#[test]
fn pairs_of_arm64() {
    let bytes = assemble("arm64", ".text\n_f: adrp x0, _t@PAGE + 8\nadd x0, x0, _t@PAGEOFF + 8\n");
    assert_eq!(outcome(bytes.clone()), "ok");
    let at = get(&bytes, section(0, RELOCATIONS)) as usize;
    let alone = "an ADDEND relocation without one of its place behind it that takes addends";
    let mut damaged = bytes.clone();
    put(&mut damaged, (at, 4), 0);
    assert_eq!(outcome(damaged), format!("a.o: {alone} at offset {at:#x}: the file is damaged"));
    // A signed pointer, as arm64e has them.
    let mut signed = assemble("arm64", ".data\n_d: .quad _t\n");
    let place = get(&signed, section(1, RELOCATIONS)) as usize;
    let word = get(&signed, (place + 4, 4));
    put(&mut signed, (place + 4, 4), word & 0x0fff_ffff | 11 << 28);
    let found = outcome(signed);
    assert!(found.contains("pointers that the processor signs; compile for arm64 instead of arm64e"), "{found}");
}

#[test]
fn universal_files() {
    let file = include_bytes!("../../../../fuzz/corpus/macho_reader/universal.o");
    let names = |bytes: &[u8]| match format::slices(&Input::from_bytes("u.o", bytes.to_vec())) {
        Ok(slices) => slices.iter().map(|slice| slice.name().to_string()).collect::<Vec<_>>().join(" "),
        Err(error) => error.to_string(),
    };
    assert_eq!(names(file), "u.o(x86-64) u.o(aarch64)");
    let input = Input::from_bytes("u.o", file.to_vec());
    let slice = format::slice(&input, &uruk_jitlink::aarch64::ARCHITECTURE).unwrap();
    let graph = format::read(&slice, &Names::default()).unwrap();
    assert_eq!(graph.format.name, "Mach-O arm64");
    let error = format::slice(&input, &uruk_jitlink::riscv::rv64::ARCHITECTURE).err().unwrap().to_string();
    assert!(error.starts_with("u.o: a universal file without a slice for "), "{error}");
    let end = "a slice that lies past the end of the file at offset 0x8: the file is damaged";
    assert_eq!(names(&file[..200]), format!("u.o: {end}"));
    assert_eq!(
        names(&file[..20]),
        "u.o: a universal file's header that lies past its end at offset 0x0: the file is damaged"
    );
    let mut wide = vec![0xca, 0xfe, 0xba, 0xbf, 0, 0, 0, 1, 1, 0, 0, 7, 0, 0, 0, 3];
    wide.extend(40u64.to_be_bytes());
    wide.extend(4u64.to_be_bytes());
    wide.extend([0; 8]);
    wide.extend(b"text");
    assert_eq!(names(&wide), "u.o(x86-64)");
}

#[test]
fn every_prefix_and_every_flipped_bit_is_read_or_refused() {
    for file in [
        &include_bytes!("../../../../fuzz/corpus/macho_reader/cpp_x86_64.o")[..],
        include_bytes!("../../../../fuzz/corpus/macho_reader/compact_x86_64.o"),
        include_bytes!("../../../../fuzz/corpus/macho_reader/c_arm64.o"),
    ] {
        for length in 0..file.len() {
            bodies::macho_reader(&file[..length]);
        }
        for bit in 0..file.len() * 8 {
            let mut bytes = file.to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            bodies::macho_reader(&bytes);
            if bit % 5 == 0 {
                bodies::link_noexec(&bytes);
            }
            if bit % 17 == 0 {
                bodies::link_edited(&bytes);
            }
        }
    }
}
