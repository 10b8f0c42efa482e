//! `uruk link`: the linker under test, with the flags of `llvm-jitlink` and their meaning.
//!
//! Data flow: arguments → `flags` → a session in this process or in a slab (`host`) → libraries with what belongs to
//! them (`inputs`) → the entry is looked up, which links it and what it needs → what was linked is shown and checked
//! (`view`, `show`, `checks`) → the entry runs.
//! Every failure is status 1 and a message on standard error that begins as that tool's do, since scripts look for it.

mod checks;
mod error;
mod flags;
mod harness;
mod host;
mod inputs;
mod lazy;
mod show;
mod stub_file;
mod symbolicate;
mod values;
mod view;

use error::Error;
use flags::{Mention, Request};
use host::Host;
use inputs::Library;
use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;
use uruk::orc::{DylibId, SearchEntry};
use view::Linked;

/// The library that everything before the first `-jd` belongs to.
const MAIN: &str = "main";

/// Does what the arguments after `link` say.
pub fn execute(arguments: Vec<OsString>) -> ExitCode {
    uruk::restart::forget();
    let request = match flags::parse(arguments) {
        Ok(request) => request,
        Err(error) => return fail(&error, false),
    };
    if request.help {
        crate::print(&flags::help());
        return ExitCode::SUCCESS;
    }
    run(&request).unwrap_or_else(|error| fail(&error, request.show.causes))
}

/// Prints a failure, and what it is because of if that is wanted.
fn fail(error: &Error, causes: bool) -> ExitCode {
    eprintln!("llvm-jitlink error: {error}");
    let mut cause = std::error::Error::source(error).filter(|_| causes);
    while let Some(error) = cause {
        eprintln!("  because of: {error}");
        cause = error.source();
    }
    ExitCode::FAILURE
}

fn run(request: &Request) -> Result<ExitCode, Error> {
    check_combinations(request)?;
    if let Some(symbols) = &request.symbolicate {
        symbolicate::backtraces(symbols, &request.mentions)?;
        return Ok(ExitCode::SUCCESS);
    }
    if request.runtime {
        eprintln!("llvm-jitlink note: -orc-runtime is not needed, its functions are built in");
    }
    let mut times = Times { start: Instant::now(), laps: Vec::new() };
    let host = Host::new(request, inputs::format(request)?)?;
    if request.show.files {
        host.session.add_plugin(Arc::new(show::Announce));
    }
    let libraries = inputs::add(&host, request)?;
    if wants_graphs(request) {
        let parts = libraries.iter().flat_map(|library| library.parts.iter().copied().chain([library.dylib]));
        host.session.retain_graphs(&parts.collect::<Vec<_>>());
        host.session.show_entries();
    }
    times.lap("adding files");
    if request.show.before {
        show::session(&host, &libraries);
    }
    let entry = entry(request, &host);
    lazy::begin(&host, request, &libraries)?;
    link(&host, request, &libraries, &entry)?;
    times.lap("linking");
    if request.show.after {
        show::session(&host, &libraries);
    }
    report(&host, request, &libraries)?;
    times.lap("checking");
    if request.show.times {
        times.report();
    }
    if request.no_exec {
        return Ok(ExitCode::SUCCESS);
    }
    let dylibs: Vec<DylibId> = libraries.iter().map(|library| library.dylib).collect();
    // Without the program's name, as there: whoever wants one gives it first.
    let arguments = request.arguments.iter().map(|argument| argument.as_encoded_bytes().to_vec());
    host.run(&entry, &dylibs, arguments.collect())
}

fn check_combinations(request: &Request) -> Result<(), Error> {
    let refuse = |problem| Err(Error::Combination(problem));
    let files = request.mentions.iter().filter_map(|mention| match mention {
        Mention::File { path, lazy, .. } => Some((path, *lazy)),
        _ => None,
    });
    let files: Vec<_> = files.collect();
    if files.is_empty() {
        return refuse("`uruk link` needs a file; `uruk link --help` tells more");
    }
    let slab = &request.slab;
    if slab.address.is_some() && (slab.size.is_none() || !request.no_exec) {
        return refuse("-slab-address requires -slab-allocate and -noexec");
    }
    if slab.page.is_some() && (slab.size.is_none() || !request.no_exec) {
        return refuse("-slab-page-size requires -slab-allocate and -noexec");
    }
    if slab.size.is_some() && !request.no_exec {
        return refuse("-slab-allocate requires -noexec; code that runs gets its memory from the system");
    }
    let elsewhere = !request.executors.is_empty();
    if 1 < request.executors.len() {
        return refuse("only one of -oop-executor and -oop-executor-connect can be given, and once");
    }
    if request.share_memory.is_some() && !elsewhere {
        return refuse("-use-memmgr is for -oop-executor; the memory of this process has one manager");
    }
    if elsewhere && request.no_exec {
        return refuse("-noexec runs nothing, so there is nothing for an executor to do; leave one of them out");
    }
    if elsewhere && (request.show.contents || !request.checks.is_empty()) {
        return refuse(
            "-check and -show-relocated-section-contents read what is linked, which with an executor is elsewhere; use -noexec",
        );
    }
    if request.no_exec && files.iter().any(|(_, lazy)| *lazy) {
        return refuse(
            "-lazy files are linked by their first calls, and with -noexec nothing is called; leave one of them out",
        );
    }
    if request.checks.is_empty() {
        return Ok(());
    }
    let mut names: Vec<(String, String)> = files
        .iter()
        .map(|(path, _)| {
            let path = path.display().to_string();
            (view::base_name(&path).to_string(), path)
        })
        .collect();
    names.sort();
    match names.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        None => Ok(()),
        Some(pair) => Err(Error::SameName { first: pair[0].1.clone(), second: pair[1].1.clone() }),
    }
}

/// Whether anything is to be seen of the linked graphs.
fn wants_graphs(request: &Request) -> bool {
    let show = &request.show;
    !request.checks.is_empty()
        || show.addresses
        || show.graphs.is_some()
        || show.contents
        || request.write_symbols.is_some()
}

/// The linker's name of the entry.
fn entry(request: &Request, host: &Host) -> String {
    let usual = || if host.format.name.starts_with("Mach-O") { "_main" } else { "main" };
    request.entry.clone().unwrap_or_else(|| usual().to_string())
}

/// Links the entry, which is looked for in the libraries one after the other, and what it needs; where the program is to
/// run, everything.
fn link(host: &Host, request: &Request, libraries: &[Library], entry: &str) -> Result<(), Error> {
    let session = &host.session;
    let name = host.name(entry);
    let mut found = None;
    for library in libraries {
        let order = [SearchEntry { dylib: library.dylib, all_symbols: true }];
        found = session.address_if_defined(&order, name)?;
        if found.is_some() {
            break;
        }
    }
    if found.is_none() {
        return Err(Error::NoEntry { entry: entry.to_string() });
    }
    if !request.no_exec {
        let dylibs: Vec<DylibId> = libraries.iter().map(|library| library.dylib).collect();
        session.materialize_all_roots(&dylibs)?;
    }
    Ok(())
}

/// Shows and checks what has been linked.
fn report(host: &Host, request: &Request, libraries: &[Library]) -> Result<(), Error> {
    let pattern = show::pattern(request)?;
    if !wants_graphs(request) {
        return Ok(());
    }
    let absolute = request.mentions.iter().filter_map(|mention| match mention {
        Mention::Absolute(absolute) => Some((absolute.name.clone(), absolute.address)),
        _ => None,
    });
    let linked = Linked::new(host, libraries, &absolute.collect::<Vec<_>>());
    if let Some(pattern) = pattern {
        show::graphs(host, &linked, &pattern);
    }
    if request.show.addresses {
        show::addresses(&linked);
    }
    if request.show.contents {
        show::contents(&linked);
    }
    if let Some(path) = &request.write_symbols {
        show::write_symbols(&linked, path)?;
    }
    let name = request.check_name.as_deref().unwrap_or(uruk_jitlink::check::DEFAULT_NAME);
    let mut checked = Ok(());
    for path in &request.checks {
        checked = checks::check(path, name, &linked).and(checked);
    }
    checked
}

/// How long each phase took.
struct Times {
    start: Instant,
    laps: Vec<(&'static str, Instant)>,
}

impl Times {
    fn lap(&mut self, name: &'static str) {
        self.laps.push((name, Instant::now()));
    }

    fn report(&self) {
        let mut last = self.start;
        for (name, end) in &self.laps {
            eprintln!("{name:>14} {:9.3} ms", (*end - last).as_secs_f64() * 1e3);
            last = *end;
        }
        eprintln!("{:>14} {:9.3} ms", "total", (last - self.start).as_secs_f64() * 1e3);
    }
}
