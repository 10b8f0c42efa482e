//! Every structure of the interface has the same layout in Rust, in C and in Python: offsets and sizes of all fields.

mod support;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::process::Command;
use support::{Language, compile, package, run, source, succeeds};

use uruk_c::cache::*;
use uruk_c::dispatcher::*;
use uruk_c::dylib::*;
use uruk_c::executor::*;
use uruk_c::generator::*;
use uruk_c::graph::*;
use uruk_c::image::*;
use uruk_c::jit::*;
use uruk_c::listener::*;
use uruk_c::mapped::*;
use uruk_c::memory::*;
use uruk_c::plugin::*;
use uruk_c::redirect::*;
use uruk_c::responsibility::*;
use uruk_c::unit::*;
use uruk_c::version::*;
use uruk_c::world::closure::*;
use uruk_c::world::pointers::*;
use uruk_c::world::types::*;
use uruk_c::world::*;

/// What Python's structures are, a line for each: its name and size; and for each field: names, offset, size.
const CTYPES: &str = "
import ctypes
from uruk import _abi
for structure in _abi.STRUCTURES:
    name = structure.__name__
    print(name, ctypes.sizeof(structure))
    for field, _ in structure._fields_:
        place = getattr(structure, field)
        print(f'{name}.{field}', place.offset, place.size)
";

fn ctypes() -> BTreeSet<String> {
    let mut python = Command::new("python3");
    // The package without its library, which loads when it is imported.
    let stub =
        "import sys, types; sys.modules['uruk'] = package = types.ModuleType('uruk'); package.__path__ = [sys.argv[1]]";
    python.env("PYTHONDONTWRITEBYTECODE", "1").arg("-c").arg(format!("{stub}\n{CTYPES}"));
    python.arg(package().join("../../python/uruk"));
    succeeds(&mut python, "ctypes").lines().map(str::to_owned).collect()
}

#[test]
fn structures_are_laid_out_as_in_python() {
    let python = ctypes();
    let mut text = String::from("#include <stdio.h>\n#include <stddef.h>\n#include <uruk.h>\nint main(void) {\n");
    for line in &python {
        let name = line.split(' ').next().unwrap();
        match name.split_once('.') {
            None => writeln!(text, "printf(\"{name} %zu\\n\", sizeof({name}));").unwrap(),
            Some((structure, field)) => writeln!(
                text,
                "printf(\"{name} %zu %zu\\n\", offsetof({structure}, {field}), sizeof((({structure} *)0)->{field}));"
            )
            .unwrap(),
        }
    }
    text.push_str("return 0;\n}\n");
    let program = compile(source("layout", &text).as_ref(), &Language { compiler: "gcc", standard: "c99" }, "", &[]);
    let c: BTreeSet<String> = run(&program, &[]).lines().map(str::to_owned).collect();
    assert!(100 < c.len());
    assert_eq!(c, python);
}

/// The lines of `ctypes` for structures of Rust.
macro_rules! layouts {
    ($($structure:ident { $($field:ident),* $(,)? })*) => {{
        let mut lines = BTreeSet::new();
        $(
            lines.insert(format!("{} {}", stringify!($structure), size_of::<$structure>()));
            $(
                let offset = std::mem::offset_of!($structure, $field);
                let size = size_of_field(|it: &$structure| &it.$field);
                lines.insert(format!("{}.{} {offset} {size}", stringify!($structure), stringify!($field)));
            )*
        )*
        lines
    }};
}

fn size_of_field<T, F>(_: impl Fn(&T) -> &F) -> usize {
    size_of::<F>()
}

#[test]
fn structures_are_laid_out_as_in_rust() {
    #[rustfmt::skip]
    let rust = layouts! {
        uruk_bytes { bytes, size }
        uruk_cache_callbacks { struct_size, abi_version, magic, context, name, get, put, destroy }
        uruk_definition { name, flags }
        uruk_dispatcher_callbacks { struct_size, abi_version, magic, context, dispatch, blocked, unblocked, destroy }
        uruk_entry_options { struct_size, abi_version, magic, addend, version, flags, reserved }
        uruk_executor_options {
            struct_size, abi_version, magic, flags, reserved, secret, secret_size, patience, run_limit,
        }
        uruk_finding { struct_size, reserved, path, mapping, value }
        uruk_generator_callbacks { struct_size, abi_version, magic, context, name, generate, generate_later, destroy }
        uruk_graph_argument { symbol, reserved, value }
        uruk_graph_block { section, edges, live, zero, size, alignment, address }
        uruk_graph_call { function, argument_count, arguments }
        uruk_graph_counts { sections, blocks, symbols, reserved }
        uruk_graph_edge { offset, kind, target, reserved, addend }
        uruk_graph_section { kind, retained, address, size }
        uruk_graph_symbol { definition, block, value, size, binding, visibility, kind, reserved, address }
        uruk_heap_callbacks { struct_size, abi_version, magic, context, object_at }
        uruk_image_options {
            struct_size, abi_version, magic, kind, flags, jit, dylibs, dylib_count, world, roots, root_count, heap,
            allowed, allowed_count, main, address, name, interpreter, run_path, keep, keep_count, libraries,
            library_count, stamp, base,
        }
        uruk_listener_callbacks { struct_size, abi_version, magic, context, loaded, freed, destroy }
        uruk_load_options {
            struct_size, abi_version, magic, flags, reserved, path, arguments, argument_count, stamp, world, base,
            context, find,
        }
        uruk_loaded { struct_size, symbol_size, id, object, dylib, code, code_size, symbols, symbol_count, image }
        uruk_loaded_symbol { name, address, size, kind, reserved }
        uruk_mapped_symbol { struct_size, kind, name, address, size }
        uruk_memory_answer { working, target }
        uruk_memory_callbacks {
            struct_size, abi_version, magic, flags, reserved, context, span, create_context, destroy_context,
            allocate, finalize, abandon, release, deallocate, destroy,
        }
        uruk_memory_object { name, dylib }
        uruk_memory_options { struct_size, abi_version, magic, flags, reserved, start, size }
        uruk_memory_piece { target, size }
        uruk_memory_run { kind, protection, target, size }
        uruk_memory_request {
            struct_size, segment_size, section_size, object_size, allocation, target, placement, code_model,
            max_reach, objects, object_count, segments, segment_count, other_sections, other_section_count,
        }
        uruk_memory_section { name, object, offset, size, alignment, kind, lifetime }
        uruk_memory_segment { kind, protection, size, zero_fill, alignment, sections, section_count }
        uruk_memory_statistics { live, committed, reserved, reservations }
        uruk_move { from, to, size }
        uruk_need { dylib, name, reserved }
        uruk_object { address, type_id, reserved }
        uruk_object_type {
            struct_size, abi_version, magic, name, size, alignment, fields, field_count, flags, count_width,
            count_offset, stride, element_fields, element_field_count,
        }
        uruk_options {
            struct_size, abi_version, magic, flags, link_threads, compile_threads, reserved, lazy_failure,
            memory_manager, dispatcher, cache, executor, compiler_flags, compiler_flag_count, optimize,
        }
        uruk_plugin_callbacks {
            struct_size, abi_version, magic, context, name, pre_prune, post_prune, post_allocation, pre_fixup,
            post_fixup, linked, failed, removing, destroy,
        }
        uruk_plugin_object { struct_size, reserved, unit, object, dylib }
        uruk_pointer_entry { struct_size, flags, field, symbol, version, addend, target }
        uruk_pointer_field { offset, kind, tag_bits, references }
        uruk_redirection { name, target }
        uruk_resolved { name, reserved, address }
        uruk_search_entry { dylib, all_symbols, reserved }
        uruk_share { struct_size, reserved, root, places, bytes }
        uruk_symbol { name, address }
        uruk_unit {
            struct_size, abi_version, magic, context, name, definitions, definition_count, materialize, destroy,
        }
        uruk_wanted { struct_size, kind, dylib, names, count }
        uruk_wanted_name { name, required }
    };
    assert_eq!(rust, ctypes());
}

/// What `uruk_struct_size` says of each structure that has a number.
#[test]
fn the_library_says_how_large_structures_are() {
    let sizes = [
        size_of::<uruk_memory_callbacks>(),
        size_of::<uruk_memory_options>(),
        size_of::<uruk_options>(),
        size_of::<uruk_unit>(),
        size_of::<uruk_generator_callbacks>(),
        size_of::<uruk_plugin_callbacks>(),
        size_of::<uruk_listener_callbacks>(),
        size_of::<uruk_dispatcher_callbacks>(),
        size_of::<uruk_cache_callbacks>(),
        size_of::<uruk_executor_options>(),
        size_of::<uruk_object_type>(),
        size_of::<uruk_entry_options>(),
        size_of::<uruk_heap_callbacks>(),
        size_of::<uruk_image_options>(),
        size_of::<uruk_load_options>(),
    ];
    let said: Vec<_> = (1..=15).map(|number| uruk_struct_size(number)).collect();
    assert_eq!(said, sizes);
    assert_eq!([uruk_struct_size(0), uruk_struct_size(16)], [0, 0]);
}
