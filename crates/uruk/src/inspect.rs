//! What the linker sees in a file, as text.

use crate::files::read_file;
use crate::jit::Error;
use std::fmt::Write;
use std::path::Path;
use uruk_jitlink::archive::Archive;
use uruk_jitlink::dump::dump;
use uruk_jitlink::format;
use uruk_jitlink::interface::Terms;
use uruk_jitlink::names::{Name, Names};
use uruk_orc::generator::archive_members;

/// The link graph of an object, or of each member of an archive, for people to read.
pub fn inspect(path: &Path) -> Result<String, Error> {
    let names = Names::default();
    let mut objects = Vec::new();
    for input in format::slices(&read_file(path)?).map_err(uruk_orc::error::Error::from)? {
        match Archive::is_archive(&input) {
            true => objects.extend(archive_members(&input, &read_file)?),
            false => objects.push(input),
        }
    }
    let mut text = String::new();
    for object in objects {
        let graph = format::read(&object, &names).map_err(uruk_orc::error::Error::from)?;
        let interface = format::interface(&object, &names).map_err(uruk_orc::error::Error::from)?;
        // Writing to a string does not fail.
        let _ = writeln!(text, "{}", dump(&graph, &names));
        let _ = write_terms(&mut text, &interface.terms, &names);
    }
    Ok(text)
}

/// What an object wants of the link as a whole.
fn write_terms(text: &mut String, terms: &Terms, names: &Names) -> std::fmt::Result {
    if terms.is_empty() {
        return Ok(());
    }
    let name = |name: Name| names.text(name);
    writeln!(text, "terms")?;
    for alias in &terms.aliases {
        let weak = if alias.weak { ", unless something else defines it" } else { "" };
        writeln!(text, "  {} is {}{weak}", name(alias.name), name(alias.target))?;
    }
    for (alternative, target) in &terms.alternatives {
        writeln!(text, "  {} is {} where nothing defines it", name(*alternative), name(*target))?;
    }
    for (key, value) in &terms.agreements {
        writeln!(text, "  {} is {} in all objects", name(*key), name(*value))?;
    }
    for option in &terms.unknown {
        writeln!(text, "  {option} is unknown and has no effect")?;
    }
    writeln!(text)
}
