//! Objects for Windows, run in this process: their functions are called, and call back, with Windows' calling convention.
//! C and C++ are compiled by clang for MSVC's ABI and by MinGW's GCC.
#![cfg(target_arch = "x86_64")]

#[path = "coff/directives.rs"]
mod directives;
#[path = "support/windows.rs"]
mod windows;

use uruk::{Error, Jit};
use windows::{CLANG, Compiler, MINGW, compile};

type Number = extern "win64" fn() -> i32;

fn call(jit: &Jit, name: &str) -> Result<i32, Error> {
    // SAFETY: all functions that are called by this take nothing and return an int.
    unsafe { Ok(jit.main().function::<Number>(name)?()) }
}

/// What a function of some sources returns, compiled by both compilers.
fn check(name: &str, sources: &[&str], expected: i32) {
    check_with(&[CLANG, MINGW], name, sources, expected);
}

fn check_with(compilers: &[Compiler], name: &str, sources: &[&str], expected: i32) {
    for compiler in compilers {
        let jit = Jit::new().unwrap();
        let objects = sources.iter().enumerate().map(|(number, source)| {
            let file = format!("{number}.{}", if source.contains("class ") { "cpp" } else { "c" });
            compile(compiler, &file, source, &[])
        });
        let objects: Vec<_> = objects.collect();
        jit.main().add_objects(&objects).unwrap();
        jit.main().define("host", add_one as *const () as u64);
        assert_eq!(call(&jit, name).unwrap_or_else(|error| panic!("{compiler:?}: {error}")), expected, "{compiler:?}");
    }
}

extern "win64" fn add_one(value: i32) -> i32 {
    value + 1
}

#[test]
fn functions_are_called_and_call_back() {
    let source = "
        int host(int), other(int, int, int, int, int, int);
        int variable = 5, zero[100];
        static const int table[] = {1, 2, 3};
        double half = 0.5;
        int f(void) { zero[99] += 1; return host(variable) + other(1, 2, 3, 4, 5, 6) + table[variable - 3] + (int)(half * 8) + zero[99]; }";
    let other = "int other(int a, int b, int c, int d, int e, int f) { return a + 10 * b + 100 * (c + d + e + f); }";
    check("f", &[source, other], 6 + 1821 + 3 + 4 + 1);
}

#[test]
fn imports_need_no_import_library() {
    let source = "
        __declspec(dllimport) int host(int);
        __declspec(dllimport) extern int shared;
        int f(void) { return host(shared); }";
    check("f", &[source, "int shared = 41;"], 42);
}

#[test]
fn large_frames_are_probed() {
    let source = "
        int host(int);
        __attribute__((noinline)) static int use(volatile char *room, int n) { room[0] = 1; room[n - 1] = 2; return room[0] + room[n - 1]; }
        int f(void) { volatile char room[100000]; return use(room, 100000); }";
    check("f", &[source], 3);
}

#[test]
fn inline_functions_and_initialisers_of_cpp() {
    let header = "
        class Counter { public: Counter(int start); virtual int next(); int value; };
        template<class T> struct Shared { static T total; };
        template<class T> T Shared<T>::total = 3;
        inline int &order() { static int order; return order; }
        inline int note(int digit) { return order() = order() * 10 + digit; }
        extern \"C\" int host(int);";
    let one = format!(
        "{header} Counter::Counter(int start) : value(start) {{}} int Counter::next() {{ return ++value; }} int first = note(1);"
    );
    let two = format!(
        "{header} static int second = note(2); Counter counter(host(6));
        extern \"C\" int f() {{ Shared<int>::total += 1; return order() * 100 + counter.next() * 10 + Shared<int>::total; }}"
    );
    check_with(&[CLANG], "f", &[&one, &two], 1284);
    // MinGW's start files begin with the last object.
    check_with(&[MINGW], "f", &[&one, &two], 2184);
}

#[test]
fn initialisers_run_by_priority_and_finalisers_at_the_end() {
    let source = "
        int host(int);
        int order;
        __attribute__((constructor)) static void last(void) { order = order * 10 + 3; }
        __attribute__((constructor(200))) static void second(void) { order = order * 10 + 2; }
        __attribute__((constructor(101))) static void first(void) { order = order * 10 + 1; }
        int f(void) { return order; }";
    check("f", &[source], 123);
}

#[test]
fn weak_symbols_have_defaults_and_give_way() {
    let source = "
        __attribute__((weak)) int own(void) { return 1; }
        __attribute__((weak)) int replaced(void) { return 10; }
        // GCC forgets that it is weak.
        #ifdef _MSC_VER
        extern __attribute__((weak)) int nowhere(void);
        #else
        #define nowhere 0
        #endif
        extern __attribute__((weak)) int there(void);
        int f(void) { return own() + replaced() + (nowhere ? 1000 : 0) + (there ? there() : 0); }";
    check("f", &[source, "int replaced(void) { return 20; } int there(void) { return 300; }"], 321);
}

#[test]
fn emulated_thread_local_variables_of_mingw() {
    let source = "__thread int a = 40; __thread int b; int f(void) { b += 2; return a + b; }";
    check_with(&[MINGW], "f", &[source], 42);
}

#[test]
fn thread_local_variables_of_msvc_miss_what_windows_has() {
    let jit = Jit::new().unwrap();
    let source = "_Thread_local int a = 40; int f(void) { return a; }";
    jit.main().add_objects(&[compile(&CLANG, "t.c", source, &[])]).unwrap();
    let error = call(&jit, "f").unwrap_err();
    assert_eq!(error.missing().unwrap().0[0].symbol, "_tls_index");
}

#[test]
fn functions_of_this_process_are_not_called_by_another_convention() {
    let jit = Jit::new().unwrap();
    let source = "int puts(const char *); int f(void) { return puts(\"\"); }";
    jit.main().add_objects(&[compile(&CLANG, "p.c", source, &[])]).unwrap();
    assert_eq!(call(&jit, "f").unwrap_err().missing().unwrap().0[0].symbol, "puts");
}

#[test]
fn copies_of_memory_are_supplied() {
    let source = "
        struct big { int numbers[200]; };
        struct big one, other;
        int f(void) { one.numbers[199] = 7; other = one; return other.numbers[199] + __builtin_memcmp(&one, &other, sizeof one); }";
    check("f", &[source], 7);
}

#[test]
fn import_libraries_say_where_to_look() {
    const EXPORTS: &str =
        "LIBRARY \"My Own.dll\"\nEXPORTS\nhost\nvalue DATA\nnumbered @7 NONAME\nrenamed == other_name\n";
    static VALUE: i32 = 100;
    let source = "
        __declspec(dllimport) int host(int), numbered(int);
        __declspec(dllimport) extern int value;
        int renamed(int);
        int f(void) { return host(0) + value + numbered(10) + renamed(20); }";
    for tool in ["llvm-dlltool-22", "x86_64-w64-mingw32-dlltool"] {
        let jit = Jit::new().unwrap();
        let library = windows::import_library(tool, EXPORTS);
        jit.main().add_archive(library).unwrap();
        jit.main().add_objects(&[compile(&MINGW, "i.c", source, &[])]).unwrap();
        let function = add_one as *const () as u64;
        jit.main().define("My Own.dll!host", function);
        jit.main().define("My Own.dll!value", &raw const VALUE as u64);
        jit.main().define("My Own.dll!#7", function);
        jit.main().define("My Own.dll!other_name", function);
        assert_eq!(call(&jit, "f").unwrap(), 1 + 100 + 11 + 21, "{tool}");
    }
}

#[test]
fn what_no_library_exports_is_missed_by_its_name() {
    let jit = Jit::new().unwrap();
    jit.main().add_archive(windows::import_library("llvm-dlltool-22", "LIBRARY a.dll\nEXPORTS\ngone\n")).unwrap();
    jit.main().add_objects(&[compile(&CLANG, "g.c", "int gone(void); int f(void) { return gone(); }", &[])]).unwrap();
    let error = call(&jit, "f").unwrap_err().to_string();
    assert!(error.contains("`a.dll!gone`"), "{error}");
}

#[test]
fn definitions_that_have_to_be_alike_are_compared() {
    let of = |selection: &str, bytes: &str| {
        let source = format!(".section .rdata,\"dr\",{selection},shared\n.globl shared\nshared: .byte {bytes}\n");
        windows::assemble(&source)
    };
    let add = |selection: &str, one: &str, other: &str| {
        let jit = Jit::new().unwrap();
        let added = jit.main().add_objects(&[of(selection, one), of(selection, other)]);
        added.map(|()| jit.main().find("shared").unwrap()).map(|address| {
            // SAFETY: it is the first byte of a constant.
            unsafe { *(address as *const u8) }
        })
    };
    assert_eq!(add("discard", "1", "2, 2").unwrap(), 1);
    assert_eq!(add("same_size", "1", "2").unwrap(), 1);
    assert!(add("same_size", "1", "2, 2").unwrap_err().to_string().contains("does not have the size"));
    assert_eq!(add("same_contents", "1, 2", "1, 2").unwrap(), 1);
    assert!(add("same_contents", "1", "2").unwrap_err().to_string().contains("does not have the bytes"));
    assert_eq!(add("largest", "1", "2, 2").unwrap(), 2);
    assert_eq!(add("largest", "1, 1", "2").unwrap(), 1);
    assert!(add("one_only", "1", "1").unwrap_err().to_string().contains("duplicate definition of `shared`"));
}

#[test]
fn objects_with_more_sections_than_numbers_of_16_bits() {
    const COUNT: i32 = 65_400;
    let source = format!(
        "
        .macro variable
        .section .data$\\@, \"dw\"
        v\\@: .long \\@
        .endm
        .rept {COUNT}
        variable
        .endr
        .section .text$last, \"xr\"
        .globl f
        f: movl v{}(%rip), %eax
        addl v3(%rip), %eax
        ret",
        COUNT - 1
    );
    for (compiler, options) in [(&CLANG, &[][..]), (&MINGW, &["-Wa,-mbig-obj"])] {
        let jit = Jit::new().unwrap();
        let object = compile(compiler, "big.s", &source, options);
        assert_eq!(object[..4], [0, 0, 0xff, 0xff], "{compiler:?}");
        jit.main().add_objects(&[object]).unwrap();
        assert_eq!(call(&jit, "f").unwrap(), COUNT + 2, "{compiler:?}");
    }
}

#[test]
fn parts_of_a_group_are_in_order_across_objects() {
    let part = |name: &str, values: &str| {
        format!("__attribute__((section(\".mine{name}\"), used)) static int in_{}[] = {{ {values} }};", &name[1..])
    };
    let bounds = "
        __attribute__((section(\".mine$a\"))) int before = 0;
        __attribute__((section(\".mine$z\"))) int behind = 0;
        int f(void) {
            int sum = 0; int *volatile from = &before, *volatile to = &behind;
            for (int *at = from + 1; at < to; at++) sum = 10 * sum + *at;
            return sum; }";
    let with = |more: &str| format!("{bounds} {more}");
    let sources = [part("$m", "3"), with(&part("$c", "1, 2")), part("$n", "5, 6"), part("$m", "4")];
    for compiler in [&CLANG, &MINGW] {
        let jit = Jit::new().unwrap();
        let objects: Vec<_> = sources.iter().map(|source| compile(compiler, "part.c", source, &[])).collect();
        jit.main().add_objects(&objects).unwrap();
        // All of them are linked together then.
        jit.main().initialize().unwrap();
        assert_eq!(call(&jit, "f").unwrap(), 123_456, "{compiler:?}");
    }
}

#[test]
fn removed_objects_give_their_memory_back() {
    let jit = Jit::new().unwrap();
    let source = "int host(int); int f(void) { return host(41); }";
    let tracker = jit.main().add_tracked(&[compile(&CLANG, "r.c", source, &[])]).unwrap();
    jit.main().define("host", add_one as *const () as u64);
    assert_eq!(call(&jit, "f").unwrap(), 42);
    tracker.remove();
    assert_eq!(jit.memory_statistics().live, [0; 3]);
}
