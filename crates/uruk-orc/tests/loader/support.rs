//! Objects for any target, and where their sections go.

use std::process::Command;
use uruk_jitlink::input::Input;
use uruk_jitlink::loader::{LoadError, Loader, SectionView};

/// Compiles C for a target of clang's, or C++ if the name says so.
pub fn compile(name: &str, target: &str, source: &str, flags: &[&str]) -> Input {
    let folder = tempfile::tempdir().unwrap();
    let (path, object) = (folder.path().join(name), folder.path().join("object"));
    std::fs::write(&path, source).unwrap();
    let mut command = Command::new("clang-22");
    command.args(["-c", "-O1", "-target", target]).args(flags).arg(&path).arg("-o").arg(&object);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Input::from_bytes(name, std::fs::read(object).unwrap())
}

pub const HOST: &str = "x86_64-linux-gnu";

/// Gives all sections addresses, one after the other from here on.
pub fn map_all(loader: &mut Loader, mut at: u64) {
    let sections: Vec<SectionView> = loader.sections().collect();
    for section in sections {
        at = at.next_multiple_of(section.align);
        loader.map_section(section.key, at).unwrap();
        at += section.size;
    }
}

/// Resolves with these answers, by name.
pub fn resolve(loader: &mut Loader, known: &[(&str, u64)]) -> Result<(), LoadError> {
    loader.resolve(|names| {
        let find =
            |name: &&[u8]| known.iter().find(|(known, _)| known.as_bytes() == *name).map(|(_, address)| *address);
        names.iter().map(find).collect()
    })
}

/// The 64-bit number at an address of a mapped section.
pub fn word(loader: &Loader, address: u64) -> u64 {
    let holds =
        |section: &SectionView| section.address.is_some_and(|start| (start..start + section.size).contains(&address));
    let section = loader.sections().find(holds).unwrap();
    let start = (address - section.address.unwrap()) as usize;
    u64::from_le_bytes(loader.image(section.key).unwrap()[start..start + 8].try_into().unwrap())
}
