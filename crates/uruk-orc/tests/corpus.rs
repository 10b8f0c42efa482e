//! Runs what the fuzz target of a whole session does on every saved input, and on those of the linker alone.

#[path = "../../../fuzz/src/parts.rs"]
mod parts;
#[path = "../../../fuzz/src/session.rs"]
mod session;

use std::fs;
use std::path::Path;

#[test]
fn sessions() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    for target in ["link_session", "link_noexec", "elf_reader"] {
        for entry in fs::read_dir(corpus.join(target)).unwrap() {
            let path = entry.unwrap().path();
            // Shown with the panic, if there is one.
            println!("{}", path.display());
            session::link_session(&fs::read(&path).unwrap());
        }
    }
}
