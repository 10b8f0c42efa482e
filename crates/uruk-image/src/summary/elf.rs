//! Summaries of ELF executables and shared objects, whoever has written them.

use super::{Part, Summary};
use crate::closure::Share;
use crate::elf::ROOTS;
use crate::mapped::machine_name;
use object::read::elf::{Dyn, ElfFile64, FileHeader, SectionHeader, Sym};
use object::{Endianness, Object, ObjectSection, elf};
use std::collections::BTreeMap;

pub fn summary(bytes: &[u8]) -> object::Result<Summary<'_>> {
    let file = ElfFile64::<Endianness>::parse(bytes)?;
    let (endian, sections, header) = (file.endian(), file.elf_section_table(), file.elf_header());
    let kind = match header.e_type(endian) {
        elf::ET_EXEC => "executable at an address of its own",
        elf::ET_DYN if file.elf_program_headers().iter().any(|header| header.p_type.get(endian) == elf::PT_INTERP) => {
            "executable"
        }
        elf::ET_DYN => "shared object",
        _ => "file",
    };
    // Two files that differ only in what is not loaded, names for debuggers say, differ in this.
    let mut facts = vec![("digest", blake3::hash(bytes).to_hex().to_string())];
    if file.entry() != 0 {
        facts.push(("begins at", format!("{:#x}", file.entry())));
    }
    let mut parts = Vec::new();
    for section in file.sections() {
        if section.elf_section_header().sh_flags(endian).0 & elf::SHF_ALLOC.0 != 0 {
            parts.push(Part { name: section.name()?.into(), size: section.size(), content: section.data()? });
        }
    }
    let mut libraries = Vec::new();
    let mut words: BTreeMap<&str, u64> = BTreeMap::new();
    if let Some((entries, link)) = sections.dynamic(endian, bytes)? {
        let strings = sections.strings(endian, bytes, link)?;
        for entry in entries.iter().filter(|entry| entry.tag(endian) == elf::DT_NEEDED) {
            let name = u32::try_from(entry.val(endian)).ok().and_then(|at| strings.get(at).ok()).unwrap_or_default();
            libraries.push(String::from_utf8_lossy(name).into_owned());
        }
    }
    for section in sections.iter() {
        if let Some((long, _)) = section.rela(endian, bytes)?.filter(|_| section.sh_addr(endian) != 0) {
            for entry in long {
                let name = if entry.r_sym(endian, false) == 0 { "own addresses" } else { "addresses of others" };
                *words.entry(name).or_default() += 1;
            }
        }
        if section.sh_type(endian) == elf::SHT_RELR {
            let packed = section.data_as_array::<object::U64<Endianness>, _>(endian, bytes)?;
            let packed: Vec<u64> = packed.iter().map(|word| word.get(endian)).collect();
            crate::packed::each(&packed, |_| *words.entry("own addresses").or_default() += 1);
        }
    }
    let (mut imports, mut exports) = (Vec::new(), Vec::new());
    let table = sections.symbols(endian, bytes, elf::SHT_DYNSYM)?;
    let versions = sections.versions(endian, bytes)?;
    for (index, symbol) in table.enumerate().filter(|(_, symbol)| symbol.st_name(endian) != 0) {
        let mut name = String::from_utf8_lossy(table.symbol_name(endian, symbol)?).into_owned();
        if !symbol.is_undefined(endian) {
            exports.push((name, symbol.st_size(endian)));
            continue;
        }
        if let Some(versions) = &versions
            && let Some(version) = versions.version(versions.version_index(endian, index).index())?
        {
            name = format!("{name}@{}", String::from_utf8_lossy(version.name()));
        }
        let weak = if symbol.st_bind() == elf::STB_WEAK { " (may be absent)" } else { "" };
        imports.push(name + weak);
    }
    imports.sort();
    exports.sort();
    Ok(Summary {
        kind: format!("ELF {kind} for {}", machine_name(header.e_machine(endian).0)),
        facts,
        parts,
        words: words.into_iter().map(|(name, count)| (name.to_owned(), count)).collect(),
        libraries,
        imports,
        exports,
        shares: shares(&file),
    })
}

fn shares(file: &ElfFile64<'_, Endianness>) -> Vec<Share> {
    let bytes = file.section_by_name(ROOTS).and_then(|section| section.data().ok()).unwrap_or_default();
    let shares: Vec<(String, u64, u64)> = postcard::from_bytes(bytes).unwrap_or_default();
    shares.into_iter().map(|(root, places, bytes)| Share { root, places, bytes }).collect()
}
