//! What the tests need beside Rust: found, or installed through apt where that may be done.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

/// A Debian package, the file by which it is known to be there, and what cannot run without it.
struct Tool {
    package: &'static str,
    file: &'static str,
    needed_for: &'static str,
}

#[rustfmt::skip]
const TOOLS: &[Tool] = &[
    tool("gcc",                "/usr/bin/gcc",                                                "every program of the matrix"),
    tool("g++",                "/usr/bin/g++",                                                "the C++ programs of the matrix"),
    tool("libc6-dev",          "/usr/lib/x86_64-linux-gnu/libc.a",                            "every program of the matrix"),
    tool("gfortran",           "/usr/bin/gfortran",                                           "the Fortran program of the matrix"),
    tool("clang-22",           "/usr/bin/clang-22",                                           "the clang half of the matrix"),
    tool("libclang-rt-22-dev", "/usr/lib/llvm-22/lib/clang/22/lib/linux/libclang_rt.asan-x86_64.a", "sanitizer and profile programs"),
    tool("lld-22",             "/usr/bin/ld.lld-22",                                          "CREL references, the comparison of linked bytes, the link benchmark"),
    tool("llvm-22",            "/usr/bin/llvm-jitlink-22",                                    "assembling for other architectures, the link benchmark"),
    tool("llvm-22-dev",        "/usr/lib/llvm-22/include/llvm/IR/Module.h",                   "LLVM IR: building and testing uruk-llvm"),
    tool("mold",               "/usr/bin/mold",                                               "the link benchmark"),
    tool("gdb",                "/usr/bin/gdb",                                                "the tests of the debugger interface"),
    tool("gcc-aarch64-linux-gnu", "/usr/bin/aarch64-linux-gnu-gcc",                           "the AArch64 programs that are compared with ld.lld's"),
    tool("g++-aarch64-linux-gnu", "/usr/bin/aarch64-linux-gnu-g++",                           "the AArch64 programs that are compared with ld.lld's"),
    tool("libc6-dev-arm64-cross", "/usr/aarch64-linux-gnu/include/stdio.h",                   "the AArch64 programs that are compared with ld.lld's"),
    tool("gcc-riscv64-linux-gnu", "/usr/bin/riscv64-linux-gnu-gcc",                           "the riscv64 programs that are compared with ld.lld's"),
    tool("g++-riscv64-linux-gnu", "/usr/bin/riscv64-linux-gnu-g++",                           "the riscv64 programs that are compared with ld.lld's"),
    tool("libc6-dev-riscv64-cross", "/usr/riscv64-linux-gnu/include/stdio.h",                 "the riscv64 programs that are compared with ld.lld's"),
    tool("gcc-mingw-w64-x86-64", "/usr/bin/x86_64-w64-mingw32-gcc",                           "objects for Windows"),
    tool("g++-mingw-w64-x86-64", "/usr/bin/x86_64-w64-mingw32-g++",                           "C++ objects for Windows"),
    tool("wine64",             "/usr/lib/wine/wine64",                                        "testing the executor for Windows"),
    tool("valgrind",             "/usr/bin/valgrind",                                           "the tests of the library for C"),
    tool("cmake",                "/usr/bin/cmake",                                              "the test of the installed library for C"),
    tool("pkgconf",              "/usr/bin/pkg-config",                                         "the test of the installed library for C"),
    tool("libffi8",            "/usr/lib/x86_64-linux-gnu/libffi.so.8",                       "the test of images with libffi's descriptions of types"),
    tool("qemu-user",          "/usr/bin/qemu-riscv64",                                       "running relaxed programs"),
    tool("rustc-web",          "/usr/bin/rustc",                                              "executors for other architectures and Windows"),
    tool("cargo-web",          "/usr/bin/cargo",                                              "executors for other architectures"),
    tool("rust-web-src",       "/usr/lib/rustlib/src/rust",                                   "the standard library for riscv64 and Windows"),
    tool("libstd-rust-web-dev:arm64", "/usr/lib/rustlib/aarch64-unknown-linux-gnu",           "executors for AArch64"),
    tool("libstdc++6:arm64",   "/usr/lib/aarch64-linux-gnu/libstdc++.so.6",                   "testing executors for AArch64"),
    tool("zlib1g-dev",         "/usr/lib/x86_64-linux-gnu/libz.a",                            "the programs that link Debian's archives"),
];

const fn tool(package: &'static str, file: &'static str, needed_for: &'static str) -> Tool {
    Tool { package, file, needed_for }
}

/// Installs what is missing. An error names every package that is still missing and what cannot run without it.
pub fn install() -> Result<()> {
    let missing: Vec<&Tool> = TOOLS.iter().filter(|tool| !Path::new(tool.file).exists()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = missing.iter().map(|tool| tool.package).collect();
    println!("installing {}", names.join(" "));
    if let Err(error) = apt_install(&names) {
        println!("{error:#}");
    }
    let missing: Vec<&Tool> = missing.into_iter().filter(|tool| !Path::new(tool.file).exists()).collect();
    for tool in &missing {
        println!("missing: {} (needed for {})", tool.package, tool.needed_for);
    }
    match missing.as_slice() {
        [] => Ok(()),
        _ => bail!("{} packages are missing; see above for what cannot run without them", missing.len()),
    }
}

/// Installs `packages` as root, or through sudo where that asks for no password.
fn apt_install(packages: &[&str]) -> Result<()> {
    if !Path::new("/usr/bin/apt-get").exists() {
        bail!("this system has no apt-get: install the packages by hand");
    }
    // SAFETY: geteuid has no preconditions and no effects.
    let root = unsafe { libc::geteuid() } == 0;
    let prefix: &[&str] = if root { &["env"] } else { &["sudo", "-n", "env"] };
    let apt = |arguments: &[&str]| {
        let mut command = Command::new(prefix[0]);
        command.args(&prefix[1..]).args(["DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-y"]).args(arguments);
        match command.status() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => bail!("apt-get {} failed ({status})", arguments[0]),
            Err(error) => bail!("cannot run {}: {error}", prefix[0]),
        }
    };
    if packages.iter().any(|package| package.ends_with(":arm64")) {
        let mut command = Command::new(prefix[0]);
        let added = command.args(&prefix[1..]).args(["dpkg", "--add-architecture", "arm64"]).status();
        if !added.is_ok_and(|status| status.success()) {
            bail!("dpkg does not take packages for arm64 as well");
        }
        // Of an architecture that is new there are no lists yet.
        apt(&["update"])?;
    }
    let install = || apt(&[&["install", "--no-install-recommends"], packages].concat());
    // The package lists of a fresh machine are often absent or old: fetch them only when needed.
    install().or_else(|_| apt(&["update"]).and_then(|()| install()))
}
