//! Programs and libraries of different versions: old headers are good for this library, and what is newer than it is told so.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use support::{LANGUAGES, Language, compile, folder, object, package, released, run, source};

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

/// What a header declares, without comments and in one spelling.
#[derive(Debug)]
struct Header {
    /// Functions, constants, types of callbacks and names of types.
    plain: BTreeSet<String>,
    /// Structures with their fields.
    structures: BTreeMap<String, String>,
    /// Structures whose users step by a size that a field has, as its comment says.
    stepped: BTreeSet<String>,
}

fn declarations(text: &str) -> Header {
    let stepped = text.lines().filter_map(|line| line.trim().strip_prefix("// The size of `"));
    let stepped = stepped.filter_map(|rest| rest.split_once("`, which may grow: step by it."));
    let stepped = stepped.map(|(name, _)| name.to_owned()).collect();
    let lines = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    let text = lines.collect::<Vec<_>>().join("\n");
    let spelled = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut plain: BTreeSet<String> = text.lines().filter(|line| line.starts_with("#define ")).map(spelled).collect();
    plain.extend(
        text.lines().map(str::trim).filter(|line| line.starts_with("URUK_") && line.ends_with(',')).map(spelled),
    );
    let (types, functions) = text.split_once("extern \"C\" {").unwrap();
    plain.extend(functions.split(';').map(spelled).filter(|text| text.contains("uruk_")));
    let (structures, others): (Vec<_>, Vec<_>) =
        types.split("typedef ").skip(1).partition(|rest| rest.starts_with("struct {"));
    plain.extend(others.iter().map(|rest| spelled(rest.split(';').next().unwrap())));
    let bodies = structures.iter().map(|rest| rest.strip_prefix("struct {").unwrap().split_once('}').unwrap());
    let structures = bodies.map(|(fields, rest)| (spelled(rest.split(';').next().unwrap()), spelled(fields)));
    Header { plain, structures: structures.collect(), stepped }
}

impl Header {
    /// The other side knows how large a structure of this name is.
    fn grows(&self, name: &str) -> bool {
        self.structures[name].starts_with("uint32_t struct_size;") || self.stepped.contains(name)
    }

    /// What a program with this header would not find in a library of the other one.
    fn broken_by(&self, now: &Header) -> Vec<String> {
        let kept = |(name, fields): &(&String, &String)| match now.structures.get(*name) {
            Some(now) if self.grows(name) => now.starts_with(*fields),
            now => now == Some(fields),
        };
        let changed = self.structures.iter().filter(|structure| !kept(structure)).map(|(name, _)| name);
        self.plain.difference(&now.plain).chain(changed).cloned().collect()
    }
}

#[test]
fn nothing_that_was_released_is_changed() {
    let now = declarations(&present());
    assert!(100 < now.plain.len() && 10 < now.structures.len() && 3 < now.stepped.len(), "{now:#?}");
    assert!(!released().is_empty());
    for headers in released() {
        let old = declarations(&std::fs::read_to_string(headers.join("uruk.h")).unwrap());
        let broken = old.broken_by(&now);
        assert!(broken.is_empty(), "{}: {broken:#?}", headers.display());
    }
}

/// The check itself: what may be changed, and what may not.
#[test]
fn changes_are_told_from_additions() {
    let text = present();
    let old = declarations(&text);
    let broken = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        old.broken_by(&declarations(&text.replace(from, to)))
    };
    let appended = |name: &str| {
        let end = format!("}} {name};");
        broken(&end, &format!("  uint64_t more;\n{end}"))
    };
    let growing: Vec<_> = old.structures.keys().filter(|name| old.grows(name)).collect();
    assert!(14 < growing.len() && growing.len() < old.structures.len(), "{growing:?}");
    for name in old.structures.keys() {
        let expected: &[&String] = if growing.contains(&name) { &[] } else { &[name] };
        assert_eq!(appended(name).iter().collect::<Vec<_>>(), expected);
    }
    assert!(["uruk_memory_answer", "uruk_symbol", "uruk_definition"].iter().all(|name| !old.grows(name)));
    let callbacks = text.lines().filter(|line| line.starts_with("typedef ") && line.contains("(*uruk_"));
    let callbacks: Vec<_> = callbacks.collect();
    assert_eq!(callbacks.len(), 13, "{callbacks:?}");
    for callback in callbacks {
        assert_eq!(broken(callback, &callback.replace("(void *context", "(int more, void *context")).len(), 1);
    }
    assert_eq!(broken("typedef uint32_t uruk_name;", "typedef uint64_t uruk_name;"), ["uint32_t uruk_name"]);
    assert_eq!(broken("uint32_t uruk_abi_version(void);", "").len(), 1);
    assert_eq!(broken("URUK_GONE = 6,", "URUK_GONE = 60,"), ["URUK_GONE = 6,"]);
    assert_eq!(broken("#define URUK_ABI_VERSION 1", "").len(), 1);
    assert_eq!(broken("  uint32_t code_model;", "  uint64_t code_model;"), ["uruk_memory_request"]);
}

#[test]
fn a_header_newer_than_the_library_is_refused() {
    let mut text = present();
    let structures = declarations(&text).structures;
    let filled_in: Vec<_> = structures.iter().filter(|(_, fields)| fields.contains("uint64_t magic;")).collect();
    assert_eq!(filled_in.len(), 15);
    let mut checks = String::new();
    for (name, _) in filled_in {
        let end = format!("}} {name};");
        text = text.replace(&end, &format!("  void *appended;\n{end}"));
        let number = name.replace("uruk_", "URUK_STRUCT_").to_uppercase();
        writeln!(checks, "  CHECK(uruk_struct_size({number}) == offsetof({name}, appended));").unwrap();
        writeln!(checks, "  {{ {name} newer; FAILS(URUK_TOO_LARGE, \"newer than the library\", {name}_init(&newer, sizeof newer)); }}")
            .unwrap();
    }
    let headers = header("newer", &text);
    std::fs::copy(package().join("tests/c/check.h"), headers.join("check.h")).unwrap();
    let program =
        format!("#include \"check.h\"\n\nint main(void) {{\n{checks}  puts(\"newer: ok\");\n  return 0;\n}}\n");
    assert_eq!(run_with(&headers, source("version_newer", &program).as_ref(), "", &[]), "newer: ok\n");
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
  FAILS(URUK_CALLBACK, "the arena is closed", uruk_lookup(dylib, "f", &address));
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
