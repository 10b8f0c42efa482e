//! What the fixtures and limits of a target have shown, and whether that is all that its reader knows.
//!
//! Data flow: objects that were linked as expected, and messages about values that do not fit → the relocation types of the
//! format that none of them has, or whose limits nobody has tried → a failure for each, or else a row of the table of
//! README.md, which `cargo xtask support` puts there.

use object::read::macho::MachOFile64;
use object::{LittleEndian, Object, ObjectSection, RelocationFlags};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use uruk_jitlink::arch::{Kind, Misfit, Value};
use uruk_jitlink::format::{Container, Format};
use uruk_jitlink::graph::{EdgeKind, Entry};

/// How far beside a value that does not fit one has to lie that does: fields count in units of up to sixteen bytes.
const UNIT: u64 = 16;

/// What has been shown of a format.
pub struct Coverage {
    format: &'static Format,
    types: BTreeSet<u32>,
    /// Types in tables of limits, with the ends of their fields that were tried: the least and the greatest value.
    ends: BTreeMap<&'static str, [bool; 2]>,
    unwind: BTreeSet<String>,
    runs: bool,
}

impl Coverage {
    /// Of the format of a name, nothing.
    pub fn new(format: &str) -> Coverage {
        let format = Format::named(format.as_bytes()).unwrap();
        let (types, ends, unwind) = Default::default();
        Coverage { format, types, ends, unwind, runs: false }
    }

    /// An object was linked as expected.
    pub fn linked(&mut self, object: &Path) {
        let bytes = fs::read(object).unwrap();
        if self.format.container == Container::MachO {
            // What reads any format shows pairs as one.
            let file = MachOFile64::<LittleEndian>::parse(&*bytes).unwrap();
            for raw in file.sections().flat_map(|section| section.macho_relocations().unwrap()) {
                let info = raw.info(LittleEndian);
                self.types.insert(u32::from(info.r_type.0) | u32::from(info.r_length) << 8);
            }
            return;
        }
        let file = object::File::parse(&*bytes).unwrap();
        for (_, relocation) in file.sections().flat_map(|section| section.relocations()) {
            self.types.insert(match relocation.flags() {
                RelocationFlags::Elf { r_type } => r_type.0,
                RelocationFlags::Coff { typ } => typ.0.into(),
                other => panic!("{other:?}"),
            });
        }
    }

    /// The records of an object that say how to unwind have been checked.
    pub fn unwound(&mut self, object: &Path) {
        let bytes = fs::read(object).unwrap();
        let file = object::File::parse(&*bytes).unwrap();
        let names = file.sections().map(|section| section.name().unwrap().to_string());
        let is_record =
            |name: &String| ["__compact_unwind", "__eh_frame", ".eh_frame", ".pdata"].contains(&name.as_str());
        self.unwind.extend(names.filter(is_record));
    }

    /// A program has done what it should.
    pub fn ran(&mut self) {
        self.runs = true;
    }

    /// Values of a type have been found to fit.
    pub fn tried(&mut self, name: &'static str) {
        self.ends.entry(name).or_default();
    }

    /// A value has been refused; what does not fit by a message, and whether that is because the value is the next one to
    /// one that fits.
    pub fn refused(&mut self, name: &'static str, miss: u64, fits: &[(u64, &str)], said: &str) -> Result<(), String> {
        let Some([value, _, max]) = needs(said) else { return Ok(()) };
        if !fits.iter().any(|(fit, _)| (fit.wrapping_sub(miss) as i64).unsigned_abs() <= UNIT) {
            return Err(format!("{name} of {miss:#x} is no limit, as no value beside it is known to fit\n"));
        }
        self.ends.entry(name).or_default()[usize::from(max < value)] = true;
        Ok(())
    }

    /// What is missing, but for the limits of types that hold whatever they are to, or of all.
    pub fn missing(&self, unlimited: &[&str], limits: bool) -> String {
        let mut missing = String::new();
        for (number, name, kind) in self.format.relocations() {
            if !self.types.contains(&number) {
                missing += &format!("{}: no object with {name} ({number}) was linked\n", self.format.name);
            }
            let ends = self.ends.get(name).copied();
            if !limits || unlimited.contains(&name) || !self.has_limits(kind) {
                continue;
            }
            // A call that does not reach goes through a stub.
            let is_call = matches!(self.format.arch.info(kind).value, Value::Branch);
            if ends != Some([true; 2]) && !(is_call && ends.is_some()) {
                missing += &format!("{}: of {name} these limits were tried: {ends:?}\n", self.format.name);
            }
        }
        missing
    }

    /// Whether there are values that a kind's field does not hold. The second one of a pair holds what the first one leaves.
    fn has_limits(&self, kind: EdgeKind) -> bool {
        let info = self.format.arch.info(kind);
        let refuses =
            |value| matches!(self.format.arch.encode(info.field, value, &mut [0; 16]), Err(Misfit::Range(..)));
        !matches!(info.value, Value::Paired | Value::Nothing) && (refuses(1 << 62) || refuses(-1 << 62))
    }

    /// Writes the row.
    pub fn write(&self) {
        let types = self.format.relocations();
        let count = |wanted: &dyn Fn(&Kind, &str) -> bool| {
            let of = types.iter().filter(|(_, name, kind)| wanted(self.format.arch.info(*kind), name));
            let of: BTreeSet<_> = of.map(|(number, ..)| *number).collect();
            format!("{} of {}", of.intersection(&self.types).count(), of.len())
        };
        let is_about_threads = |kind: &Kind, name: &str| {
            let entries = [Entry::ThreadOffset, Entry::ModuleAndOffset, Entry::Module, Entry::Descriptor];
            kind.is_thread_field() || kind.entry.is_some_and(|entry| entries.contains(&entry)) || name.contains("TLV")
        };
        let unwind: Vec<_> = self.unwind.iter().map(|name| format!("`{name}`")).collect();
        let row = format!(
            "| {} | {} | {} | {} | {} |\n",
            self.format.name,
            count(&|_, _| true),
            count(&is_about_threads),
            unwind.join(", "),
            if self.runs { "run" } else { "checked" },
        );
        let folder = folder();
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(self.format.name), row).unwrap();
    }
}

/// Where rows are put.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("report").join("support")
}

/// The value that a field does not hold, and the least and greatest that it does, by a message.
fn needs(said: &str) -> Option<[i64; 3]> {
    let (_, rest) = said.split_once(" needs ")?;
    let (value, rest) = rest.split_once(", field holds ")?;
    let (min, rest) = rest.split_once("..=")?;
    let (max, _) = rest.split_once(';')?;
    Some([value.parse().ok()?, min.parse().ok()?, max.parse().ok()?])
}
