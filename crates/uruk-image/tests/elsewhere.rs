//! Mappable images for other machines, loaded there.
//!
//! `cargo xtask test cross` builds `uruk-load` for machines that emulators run, and names the programs in `URUK_LOADERS`:
//! `aarch64=PROGRAM:…`. Their executors have no room for thread-local variables at fixed offsets that are aligned to more than 16 bytes.

mod support;

use std::process::Command;
use support::{Compiled, Machine, OTHERS, run};
use uruk_image::mapped::{MappedOptions, write_mapped};

const TEXT: &str = r#"
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>
#include <thread>
extern "C" int weak_absent(void) __attribute__((weak));
static std::string made = "made when it was loaded";
static thread_local std::string own = "own";
static __thread long plain = 5;
static int values[3] = {1, 2, 3};
int *inner = &values[1];
static long zeroes[10000];
static void gone() { std::puts("gone"); std::fflush(stdout); }
__attribute__((constructor)) static void begin() { std::atexit(gone); std::puts("begun"); std::fflush(stdout); }
static void thrower(int depth) { if (depth == 0) throw std::runtime_error("thrown"); thrower(depth - 1); }
static long first() { return 4; }
extern "C" long (*decide())() { return first; }
extern "C" long chosen() __attribute__((ifunc("decide")));
extern "C" long exceptions() {
    try { thrower(5); } catch (const std::exception &error) { return std::strlen(error.what()); }
    return -1;
}
extern "C" long threads() {
    own += " of this thread";
    std::string other;
    std::thread([&] { own += "!"; plain += 1; other = own; }).join();
    return other == "own!" && own == "own of this thread" && plain == 5;
}
extern "C" long pointers() { return *inner == 2 && made.size() == 23 && weak_absent == nullptr; }
extern "C" long zero() { long sum = 0; for (long value : zeroes) sum += value; zeroes[9999] = 1; return sum; }
extern "C" long choose() { return chosen(); }
int main(int count, char **arguments) {
    std::printf("%ld %ld %ld %ld %ld %s\n", exceptions(), threads(), pointers(), zero(), choose(), arguments[1]);
    return count + 40;
}
"#;

const EXPECTED: &str = "begun\n6 1 1 0 4 argument\ngone\n";

fn check(name: &str, machine: Machine) {
    let known = std::env::var("URUK_LOADERS").expect("`URUK_LOADERS` names programs");
    let mut all = known.split(':').filter_map(|entry| entry.split_once('='));
    let (_, loader) = all.find(|(known, _)| *known == name).unwrap_or_else(|| panic!("none for {name}: {known}"));
    let libraries = machine.libraries(&["libstdc++.so.6", "libm.so.6", "libgcc_s.so.1", "libc.so.6", machine.loader]);
    for flags in [&["-O0", "-fPIC"][..], &["-O2", "-fPIE"], &["-O2", "-fPIC", "-ftls-model=initial-exec"]] {
        let compiled = Compiled::for_machine(machine, &[("text.cpp", TEXT)], flags);
        let options = MappedOptions { main: Some("main"), libraries: &libraries, ..MappedOptions::default() };
        let path = compiled.write("image", &write_mapped(compiled.graphs(), &options).unwrap());
        let output = run(Command::new(loader).arg(path).args(["--", "argument"]));
        assert_eq!((output.text.as_str(), output.status), (EXPECTED, Some(42)), "{flags:?}: {}", output.errors);
    }
}

#[test]
fn images_are_loaded_on_aarch64() {
    check("aarch64", OTHERS[0]);
}

#[test]
fn images_are_loaded_on_riscv64() {
    check("riscv64", OTHERS[1]);
}
