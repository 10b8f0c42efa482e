//! The task `support`: what is linked of each format and architecture, by the tests of `uruk link`, in a table of README.md.
//!
//! The tests fail where a relocation type of a target is in none of them; the others leave a row of the table each in
//! target/report/support.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::test::MOST;
use crate::{paths, readme};

const HEAD: &str = "
| objects of | relocation types tested | of these thread-local | unwind records | code is |
| --- | --- | --- | --- | --- |
";

/// The task `support`.
pub fn run(arguments: &[String]) -> Result<bool> {
    let write = match arguments {
        [] => false,
        [argument] if argument == "--readme" => true,
        _ => bail!("usage: cargo xtask support [--readme]"),
    };
    let folder = paths::target_folder("report/support")?;
    // Rows of earlier runs say nothing.
    fs::remove_dir_all(&folder).context("cannot remove earlier rows")?;
    let mut tests = Command::new(env!("CARGO"));
    tests.args(["test", "--quiet"]).args(MOST).args(["--test=link", "every_relocation_type"]);
    if !tests.current_dir(paths::root()).status().context("cannot start cargo")?.success() {
        return Ok(false);
    }
    let mut rows = Vec::new();
    for entry in fs::read_dir(&folder).context("the tests have left no rows")? {
        rows.push(fs::read_to_string(entry?.path())?);
    }
    rows.sort();
    readme::check("support", &format!("{HEAD}{}\n", rows.concat()), write)
}
