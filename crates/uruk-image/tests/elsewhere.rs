//! Mappable images for other machines, loaded there.
//!
//! `cargo xtask test cross` builds `uruk-load` for machines that emulators run, and names the programs in `URUK_LOADERS`:
//! `aarch64=PROGRAM:…`. Their executors have no room for thread-local variables at fixed offsets that are aligned to more than 16 bytes.

mod support;

use std::process::Command;
use support::{Compiled, Machine, OTHERS, run};
use uruk_image::mapped::{MappedOptions, write_mapped};

const MAIN: &str = r#"
#include <cstdio>
extern "C" long exceptions(), threads(), pointers(), zero(), choose();
extern "C" { long reported; }
/// Made first, and so gone last but for the functions of the table.
static struct Last { ~Last() { std::printf("%ld at the end\n", reported); } } last;
int main(int count, char **arguments) {
    std::printf("%ld %ld %ld %ld %ld %s ", exceptions(), threads(), pointers(), zero(), choose(), arguments[1]);
    std::printf("%ld\n", reported);
    return count + 40;
}
"#;

const SOURCES: [(&str, &str); 2] = [("main.cpp", MAIN), ("everything.cpp", include_str!("support/everything.cpp"))];

const EXPECTED: &str = "6 1 1 0 4 argument 1\n101 at the end\n";

fn check(name: &str, machine: Machine) {
    let known = std::env::var("URUK_LOADERS").expect("`URUK_LOADERS` names programs");
    let mut all = known.split(':').filter_map(|entry| entry.split_once('='));
    let (_, loader) = all.find(|(known, _)| *known == name).unwrap_or_else(|| panic!("none for {name}: {known}"));
    let libraries = machine.libraries(&["libstdc++.so.6", "libm.so.6", "libgcc_s.so.1", "libc.so.6", machine.loader]);
    for flags in [&["-O0", "-fPIC"][..], &["-O2", "-fPIE"], &["-O2", "-fPIC", "-ftls-model=initial-exec"]] {
        let compiled = Compiled::for_machine(machine, &SOURCES, flags);
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
