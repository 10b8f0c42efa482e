//! Compiles what is done through LLVM's C++ interface, with the flags of the LLVM that `llvm-sys` has found.

use std::env;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=src/native.cpp");
    let config = env::var("DEP_LLVM_22_CONFIG_PATH").expect("llvm-sys tells where llvm-config is");
    let output = Command::new(&config).arg("--cxxflags").output().expect("llvm-config runs");
    let flags = String::from_utf8(output.stdout).expect("llvm-config prints text");
    let mut build = cc::Build::new();
    build.cpp(true).file("src/native.cpp").warnings(false).opt_level(2);
    for flag in flags.split_whitespace() {
        match flag.strip_prefix("-I") {
            // Warnings there are not ours.
            Some(folder) => build.flag("-isystem").flag(folder),
            None => build.flag(flag),
        };
    }
    // A reference of this kind to a variable of libstdc++, which `std::call_once` makes, has the loader put that library's
    // variables at fixed offsets before LLVM first uses them. Later it could not, and linked programs may need it.
    build.flag("-ftls-model=initial-exec");
    build.flag("-fno-rtti").flag("-Wall").flag("-Wextra").compile("uruk_llvm_native");
}
