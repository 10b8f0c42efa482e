//! Lazy files: which of their functions are linked ahead, and the list of those that were called.
//!
//! The lists are text, a line `library,function` each.

use super::error::Error;
use super::flags::Request;
use super::host::Host;
use super::inputs::Library;
use std::path::PathBuf;
use std::sync::OnceLock;
use uruk::orc::DylibId;
use uruk::orc::session::WeakSession;

/// Where first calls are written when the process ends.
struct Record {
    session: WeakSession,
    path: PathBuf,
    /// The dylibs of lazy files, with their libraries' names.
    parts: Vec<(DylibId, String)>,
}

static RECORD: OnceLock<Record> = OnceLock::new();

/// To be called when the libraries have what belongs to them and nothing is linked.
pub fn begin(host: &Host, request: &Request, libraries: &[Library]) -> Result<(), Error> {
    let session = &host.session;
    if request.speculate {
        session.set_speculation(true);
    }
    let parts = libraries.iter().flat_map(|library| library.parts.iter().map(|part| (*part, library.name.clone())));
    let parts: Vec<(DylibId, String)> = parts.collect();
    if let Some(path) = &request.order {
        let text = std::fs::read_to_string(path);
        let text = text.map_err(|source| Error::File { what: "read", path: path.clone(), source })?;
        let mut ahead = Vec::new();
        for (line, number) in text.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty()) {
            let Some((library, function)) = line.split_once(',') else {
                let problem = format!("line {number} is not `library,function`");
                return Err(Error::Content { path: path.clone(), problem });
            };
            let name = host.name(function.trim());
            let has = |(part, known): &&(DylibId, String)| *known == library.trim() && session.defines(*part, name);
            // What is not there any more does no harm.
            ahead.extend(parts.iter().find(has).map(|(part, _)| (*part, name)));
        }
        session.prefetch(&ahead);
    }
    if let Some(path) = &request.record {
        RECORD.get_or_init(|| Record { session: session.downgrade(), path: path.clone(), parts });
        host.at_exit(write)?;
    }
    Ok(())
}

/// Writes first calls, if that is wanted.
pub extern "C" fn write() {
    let Some(record) = RECORD.get() else { return };
    let Some(session) = record.session.upgrade() else { return };
    let mut text = String::new();
    for (dylib, name) in session.first_calls() {
        if let Some((_, library)) = record.parts.iter().find(|(part, _)| *part == dylib) {
            text += &format!("{library},{}\n", session.names().text(name));
        }
    }
    if let Err(error) = std::fs::write(&record.path, text) {
        eprintln!("llvm-jitlink error: cannot write `{}`: {error}", record.path.display());
    }
}
