//! Look-ups compared with what the loader itself answers.

use std::ffi::CString;

use super::*;

fn loader_address(name: &str) -> u64 {
    let name = CString::new(name).unwrap();
    // SAFETY: a C string; the names used here are no thread-local ones.
    unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) as u64 }
}

#[test]
fn every_default_symbol_of_libc_is_found_where_the_loader_finds_it() {
    let names = exported_names("libc.so.6");
    assert!(1000 < names.len());
    for name in names {
        let definition = find(name.as_bytes()).unwrap_or_else(|| panic!("`{name}` is not found"));
        if definition.kind != SymbolKind::ThreadLocal {
            assert_eq!(definition.address, loader_address(&name), "{name}");
        }
        assert_ne!(definition.kind, SymbolKind::IndirectFunction, "{name}");
    }
}

/// Names of an object's defined default-version symbols, by `nm`: a reader that is not ours.
fn exported_names(soname: &str) -> Vec<String> {
    let path = with_objects(|objects| {
        let object = objects.iter().find(|object| object.path().ends_with(soname.as_bytes())).unwrap();
        String::from_utf8(object.path().to_vec()).unwrap()
    });
    let output =
        std::process::Command::new(tool("NM", "nm")).args(["-D", "--defined-only", &file_of(&path)]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    // Absolute symbols of a library are its version names.
    let fields = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    fields
        .filter(|fields| fields[1] != "A")
        .filter_map(|fields| Some(fields[2].split_once("@@")?.0.to_owned()))
        .collect()
}

#[test]
fn absent_names_are_absent() {
    assert_eq!(find(b"uruk_no_such_symbol"), None);
    assert_eq!(find(b""), None);
    assert_eq!(find(b"malloc\0"), None);
    assert_eq!(defining_object(b"uruk_no_such_symbol"), None);
}

#[test]
fn kinds_and_sizes_come_from_the_symbol_table() {
    let environ = find(b"environ").unwrap();
    assert_eq!((environ.kind, environ.size_bytes), (SymbolKind::Object, 8));
    assert_eq!(find(b"qsort").unwrap().kind, SymbolKind::Function);
    let source = "int uruk_one(void) { return 1; } static void *choose(void) { return uruk_one; }
        int uruk_chosen(void) __attribute__((ifunc(\"choose\")));";
    let _library = load(build("libraries_chosen", source, &[]).to_str().unwrap()).unwrap();
    let chosen = defining_object(b"uruk_chosen").unwrap();
    assert_eq!(chosen.kind, SymbolKind::IndirectFunction);
    assert!(chosen.path.ends_with(b"libraries_chosen.so"));
    let resolved = find(b"uruk_chosen").unwrap();
    assert_eq!((resolved.kind, resolved.address), (SymbolKind::Function, loader_address("uruk_one")));
    assert_ne!(resolved.address, chosen.base + chosen.value);
}

#[test]
fn versions_select_definitions() {
    // glibc has two: the older one, of its first version for the architecture, takes threads that have ended for errors.
    let first = FIRST_GLIBC.to_str().unwrap();
    let old = find_versioned(b"pthread_kill", first.as_bytes()).unwrap();
    let new = find_versioned(b"pthread_kill", b"GLIBC_2.34").unwrap();
    assert_ne!(old.address, new.address);
    assert_eq!(find(b"pthread_kill"), Some(new));
    assert_eq!(find(format!("pthread_kill@{first}").as_bytes()), Some(old));
    assert_eq!(find(b"pthread_kill@@GLIBC_2.34"), Some(new));
    assert_eq!(find(b"pthread_kill@GLIBC_1.0"), None);
    assert_eq!(find_versioned(b"uruk_no_such_symbol", b"GLIBC_2.34"), None);
}

#[test]
fn thread_local_symbols_are_recognised_and_left_alone() {
    // A library that only this test loads: were its symbol looked up by `dlsym`, the block would be
    // placed dynamically, and an initial-exec reference to it could never be bound.
    let source = "__thread int uruk_counter = 5; int uruk_libraries_plain = 6;";
    let library = load(build("libraries_tls", source, &[]).to_str().unwrap()).unwrap();
    let counter = find(b"uruk_counter").unwrap();
    assert_eq!((counter.kind, counter.address, counter.size_bytes), (SymbolKind::ThreadLocal, 0, 4));
    assert_eq!(library.find(b"uruk_counter"), Some(counter));
    assert_eq!(library.find(b"uruk_libraries_plain").unwrap().address, loader_address("uruk_libraries_plain"));
    let defining = defining_object(b"uruk_counter").unwrap();
    assert_eq!(defining.tls.unwrap().mem_size, 4);
    let user = "extern __thread int uruk_counter __attribute__((tls_model(\"initial-exec\"))); int *uruk_ie(void) { return &uruk_counter; }";
    let user = load(build("libraries_ie", user, &[]).to_str().unwrap()).unwrap();
    assert_eq!(user.find(b"uruk_ie").unwrap().kind, SymbolKind::Function);
}

#[test]
fn an_object_with_only_the_old_hash_table_is_read() {
    let path = build("libraries_sysv", "int uruk_sysv(void) { return 1; }", &["-Wl,--hash-style=sysv"]);
    let _library = load(path.to_str().unwrap()).unwrap();
    assert_eq!(find(b"uruk_sysv").unwrap().address, loader_address("uruk_sysv"));
}

#[test]
fn a_symbol_whose_address_is_null_is_there() {
    let source = "static void *none(void) { return 0; } void uruk_null(void) __attribute__((ifunc(\"none\")));";
    let _library = load(build("libraries_null", source, &[]).to_str().unwrap()).unwrap();
    let definition = find(b"uruk_null").unwrap();
    assert_eq!((definition.address, definition.kind), (0, SymbolKind::Function));
}

#[test]
fn a_library_that_is_unloaded_is_no_longer_searched() {
    let path = build("libraries_gone", "int uruk_gone;", &[]);
    let library = load(path.to_str().unwrap()).unwrap();
    assert!(find(b"uruk_gone").is_some());
    drop(library);
    assert_eq!(find(b"uruk_gone"), None);
}

#[test]
fn a_local_library_is_known_but_not_offered() {
    let path = build("libraries_local", "int uruk_local;", &[]);
    let path = CString::new(path.to_str().unwrap()).unwrap();
    let library = loader::open(&path, libc::RTLD_NOW | libc::RTLD_LOCAL).unwrap();
    assert!(defining_object(b"uruk_local").is_some());
    assert_eq!(find(b"uruk_local"), None);
    assert!(library.find(b"uruk_local").is_some());
}

#[test]
fn a_name_that_is_thread_local_in_one_library_only_is_not_given_to_the_loader() {
    let open = |name: &str, source: &str, scope| {
        let path = CString::new(build(name, source, &[]).to_str().unwrap()).unwrap();
        loader::open(&path, libc::RTLD_NOW | scope).unwrap()
    };
    let plain = open("libraries_mixed_plain", "int uruk_mixed;", libc::RTLD_LOCAL);
    let _global = open("libraries_mixed_global", "__thread int uruk_mixed;", libc::RTLD_GLOBAL);
    assert!(plain.find(b"uruk_mixed").is_some());
    // Nobody told us that the second is in the global scope, so the first is the answer.
    assert_eq!(find(b"uruk_mixed").unwrap().kind, SymbolKind::Object);
    let user = "extern __thread int uruk_mixed __attribute__((tls_model(\"initial-exec\"))); int *uruk_mixed_ie(void) { return &uruk_mixed; }";
    let _user = open("libraries_mixed_ie", user, libc::RTLD_LOCAL);
    let again = build("libraries_mixed_again", "__thread int uruk_mixed;", &[]);
    let _known = load(again.to_str().unwrap()).unwrap();
    assert_eq!(find(b"uruk_mixed").unwrap().kind, SymbolKind::ThreadLocal);
}

#[test]
fn the_loaders_words_are_in_the_error() {
    let error = load("libdoes-not-exist.so.77").unwrap_err().to_string();
    assert!(error.contains("libdoes-not-exist.so.77: cannot open shared object file"), "{error}");
    assert!(matches!(load("a\0b"), Err(LibraryError::Name { .. })));
}

use crate::testing::{FIRST_GLIBC, build_library as build, file_of, tool};

#[test]
fn libraries_come_and_go_while_others_look_up() {
    let path = build("libraries_busy", "int uruk_busy(void) { return 1; } __thread int uruk_busy_tls;", &[]);
    let path = path.to_str().unwrap();
    let is_done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !is_done.load(std::sync::atomic::Ordering::Relaxed) {
                    // It may be there or not, but what is found is right.
                    let kinds =
                        [b"uruk_busy".as_slice(), b"uruk_busy_tls"].map(|name| find(name).map(|found| found.kind));
                    assert!(matches!(kinds[0], None | Some(SymbolKind::Function)));
                    assert!(matches!(kinds[1], None | Some(SymbolKind::ThreadLocal)));
                    assert_eq!(find(b"uruk_no_such_symbol"), None);
                    assert!(find(b"qsort").is_some());
                }
            });
        }
        for _ in 0..300 {
            let library = load(path).unwrap();
            assert!(library.find(b"uruk_busy").is_some());
            drop(library);
        }
        is_done.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}
