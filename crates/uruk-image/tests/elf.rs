//! Executables and shared objects that are written here, run by the system's own loader.

mod support;

use std::path::Path;
use std::process::Command;
use support::{Compiled, HERE, Machine, OTHERS, run};
use uruk_image::mapped::{MappedOptions, write_mapped};
use uruk_image::memory::ThisProcess;
use uruk_image::{ElfKind, ElfOptions, Error, External, Library, Pointer, PointerEntry, Type, World, write_elf};

const PROGRAM: &str = r#"
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

extern "C" int weak_absent(void) __attribute__((weak));
extern "C" const char *chosen(void);
extern int counter;
struct Registered {
    const char *name;
    Registered(const char *name) : name(name) { std::printf("made %s\n", name); }
    ~Registered() { std::printf("gone %s\n", name); }
};
static Registered global("global");
thread_local std::string own = "own";
FILE **input = &stdin;
static int values[3] = {1, 2, 3};
int *inner = &values[1];

static void thrower(int depth) {
    if (depth == 0) throw std::runtime_error("thrown");
    thrower(depth - 1);
}

static void last() { std::puts("last"); }
static void quick() { std::puts("quick"); std::fflush(stdout); }
static void forking() { std::puts("forking"); std::fflush(stdout); }

int main(int argc, char **argv) {
    std::atexit(last);
    std::at_quick_exit(quick);
    pthread_atfork(forking, nullptr, nullptr);
    if (fork() == 0) std::quick_exit(0);
    wait(nullptr);
    try {
        thrower(5);
    } catch (const std::exception &error) {
        std::printf("%s\n", error.what());
    }
    std::thread([] { own += " of a thread"; std::printf("%s\n", own.c_str()); }).join();
    std::vector<int> numbers(inner, inner + 2);
    std::printf("%d %s %d %d %s %d\n", argc, argv[1], numbers[0] + numbers[1], *input == stdin, own.c_str(), counter);
    std::printf("%s %d\n", chosen(), weak_absent ? weak_absent() : 0);
    return 7;
}
"#;

const OTHER: &str = r#"
int counter = 40;
static const char *first(void) { return "chosen by a function"; }
static void *decide(void) { counter += 2; return (void *)first; }
const char *chosen(void) __attribute__((ifunc("decide")));
"#;

const EXPECTED: &str = "made global\nforking\nquick\nthrown\nown of a thread\n2 argument 5 1 own 42\nchosen by a function 0\nlast\ngone global\n";

fn program(machine: Machine, flags: &[&str], options: impl Fn(&mut ElfOptions<'_>)) {
    let compiled = Compiled::for_machine(machine, &[("program.cpp", PROGRAM), ("other.c", OTHER)], flags);
    let libraries = machine.libraries(&["libstdc++.so.6", "libm.so.6", "libgcc_s.so.1", "libc.so.6", machine.loader]);
    let mut wanted = ElfOptions::executable("main", &libraries);
    options(&mut wanted);
    let image = write_elf(compiled.graphs(), &wanted).unwrap_or_else(|error| panic!("{flags:?}: {error}"));
    assert_eq!(image, write_elf(compiled.graphs(), &wanted).unwrap(), "the same bytes again");
    let file = compiled.write("image", &image);
    let output = run(machine.program(&file).arg("argument"));
    assert_eq!((output.text.as_str(), output.status), (EXPECTED, Some(7)), "{machine:?} {flags:?}: {}", output.errors);
}

#[test]
fn programs_run_wherever_they_are_loaded() {
    for flags in [&["-O0", "-fPIC"][..], &["-O2", "-fPIE"], &["-O2", "-fno-pic"], &["-O1", "-ftls-model=local-exec"]] {
        program(HERE, flags, |_| {});
        program(HERE, flags, |options| options.short_relocations = false);
    }
}

#[test]
fn programs_run_at_an_address_of_their_own() {
    for flags in [&["-O0", "-fPIC"][..], &["-O2", "-fno-pic"], &["-O1", "-mcmodel=medium", "-fno-pic"]] {
        let address = Some(0x40_0000);
        program(HERE, flags, |options| options.kind = ElfKind::Executable { main: "main".into(), address });
    }
}

#[test]
fn programs_for_other_machines_run_in_emulators() {
    for machine in OTHERS {
        for flags in [&["-O0", "-fPIC"][..], &["-O2", "-fPIE"]] {
            program(machine, flags, |_| {});
        }
        let address = Some(0x40_0000);
        let fixed = |options: &mut ElfOptions<'_>| options.kind = ElfKind::Executable { main: "main".into(), address };
        program(machine, &["-O1"], fixed);
    }
}

const LIBRARY: &str = r#"
#include <stdio.h>
#include <stdlib.h>
static void gone(void) { puts("the library is gone"); }
__attribute__((constructor)) static void made(void) { atexit(gone); puts("the library is made"); }
static __thread int calls = 10;
extern int in_program(int);
extern FILE *stdin;
FILE **input = &stdin;
__attribute__((visibility("hidden"))) int hidden(int value) { return value + ++calls; }
int (*table[2])(int) = {hidden, in_program};
int offered(int value) { return table[0](value) + table[1](value); }
"#;

const USER: &str = r#"
#include <dlfcn.h>
#include <stdio.h>
int in_program(int value) { return value * 100; }
int main(int count, char **arguments) {
    void *library = dlopen(arguments[1], RTLD_NOW | RTLD_LOCAL);
    if (!library) return puts(dlerror()), 1;
    int (*offered)(int) = (int (*)(int))dlsym(library, "offered");
    FILE ***input = (FILE ***)dlsym(library, "input");
    printf("%d\n", offered(1));
    printf("%d\n", offered(2));
    printf("%d %d\n", *input == &stdin, dlsym(library, "hidden") == NULL);
    return dlclose(library);
}
"#;

#[test]
fn shared_objects_are_loaded_and_unloaded() {
    for model in ["-ftls-model=global-dynamic", "-ftls-model=initial-exec", "-mtls-dialect=gnu2"] {
        let compiled = Compiled::new(&[("library.c", LIBRARY)], &["-O2", "-fPIC", model]);
        let users = Compiled::new(&[("user.c", USER)], &["-O1", "-fPIE"]);
        let user = users.link("user", &["-rdynamic", "-pie"]);
        let mut libraries = HERE.libraries(&["libc.so.6", "ld-linux-x86-64.so.2"]);
        libraries.push(Library::open(&user).unwrap().already_there());
        let missing = write_elf(compiled.graphs(), &ElfOptions::shared_object(&libraries[..2])).err().unwrap();
        assert!(missing.to_string().contains("`in_program` (for "), "{missing}");
        let image = write_elf(compiled.graphs(), &ElfOptions::shared_object(&libraries)).unwrap();
        let file = compiled.write("liboffered.so", &image);
        let output = run(Command::new(&user).arg(&file));
        let expected = "the library is made\n112\n214\n1 1\nthe library is gone\n";
        assert_eq!((output.text.as_str(), output.status), (expected, Some(0)), "{model}: {}", output.errors);
    }
}

/// A program's thread-local variables are where its compiler says. Those of a shared object are not.
#[test]
fn variables_of_programs_are_refused_in_shared_objects() {
    let compiled =
        Compiled::new(&[("library.c", "static __thread int own; int *f(void) { return &own; }")], &["-fno-pic"]);
    let error = write_elf(compiled.graphs(), &ElfOptions::shared_object(&[])).err().unwrap().to_string();
    assert!(error.starts_with("library.o(.text+") && error.contains("compile with -fPIC"), "{error}");
}

#[test]
fn what_is_not_reached_is_left_out() {
    let text = "extern int puts(const char *); static int used(int x) { return x + 1; } int unused_data[1000] = {1};\n\
                int unused(void) { return puts(\"unused\"); } int main(void) { return used(2); }";
    let compiled = Compiled::new(&[("program.c", text)], &["-O0", "-ffunction-sections", "-fdata-sections"]);
    let libraries = HERE.libraries(&["libc.so.6"]);
    let roots = ["main".to_owned()];
    let wanted = ElfOptions { roots: Some(&roots), ..ElfOptions::executable("main", &libraries) };
    let image = write_elf(compiled.graphs(), &wanted).unwrap();
    let file = compiled.write("image", &image);
    assert_eq!(run(&mut Command::new(&file)).status, Some(3));
    let names = run(Command::new("nm").arg("-D").arg(&file)).text + &run(Command::new("nm").arg(&file)).text;
    assert!(names.contains(" main") && !names.contains("unused") && !names.contains("puts"), "{names}");
    let none = ["nowhere".to_owned()];
    let wanted = ElfOptions { roots: Some(&none), ..wanted };
    assert!(matches!(write_elf(compiled.graphs(), &wanted), Err(Error::NoRoot { name }) if name == "nowhere"));
}

#[test]
fn tools_understand_the_files() {
    let compiled = Compiled::new(&[("program.cpp", PROGRAM), ("other.c", OTHER)], &["-O1"]);
    let libraries = HERE.libraries(&["libstdc++.so.6", "libgcc_s.so.1", "libc.so.6", "ld-linux-x86-64.so.2"]);
    let image = write_elf(compiled.graphs(), &ElfOptions::executable("main", &libraries)).unwrap();
    let file = compiled.write("image", &image);
    for tool in ["readelf", "llvm-readelf-22"] {
        let output = run(Command::new(tool).arg("-aW").arg(&file));
        assert_eq!((output.status, output.errors.as_str()), (Some(0), ""), "{tool}");
        assert!(output.text.contains("GLIBC_2.34"), "the version of `__libc_start_main` is asked for: {}", output.text);
        assert!(output.text.contains("GLIBC_ABI_DT_RELR"), "{}", output.text);
    }
    let script = ["-batch", "-ex", "break thrower", "-ex", "run", "-ex", "backtrace", "--args"];
    let output = run(Command::new("gdb").args(script).arg(&file).arg("argument"));
    let frames: Vec<&str> = output.text.lines().filter(|line| line.starts_with('#')).collect();
    assert!(frames.len() == 2 && frames[1].contains(" main"), "{}{}", output.text, output.errors);
}

/// Lines, variables of all kinds, and frames that only unwind records describe.
#[test]
fn debuggers_know_lines_and_variables() {
    let text = "#include <stdio.h>\n__thread int own = 5; int shared = 6; static int hidden[3] = {7, 8, 9};\n\
        __attribute__((noinline, optimize(\"omit-frame-pointer\"))) int inner(int value) {\n  volatile char room[1000]; room[value] = 1;\n\
          return value + own + shared + hidden[value] + room[value];\n}\nint main(int count, char **arguments) {\n  puts(\"here\");\n  return inner(count);\n}";
    let compiled = Compiled::new(&[("debugged.c", text)], &["-O1", "-g", "-ffunction-sections"]);
    let libraries = HERE.libraries(&["libc.so.6"]);
    let commands =
        ["break inner", "run", "next", "print own", "print shared", "print hidden", "backtrace", "info line main"];
    for address in [None, Some(0x40_0000)] {
        let kind = ElfKind::Executable { main: "main".into(), address };
        let options = ElfOptions { kind, ..ElfOptions::executable("main", &libraries) };
        let image = write_elf(compiled.graphs(), &options).unwrap();
        let script = commands.iter().flat_map(|command| ["-ex", command]);
        let output = run(Command::new("gdb").arg("-batch").args(script).arg(compiled.write("image", &image)));
        let wanted = [
            "$1 = 5",
            "$2 = 6",
            "$3 = {7, 8, 9}",
            "inner (value=value@entry=1) at",
            "main (count=1, ",
            "debugged.c:9",
            "Line 7 of",
        ];
        assert!(wanted.iter().all(|part| output.text.contains(part)), "{}{}", output.text, output.errors);
        let stripped = write_elf(compiled.graphs(), &ElfOptions { strip: true, ..options }).unwrap();
        assert!(stripped.len() < image.len());
        let names = run(Command::new("readelf").arg("-SW").arg(compiled.write("stripped", &stripped))).text;
        assert!(names.contains(".eh_frame") && !names.contains(".debug_") && !names.contains(".symtab"), "{names}");
        assert_eq!(run(&mut Command::new(compiled.write("stripped", &stripped))).status, Some(21));
    }
}

/// Fields of data that name what libraries define: as the program's own, wherever that is, and null where nobody defines it.
#[test]
fn symbols_of_libraries_are_what_the_program_finds() {
    let text = r#"
#include <stdio.h>
#include <string.h>
#include <dlfcn.h>
extern struct { FILE **input; char ***environment; size_t (*length)(const char *); void *absent; char *inner; } fields;
extern char **environ;
int main(void) {
    int same = fields.input == &stdin && fields.environment == &environ && fields.inner == (char *)&stdin + 3;
    same &= fields.input == dlsym(RTLD_DEFAULT, "stdin");
    return same && fields.length("seven..") == 7 && fields.absent == NULL ? 0 : 1;
}
"#;
    let words: &'static mut [u64] = Vec::leak(vec![0; 5]);
    let start = words.as_ptr().expose_provenance() as u64;
    let freeze_as = |names: [External; 5], kind: ElfKind, third: Pointer| {
        let mut world = World::new();
        let pointer = |number| if number == 2 { third } else { Pointer::Data };
        let fields = (0..5).fold(Type::new("fields", 40, 8), |made, number| made.field(8 * number, pointer(number)));
        let fields = world.add_type(fields).unwrap();
        world.add_cell("fields", start, fields).unwrap();
        for (number, symbol) in (0..).zip(names) {
            world.add_pointer(start + 8 * number, PointerEntry::Symbol(symbol)).unwrap();
        }
        let closure = world.trace(&["fields"], &ThisProcess::open().unwrap(), None).unwrap();
        let data = closure.to_graph(&world, "the data", &uruk_jitlink::elf::x86_64::FORMAT, &()).unwrap();
        let compiled = Compiled::new(&[("main.c", text)], &["-O1", "-fPIC"]);
        let libraries = HERE.libraries(&["libc.so.6"]);
        let options = ElfOptions { kind, ..ElfOptions::executable("main", &libraries) };
        let image = write_elf([compiled.graphs(), vec![data]].concat(), &options)?;
        let output = run(&mut Command::new(compiled.write("image", &image)));
        Ok::<_, Error>(output.status)
    };
    let freeze = |names, kind| freeze_as(names, kind, Pointer::Function);
    let names = |first: External| {
        let length = External::new("strlen").version("GLIBC_2.2.5");
        let absent = External::new("nobody_defines_this").weak();
        [first, External::new("environ"), length, absent, External::new("stdin").addend(3)]
    };
    for address in [None, Some(0x40_0000)] {
        let kind = ElfKind::Executable { main: "main".into(), address };
        assert_eq!(freeze(names(External::new("stdin")), kind).unwrap(), Some(0), "{address:?}");
    }
    let kind = ElfKind::Executable { main: "main".into(), address: None };
    let error = freeze(names(External::new("nobody_defines_that")), kind.clone()).unwrap_err();
    assert!(matches!(&error, Error::Undefined { symbols } if symbols[0].0 == "nobody_defines_that"), "{error}");
    let error = freeze(names(External::new("stdin").version("GLIBC_1.0")), kind.clone()).unwrap_err();
    assert!(matches!(&error, Error::Undefined { symbols } if symbols[0].0 == "stdin@GLIBC_1.0"), "{error}");
    let error = freeze(names(External::new("errno")), kind).unwrap_err();
    assert!(matches!(&error, Error::ThreadLocal { symbol, .. } if symbol == "errno"), "{error}");
    // A pointer to data may lead to a function, and none to a function to data.
    let kind = ElfKind::Executable { main: "main".into(), address: None };
    assert_eq!(freeze_as(names(External::new("stdin")), kind.clone(), Pointer::Data).unwrap(), Some(0));
    let all = ["stdin", "environ", "stdout", "stderr", "optarg"].map(External::new);
    let error = freeze(all, kind).unwrap_err();
    assert!(matches!(&error, Error::NoFunction { symbol, .. } if symbol == "stdout"), "{error}");
}

#[test]
fn two_strong_definitions_and_two_formats_are_errors() {
    let compiled = Compiled::new(&[("one.c", "int same = 1;"), ("two.c", "int same = 2;")], &[]);
    let error = write_elf(compiled.graphs(), &ElfOptions::shared_object(&[])).err().unwrap().to_string();
    let names = ["one.o", "two.o"].map(|name| Path::new(name).display().to_string());
    assert!(error.starts_with("`same` is defined by ") && names.iter().all(|name| error.contains(name)), "{error}");
    assert!(matches!(write_elf(Vec::new(), &ElfOptions::shared_object(&[])), Err(Error::Empty)));
}

/// Whichever of two objects comes first: it is enough that one of them cannot do without.
#[test]
fn what_one_object_can_do_without_another_may_need() {
    let weak = ("weak.c", "extern int x __attribute__((weak)); int *may(void) { return &x; }");
    let strong = ("strong.c", "extern int x; int *must(void) { return &x; }");
    for sources in [[weak, strong], [strong, weak]] {
        let compiled = Compiled::new(&sources, &["-fPIC"]);
        let error = write_elf(compiled.graphs(), &ElfOptions::shared_object(&[])).expect_err("nobody defines it");
        assert!(
            matches!(&error, Error::Undefined { symbols } if *symbols == [("x".into(), "strong.o".into())]),
            "{error}"
        );
    }
    let compiled = Compiled::new(&[weak], &["-fPIC"]);
    write_elf(compiled.graphs(), &ElfOptions::shared_object(&[])).unwrap();
}

/// Libraries and lists of what images have know names as text.
#[test]
fn names_that_are_no_text_are_refused_where_others_share_them() {
    let text = r#"extern int odd __asm__("od\xff"); int *f(void) { return &odd; }"#;
    let asking = Compiled::new(&[("odd.c", text)], &["-fPIC"]);
    let error = write_elf(asking.graphs(), &ElfOptions::shared_object(&[])).err().unwrap().to_string();
    let expected =
        |object: &str| format!("{object}: `od\\xff` is no UTF-8, as names have to be that others share with an image");
    assert_eq!(error, expected("odd.o"));
    let offering = Compiled::new(&[("odd.c", r#"int odd __asm__("od\xff") = 1;"#)], &["-fPIC"]);
    let error = write_mapped(offering.graphs(), &MappedOptions::default()).err().unwrap().to_string();
    assert_eq!(error, expected("the image"));
    // Inside of it they are what they are.
    let whole = [asking.graphs(), offering.graphs()].concat();
    let roots = ["f".to_owned()];
    write_elf(whole, &ElfOptions { roots: Some(&roots), ..ElfOptions::shared_object(&[]) }).unwrap();
}
