//! `uruk run --lazy`: what is called is compiled and linked then.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::thread::available_parallelism;

use uruk::orc::order_file::OrderFile;
use uruk::orc::session::{Session, WeakSession};
use uruk::{FunctionPointer, Jit};
use uruk_cc::Language;
use uruk_executor::lifecycle::exit;

use crate::args::Speculation;
use crate::plan::Plan;
use crate::{FAILURE, compile};

/// The session of the program, for calls that cannot be made.
static SESSION: OnceLock<WeakSession> = OnceLock::new();

/// The settings of a lazy program.
pub fn configure(builder: uruk::Builder, plan: &Plan) -> uruk::Builder {
    let builder = builder.lazy_calls(true).toolchain(compile::toolchain(plan));
    let builder = match plan.options.executor {
        None => builder.lazy_failure((cannot_call as extern "C" fn()).to_address()),
        // The executor has a function of its own for that, which ends the program.
        Some(_) => builder,
    };
    if plan.options.speculate.is_none() {
        return builder;
    }
    // The program has a thread of its own already.
    let threads = plan.options.threads.or(available_parallelism().ok()).map_or(1, |threads| threads.get());
    builder.compile_threads(threads)
}

/// To be called when the dylibs have what they are made of and nothing is linked.
pub fn begin(jit: &Jit, plan: &Plan) -> Result<(), uruk::Error> {
    let _ = SESSION.set(jit.session().downgrade());
    match &plan.options.speculate {
        None => {}
        Some(Speculation::Calls) => jit.session().set_speculation(true),
        Some(Speculation::Order(path)) => {
            recalled(ORDER.get_or_init(|| path.clone())).replay(jit.session());
            // Where the program is another process, this one goes on after its end.
            if plan.options.executor.is_none() {
                jit.at_exit(remember)?;
            }
        }
    }
    Ok(())
}

/// Functions that the libraries of the process call, too, and that programs like to have their own ones of.
const C_REPLACED: &[&str] = &["malloc", "calloc", "realloc", "free"];
const CXX_REPLACED: &[&str] = &["_Znwm", "_Znam", "_ZdlPv", "_ZdaPv", "_ZdlPvm"];

/// Links such functions at once where the program has them, since libraries do not wait for a first call.
pub fn link_replaced(jit: &Jit, plan: &Plan) -> Result<(), uruk::Error> {
    let is_cxx = plan.languages().iter().flatten().any(|language| *language == Language::Cxx);
    let names = C_REPLACED.iter().chain(CXX_REPLACED.iter().filter(|_| is_cxx));
    names.into_iter().try_for_each(|name| jit.main().find(name).map(drop))
}

/// The file with the order of first calls, of this run and of an earlier one.
static ORDER: OnceLock<PathBuf> = OnceLock::new();

/// What an earlier run has called; nothing if there was none, or if the file is none of ours.
fn recalled(path: &Path) -> OrderFile {
    std::fs::read_to_string(path).ok().and_then(|text| text.parse().ok()).unwrap_or_default()
}

fn write_order(path: &Path, session: &Session) -> std::io::Result<()> {
    // Another run may read it meanwhile.
    let new = path.with_added_extension(std::process::id().to_string());
    std::fs::write(&new, OrderFile::record(session).to_string())?;
    std::fs::rename(new, path)
}

/// Writes down the order of first calls, if that is wanted.
pub extern "C" fn remember() {
    let session = SESSION.get().and_then(WeakSession::upgrade);
    if let (Some(path), Some(session)) = (ORDER.get(), session)
        && let Err(error) = write_order(path, &session)
    {
        crate::complain(&format!("uruk: cannot write `{}`: {error}", path.display()));
    }
}

/// Where calls go that lead nowhere. The program has begun, so its handlers run.
extern "C" fn cannot_call() {
    let reports = SESSION.get().and_then(WeakSession::upgrade).map(|session| session.take_reports());
    for report in reports.iter().flatten() {
        crate::complain(&format!("uruk: error: {report}"));
    }
    exit(FAILURE.into())
}
