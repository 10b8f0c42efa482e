//! Objects for Windows, run in this process: their functions are called, and call back, with Windows' calling convention.
//! C and C++ are compiled by clang for MSVC's ABI and by MinGW's GCC.
#![cfg(target_arch = "x86_64")]

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
    check("f", &[&one, &two], 1284);
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
