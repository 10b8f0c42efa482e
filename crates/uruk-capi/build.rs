//! Gives the shared object its name for loaders, and the version that its symbols have.

fn main() {
    println!("cargo::rerun-if-changed=uruk.map");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        let folder = std::env::var("CARGO_MANIFEST_DIR").expect("cargo says where the package is");
        println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,liburuk_c.so.0");
        println!("cargo::rustc-cdylib-link-arg=-Wl,--version-script={folder}/uruk.map");
    }
}
