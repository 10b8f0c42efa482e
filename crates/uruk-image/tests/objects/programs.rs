//! Programs of many objects, which become one.

use crate::system::*;
use std::path::Path;

/// How programs are compiled, linked and run.
struct Target {
    name: &'static str,
    /// C and C++ compilers.
    compilers: &'static [(&'static str, &'static str)],
    /// Flags of compilers, and with which flags what they make can be linked.
    ways: &'static [(&'static str, &'static [Output])],
    linkers: &'static [&'static str],
    emulator: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Output {
    Fixed,
    Pie,
    Shared,
}

use Output::*;

const NATIVE: Target = Target {
    name: "x86-64",
    compilers: &[("gcc", "g++"), ("clang-22", "clang++-22")],
    ways: &[
        ("-O0 -g -fPIC", &[Fixed, Pie, Shared]),
        ("-O2 -fPIC -fcommon", &[Fixed, Pie, Shared]),
        ("-O2 -fPIE", &[Fixed, Pie]),
        ("-O2 -fno-pic", &[Fixed]),
        ("-O1 -fPIC -ffunction-sections -fdata-sections -Wl,--gc-sections", &[Pie, Shared]),
        ("-O2 -fPIC -fno-plt", &[Pie, Shared]),
        ("-O2 -fPIC -mtls-dialect=gnu2", &[Pie, Shared]),
    ],
    linkers: &["g++", "clang++-22 -fuse-ld=lld"],
    emulator: "env",
};

const AARCH64: Target = Target {
    name: "aarch64",
    compilers: &[
        ("aarch64-linux-gnu-gcc", "aarch64-linux-gnu-g++"),
        ("clang-22 --target=aarch64-linux-gnu", "clang++-22 --target=aarch64-linux-gnu"),
    ],
    ways: &[("-O0 -g -fPIC", &[Pie, Shared]), ("-O2 -fno-pic", &[Fixed]), ("-O2 -fPIE", &[Fixed, Pie])],
    linkers: &["aarch64-linux-gnu-g++", "clang++-22 --target=aarch64-linux-gnu -fuse-ld=lld"],
    // Debian's own libraries of that architecture: see `xtask/src/cross.rs`.
    emulator: "qemu-aarch64",
};

const RISCV64: Target = Target {
    name: "riscv64",
    compilers: &[
        ("riscv64-linux-gnu-gcc", "riscv64-linux-gnu-g++"),
        ("clang-22 --target=riscv64-linux-gnu", "clang++-22 --target=riscv64-linux-gnu"),
    ],
    ways: &[
        // GNU ld 2.40 crashes with what clang says of ranges in DWARF 5.
        ("-O0 -gdwarf-4 -fPIC", &[Pie, Shared]),
        ("-O2 -fno-pic", &[Fixed]),
        ("-O2 -fPIC -mno-relax", &[Pie, Shared]),
        ("-O2 -fPIC -ffunction-sections", &[Fixed, Shared]),
    ],
    linkers: &["riscv64-linux-gnu-g++", "clang++-22 --target=riscv64-linux-gnu -fuse-ld=lld"],
    emulator: "qemu-riscv64 -L /usr/riscv64-linux-gnu",
};

impl Target {
    fn check(&self) {
        for (c, cpp) in self.compilers {
            for (flags, outputs) in self.ways {
                self.check_way(c, cpp, flags, outputs);
            }
        }
    }

    fn check_way(&self, c: &str, cpp: &str, flags: &str, outputs: &[Output]) {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let of = |name: &str| sources().join(name);
        let warnings = "-Wno-unused-command-line-argument -Wno-unknown-warning-option";
        let c_files = ["plain.c", "other.c"].map(|name| compile(&format!("{c} {flags} {warnings}"), &of(name), folder));
        let cpp_files =
            ["objects.cpp", "more.cpp"].map(|name| compile(&format!("{cpp} {flags} {warnings}"), &of(name), folder));
        let main = compile(&format!("{c} {flags} {warnings}"), &of("main.c"), folder);
        let objects = [&c_files[..], &cpp_files].concat();
        let one = folder.join("one.o");
        write(&objects, &one);
        for linker in self.linkers {
            for output in outputs {
                let link = |inputs: &[std::path::PathBuf], name: &str| {
                    self.link(&format!("{linker} {}", linker_flags(flags)), *output, inputs, &main, &folder.join(name))
                };
                let expected = link(&objects, "expected");
                let found = link(std::slice::from_ref(&one), "found");
                assert_eq!(found, expected, "{} {c} {flags} {linker} {output:?}", self.name);
                assert!(expected.contains("caught below") && expected.contains("the end"), "{expected}");
            }
        }
    }

    /// Links and runs.
    fn link(&self, linker: &str, output: Output, inputs: &[std::path::PathBuf], main: &Path, program: &Path) -> String {
        let strict = "-Wl,--fatal-warnings -Wl,-z,text -pthread";
        match output {
            Fixed => run(command(&format!("{linker} -no-pie {strict}")).arg(main).args(inputs).arg("-o").arg(program)),
            Pie => run(command(&format!("{linker} -pie {strict}")).arg(main).args(inputs).arg("-o").arg(program)),
            Shared => {
                let library = program.with_extension("so");
                run(command(&format!("{linker} -shared {strict}")).args(inputs).arg("-o").arg(&library));
                run(command(&format!("{linker} {strict}")).arg(main).arg(&library).arg("-o").arg(program))
            }
        };
        run(command(&format!("timeout 60 {}", self.emulator)).arg(program))
    }
}

/// What the linker wants to know of a compiler's flags.
fn linker_flags(flags: &str) -> String {
    flags
        .split_whitespace()
        .filter(|flag| flag.starts_with("-Wl") || *flag == "-mno-relax")
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn programs_are_the_same() {
    NATIVE.check();
}

#[test]
fn programs_for_aarch64_are_the_same() {
    AARCH64.check();
}

#[test]
fn programs_for_riscv64_are_the_same() {
    RISCV64.check();
}
