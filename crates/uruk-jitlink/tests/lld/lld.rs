//! `ld.lld`: runs it, and reads from its map and its output where everything went.

use crate::run;
use object::LittleEndian;
use object::read::elf::{ElfFile32, ElfFile64, FileHeader, ProgramHeader};
use object::read::{Object, ObjectSection, ObjectSymbol};
use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::process::Command;

/// What it made of some objects.
#[derive(Default)]
pub struct Linked {
    /// Address of each section, by object and name; sections of one name are in the object's order.
    sections: HashMap<(String, Vec<u8>), Vec<u64>>,
    /// Addresses of symbols; of thread-local ones the offsets in the image.
    symbols: HashMap<Vec<u8>, u64>,
    /// What is loaded where.
    segments: Vec<(u64, Vec<u8>)>,
    /// Address and bytes of the GOT.
    pub got: (u64, Vec<u8>),
    /// Address, size and alignment of the thread-local image.
    pub threads: (u64, u64, u64),
}

impl Linked {
    /// Links objects at fixed addresses.
    pub fn new(objects: &[&Path], arguments: &[String], folder: &Path) -> Linked {
        let (map, output, response) = (folder.join("map"), folder.join("linked"), folder.join("arguments"));
        fs::write(&response, arguments.join("\n")).unwrap();
        // Strings are not merged at -O0.
        let mut command = Command::new("ld.lld-22");
        command.args(["-O0", "-static", "-e", "0", "--noinhibit-exec"]).arg("-Map").arg(&map);
        command.arg("-o").arg(&output).arg(format!("@{}", response.display())).args(objects);
        run(&mut command);
        let bytes = fs::read(&output).unwrap();
        let mut linked = match bytes[4] {
            1 => Linked::read(ElfFile32::<LittleEndian>::parse(&*bytes).unwrap(), &bytes),
            _ => Linked::read(ElfFile64::<LittleEndian>::parse(&*bytes).unwrap(), &bytes),
        };
        linked.read_map(&fs::read_to_string(&map).unwrap());
        linked
    }

    fn read<Elf: FileHeader<Endian = LittleEndian>>(file: object::read::elf::ElfFile<'_, Elf>, bytes: &[u8]) -> Linked {
        let mut linked = Linked::default();
        for header in file.elf_program_headers() {
            let [address, size, align]: [u64; 3] =
                [header.p_vaddr(LittleEndian), header.p_memsz(LittleEndian), header.p_align(LittleEndian)]
                    .map(Into::into);
            match header.p_type(LittleEndian).0 {
                1 => linked.segments.push((address, header.data(LittleEndian, bytes).unwrap().to_vec())),
                7 => linked.threads = (address, size, align),
                _ => {}
            }
        }
        // Of local and global symbols of one name, the global one counts.
        for global in [false, true] {
            for symbol in file.symbols().filter(|symbol| symbol.is_global() == global) {
                linked.symbols.insert(symbol.name_bytes().unwrap().to_vec(), symbol.address());
            }
        }
        if let Some(got) = file.section_by_name(".got") {
            linked.got = (got.address(), got.data().unwrap().to_vec());
        }
        linked
    }

    /// Takes the input sections from a map, whose heading says in which column they stand.
    fn read_map(&mut self, map: &str) {
        let mut lines = map.lines();
        let heading = lines.next().unwrap();
        let column = heading.find("In ").unwrap();
        for line in lines {
            let (numbers, rest) = line.split_at(column.min(line.len()));
            let of_output = !numbers[numbers.len().min(column - 8)..].trim().is_empty();
            if of_output || rest.starts_with(' ') || rest.is_empty() {
                continue;
            }
            let Some((file, section)) = rest.strip_suffix(')').and_then(|rest| rest.rsplit_once(":(")) else {
                continue;
            };
            let address = u64::from_str_radix(numbers.split_whitespace().next().unwrap(), 16).unwrap();
            let key = (file.to_string(), section.as_bytes().to_vec());
            self.sections.entry(key).or_default().push(address);
        }
    }

    /// Takes the address of an object's next section of a name, if it was linked.
    pub fn take(&mut self, object: &str, section: &[u8]) -> Option<u64> {
        let addresses = self.sections.get_mut(&(object.to_string(), section.to_vec()))?;
        (!addresses.is_empty()).then(|| addresses.remove(0))
    }

    /// The address of a symbol.
    pub fn symbol(&self, name: &[u8]) -> Option<u64> {
        self.symbols.get(name).copied()
    }

    /// The bytes at an address.
    pub fn bytes(&self, address: u64, size: u64) -> Option<&[u8]> {
        self.segments.iter().find_map(|(start, bytes)| {
            let at = usize::try_from(address.checked_sub(*start)?).ok()?;
            bytes.get(at..at + size as usize)
        })
    }

    /// The lowest address and the one past the highest.
    pub fn span(&self) -> std::ops::Range<u64> {
        let start = self.segments.iter().map(|(start, _)| *start).min().unwrap_or(0);
        start..self.segments.iter().map(|(start, bytes)| start + bytes.len() as u64).max().unwrap_or(0)
    }
}
