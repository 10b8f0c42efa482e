//! `-check`: the rules of files, each evaluated, whatever came of those before.

use super::error::Error;
use super::view::Linked;
use std::path::Path;
use uruk_jitlink::check::{evaluate, rules};

/// Checks all rules of a file. Those that do not hold are named on standard error.
pub fn check(path: &Path, name: &str, linked: &Linked) -> Result<(), Error> {
    let bytes = std::fs::read(path);
    let bytes = bytes.map_err(|source| Error::File { what: "read", path: path.to_owned(), source })?;
    let rules = rules(&String::from_utf8_lossy(&bytes), name);
    if rules.is_empty() {
        eprintln!("{}: there is no line `# {name}: ...`", path.display());
    }
    let mut failed = rules.is_empty();
    for rule in rules {
        if let Err(error) = evaluate(&rule.text, linked) {
            eprintln!("{}:{}: {error}", path.display(), rule.line);
            failed = true;
        }
    }
    if failed { Err(Error::Checks { path: path.to_owned() }) } else { Ok(()) }
}
