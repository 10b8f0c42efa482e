//! Damaged objects and imports: each damage to a good one gives an error that says what is wrong and where.

use crate::support::*;
use uruk_jitlink::format;
use uruk_jitlink::input::Input;
use uruk_jitlink::names::Names;

/// A field: offset in the file and length in bytes.
type At = (u64, usize);

/// One of everything: a function in a COMDAT section with unwind records, data, zero-fill, a weak external symbol, a long
/// name, directives, relocations.
fn good() -> Vec<u8> {
    let mut text = section(b".text$function", CODE | COMDAT, &[0x90; 16]);
    text.relocations.extend([(4, 7, 4), (10, 6, 4)]);
    let mut pdata = section(b".pdata", READ_ONLY | COMDAT, &[0; 12]);
    pdata.relocations.extend([(0, 2, 3), (4, 2, 3), (8, 8, 3)]);
    let mut data = section(b".data", DATA, &[0; 8]);
    data.relocations.push((0, 2, 1));
    let sections =
        [text, pdata, data, section(b".bss", ZERO, &[0; 32]), section(b".drectve", INFO, b"/include:external_one")];
    let symbols = [
        of_section(1, 2, 0),
        external("function", 1, 0),
        of_section(2, 5, 1),
        Symbol { class: STATIC, ..external("zero", 4, 0) },
        external("external_one", 0, 0),
        external("common", 0, 40),
        external("variable", 3, 0),
        weak("weak", 2, 3),
    ];
    build(X86_64, &sections, &symbols)
}

fn outcome(bytes: Vec<u8>) -> String {
    let (input, names) = (Input::from_bytes("a.obj", bytes), Names::default());
    match (format::interface(&input, &names), format::read(&input, &names)) {
        (Err(error), _) | (_, Err(error)) => error.to_string(),
        (Ok(_), Ok(graph)) => {
            // Whatever is read can be linked, or refused.
            let lanes = [0x10_0000_0000, 0x10_0100_0000, 0x10_0200_0000];
            if let Err(error) = link_without(graph, lanes, lanes[0], &[], &["function"]) {
                assert!(error.to_string().starts_with("a.obj"), "{error}");
            }
            "ok".into()
        }
    }
}

fn put(bytes: &mut [u8], (at, size): At, value: u64) {
    bytes[at as usize..at as usize + size].copy_from_slice(&value.to_le_bytes()[..size]);
}

fn damaged(at: At, value: u64, what: &str, offset: u64) {
    let mut bytes = good();
    put(&mut bytes, at, value);
    let expected = format!("a.obj: {what} at offset {offset:#x}: the file is damaged");
    assert_eq!(outcome(bytes), expected, "after {value:#x} at {at:x?}");
}

#[test]
fn the_object_is_good() {
    assert_eq!(outcome(good()), "ok");
}

#[test]
#[rustfmt::skip]
fn headers() {
    let bytes = good();
    let symbols = symbol_at(&bytes, 0);
    damaged((2, 2), 0xffff, "a section table that lies past the end of the file", 20);
    damaged((16, 2), 0xfff0, "a section table that lies past the end of the file", 20 + 0xfff0);
    damaged((8, 4), 0xffff_fff0, "a symbol table that lies past the end of the file", 0xffff_fff0);
    damaged((12, 4), 0xffff_ffff, "a symbol table that lies past the end of the file", symbols);
    damaged((section_at(0) + 20, 4), 0xffff_0000, "a section that lies past the end of the file", 0xffff_0000);
    damaged((section_at(0) + 16, 4), 0xffff_0000, "a section that lies past the end of the file", contents_at(&bytes, 0));
    damaged((section_at(0) + 20, 4), 0, "a section whose bytes are nowhere", section_at(0));
    damaged((section_at(0) + 36, 4), 0x60f0_1020, "a section of an unknown alignment", section_at(0));
    damaged((section_at(0) + 1, 4), u64::from(u32::from_le_bytes(*b"999\0")), "a name that lies outside the string table", section_at(0));
    damaged((section_at(0) + 1, 4), u64::from(u32::from_le_bytes(*b"x\0\0\0")), "a section whose long name has no place", section_at(0));
    damaged((section_at(0) + 32, 2), 0xfff0, "relocations that lie past the end of the file", relocation_at(&bytes, 0, 0));
}

/// Where a section's bytes are.
fn contents_at(bytes: &[u8], index: usize) -> u64 {
    let at = section_at(index) as usize + 20;
    u64::from(u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()))
}

#[test]
#[rustfmt::skip]
fn symbols() {
    let bytes = good();
    let at = |index: usize| symbol_at(&bytes, index);
    damaged((at(2) + 12, 2), 99, "a section number past the last section", at(2));
    damaged((at(2) + 12, 2), 0xff80, "a section number past the last section", at(2));
    damaged((at(6) + 4, 4), 0xffff, "a name that lies outside the string table", at(6));
    damaged((at(6) + 4, 4), 2, "a name that lies outside the string table", at(6));
    damaged((at(9) + 17, 1), 200, "auxiliary records that lie past the end of the symbol table", at(9));
    damaged((at(1) + 14, 1), 9, "a COMDAT section that is chosen in an unknown way", at(0));
    damaged((at(4) + 12, 2), 99, "an associative section that belongs to none", at(3));
    damaged((at(10), 4), 77, "a weak external symbol whose default does not exist", at(9));
    damaged((at(10) + 4, 4), 0, "a weak external symbol that is looked for in an unknown way", at(9));
}

#[test]
#[rustfmt::skip]
fn relocations() {
    let bytes = good();
    let at = |index: usize| relocation_at(&bytes, 0, index);
    damaged((at(1), 4), 13, "a relocation that lies outside its section", at(1));
    damaged((at(1), 4), 0xffff_fffe, "a relocation that lies outside its section", at(1));
    damaged((at(1) + 4, 4), 99, "a relocation to a symbol that does not exist", at(1));
    damaged((at(1) + 4, 4), 1, "a relocation to a symbol that does not exist", at(1));
    let mut unknown = good();
    put(&mut unknown, (at(0) + 8, 2), 0x77);
    assert_eq!(outcome(unknown), "a.obj(.text$function+0x4): relocation type 119 is not supported");
    let mut of_zero = good();
    put(&mut of_zero, (section_at(3) + 24, 4), at(0));
    put(&mut of_zero, (section_at(3) + 32, 2), 1);
    let expected = format!("a.obj: a relocation that lies outside its section at offset {:#x}: the file is damaged", at(0));
    assert_eq!(outcome(of_zero), expected);
}

#[test]
fn imports() {
    let import = |strings: &[u8], flags: u16| {
        let mut bytes = vec![0, 0, 0xff, 0xff, 0, 0, 0x64, 0x86, 0, 0, 0, 0];
        bytes.extend((strings.len() as u32).to_le_bytes());
        bytes.extend([7, 0]);
        bytes.extend(flags.to_le_bytes());
        bytes.extend(strings);
        bytes
    };
    let check = |bytes: Vec<u8>, expected: &str| {
        let outcome = outcome(bytes);
        assert!(outcome.starts_with(expected), "{outcome}");
    };
    check(import(b"f\0a.dll\0", 4), "ok");
    check(import(b"f\0a.dll\0", 0), "ok");
    check(import(b"f\0a.dll\0", 3), "a.obj: an import of an unknown type at offset 0x12");
    check(import(b"f\0a.dll\0", 5 << 2), "a.obj: an import whose name is found in an unknown way at offset 0x12");
    check(import(b"f\0a.dll\0", 4 << 2), "a.obj: a name without an end at offset 0x14");
    check(import(b"f\0a.dll", 4), "a.obj: a name without an end at offset 0x14");
    check(import(b"f", 4), "a.obj: a name without an end at offset 0x14");
    check(import(b"\0a.dll\0", 4), "a.obj: an import without a name at offset 0x14");
    let mut cut = import(b"f\0a.dll\0", 4);
    cut.truncate(24);
    check(cut, "a.obj: names that lie past the end of the file at offset 0xc");
    check(vec![0, 0, 0xff, 0xff, 0, 0, 0x64], "a.obj: a truncated member of an import library; ");
    let mut other = import(b"f\0a.dll\0", 4);
    other[6] = 0;
    check(other, "a.obj: a member of an import library for another architecture; ");
}

#[test]
fn every_prefix_is_read_or_refused() {
    let good = good();
    for length in 0..good.len() {
        let outcome = outcome(good[..length].to_vec());
        assert!(outcome == "ok" || outcome.starts_with("a.obj"), "{length}: {outcome}");
    }
}

#[test]
fn every_flipped_bit_is_read_or_refused() {
    for bit in 0..good().len() * 8 {
        let mut bytes = good();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let outcome = outcome(bytes);
        assert!(outcome == "ok" || outcome.starts_with("a.obj"), "{bit}: {outcome}");
    }
}

#[test]
fn extreme_values_are_read_or_refused() {
    for at in 0..good().len() {
        for size in [2, 4] {
            for value in [0, 1, 2, 0x7f, 0xff, 0x7fff, 0xffff, 0x7fff_ffff, 0xffff_fffe, 0xffff_ffff] {
                let mut bytes = good();
                if at + size <= bytes.len() {
                    put(&mut bytes, (at as u64, size), value);
                }
            }
        }
    }
}

#[test]
fn small_files_ask_for_little() {
    // Many sections and symbols that all name the same many bytes: the work must not be their product.
    let shared = vec![b'x'; 1 << 20];
    let name = String::from_utf8(shared.clone()).unwrap();
    let symbols: Vec<_> = (0..2).map(|_| external(&name, 0, 0)).collect();
    let mut bytes = build(X86_64, &[], &symbols);
    let record = symbol_at(&bytes, 0) as usize..symbol_at(&bytes, 1) as usize;
    let record = bytes[record].to_vec();
    let at = symbol_at(&bytes, 0) as usize;
    bytes.splice(at..at, record.repeat(20_000));
    put(&mut bytes, (12, 4), 20_002);
    assert!(outcome(bytes).contains("one more long name that many others share"));

    let mut sections = vec![section(b".data", DATA, &shared)];
    sections.extend((0..200).map(|_| section(b".data", DATA, b"")));
    let mut bytes = build(X86_64, &sections, &[]);
    let content = contents_at(&bytes, 0);
    for index in 1..200 {
        put(&mut bytes, (section_at(index) + 16, 4), shared.len() as u64);
        put(&mut bytes, (section_at(index) + 20, 4), content);
    }
    assert!(outcome(bytes).contains("a section that overlaps others"));
}
