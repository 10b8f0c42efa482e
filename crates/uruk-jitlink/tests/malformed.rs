//! Damaged objects: each damage to one good object gives an error that says what is wrong and where. The object is
//! made here, so that every field's place is known.

#[path = "macho/assemble.rs"]
mod assemble;
#[path = "../../../fuzz/src/bodies.rs"]
mod bodies;
#[path = "../../../fuzz/src/edits.rs"]
mod edits;
#[path = "malformed/macho.rs"]
mod macho;
#[path = "../../../fuzz/src/parts.rs"]
mod parts;
mod support;

use support::*;
use uruk_jitlink::format;
use uruk_jitlink::input::Input;
use uruk_jitlink::names::Names;

/// What reading the object says, or `ok`.
fn outcome(bytes: Vec<u8>) -> String {
    let input = Input::from_bytes("a.o", bytes);
    let names = Names::default();
    match (format::interface(&input, &names), format::read(&input, &names)) {
        (Err(error), _) | (_, Err(error)) => error.to_string(),
        _ => "ok".into(),
    }
}

fn check(damages: &[(At, u64)], expected: &str) {
    let mut bytes = good();
    for (at, value) in damages {
        put(&mut bytes, *at, *value);
    }
    assert_eq!(outcome(bytes), expected, "after {damages:x?}");
}

/// An error about damage at an offset of the file.
fn damaged(damages: &[(At, u64)], what: &str, offset: u64) {
    check(damages, &format!("a.o: {what} at offset {offset:#x}: the file is damaged"));
}

fn wrong_file(damages: &[(At, u64)], found: &str) {
    check(damages, &format!("a.o: {found}; an object file is expected here, as `cc -c` makes it"));
}

#[test]
fn the_object_is_good() {
    check(&[], "ok");
}

#[test]
#[rustfmt::skip]
fn file_headers() {
    wrong_file(&[(CLASS, 1)], "a 32-bit ELF file");
    wrong_file(&[(ENDIANNESS, 2)], "a big-endian ELF file");
    wrong_file(&[(TYPE, 2)], "an executable, not an object");
    wrong_file(&[(TYPE, 3)], "a shared library or an executable, not an object");
    wrong_file(&[(TYPE, 4)], "an ELF file that is no relocatable object");
    wrong_file(&[(MACHINE, 40)], "an object for another architecture");
    damaged(&[(SHOFF, 1 << 40)], "a section header table that lies past the end of the file", 1 << 40);
    damaged(&[(SHOFF, u64::MAX)], "a section header table that lies past the end of the file", u64::MAX);
    damaged(&[(SHNUM, 0xffff)], "a section header table that lies past the end of the file", headers_at());
    damaged(&[(SHNUM, 0), (section(0, SIZE), u64::MAX)], "a section header table that lies past the end of the file", headers_at());
    damaged(&[(SHENTSIZE, 40)], "section headers of an unknown size", 58);
    damaged(&[(SHSTRNDX, 99)], "a string table whose section does not exist", 62);
    damaged(&[(SHSTRNDX, 0xffff), (section(0, LINK), 1 << 31)], "a string table whose section does not exist", 62);
}

#[test]
#[rustfmt::skip]
fn section_headers() {
    let text = content_at(TEXT);
    damaged(&[(section(TEXT, OFFSET), 1 << 40)], "a section that lies past the end of the file", 1 << 40);
    damaged(&[(section(TEXT, SIZE), 1 << 40)], "a section that lies past the end of the file", text);
    damaged(&[(section(TEXT, SIZE), u64::MAX - 8)], "a section that lies past the end of the file", text);
    damaged(&[(section(TEXT, ALIGN), 3)], "a section whose alignment is no power of two", text);
    damaged(&[(section(TEXT, ALIGN), 1 << 33)], "a section whose alignment is no power of two", text);
    damaged(&[(section(TEXT, NAME), 0x1000)], "a name that lies past the end of its string table", content_at(SECTION_NAMES) + 0x1000);
    damaged(&[(section(TEXT, OFFSET), 0), (section(TEXT, SIZE), 600), (section(DATA, OFFSET), 0), (section(DATA, SIZE), 600)],
        "a section that overlaps others", 0);
    damaged(&[(section(SECTION_NAMES, SIZE), 5)], "a string table that does not end in a zero byte", content_at(SECTION_NAMES));
    check(&[(section(TEXT, FLAGS), 7)],
        "a.o: section `.text` is writable and executable; give it one of the two flags only");
    check(&[(section(DATA, FLAGS), 0x803)],
        "a.o: section `.data` is loaded and compressed, which the gABI forbids; compile it again");
    check(&[(section(DATA, KIND), 0x1234_5678)],
        "a.o: section `.data` is loaded but of an unknown type; report the compiler that made it");
}

#[test]
#[rustfmt::skip]
fn symbol_tables() {
    let table = content_at(SYMBOLS);
    damaged(&[(section(SYMBOLS, ENTRY_SIZE), 16)], "a symbol table of an unknown entry size", table);
    damaged(&[(section(SYMBOLS, SIZE), 25)], "a symbol table of an unknown entry size", table);
    damaged(&[(section(SYMBOLS, SIZE), 24 << 32)], "a symbol table of an unknown entry size", table);
    damaged(&[(section(SYMBOLS, OFFSET), 1 << 50)], "a symbol table that lies past the end of the file", 1 << 50);
    damaged(&[(section(SYMBOLS, INFO), 99)], "a symbol table whose first global symbol lies past its end", table);
    damaged(&[(section(SYMBOLS, INFO), 1)], "local symbols that do not come before all others", symbol_at(SECTION_SYMBOL));
    damaged(&[(section(SYMBOLS, INFO), 3)], "local symbols that do not come before all others", symbol_at(FUNCTION));
    damaged(&[(section(SYMBOLS, LINK), 99)], "a string table whose section does not exist", section_at(SYMBOLS));
    damaged(&[(symbol(FUNCTION, SYMBOL_NAME), 0xffff)], "a name that lies past the end of its string table", content_at(STRINGS) + 0xffff);
    damaged(&[(symbol(FUNCTION, SYMBOL_NAME), 0xffff_ffff)], "a name that lies past the end of its string table", content_at(STRINGS) + 0xffff_ffff);
    damaged(&[(symbol(FUNCTION, SYMBOL_SECTION), 99)], "a section index past the last section", symbol_at(FUNCTION));
    damaged(&[(symbol(FUNCTION, SYMBOL_SECTION), 0xff80)], "a symbol with a reserved section index", symbol_at(FUNCTION));
    damaged(&[(symbol(FUNCTION, SYMBOL_SECTION), 0xffff)], "a symbol without its extended section index", symbol_at(FUNCTION));
    damaged(&[(symbol(COMMON, SYMBOL_VALUE), 24)], "a common symbol whose alignment is no power of two", symbol_at(COMMON));
    damaged(&[(symbol(COMMON, SYMBOL_VALUE), u64::MAX)], "a common symbol whose alignment is no power of two", symbol_at(COMMON));
    damaged(&[(section(STRINGS, SIZE), 2)], "a string table that does not end in a zero byte", content_at(STRINGS));
}

#[test]
#[rustfmt::skip]
fn relocations() {
    let table = content_at(TEXT_RELOCATIONS);
    let second = table + 24;
    damaged(&[(section(TEXT_RELOCATIONS, SIZE), 25)], "relocations of an unknown entry size", table);
    damaged(&[(section(TEXT_RELOCATIONS, SIZE), 24 << 10)], "relocations that lie past the end of the file", table);
    damaged(&[(section(TEXT_RELOCATIONS, INFO), 99)], "a section index past the last section", headers_at());
    damaged(&[(section(TEXT_RELOCATIONS, KIND), 9)], "relocations without addends, which this architecture does not have", table);
    damaged(&[(section(DATA_RELOCATIONS, INFO), TEXT as u64)], "two relocation sections for one section", content_at(DATA_RELOCATIONS));
    damaged(&[(relocation(1, RELOCATION_OFFSET), 13)], "a relocation that lies outside its section", second);
    damaged(&[(relocation(1, RELOCATION_OFFSET), u64::MAX - 1)], "a relocation that lies outside its section", second);
    damaged(&[(section(TEXT_RELOCATIONS, INFO), ZERO as u64)], "a relocation that lies outside its section", table);
    damaged(&[(relocation(0, RELOCATION_SYMBOL), 99)], "a relocation to a symbol that does not exist", table);
    check(&[(relocation(0, RELOCATION_KIND), 5)], "a.o(.text+0x4): relocation type 5 is not supported");
    check(&[(relocation(0, RELOCATION_KIND), u64::from(u32::MAX))], "a.o(.text+0x4): relocation type 4294967295 is not supported");
    damaged(&[(section(TEXT_RELOCATIONS, KIND), 0x4000_0014), (content(TEXT_RELOCATIONS, 0, 4), 0xffff_ffff)],
        "compact relocations that cannot be decoded", table);
    damaged(&[(section(TEXT_RELOCATIONS, KIND), 0x4000_0014), (content(TEXT_RELOCATIONS, 0, 4), 0x8)],
        "compact relocations without addends, which this architecture does not have", table);
}

#[test]
#[rustfmt::skip]
fn groups() {
    let group = content_at(GROUP);
    damaged(&[(section(GROUP, SIZE), 0)], "a section group without flags", group);
    damaged(&[(section(GROUP, INFO), 99)], "a section group without a signature symbol", group);
    damaged(&[(content(GROUP, 4, 4), 99)], "a section index past the last section", group + 4);
    damaged(&[(content(GROUP, 8, 4), TEXT as u64)], "a section in two groups", group + 8);
    damaged(&[(section(GROUP, OFFSET), 1 << 60)], "a section that lies past the end of the file", 1 << 60);
}

#[test]
fn files_that_hold_no_machine_code() {
    assert!(
        outcome(b"BC\xc0\xde".to_vec()).starts_with("a.o: LLVM bitcode, which holds no machine code; compile without")
    );
    assert!(outcome(Vec::new()).starts_with("a.o: an empty file; "));
    assert!(outcome(b"!<arch>\n".to_vec()).starts_with("a.o: an archive; "));
    assert!(outcome(b"text".to_vec()).starts_with("a.o: no object file; "));
    let slim = include_bytes!("../../../fuzz/corpus/elf_reader/lto_slim.o");
    assert!(outcome(slim.to_vec()).starts_with("a.o: GCC's intermediate code, which holds no machine code; "));
}

#[test]
fn objects_of_4_gib_are_refused() {
    // Only the pages that are written exist.
    let mut bytes = vec![0; 1 << 32];
    let good = good();
    bytes[..good.len()].copy_from_slice(&good);
    assert!(outcome(bytes).starts_with("a.o: an object of 4 GiB or more; "));
}

#[test]
fn every_prefix_is_read_or_refused() {
    let good = good();
    for length in 0..good.len() {
        let outcome = outcome(good[..length].to_vec());
        assert!(outcome == "ok" || outcome.starts_with("a.o"), "{length}: {outcome}");
        bodies::elf_reader(&good[..length]);
        bodies::link_noexec(&good[..length]);
        bodies::link_edited(&good[..length]);
    }
}

#[test]
fn every_flipped_bit_is_read_or_refused() {
    for bit in 0..good().len() * 8 {
        let mut bytes = good();
        bytes[bit / 8] ^= 1 << (bit % 8);
        bodies::link_noexec(&bytes);
        bodies::link_edited(&bytes);
        let outcome = outcome(bytes);
        assert!(outcome == "ok" || outcome.starts_with("a.o"), "{bit}: {outcome}");
    }
}

/// Pairs, differences, cuts and 32-bit structures have more to go wrong.
#[test]
fn every_flipped_bit_of_riscv_is_read_or_refused() {
    let wide = include_bytes!("../../../fuzz/corpus/elf_reader/riscv64_align.o").as_slice();
    let narrow = include_bytes!("../../../fuzz/corpus/elf_reader/riscv32_clang.o").as_slice();
    for (good, step) in [(wide, 1), (narrow, 7)] {
        assert_eq!(outcome(good.to_vec()), "ok");
        for bit in (0..good.len() * 8).step_by(step) {
            let mut bytes = good.to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            bodies::link_noexec(&bytes);
            let outcome = outcome(bytes);
            assert!(outcome == "ok" || outcome.starts_with("a.o"), "{bit}: {outcome}");
        }
    }
}

#[test]
fn objects_of_other_abis_are_refused() {
    let mut bytes = include_bytes!("../../../fuzz/corpus/elf_reader/riscv64_align.o").to_vec();
    put(&mut bytes, (48, 4), 8);
    let hint = "compile with an ABI of 32 registers, as -mabi=ilp32 or -mabi=lp64";
    assert_eq!(outcome(bytes), format!("a.o: RISC-V code for 16 registers (RVE); {hint}"));
}

/// Every field with every value that is likely to matter.
#[test]
fn extreme_values_are_read_or_refused() {
    let values =
        [0, 1, 2, 3, 7, 0x7f, 0xff, 0xffff, 0x7fff_ffff, 0xffff_ffff, 1 << 32, 1 << 62, i64::MAX as u64, u64::MAX];
    for at in (0..good().len()).step_by(4) {
        for size in [4, 8] {
            for value in values {
                let mut bytes = good();
                if at + size <= bytes.len() {
                    put(&mut bytes, (at as u64, size), value);
                    bodies::link_noexec(&bytes);
                }
            }
        }
    }
}

#[test]
fn small_files_do_not_take_long() {
    // Many structures that all name the same many bytes: the work must not be their product.
    let shared = vec![b'x'; 1 << 20];
    let start = std::time::Instant::now();
    assert!(outcome(many_symbols_of_one_name(&shared, 20_000)).contains("one more long name that many others share"));
    assert!(outcome(many_sections_of_one_content(&shared, 20_000)).contains("a section that overlaps others"));
    assert!(outcome(many_groups_of_the_same_sections(10_000)).contains("a section in two groups"));
    assert!(outcome(many_relocation_sections_of_one_content(5_000)).contains("relocations that overlap others"));
    let seconds = start.elapsed().as_secs();
    assert!(seconds < 20, "{seconds} seconds");
}

#[test]
fn archives_of_long_names_do_not_take_long() {
    let start = std::time::Instant::now();
    bodies::archive_reader(&index_of_one_name(1 << 20, 20_000));
    bodies::archive_reader(&members_of_one_name(1 << 20, 20_000));
    let seconds = start.elapsed().as_secs();
    assert!(seconds < 20, "{seconds} seconds");
}

#[test]
fn unwind_records_must_make_sense() {
    // Of three records the second is kept and the third dropped: nothing is left where a field of eight bytes ends.
    let kept = link_without_group(&unwind(28, &[(20, 2, STAYS), (32, 2, GOES)]));
    kept.unwrap();
    let error = link_without_group(&unwind(28, &[(20, 1, STAYS), (32, 2, GOES)])).unwrap_err();
    let what = "a relocation that lies across the end of an unwind record";
    assert_eq!(error.to_string(), format!("a.o(.eh_frame+0x14): {what} at offset 0x14: the file is damaged"));
    let error = link_without_group(&unwind(24, &[(20, 2, GOES)])).unwrap_err();
    let what = "an unwind record that belongs to no common information entry";
    assert_eq!(error.to_string(), format!("a.o(.eh_frame+0x18): {what} at offset 0x18: the file is damaged"));
}
