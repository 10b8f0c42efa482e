//! Sources to objects, by the compilers of the system.
//!
//! Data flow: a [`Plan`] with sources in; each is compiled into a temporary folder; the plan then has objects in their
//! place, and the libraries that the languages' own drivers would link (`libstdc++`, `libgfortran`, Rust's `libstd`).
//! Compilers write to our standard error, never to the standard output, which is the program's.

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use uruk::cache::{CacheError, Directory, ObjectCache};
use uruk_cc::{Folder, Language, Toolchain};

use crate::Error;
use crate::plan::{Input, Library, Plan, Search};

/// The compilers, as the command line wants them.
pub fn toolchain(plan: &Plan) -> Toolchain {
    let flags = plan.options.flags.clone();
    Toolchain { flags, verbose: true, cache: cache(plan), on_cache_error: Some(warn) }
}

/// Says what is wrong with the cache.
pub fn warn(error: &CacheError) {
    crate::complain(&format!("uruk: warning: {error}"));
}

/// The cache that the command line names.
pub fn cache(plan: &Plan) -> Option<Arc<dyn ObjectCache>> {
    const LIMIT_BYTES: u64 = 1 << 30;
    let path = plan.options.cache.as_ref()?;
    Some(Arc::new(Directory::new(path, LIMIT_BYTES)))
}

/// Compiles the plan's sources and puts the objects in their place, unless the plan is to be lazy. They lie in the folder
/// that is returned, if there are any; it must be kept until they are read, and not longer: a program that ends the process
/// leaves nobody to drop it.
pub fn compile(plan: &mut Plan) -> Result<Option<Folder>, Error> {
    if !plan.has_sources() {
        return Ok(None);
    }
    let toolchain = toolchain(plan);
    let languages = plan.languages();
    if plan.options.lazy {
        add_runtimes(plan, &toolchain, &languages)?;
        return Ok(None);
    }
    let folder = Folder::new()?;
    let mut jobs = Vec::new();
    for input in plan.dylibs.iter_mut().flat_map(|dylib| &mut dylib.inputs) {
        let Input::Source { path, language } = input else { continue };
        let job = folder.job(path, *language);
        *input = Input::Object(job.object.clone());
        jobs.push(job);
    }
    let threads = plan.options.threads.or(thread::available_parallelism().ok()).map_or(1, |threads| threads.get());
    // Asking rustc takes as long as a small compilation, so it goes on beside them.
    thread::scope(|scope| {
        let libraries = scope.spawn(|| add_runtimes(plan, &toolchain, &languages));
        toolchain.compile_all(&jobs, threads)?;
        libraries.join().expect("adding libraries does not panic")
    })?;
    Ok(Some(folder))
}

/// Adds the libraries that programs in the languages of each dylib need beyond C's.
fn add_runtimes(plan: &mut Plan, toolchain: &Toolchain, languages: &[Vec<Language>]) -> Result<(), Error> {
    let has_rust = languages.iter().any(|used| used.contains(&Language::Rust));
    let rust = if has_rust { Some(toolchain.rust_std()?) } else { None };
    for (dylib, used) in plan.dylibs.iter_mut().zip(languages) {
        for language in used {
            if let Some(path) = runtime(*language, toolchain, &plan.search, rust.as_deref())? {
                // Another process has its own, which is found by name when something needs it.
                if plan.options.executor.is_some() && path.ends_with("libstdc++.so") {
                    continue;
                }
                dylib.inputs.push(Input::Library { library: Library::Path(path), as_needed: false });
            }
        }
    }
    Ok(())
}

/// The shared library that programs in a language need beyond C's; Rust's is known to the caller.
fn runtime(
    language: Language,
    toolchain: &Toolchain,
    search: &Search,
    rust_std: Option<&Path>,
) -> Result<Option<PathBuf>, Error> {
    let name = match language {
        Language::C | Language::Assembler => return Ok(None),
        Language::Rust => return Ok(rust_std.map(Path::to_owned)),
        Language::Cxx if toolchain.flags.c.iter().any(|flag| flag == "-stdlib=libc++") => "c++",
        Language::Cxx => "stdc++",
        Language::Fortran => "gfortran",
    };
    search.library(name.as_ref()).map(Some)
}
