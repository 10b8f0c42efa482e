//! Tables in README.md that are made from results, each between two marks.

use std::fs;

use anyhow::{Context, Result};

use crate::paths;

/// What a table ends at.
const END: &str = "<!-- To here. -->\n";

/// Whether README.md has `table` where it says that the task `task` makes it; with `write` it is made to. Says so if not.
pub fn check(task: &str, table: &str, write: bool) -> Result<bool> {
    let start = format!("<!-- From here on made by `cargo xtask {task} --readme`. -->\n");
    let path = paths::root().join("README.md");
    let readme = fs::read_to_string(&path).context("cannot read README.md")?;
    let place = || format!("README.md has no place for the table of `cargo xtask {task}`");
    let (before, rest) = readme.split_once(&start).with_context(place)?;
    let (old, after) = rest.split_once(END).with_context(place)?;
    if old == table {
        return Ok(true);
    }
    if write {
        paths::write_whole(&path, format!("{before}{start}{table}{END}{after}").as_bytes())?;
    } else {
        println!("README.md does not say what works now; `cargo xtask {task} --readme` writes it");
    }
    Ok(write)
}
