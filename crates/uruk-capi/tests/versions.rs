//! Programs and libraries of different versions: old headers are good for this library, and what is newer than it is told so.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use support::{LANGUAGES, Language, compile, folder, object, package, run, source};

/// The headers that were ever released: their folders, which are called by their versions.
fn released() -> Vec<PathBuf> {
    let folders = std::fs::read_dir(package().join("tests/headers")).unwrap();
    folders.map(|folder| folder.unwrap().path()).collect()
}

fn present() -> String {
    std::fs::read_to_string(package().join("include/uruk.h")).unwrap()
}

/// Compiles and runs a program with the header of a folder instead of the present one.
fn run_with(headers: &Path, program: &Path, ending: &str, arguments: &[&str]) -> String {
    let include = format!("-I{}", headers.display());
    let language: &Language = &LANGUAGES[0];
    run(&compile(program, language, ending, &["-O1", &include]), arguments)
}

/// A header that was made from the present one.
fn header(name: &str, text: &str) -> PathBuf {
    let headers = folder().join(name);
    std::fs::create_dir_all(&headers).unwrap();
    std::fs::write(headers.join("uruk.h"), text).unwrap();
    headers
}

#[test]
fn programs_with_released_headers_run() {
    let text = "static int two = 2; const char *name = \"x\"; int zeros[999]; int compute(int a) { return a + two + zeros[7]; }";
    let object = object("version_compute", text);
    let headers = released();
    assert!(!headers.is_empty());
    for headers in headers {
        let ending = format!("-{}", headers.file_name().unwrap().display());
        let printed = run_with(&headers, &package().join("tests/c/arena.c"), &ending, &[&object]);
        assert_eq!(printed, "arena: ok\n", "{}", headers.display());
    }
}

/// The functions and constants of a header, and its structures with their fields, without comments and in one spelling.
fn declarations(text: &str) -> (BTreeSet<String>, BTreeMap<String, String>) {
    let lines = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    let text = lines.collect::<Vec<_>>().join("\n");
    let spelled = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut plain: BTreeSet<String> = text.lines().filter(|line| line.starts_with("#define ")).map(spelled).collect();
    plain.extend(
        text.lines().map(str::trim).filter(|line| line.starts_with("URUK_") && line.ends_with(',')).map(spelled),
    );
    let (types, functions) = text.split_once("extern \"C\" {").unwrap();
    plain.extend(functions.split(';').map(spelled).filter(|text| text.contains("uruk_")));
    let bodies = types.split("typedef struct {").skip(1).map(|rest| rest.split_once('}').unwrap());
    let structures = bodies.map(|(fields, rest)| (spelled(rest.split(';').next().unwrap()), spelled(fields)));
    (plain, structures.collect())
}

#[test]
fn nothing_that_was_released_is_changed() {
    let (plain, structures) = declarations(&present());
    assert!(100 < plain.len() && 10 < structures.len());
    for headers in released() {
        let (old_plain, old_structures) = declarations(&std::fs::read_to_string(headers.join("uruk.h")).unwrap());
        let missing: Vec<_> = old_plain.difference(&plain).collect();
        assert!(missing.is_empty(), "{}: {missing:#?}", headers.display());
        for (name, fields) in old_structures {
            assert!(structures.get(&name).is_some_and(|now| now.starts_with(&fields)), "{}: {name}", headers.display());
        }
    }
}

const NEWER: &str = r#"
#include "check.h"

int main(void) {
  uruk_memory_callbacks callbacks;
  CHECK(uruk_struct_size(URUK_STRUCT_MEMORY_CALLBACKS) < sizeof callbacks);
  FAILS(URUK_TOO_LARGE, "newer than the library", uruk_memory_callbacks_init(&callbacks, sizeof callbacks));
  puts("newer: ok");
  return 0;
}
"#;

#[test]
fn a_header_newer_than_the_library_is_refused() {
    let text = present();
    let end = "} uruk_memory_callbacks;";
    assert!(text.contains(end));
    let headers = header("newer", &text.replace(end, &format!("  void *appended;\n{end}")));
    std::fs::copy(package().join("tests/c/check.h"), headers.join("check.h")).unwrap();
    let program = source("version_newer", NEWER);
    assert_eq!(run_with(&headers, program.as_ref(), "", &[]), "newer: ok\n");
}

const OLDER: &str = r#"
#include "check.h"

static char arena[64];

static int32_t allocate(void *context, const uruk_memory_request *request, uruk_memory_answer *answers, char **message) {
  (void)request, (void)answers;
  CHECK(context == arena);
  *message = uruk_message("the arena is closed");
  return 1;
}

static void deallocate(void *context, uint64_t allocation) { (void)context, (void)allocation; }

int main(int argc, char **argv) {
  struct { uruk_memory_callbacks callbacks; void *behind; } memory;
  uruk_memory_manager *manager;
  uruk_options options;
  uruk_jit *jit;
  uruk_dylib *dylib;
  uint64_t address;
  CHECK(argc == 2);
  CHECK(sizeof memory.callbacks < uruk_struct_size(URUK_STRUCT_MEMORY_CALLBACKS));
  memset(&memory, 0xff, sizeof memory);
  OK(uruk_memory_callbacks_init(&memory.callbacks, sizeof memory.callbacks));
  /* What is behind the older structure is not its own: neither written nor taken for a callback. */
  CHECK((uintptr_t)memory.behind == UINTPTR_MAX);
  memory.callbacks.context = arena;
  memory.callbacks.allocate = allocate;
  memory.callbacks.deallocate = deallocate;
  OK(uruk_memory_manager_create(&memory.callbacks, &manager));
  OK(uruk_options_init(&options, sizeof options));
  options.memory_manager = manager;
  OK(uruk_jit_create(&options, &jit));
  OK(uruk_memory_manager_dispose(manager));
  OK(uruk_jit_main(jit, &dylib));
  OK(uruk_dylib_add_file(dylib, argv[1]));
  FAILS(URUK_MEMORY, "the arena is closed", uruk_lookup(dylib, "f", &address));
  OK(uruk_jit_destroy(jit));
  puts("older: ok");
  return 0;
}
"#;

#[test]
fn a_structure_of_an_older_header_is_taken() {
    let text = present();
    let (before, rest) = text.split_once("} uruk_memory_callbacks;").unwrap();
    let (before, last) = before.trim_end().strip_suffix(';').unwrap().rsplit_once(";\n").unwrap();
    assert!(last.contains("destroy"), "{last}");
    let headers = header("older", &format!("{before};\n}} uruk_memory_callbacks;{rest}"));
    std::fs::copy(package().join("tests/c/check.h"), headers.join("check.h")).unwrap();
    let program = source("version_older", OLDER);
    assert_eq!(
        run_with(&headers, program.as_ref(), "", &[&object("version_f", "int f(void) { return 1; }")]),
        "older: ok\n"
    );
}
