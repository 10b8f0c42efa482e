//! From a plan to a running program: sources are compiled, everything is linked in one batch, and `main` is called.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use uruk::orc::executor::Executor as _;
use uruk::orc::translate::Translate;
use uruk::{Dylib, Jit};
use uruk_executor::lifecycle;

use crate::args::Times;
use crate::ir::Ir;
use crate::plan::{Input, Library, Plan};
use crate::progress::Progress;
use crate::remote::Executor;
use crate::{compile, complain, explain, fail, lazy};

/// Libraries that a C or C++ compiler links without being told, or that every program may expect. On Windows they come as
/// import libraries, which are given.
const USUAL_LIBRARIES: &[&str] = if cfg!(windows) { &[] } else { &["libm.so.6", "libstdc++.so.6", "libatomic.so.1"] };

/// Links what the plan says and runs it; gives the program's status, or 125 with a message on standard error.
pub fn execute(mut plan: Plan) -> ExitCode {
    uruk::restart::forget();
    let mut progress = Progress::start();
    progress.phase("compiling");
    let compiled = match compile::compile(&mut plan) {
        Ok(compiled) => compiled,
        Err(error) => {
            progress.finish();
            return fail(&error);
        }
    };
    if plan.options.save_image.is_some() {
        let elsewhere = plan.options.executor.is_some() || plan.options.sandbox;
        if plan.options.lazy || elsewhere || cfg!(windows) {
            progress.finish();
            return fail(&"--save-image is for what is linked before it runs, in this process, on Linux");
        }
    }
    let mut times = Stopwatch::start(plan.options.times);
    let executor = match Executor::of(&plan) {
        Ok(executor) => executor,
        Err(error) => {
            progress.finish();
            return fail(&error);
        }
    };
    let roots = std::slice::from_ref(&plan.entry);
    let linked = link(&plan, executor.as_ref(), Purpose::Run, roots, &progress, &mut times);
    progress.finish();
    drop(compiled);
    let jit = match linked {
        Ok(jit) => jit,
        Err(error) => return refuse(&plan, &error),
    };
    let mut status = run(&plan, &jit, &mut times);
    if let Some(executor) = executor {
        status = executor.end(status);
        lazy::remember();
    }
    match status.map_err(|error| Failure::new(error, &jit)) {
        Ok(status) => {
            #[cfg(unix)]
            if plan.options.save_image.is_some() && !uruk_capi_functions::saving::is_saved() {
                complain("uruk: warning: the program has not saved itself; it has to call `uruk_save_image`");
            }
            // Handlers that the program has registered run in here, so its code has to be there still.
            lifecycle::exit(status)
        }
        Err(failure) => match failure.signal() {
            Some(signal) => {
                complain(&failure.reported(format!("uruk: error: {}", failure.error)));
                ExitCode::from(BY_SIGNAL.wrapping_add(signal as u8))
            }
            None => refuse(&plan, &failure),
        },
    }
}

/// Links what the plan says with these roots, everything that others can see if there are none, runs nothing, and does something with
/// what was linked; gives 0, or 125 with a message on standard error.
#[cfg(unix)]
pub fn link_only(
    mut plan: Plan,
    roots: &[String],
    then: impl FnOnce(&Jit, &Plan) -> Result<(), Box<dyn std::error::Error>>,
) -> ExitCode {
    let mut progress = Progress::start();
    progress.phase("compiling");
    let compiled = compile::compile(&mut plan);
    let mut times = Stopwatch::start(plan.options.times);
    let linked = compiled.as_ref().ok().map(|_| link(&plan, None, Purpose::Write, roots, &progress, &mut times));
    progress.finish();
    match (compiled, linked) {
        (Err(error), _) => fail(&error),
        (Ok(_), None) => ExitCode::SUCCESS,
        (Ok(_), Some(Err(failure))) => refuse(&plan, &failure),
        (Ok(_), Some(Ok(jit))) => match then(&jit, &plan) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&error),
        },
    }
}

/// The status of a program that a signal ended is this and the signal's number, as shells have it.
const BY_SIGNAL: u8 = 128;

/// A failure with what is needed to explain it.
struct Failure {
    error: Box<uruk::Error>,
    /// The names that are defined.
    known: Vec<String>,
    /// What went wrong where names were looked for.
    reports: Vec<String>,
}

impl From<uruk::Error> for Failure {
    fn from(error: uruk::Error) -> Self {
        Failure { error: error.into(), known: Vec::new(), reports: Vec::new() }
    }
}

impl Failure {
    fn new(error: uruk::Error, jit: &Jit) -> Failure {
        let mut reports: Vec<_> = jit.session().take_reports().iter().map(ToString::to_string).collect();
        reports.dedup();
        Failure { error: error.into(), known: jit.session().defined_names(), reports }
    }

    /// A message with the reports below it.
    fn reported(&self, message: String) -> String {
        let reports = self.reports.iter().map(|report| format!("\n  while looking for names: {report}"));
        message + &reports.collect::<String>()
    }

    /// The signal that ended the program in another process.
    fn signal(&self) -> Option<i32> {
        match &*self.error {
            uruk::Error::Session(error) => match error.executor_lost()? {
                uruk::orc::error::Error::ExecutorLost { signal, .. } => *signal,
                _ => None,
            },
            _ => None,
        }
    }
}

/// What is linked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// To be run.
    Run,
    /// To be written to a file.
    #[cfg(unix)]
    Write,
}

/// Reads and links everything, and what these names refer to is kept.
fn link(
    plan: &Plan,
    executor: Option<&Executor>,
    purpose: Purpose,
    roots: &[String],
    progress: &Progress,
    times: &mut Stopwatch,
) -> Result<Jit, Failure> {
    let retain = purpose != Purpose::Run || plan.options.save_image.is_some();
    let mut builder = Jit::builder().strict_wx(plan.options.strict_wx).retain_graphs(retain);
    if let Some(executor) = executor {
        builder = builder.executor(executor.remote.clone());
    }
    if plan.options.lazy {
        builder = lazy::configure(builder, plan);
    }
    builder = builder.gc_sections(plan.options.gc_sections);
    if !roots.is_empty() {
        builder = builder.gc_roots(roots);
    }
    if let Some(threads) = plan.options.threads {
        builder = builder.threads(threads.get());
    }
    let cache = compile::cache(plan);
    if let Some(cache) = cache.clone() {
        builder = builder.cache(cache);
    }
    if plan.options.debugger {
        builder = builder.debugger(true);
    }
    let processor = executor.and_then(|executor| executor.remote.processor());
    let ir = Arc::new(Ir::new(plan.options.flags.optimize.clone(), processor, cache));
    let jit = builder.translator(ir.clone()).build()?;
    progress.phase("reading");
    let mut dylibs = Vec::with_capacity(plan.dylibs.len());
    for (position, dylib) in plan.dylibs.iter().enumerate() {
        dylibs.push(if position == 0 { jit.main() } else { jit.create_dylib(&dylib.name)? });
    }
    for (dylib, planned) in dylibs.iter().zip(&plan.dylibs) {
        let others: Vec<Dylib<'_>> = planned.links.iter().map(|position| dylibs[*position]).collect();
        dylib.link_against(&others);
        add_inputs(&jit, dylib, &planned.inputs, plan.options.lazy.then_some(&*ir))?;
    }
    #[cfg(unix)]
    if let Some(path) = &plan.options.save_image {
        uruk_capi_functions::saving::offer(&jit, &dylibs, path.clone(), plan.options.allowed.clone());
    }
    jit.load_libraries_on_demand(USUAL_LIBRARIES);
    if plan.options.lazy {
        lazy::begin(&jit, plan)?;
    }
    times.lap("read");
    progress.phase("linking");
    let find = |root: &String| match jit.main().find(root) {
        // It may be a name that others cannot see. Who writes the image knows, and says which there are not.
        Err(_) if *root != plan.entry => Ok(()),
        found => found.map(drop),
    };
    let linked = jit.link(&dylibs).and_then(|()| roots.iter().try_for_each(find));
    let linked = linked.and_then(|()| if plan.options.lazy { lazy::link_replaced(&jit, plan) } else { Ok(()) });
    // What replaces this process's functions, as `malloc`, is code, which does not run here if it is only written.
    let linked = linked.and_then(|()| if purpose == Purpose::Run { jit.interpose() } else { Ok(()) });
    linked.map_err(|error| Failure::new(error, &jit))?;
    if !plan.options.lazy {
        // A program may look at what is mapped in its process, as sanitizers do.
        dylibs.iter().for_each(Dylib::close_archives);
    }
    times.lap("link");
    Ok(jit)
}

/// Adds what a dylib is made of; IR by function if there is what compiles it so.
fn add_inputs(jit: &Jit, dylib: &Dylib<'_>, inputs: &[Input], lazy: Option<&Ir>) -> Result<(), uruk::Error> {
    let mut objects = Vec::new();
    for input in inputs {
        match input {
            Input::Object(path) => objects.push(path),
            Input::Archive { path, whole: true } => dylib.add_whole_archive(&uruk::read_file(path)?)?,
            Input::Archive { path, whole: false } => dylib.add_archive(uruk::read_file(path)?)?,
            Input::Library { library: Library::Path(path), .. } => jit.load_library(&path.to_string_lossy())?,
            Input::Library { library: Library::Soname(name), .. } => jit.load_library(&name.to_string_lossy())?,
            // Where they are not compiled when they are called, they are objects by now.
            Input::Source { path, .. } => dylib.add_source(path)?,
            Input::Clif(path) => {
                let text = uruk::read_file(path)?;
                dylib.add_clif(text.name(), &String::from_utf8_lossy(&text))?;
            }
        }
    }
    let mut objects = jit.read_files(&objects)?;
    if let Some(ir) = lazy {
        let (by_function, whole) = objects.into_iter().partition(|input| ir.accepts(input));
        objects = whole;
        ir.add_by_function(jit, dylib, &by_function)?;
    }
    dylib.add_objects(&objects)
}

/// Runs the initialisers and the entry.
fn run(plan: &Plan, jit: &Jit, times: &mut Stopwatch) -> Result<i32, uruk::Error> {
    let arguments = std::iter::once(&plan.program).chain(&plan.arguments);
    jit.set_arguments(arguments.map(|argument| argument.as_encoded_bytes().to_vec()))?;
    times.report();
    jit.main().run(&plan.entry)
}

/// Says why the program cannot run, or starts anew where that helps.
fn refuse(plan: &Plan, failure: &Failure) -> ExitCode {
    if let Some(needed) = failure.error.static_storage_needed()
        && let Some(error) = uruk::restart::with_static_storage(needed)
    {
        return fail(&format!("cannot start again with more room for thread-local variables: {error}"));
    }
    fail(&failure.reported(explain(plan, failure)))
}

fn explain(plan: &Plan, failure: &Failure) -> String {
    let Some((missing, searched)) = failure.error.missing() else { return failure.error.to_string() };
    let mut named: Vec<explain::Missing> = Vec::new();
    for one in missing {
        let (object, place) = match one.referrer.rsplit_once('(') {
            Some((object, place)) => (object.to_string(), place.trim_end_matches(')').to_string()),
            None => (one.referrer.clone(), String::new()),
        };
        let references = if object.is_empty() { Vec::new() } else { vec![explain::Reference { object, place }] };
        match named.iter_mut().find(|known| known.name == one.symbol) {
            Some(known) => known.references.extend(references),
            None => named.push(explain::Missing { name: one.symbol.clone(), references }),
        }
    }
    let known = failure.known.iter().map(String::as_str);
    explain::report(&named, &plan.dylibs[0].name, searched, known)
}

/// Shows what the linker sees in a file.
pub fn inspect(path: &Path) -> ExitCode {
    match uruk::inspect(path) {
        Ok(text) => {
            crate::print(&text);
            ExitCode::SUCCESS
        }
        Err(error) => fail(&error),
    }
}

/// Times of the phases, if somebody wants them.
struct Stopwatch {
    form: Times,
    start: Instant,
    last: Instant,
    laps: Vec<(&'static str, f64)>,
}

impl Stopwatch {
    fn start(form: Times) -> Stopwatch {
        let start = Instant::now();
        Stopwatch { form, start, last: start, laps: Vec::new() }
    }

    fn lap(&mut self, name: &'static str) {
        let now = Instant::now();
        self.laps.push((name, (now - self.last).as_secs_f64() * 1e3));
        self.last = now;
    }

    fn report(&self) {
        let total = ("total", (self.last - self.start).as_secs_f64() * 1e3);
        let laps = self.laps.iter().copied().chain([total]);
        match self.form {
            Times::Off => {}
            Times::Text => {
                laps.for_each(|(name, milliseconds)| crate::complain(&format!("{name:>6} {milliseconds:9.3} ms")));
            }
            Times::Json => {
                let fields: Vec<String> = laps.map(|(name, value)| format!("\"{name}_ms\":{value:.3}")).collect();
                crate::complain(&format!("{{{}}}", fields.join(",")));
            }
        }
    }
}
