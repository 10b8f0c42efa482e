//! Uruk's own images, loaded into this process.

mod support;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use support::{Compiled, HERE, OTHERS};
use uruk_executor::in_process::InProcess;
use uruk_executor::memory::Options;
use uruk_image::mapped::{LoadOptions, Mapped, MappedOptions, Problem, write_mapped};
use uruk_image::{Error, Library, Summary};

/// A function of an image.
type Function = extern "C" fn() -> i64;

fn executor() -> Arc<InProcess> {
    Arc::new(InProcess::new(Options::default()))
}

fn call(image: &Mapped, name: &str) -> i64 {
    let address = image.address(name).unwrap_or_else(|| panic!("the image has `{name}`"));
    // SAFETY: the images of these tests define such functions.
    let function: Function = unsafe { std::mem::transmute(address as *const ()) };
    function()
}

/// An image of sources, in a file.
fn image(compiled: &Compiled, options: MappedOptions<'_>) -> PathBuf {
    compiled.write("image", &write_mapped(compiled.graphs(), &options).unwrap_or_else(|error| panic!("{error}")))
}

fn system_libraries() -> Vec<Library> {
    HERE.libraries(&["libstdc++.so.6", "libm.so.6", "libgcc_s.so.1", "libc.so.6", HERE.loader])
}

fn problem(path: &Path, options: &LoadOptions<'_>) -> Problem {
    Mapped::load(path, options, &executor()).err().expect("it is not to be loaded").problem
}

const EVERYTHING: [(&str, &str); 2] = [
    ("everything.cpp", include_str!("support/everything.cpp")),
    ("main.cpp", "int main(int count, char **) { return count + 40; }"),
];

unsafe extern "C" {
    static stdin: *mut std::ffi::c_void;
}

#[test]
fn libraries_are_found_in_folders_of_the_image() {
    let apart = Compiled::new(&[("apart.c", "int apart(void) { return 3; }")], &["-fPIC"]);
    let apart = Library::open(&apart.link("libapart.so", &["-shared", "-Wl,-soname,libapart.so"])).unwrap();
    let user = Compiled::new(&[("user.c", "int apart(void); long three(void) { return apart(); }")], &["-fPIC"]);
    let load = |run_path| {
        let libraries = std::slice::from_ref(&apart);
        let path = image(&user, MappedOptions { libraries, run_path, ..MappedOptions::default() });
        Mapped::load(&path, &LoadOptions::default(), &executor()).map(|image| call(&image, "three"))
    };
    let nowhere = load(Some("/nowhere:$ORIGIN")).expect_err("nothing says where it is").to_string();
    assert!(nowhere.contains("libapart.so"), "{nowhere}");
    let copy = user.write("libapart.so", &std::fs::read(apart.path().unwrap()).unwrap());
    load(None).expect_err("only folders that are named are looked at");
    assert_eq!(load(Some("/nowhere:$ORIGIN")).unwrap(), 3);
    std::fs::remove_file(copy).unwrap();
    let folder = apart.path().unwrap().parent().unwrap().display().to_string();
    assert_eq!(load(Some(&folder)).unwrap(), 3);
}

#[test]
fn libraries_are_found_in_folders_whose_names_are_not_unicode() {
    let beside = Compiled::new(&[("beside.c", "int beside(void) { return 3; }")], &["-fPIC"]);
    let beside = Library::open(&beside.link("libbeside.so", &["-shared", "-Wl,-soname,libbeside.so"])).unwrap();
    let user = Compiled::new(&[("user.c", "int beside(void); long three(void) { return beside(); }")], &["-fPIC"]);
    let libraries = std::slice::from_ref(&beside);
    let path = image(&user, MappedOptions { libraries, run_path: Some("$ORIGIN"), ..MappedOptions::default() });
    let folder = path.with_file_name(OsStr::from_bytes(b"\xff"));
    std::fs::create_dir(&folder).unwrap();
    std::fs::copy(beside.path().unwrap(), folder.join("libbeside.so")).unwrap();
    let moved = folder.join("image");
    std::fs::rename(path, &moved).unwrap();
    let image = Mapped::load(&moved, &LoadOptions::default(), &executor());
    assert_eq!(call(&image.unwrap_or_else(|error| panic!("{error}")), "three"), 3);
}

#[test]
fn images_are_loaded_used_and_unloaded() {
    for model in ["-ftls-model=global-dynamic", "-ftls-model=initial-exec", "-mtls-dialect=gnu2", "-fPIE"] {
        let compiled = Compiled::new(&EVERYTHING, &["-O2", "-fPIC", model]);
        let mut libraries = system_libraries();
        let host = Compiled::new(&[("host.c", "long reported;")], &["-fPIC"]);
        let host = host.link("libhost.so", &["-shared", "-Wl,-soname,libhost.so"]);
        libraries.push(Library::open(&host).unwrap().already_there());
        for address in [None, Some(0x2a00_0000_0000)] {
            let options = MappedOptions { main: Some("main"), libraries: &libraries, address, ..Default::default() };
            let path = image(&compiled, options);
            let reported = AtomicI64::new(0);
            let own = |name: &str| (name == "reported").then(|| std::ptr::from_ref(&reported) as u64);
            let options = LoadOptions { symbols: Some(&own), ..LoadOptions::default() };
            let executor = executor();
            let loaded = Mapped::load(&path, &options, &executor).unwrap_or_else(|error| panic!("{model}: {error}"));
            assert!(address.is_none_or(|address| loaded.range().start == address));
            // The address is taken now, so that this one lies elsewhere.
            let second = Mapped::load(&path, &options, &executor).unwrap();
            assert_ne!(loaded.range().start, second.range().start);
            assert_eq!(reported.load(Ordering::Relaxed), 2);
            for image in [&loaded, &second] {
                let results = ["exceptions", "threads", "pointers", "zero", "choose"].map(|name| call(image, name));
                assert_eq!(results, [6, 1, 1, 0, 4], "{model} {address:?}");
                assert_eq!(call(image, "zero"), 1);
                assert_eq!(call(image, "input"), &raw const stdin as i64);
            }
            executor.set_arguments(["image", "argument"]);
            assert_eq!(loaded.run().unwrap(), 42);
            drop(second);
            assert_eq!(reported.load(Ordering::Relaxed), 112);
            assert_eq!(call(&loaded, "exceptions"), 6);
            drop(loaded);
            assert_eq!(reported.load(Ordering::Relaxed), 222);
        }
    }
}

const COUNTER: &str = "extern int offered[4]; int *inside = &offered[2]; static int count = 7; int *own = &count; long next(void) { return ++*own; }";

/// A library, and the folder that it is in.
fn offered(text: &str) -> (PathBuf, Compiled) {
    let compiled = Compiled::new(&[("offered.c", text)], &["-fPIC"]);
    (compiled.link("liboffered.so", &["-shared", "-Wl,-soname,liboffered.so,--build-id"]), compiled)
}

#[test]
fn images_are_refused_where_they_do_not_belong() {
    let compiled = Compiled::new(&[("counter.c", COUNTER)], &["-O1", "-fPIC"]);
    let first = offered("int offered[4] = {1};");
    let libraries = [Library::open(&first.0).unwrap().already_there()];
    let layout = Some([7; 32]);
    let wanted = MappedOptions { libraries: &libraries, stamp: "runtime 1.2", layout, ..MappedOptions::default() };
    let path = image(&compiled, wanted);
    assert!(matches!(problem(&path, &LoadOptions::default()), Problem::Undefined(names) if names == ["offered"]));
    let stamp = LoadOptions { stamp: Some("runtime 1.3"), ..LoadOptions::default() };
    assert!(matches!(problem(&path, &stamp), Problem::Stamp { found, .. } if found == "runtime 1.2"));
    assert!(matches!(problem(&path, &LoadOptions { layout: Some([8; 32]), ..stamp }), Problem::Stamp { .. }));
    let other = LoadOptions { stamp: Some("runtime 1.2"), layout: Some([8; 32]), ..stamp };
    assert!(matches!(problem(&path, &other), Problem::Layout));
    // The same library, another build of it, and one whose variable has another size, or is a function.
    let exact = write_mapped(compiled.graphs(), &MappedOptions { same_builds: true, ..wanted }).unwrap();
    let exact = compiled.write("exact", &exact);
    let fits = LoadOptions { layout, ..LoadOptions::default() };
    let load = |library: &(PathBuf, Compiled), path: &Path| {
        let executor = executor();
        executor.load_library(&library.0).unwrap();
        Mapped::load(path, &fits, &executor).map(|image| call(&image, "next")).map_err(|error| error.problem)
    };
    assert_eq!(load(&first, &path).unwrap(), 8);
    assert_eq!(load(&first, &exact).unwrap(), 8);
    let rebuilt = offered("int offered[4] = {2};");
    assert_eq!(load(&rebuilt, &path).unwrap(), 8);
    assert!(matches!(load(&rebuilt, &exact), Err(Problem::Library { library }) if library == "liboffered.so"));
    let resized = load(&offered("int offered[8] = {2};"), &path).unwrap_err();
    let expected = "`offered` is a variable of 32 bytes here, and was a variable of 16 bytes when the image was made; build it anew";
    assert_eq!(resized.to_string(), expected);
    let changed = load(&offered("int offered(void) { return 1; }"), &path).unwrap_err();
    assert!(matches!(&changed, Problem::Symbol { found, .. } if found == "a function"), "{changed}");
}

#[test]
fn what_the_fuzzer_begins_with_is_an_image() {
    let seed = include_bytes!("../../../fuzz/corpus/image_reader/program");
    let summary = Summary::read("program", seed).unwrap_or_else(|error| panic!("{error}"));
    assert!(summary.exports.iter().any(|(name, size)| name == "table" && *size == 16));
}

#[test]
fn damaged_images_are_never_loaded() {
    let compiled = Compiled::new(&[("counter.c", "static int count; int *own = &count;")], &["-fPIC"]);
    let bytes = write_mapped(compiled.graphs(), &MappedOptions::default()).unwrap();
    assert_eq!(bytes, write_mapped(compiled.graphs(), &MappedOptions::default()).unwrap(), "the same bytes again");
    let tried = |bytes: &[u8]| problem(&compiled.write("damaged", bytes), &LoadOptions::default());
    for length in (0..64).chain((64..bytes.len()).step_by(61)) {
        let problem = tried(&bytes[..length]);
        assert!(matches!(problem, Problem::Length { .. } | Problem::Kind), "{length}: {problem}");
    }
    assert!(matches!(tried(&[&bytes[..], &[0]].concat()), Problem::Length { .. }));
    for place in (0..bytes.len()).filter(|place| *place < 64 || place % 61 == 0 || bytes.len() - 200 < *place) {
        let mut altered = bytes.clone();
        altered[place] ^= 1 << (place % 8);
        let problem = tried(&altered);
        let expected = match place {
            0..8 => matches!(problem, Problem::Kind),
            8..12 => matches!(problem, Problem::Version { known: 2, .. }),
            12..14 => matches!(problem, Problem::Architecture { .. }),
            14..32 => matches!(problem, Problem::Length { .. } | Problem::Malformed(_) | Problem::Altered),
            _ => matches!(problem, Problem::Altered),
        };
        assert!(expected, "{place}: {problem}");
    }
    assert!(matches!(problem(Path::new("nowhere"), &LoadOptions::default()), Problem::System { .. }));
    assert!(Mapped::load(&compiled.write("whole", &bytes), &LoadOptions::default(), &executor()).is_ok());
}

#[test]
fn images_of_other_machines_are_refused() {
    for machine in OTHERS {
        let compiled = Compiled::for_machine(machine, &[("counter.c", "int count; int *own = &count;")], &["-fPIC"]);
        let path = image(&compiled, MappedOptions::default());
        let problem = problem(&path, &LoadOptions::default());
        assert!(matches!(&problem, Problem::Architecture { here, .. } if here == "x86_64"), "{problem}");
    }
}

#[test]
fn images_need_a_beginning_to_be_run_and_definitions_to_be_written() {
    let compiled = Compiled::new(&[("counter.c", COUNTER)], &["-fPIC"]);
    let error = write_mapped(compiled.graphs(), &MappedOptions::default()).err().unwrap();
    assert!(matches!(&error, Error::Undefined { symbols } if symbols[0].0 == "offered"), "{error}");
    let compiled = Compiled::new(&[("counter.c", "int count; int *own = &count;")], &["-fPIC"]);
    let path = image(&compiled, MappedOptions::default());
    let loaded = Mapped::load(&path, &LoadOptions::default(), &executor()).unwrap();
    assert!(matches!(loaded.run(), Err(Problem::NoEntry)));
    let missing = MappedOptions { main: Some("main"), ..MappedOptions::default() };
    assert!(matches!(write_mapped(compiled.graphs(), &missing), Err(Error::NoRoot { name }) if name == "main"));
}

/// Libraries that the process has loaded are found wherever they are.
#[test]
fn libraries_are_found_in_folders_whose_names_have_spaces() {
    let (path, sources) = offered("int offered[4] = {1};");
    let spaced = sources.write("lib of fered.so", &std::fs::read(path).unwrap());
    let executor = executor();
    executor.load_library(&spaced).unwrap();
    let libraries = Library::of_this_process().unwrap();
    let paths: Vec<&Path> = libraries.iter().filter_map(Library::path).collect();
    assert!(paths.contains(&&*spaced), "{paths:?}");
}

/// Another library that the process has, but not this executor, defines the same names.
#[test]
fn builds_are_those_of_the_libraries_that_are_used() {
    let (first, _sources) = offered("int offered[4] = {1};");
    let other = Compiled::new(&[("other.c", "int offered[4] = {9};")], &["-fPIC"]);
    let other = other.link("libother.so", &["-shared", "-Wl,-soname,libother.so", "-Wl,--build-id"]);
    let elsewhere = executor();
    elsewhere.load_library(&first).unwrap();
    let text = "extern int offered[4]; long nine(void) { return offered[0]; }";
    let user = Compiled::new(&[("user.c", text)], &["-fPIC"]);
    let folder = other.parent().unwrap().display().to_string();
    let (libraries, run_path) = ([Library::open(&other).unwrap()], Some(&*folder));
    let options = MappedOptions { libraries: &libraries, run_path, same_builds: true, ..MappedOptions::default() };
    let image = Mapped::load(&image(&user, options), &LoadOptions::default(), &executor());
    assert_eq!(call(&image.unwrap_or_else(|error| panic!("{error}")), "nine"), 9);
}
