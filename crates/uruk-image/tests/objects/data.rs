//! The data of a world as an object, linked with a program in C.

use crate::formats::Wine;
use crate::system::*;
use std::path::Path;
use uruk_image::memory::ThisProcess;
use uruk_image::{Closure, CodeSymbols, External, Pointer, PointerEntry, Type, World, write_object};
use uruk_jitlink::format::Format;
use uruk_jitlink::{coff, elf, macho};

struct Named;

const CODE: u64 = 0xC0DE;

impl CodeSymbols for Named {
    fn function_at(&self, address: u64) -> Option<String> {
        (address == CODE).then(|| "function".into())
    }
}

/// Words that stay where they are, as a heap's would.
fn words(words: &[u64]) -> &'static mut [u64] {
    Vec::leak(words.to_vec())
}

fn address(words: &[u64]) -> u64 {
    words.as_ptr().expose_provenance() as u64
}

/// A cell that points to all there is.
fn world() -> (World, Closure) {
    let mut world = World::new();
    let root = Type::new("root", 80, 8)
        .field(0, Pointer::Reference)
        .field(8, Pointer::Inner)
        .field(16, Pointer::Data)
        .field(24, Pointer::Data)
        .field(32, Pointer::Data)
        .field(40, Pointer::Data)
        .field(48, Pointer::Code)
        .field(56, Pointer::Function);
    let root = world.add_type(root).unwrap();
    let constant = Type { constant: true, ..Type::new("constant", 24, 8).field(0, Pointer::Reference) };
    let constant = world.add_type(constant).unwrap();
    let text = world.add_type(Type { constant: true, ..Type::new("text", 8, 8) }).unwrap();
    let hello = words(&[u64::from_le_bytes(*b"hello!!\0")]);
    let pair = words(&[address(hello), 17, 18]);
    let cell = words(&[address(pair), address(pair) + 16, 1, 2, 3, 4, CODE, 5, 66, 77]);
    world.add_object(address(hello), text).unwrap();
    world.add_object(address(pair), constant).unwrap();
    world.add_cell("root", address(cell), root).unwrap();
    world.export("inside", address(cell) + 64).unwrap();
    let entries = [
        (16, External::new("stdin")),
        (24, External::new("environ").weak()),
        (32, External::new("nowhere_at_all").weak()),
        (40, External::new("array").addend(8)),
        (56, External::new("versioned").version("OLD")),
    ];
    for (offset, external) in entries {
        world.add_pointer(address(cell) + offset, PointerEntry::Symbol(external)).unwrap();
    }
    let closure = world.trace(&["root"], &ThisProcess::open().unwrap(), None).unwrap();
    (world, closure)
}

fn object(format: &'static Format) -> Vec<u8> {
    let (world, closure) = world();
    let graph = closure.to_graph(&world, "the data", format, &Named).unwrap();
    write_object(&[&graph]).unwrap()
}

const MAIN: &str = r#"
    #include <stdio.h>
    #include <stdlib.h>
    extern char **environ;
    struct constant { const char *text; long first, second; };
    struct root {
        const struct constant *constant; const long *inner;
        FILE **standard; char ***variables; void *nowhere; long *element;
        int (*function)(void); int (*versioned)(void); long number, other;
    };
    extern struct root root;
    extern long inside;
    long array[2] = {5, 6};
    int function(void) { return 42; }
    int check(void) {
        printf("%s %ld %ld\n", root.constant->text, root.constant->first, *root.inner);
        printf("%d %d %d\n", *root.standard == stdin, *root.variables == environ, root.nowhere == NULL);
        printf("%ld %d %d\n", *root.element, root.function(), root.versioned());
        root.number += 1;
        printf("%ld %ld %ld\n", root.number, inside, root.other);
        return 0;
    }
"#;

const EXPECTED: &str = "hello!! 17 18\n1 1 1\n6 42 1\n67 67 77\n";

/// A library with two functions of one name, of which the data wants the older one.
fn make_library(compiler: &str, folder: &Path) {
    let source = "int one(void) { return 1; } int two(void) { return 2; }\n\
        __asm__(\".symver one, versioned@OLD\"); __asm__(\".symver two, versioned@@NEW\");";
    std::fs::write(folder.join("versioned.c"), source).unwrap();
    std::fs::write(folder.join("versions"), "OLD { global: versioned; local: *; }; NEW { global: versioned; } OLD;")
        .unwrap();
    let flags = format!("{compiler} -shared -fPIC -Wl,--version-script=versions versioned.c -o libversioned.so");
    run(command(&flags).current_dir(folder));
}

fn check(format: &'static Format, compilers: &[&str], emulator: &str) {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("data.o"), object(format)).unwrap();
    std::fs::write(folder.join("check.c"), MAIN).unwrap();
    std::fs::write(folder.join("main.c"), "int check(void); int main(void) { return check(); }").unwrap();
    for compiler in compilers {
        let run_in = |words: &str| run(command(words).current_dir(folder));
        let libraries = "-Wl,--fatal-warnings -Wl,-z,text -Wl,-rpath,. -L. -lversioned";
        make_library(compiler, folder);
        for flags in ["-fPIE -pie", "-fno-pie -no-pie -Wl,-z,notext"] {
            run_in(&format!("{compiler} {flags} main.c check.c data.o {libraries} -o program"));
            let found = run_in(&format!("timeout 60 {emulator} ./program"));
            assert_eq!(found, EXPECTED, "{compiler} {flags}");
        }
        run_in(&format!("{compiler} -fPIC -shared check.c data.o {libraries} -o libdata.so"));
        run_in(&format!("{compiler} main.c -Wl,-rpath,. -L. -ldata -lversioned -o program"));
        assert_eq!(run_in(&format!("timeout 60 {emulator} ./program")), EXPECTED, "{compiler} -shared");
    }
}

#[test]
fn data_is_linked_with_a_program() {
    check(&elf::x86_64::FORMAT, &["gcc", "clang-22 -fuse-ld=lld"], "env");
}

#[test]
fn data_is_linked_with_programs_for_others() {
    let compilers = ["aarch64-linux-gnu-gcc", "clang-22 --target=aarch64-linux-gnu -fuse-ld=lld"];
    check(&elf::aarch64::FORMAT, &compilers, "qemu-aarch64");
    let compilers = ["riscv64-linux-gnu-gcc", "clang-22 --target=riscv64-linux-gnu -fuse-ld=lld"];
    check(&elf::riscv64::FORMAT, &compilers, "qemu-riscv64 -L /usr/riscv64-linux-gnu");
}

/// Names are those of C, whatever the format makes of them; versions are ELF's.
#[test]
fn names_have_an_underscore_in_mach_o() {
    let (mut world, closure) = world();
    let error = closure.to_graph(&world, "the data", &macho::x86_64::FORMAT, &Named).err().unwrap().to_string();
    let expected = "the data: `versioned` is wanted of version `OLD`, and Mach-O x86-64 has no versions";
    assert_eq!(error, expected);
    let (field, _) = world.pointers().last().unwrap();
    world.remove_pointer(field);
    let closure = world.trace(&["root"], &ThisProcess::open().unwrap(), None).unwrap();
    let graph = closure.to_graph(&world, "the data", &macho::x86_64::FORMAT, &Named).unwrap();
    let graph = read_bytes("data.o", write_object(&[&graph]).unwrap());
    let names = graph.globals().map(|(id, _)| String::from_utf8_lossy(graph.symbol_name(id)).into_owned());
    let mut names: Vec<String> = names.collect();
    names.sort();
    assert_eq!(names, ["_array", "_environ", "_function", "_inside", "_nowhere_at_all", "_root", "_stdin"]);
}

/// Variables of a DLL, whose addresses no linker knows: a function fills the pointers to them before the program's own constructors run.
#[test]
fn pointers_to_variables_of_dlls_are_filled_before_main() {
    let mut world = World::new();
    let cell = words(&[0; 4]);
    let four = (0..4).fold(Type::new("fields", 32, 8), |made, number| made.field(8 * number, Pointer::Data));
    let four = world.add_type(four).unwrap();
    world.add_cell("fields", address(cell), four).unwrap();
    let externals = [
        External::new("offered_array").addend(4),
        External::new("offered_function"),
        External::new("nobody_has_this").weak(),
        External::new("offered_array"),
    ];
    for (field, external) in (address(cell)..).step_by(8).zip(externals) {
        world.add_pointer(field, PointerEntry::Symbol(external)).unwrap();
    }
    let closure = world.trace(&["fields"], &ThisProcess::open().unwrap(), None).unwrap();
    let graph = |format| closure.to_graph(&world, "the data", format, &Named).unwrap();
    let mut data = graph(&coff::x86_64::FORMAT);
    assert_eq!(closure.initialise_externals(&mut data).unwrap(), 3);
    let refused = closure.initialise_externals(&mut graph(&elf::x86_64::FORMAT)).unwrap_err().to_string();
    assert!(refused.contains("no function has to do it"), "{refused}");
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.join(name), bytes).unwrap();
    write("data.o", &write_object(&[&data]).unwrap());
    write(
        "offered.c",
        b"__declspec(dllexport) int offered_array[2] = {5, 6};\n__declspec(dllexport) int offered_function(void) { return 7; }",
    );
    write(
        "main.c",
        b"#include <windows.h>\n#include <stdio.h>\n\
          extern struct { int *second; int (*function)(void); void *nowhere; int *array; } fields;\n\
          static int early; __attribute__((constructor)) static void begin(void) { early = fields.array[1]; }\n\
          int main(void) { HMODULE library = GetModuleHandleA(\"offered.dll\");\n\
          printf(\"%d %d %d %d\", early, *fields.second, fields.function(), fields.nowhere == NULL);\n\
          printf(\" %d %d\\n\", (void *)fields.function == (void *)GetProcAddress(library, \"offered_function\"),\n\
          (void *)fields.array == (void *)GetProcAddress(library, \"offered_array\")); return 0; }",
    );
    let wine = Wine::new("wine-data");
    for linker in ["", "-fuse-ld=lld"] {
        let run_in = |words: &str| run(command(words).current_dir(folder));
        let compiler = format!("x86_64-w64-mingw32-gcc {linker}");
        run_in(&format!("{compiler} -shared offered.c -o offered.dll -Wl,--out-implib,liboffered.a"));
        run_in(&format!("{compiler} -O1 main.c data.o -L. -loffered -Wl,--disable-auto-import -o program.exe"));
        assert_eq!(wine.run(&folder.join("program.exe")).trim_end(), "6 6 7 1 1 1", "{linker}");
    }
}
