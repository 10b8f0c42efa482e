//! Runs what the fuzz targets do on every saved input: seeds made by compilers, and inputs that once were findings.

#[path = "../../../fuzz/src/bodies.rs"]
mod bodies;
#[path = "../../../fuzz/src/check.rs"]
mod check_language;
#[path = "../../../fuzz/src/coff.rs"]
mod coff;
#[path = "../../../fuzz/src/edits.rs"]
mod edits;
#[path = "../../../fuzz/src/load.rs"]
mod load;
#[path = "../../../fuzz/src/parts.rs"]
mod parts;

use std::fs;
use std::path::Path;

fn check(target: &str, body: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut count = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        // Shown with the panic, if there is one.
        println!("{}", path.display());
        body(&fs::read(&path).unwrap());
        count += 1;
    }
    assert_ne!(count, 0, "no input in {}", folder.display());
}

#[test]
fn objects() {
    check("elf_reader", bodies::elf_reader);
}

#[test]
fn mach_o_objects() {
    check("macho_reader", bodies::macho_reader);
    check("macho_reader", bodies::link_noexec);
}

#[test]
fn archives() {
    check("archive_reader", bodies::archive_reader);
}

#[test]
fn coff_objects() {
    check("coff_reader", coff::coff_reader);
}

#[test]
fn coff_objects_with_a_flipped_bit() {
    check("coff_reader", |data| {
        // All of them would take too long; the number has no factor in common with the bits of a byte.
        for bit in (0..data.len() * 8).step_by(13) {
            let mut data = data.to_vec();
            data[bit / 8] ^= 1 << (bit % 8);
            coff::coff_reader(&data);
        }
    });
}

#[test]
fn import_libraries() {
    check("import_library", coff::import_library);
}

#[test]
fn function_records() {
    check("function_records", coff::function_records);
}

#[test]
fn rules() {
    check("check", check_language::check);
}

#[test]
fn objects_loaded_by_hand() {
    for folder in ["load_by_hand", "elf_reader", "macho_reader", "coff_reader", "link_noexec"] {
        check(folder, load::load_by_hand);
    }
}

#[test]
fn objects_loaded_by_hand_with_a_flipped_bit() {
    for folder in ["elf_reader", "macho_reader", "coff_reader"] {
        check(folder, |data| {
            // All of them would take too long; the number has no factor in common with the bits of a byte.
            for bit in (0..data.len() * 8).step_by(61) {
                let mut data = data.to_vec();
                data[bit / 8] ^= 1 << (bit % 8);
                load::load_by_hand(&data);
            }
        });
    }
}

#[test]
fn links() {
    check("link_noexec", bodies::link_noexec);
}

#[test]
fn edited_links() {
    for folder in ["link_edited", "link_noexec", "elf_reader", "macho_reader"] {
        check(folder, |data| {
            // The decisions hang on bytes that no reader looks at.
            for seed in 0..40 {
                let mut data = data.to_vec();
                if let Some(spare) = data.get_mut(8) {
                    *spare = seed;
                }
                bodies::link_edited(&data);
            }
        });
    }
}
