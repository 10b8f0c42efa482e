//! What raw pointers of a world are to point to in an image.

use super::{lock, uruk_world};
use crate::call::{Reach, enter};
use crate::error::{Failure, c_text, uruk_status};
use crate::handle::Handle;
use crate::raw::{List, Opaque, Out, Text};
use crate::sized::{self, Grows};
use std::ffi::{c_char, c_void};
use uruk_image::{External, PointerEntry};

/// The pointer is null where nobody defines the symbol.
pub const URUK_ENTRY_WEAK: u32 = 1;

/// What there is to say of a symbol beside its name.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct uruk_entry_options {
    /// Filled in by `uruk_entry_options_init`.
    pub struct_size: u32,
    /// Filled in by `uruk_entry_options_init`.
    pub abi_version: u32,
    /// Filled in by `uruk_entry_options_init`.
    pub magic: u64,
    /// Bytes behind the symbol that the pointer points to.
    pub addend: i64,
    /// The version of the symbol; null: the one that is the default.
    pub version: Text,
    /// `URUK_ENTRY_…`, joined by `|`.
    pub flags: u32,
    /// Zero.
    pub reserved: u32,
}

// SAFETY: `repr(C)`, it begins as it must, and addresses and numbers are all that follows.
unsafe impl Grows for uruk_entry_options {
    const NAME: &'static str = "uruk_entry_options";
    const NUMBER: u32 = 12;
}

/// Fills in options: the defaults. `size` is `sizeof` the structure.
/// May be called from callbacks.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_entry_options_init(options: Out<uruk_entry_options>, size: usize) -> uruk_status {
    enter(Reach::Anywhere, || sized::init(options, size))
}

/// Says which symbol the raw pointer at an address is to point to in an image: the system's loader finds that when the image starts, so it
/// is the address of a variable or function of whatever library is loaded then. Nothing changes in the running program. The pointer lies
/// in an object or a cell, known by now or later; it is one of `URUK_POINTER_DATA` or `URUK_POINTER_FUNCTION`. `options` may be null.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_world_add_pointer(
    world: Handle<uruk_world>,
    field: u64,
    symbol: Text,
    options: List<uruk_entry_options>,
) -> uruk_status {
    enter(Reach::OutsideLinks, || {
        let world = world.get()?;
        let entry = external(symbol, &Wanted::new(options)?)?;
        Ok(lock(&world).add_pointer(field, entry)?)
    })
}

/// The same of many pointers, with the same options: all, or none if one of them is wrong; the text says which.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_world_add_pointers(
    world: Handle<uruk_world>,
    fields: List<u64>,
    symbols: List<Text>,
    count: usize,
    options: List<uruk_entry_options>,
) -> uruk_status {
    enter(Reach::OutsideLinks, || {
        let world = world.get()?;
        let wanted = Wanted::new(options)?;
        let entries = entries(fields, "fields", symbols, "symbols", count, &wanted)?;
        Ok(lock(&world).add_pointers(&entries)?)
    })
}

/// Says that the raw pointer at an address is to point to this place in an object or a cell of the world, which is kept for it.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_world_add_own_pointer(world: Handle<uruk_world>, field: u64, target: u64) -> uruk_status {
    enter(Reach::OutsideLinks, || {
        let world = world.get()?;
        Ok(lock(&world).add_pointer(field, PointerEntry::Own(target))?)
    })
}

/// Both lists of an image in one call: places that others link to under these names, as by `uruk_world_export`, and raw pointers that
/// are to point to these symbols, as by `uruk_world_add_pointer`. All of it is put in, or nothing if something is wrong; the text says
/// which of which list. A list of no elements may be null.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_world_add_named(
    world: Handle<uruk_world>,
    sym_fields: List<u64>,
    sym_strings: List<Text>,
    sym_count: usize,
    reloc_fields: List<u64>,
    reloc_strings: List<Text>,
    reloc_count: usize,
) -> uruk_status {
    enter(Reach::OutsideLinks, || {
        let world = world.get()?;
        let fields = sym_fields.get(sym_count, "sym_fields")?.iter().copied();
        let names = named(sym_strings, "sym_strings", sym_count)?;
        let symbols: Vec<(u64, &str)> = fields.zip(names).collect();
        let wanted = Wanted::default();
        let entries = entries(reloc_fields, "reloc_fields", reloc_strings, "reloc_strings", reloc_count, &wanted)?;
        Ok(lock(&world).add_named(&symbols, &entries)?)
    })
}

/// Takes an entry back. `URUK_MISSING` if the pointer has none.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_world_remove_pointer(world: Handle<uruk_world>, field: u64) -> uruk_status {
    enter(Reach::OutsideLinks, || {
        let world = world.get()?;
        let removed = lock(&world).remove_pointer(field);
        removed
            .map(drop)
            .ok_or_else(|| Failure::new(uruk_status::URUK_MISSING, format!("the pointer at {field:#x} has no entry")))
    })
}

/// An entry for a raw pointer. It is the library's, and valid during the call.
#[repr(C)]
pub struct uruk_pointer_entry {
    /// Of this structure; fields are only ever appended.
    pub struct_size: u32,
    /// `URUK_ENTRY_…`, joined by `|`.
    pub flags: u32,
    /// Where the pointer is.
    pub field: u64,
    /// The symbol that it is to point to; null for a place of the world.
    pub symbol: *const c_char,
    /// The symbol's version; null for the one that is the default.
    pub version: *const c_char,
    /// Bytes behind the symbol.
    pub addend: i64,
    /// The place of the world, if it is one.
    pub target: u64,
}

/// Is told of an entry.
pub type uruk_entry_callback = Option<unsafe extern "C" fn(context: *mut c_void, entry: *const uruk_pointer_entry)>;

/// Tells of all entries that there are by now, in order of their pointers' addresses.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_world_pointers(
    world: Handle<uruk_world>,
    context: *mut c_void,
    each: uruk_entry_callback,
) -> uruk_status {
    enter(Reach::OutsideLinks, || {
        let world = world.get()?;
        let (context, each) = (Opaque(context), each.ok_or_else(|| Failure::null("each"))?);
        let all: Vec<(u64, PointerEntry)> =
            lock(&world).pointers().map(|(field, entry)| (field, entry.clone())).collect();
        for (field, entry) in all {
            let mut told = uruk_pointer_entry {
                struct_size: size_of::<uruk_pointer_entry>() as u32,
                flags: 0,
                field,
                symbol: std::ptr::null(),
                version: std::ptr::null(),
                addend: 0,
                target: 0,
            };
            let (name, version) = match entry {
                PointerEntry::Own(target) => {
                    told.target = target;
                    (None, None)
                }
                PointerEntry::Symbol(symbol) => {
                    (told.addend, told.flags) = (symbol.addend, if symbol.weak { URUK_ENTRY_WEAK } else { 0 });
                    (Some(c_text(&symbol.name)), symbol.version.as_deref().map(c_text))
                }
            };
            told.symbol = name.as_ref().map_or(std::ptr::null(), |name| name.as_ptr());
            told.version = version.as_ref().map_or(std::ptr::null(), |version| version.as_ptr());
            // SAFETY: the client's function with its context, and what lives during the call.
            unsafe { each(context.0, &told) };
        }
        Ok(())
    })
}

/// What options come to.
#[derive(Default)]
struct Wanted<'a> {
    addend: i64,
    version: Option<&'a str>,
    weak: bool,
}

impl Wanted<'_> {
    fn new<'a>(options: List<uruk_entry_options>) -> Result<Wanted<'a>, Failure> {
        if options.first("options")?.is_none() {
            return Ok(Wanted::default());
        }
        let options = sized::copy(options)?;
        if options.flags & !URUK_ENTRY_WEAK != 0 || options.reserved != 0 {
            return Err(Failure::invalid(format!("uruk_entry_options: {:#x} has unknown flags", options.flags)));
        }
        let version = options.version.get_if_any("`version` of uruk_entry_options")?;
        Ok(Wanted { addend: options.addend, version, weak: options.flags & URUK_ENTRY_WEAK != 0 })
    }

    fn of(&self, name: &str) -> PointerEntry {
        let Wanted { addend, version, weak } = *self;
        PointerEntry::Symbol(External { name: name.into(), version: version.map(str::to_owned), addend, weak })
    }
}

fn external(symbol: Text, wanted: &Wanted<'_>) -> Result<PointerEntry, Failure> {
    Ok(wanted.of(symbol.get("symbol")?))
}

/// The texts of a list.
fn named<'a>(names: List<Text>, list: &str, count: usize) -> Result<Vec<&'a str>, Failure> {
    let names = names.get(count, list)?.iter().enumerate();
    names.map(|(index, name)| name.get(&format!("{list}[{index}]"))).collect()
}

/// The entries of two lists.
fn entries(
    fields: List<u64>,
    field_list: &str,
    names: List<Text>,
    name_list: &str,
    count: usize,
    wanted: &Wanted<'_>,
) -> Result<Vec<(u64, PointerEntry)>, Failure> {
    let fields = fields.get(count, field_list)?.iter();
    let names = named(names, name_list, count)?;
    Ok(fields.zip(names).map(|(field, name)| (*field, wanted.of(name))).collect())
}
