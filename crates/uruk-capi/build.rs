//! Gives the shared object its name for loaders.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        // Which symbols are exported is in the version script that the compiler makes; linkers refuse a second one, or pass over
        // it. So symbols have versions in the installed library only, which `cargo xtask install-c` links.
        println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,liburuk_c.so.0");
    }
}
