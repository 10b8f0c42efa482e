//! `uruk image`: programs that are written do what `uruk run` does; what is shown of them.
#![cfg(unix)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The matrix's programs, by their files; what a program does elsewhere (`dlsym` of its own, say) is the same here.
const PROGRAMS: &[&[&str]] = &[
    &["hello.c"],
    &["absolute.c", "absolute.S"],
    &["align.c"],
    &["atexit.c"],
    &["bounds.c", "bounds_other.c"],
    &["cancel.cpp"],
    &["cxx_main.cpp", "cxx_other.cpp"],
    &["fork.c", "fork_other.c"],
    &["fortran.f90"],
    &["functions.clif"],
    &["ifunc.c", "ifunc_other.c"],
    &["malloc.c"],
    &["opnew.cpp"],
    &["quick_exit.c"],
    &["runtime.c"],
    &["rust_main.rs"],
    &["sections.c", "sections.S"],
    &["setjmp.c"],
    &["sigexc.cpp"],
    &["through.cpp", "through.clif"],
    &["tls.c", "tls_other.c"],
    &["weak.c", "weak_other.c"],
];

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/programs").join(name)
}

fn uruk(command: &[&str], options: &[&str], sources: &[PathBuf]) -> Output {
    let mut uruk = Command::new(env!("CARGO_BIN_EXE_uruk"));
    // What an image needs it finds without that.
    uruk.args(command).args(options).args(sources).env_remove("LD_LIBRARY_PATH").output().unwrap()
}

fn shown(output: &Output) -> (Option<i32>, String) {
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Builds an image with these options, and says where.
fn build(folder: &Path, options: &[&str], sources: &[PathBuf]) -> PathBuf {
    let image = folder.join("image");
    let output = uruk(&["image", "build", "-o", image.to_str().unwrap()], options, sources);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), errors.as_ref()), (Some(0), ""), "{sources:?} {options:?}");
    image
}

#[test]
fn programs_do_what_they_do_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    for (number, names) in PROGRAMS.iter().enumerate() {
        let sources: Vec<PathBuf> = names.iter().map(|name| source(name)).collect();
        let expected = shown(&uruk(&["run"], &["-O1"], &sources));
        // Each in one of the two ways, and in the other next to its neighbours.
        let place: &[&str] = if number % 2 == 0 { &["-O1"] } else { &["-O1", "--at", "0x800000"] };
        let image = build(folder.path(), place, &sources);
        assert_eq!(shown(&Command::new(image).output().unwrap()), expected, "{names:?}");
        let debug: &[&str] = if number % 2 == 0 { &["-O1", "--mapped"] } else { &["-O1", "--mapped", "--strip"] };
        // Who asks for names in backtraces has to find them.
        let image = build(folder.path(), if names[0] == "rust_main.rs" { &debug[..2] } else { debug }, &sources);
        assert_eq!(shown(&uruk(&["run"], &[], &[image])), expected, "{names:?}");
    }
}

#[test]
fn images_are_shown_and_compared() {
    let folder = tempfile::tempdir().unwrap();
    let make = |name: &str, text: &str, option: &[&str]| {
        let file = folder.path().join("source.c");
        std::fs::write(&file, text).unwrap();
        let image = build(folder.path(), option, &[file]);
        let path = folder.path().join(name);
        std::fs::rename(image, &path).unwrap();
        path
    };
    let first = "#include <stdio.h>\nint table[4] = {1}; int *inner = &table[1];\n\
                 int main(int count, char **arguments) { puts(arguments[1]); return count + *inner; }";
    let second = "#include <stdio.h>\nint table[5] = {1}; int *inner = &table[1]; int more(void) { return 1; }\n\
                  int main(int count, char **arguments) { printf(\"%d\", count); return more() + *inner; }";
    for (kind, shown_kind) in [("--mapped", "mappable image for "), ("--shared", "ELF shared object for ")] {
        let keep = [kind, "--keep", "table", "--keep", "main"];
        let (one, same, two) = (
            make("one", first, &keep),
            make("same", first, &keep),
            make("two", second, &[&keep[..], &["--keep", "more"]].concat()),
        );
        let info = shown(&uruk(&["image", "info"], &[], std::slice::from_ref(&one)));
        let wanted = [shown_kind, "own addresses", "puts@GLIBC", "table (16 bytes)", "main ("];
        assert!(info.0 == Some(0) && wanted.iter().all(|part| info.1.contains(part)), "{kind}: {info:?}");
        assert_eq!(shown(&uruk(&["image", "diff"], &[], &[one.clone(), same])), (Some(0), String::new()));
        let diff = shown(&uruk(&["image", "diff"], &[], &[one, two]));
        let wanted = ["+ import printf@GLIBC", "- import puts@GLIBC", "+ export more", "export table: 16 bytes -> 20"];
        assert!(diff.0 == Some(1) && wanted.iter().all(|part| diff.1.contains(part)), "{kind}: {diff:?}");
    }
}

#[test]
fn mapped_images_run_with_arguments_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("source.c");
    let text = "#include <stdio.h>\nint other(int count, char **arguments) { puts(arguments[count - 1]); return count; }\n\
                int main(int count, char **arguments) { puts(arguments[0]); return 40 + count; }";
    std::fs::write(&file, text).unwrap();
    let image = build(folder.path(), &["--mapped", "--keep", "other"], &[file]);
    let name = image.to_str().unwrap();
    assert_eq!(shown(&uruk(&["run", name, "--", "a", "b"], &[], &[])), (Some(43), format!("{name}\n")));
    assert_eq!(shown(&uruk(&["run", "--entry", "other", name, "--", "a", "b"], &[], &[])), (Some(3), "b\n".into()));
    let refused = |arguments: &[&str], reason: &str| {
        let output = uruk(arguments, &[], &[]);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(125) && errors.contains(reason), "{arguments:?}: {errors}");
    };
    refused(&["run", "--lazy", name], "an image is linked already");
    refused(&["run", "--entry", "missing", name], "no function to begin with");
    let bytes = std::fs::read(&image).unwrap();
    std::fs::write(&image, &bytes[..bytes.len() - 1]).unwrap();
    refused(&["run", name], "copy it anew");
    refused(&["image", "info", name], "copy it anew");
    refused(&["image", "info", "nowhere"], "nowhere: ");
    refused(&["image", "info", "/proc/self/exe", "x"], "takes one file");
    refused(&["image", "diff", name], "takes two files");
    refused(&["image", "info", "/etc/passwd"], "no image of Uruk's");
}

#[test]
fn shared_objects_offer_what_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("library.c");
    std::fs::write(&file, "int kept(int x) { return x + 1; } int left_out(void) { return 2; }").unwrap();
    // Nothing of an archive is there but what somebody asks for.
    let (object, archive) = (folder.path().join("library.o"), folder.path().join("library.a"));
    let compiled =
        Command::new("cc").args(["-c", "-fPIC", "-ffunction-sections", "-o"]).args([&object, &file]).status();
    let archived = Command::new("ar").arg("rcs").args([&archive, &object]).status();
    assert!(compiled.unwrap().success() && archived.unwrap().success());
    let sections = ["--shared", "--cflag", "-ffunction-sections", "--gc-sections"];
    for (keep, source) in [(true, &file), (true, &archive), (false, &file)] {
        let keep = if keep { &["--keep", "kept"][..] } else { &[] };
        let image = build(folder.path(), &[&sections[..], keep].concat(), std::slice::from_ref(source));
        let names = shown(&Command::new("nm").arg("-D").arg(&image).output().unwrap()).1;
        assert!(names.contains(" kept") && names.contains("left_out") == keep.is_empty(), "{source:?}: {names}");
    }
    let image = build(folder.path(), &[&sections[..3], &["--keep", "kept"]].concat(), &[file]);
    let text = "import ctypes, sys; sys.exit(ctypes.CDLL(sys.argv[1]).kept(41))";
    let python = Command::new("python3").args(["-c", text]).arg(&image).output().unwrap();
    assert_eq!(python.status.code(), Some(42), "{}", String::from_utf8_lossy(&python.stderr));
}

#[test]
fn images_differ_in_what_is_not_loaded_and_are_written_to_devices() {
    let folder = tempfile::tempdir().unwrap();
    let device = folder.path().join("image");
    std::os::unix::fs::symlink("/dev/null", &device).unwrap();
    build(folder.path(), &[], &[source("hello.c")]);
    assert_eq!(std::fs::read_link(&device).unwrap(), Path::new("/dev/null"), "it is no file that could be in the way");
    std::fs::remove_file(&device).unwrap();
    let image = build(folder.path(), &[], &[source("hello.c")]);
    let stripped = folder.path().join("stripped");
    assert!(Command::new("strip").arg("-o").args([&stripped, &image]).status().unwrap().success());
    let diff = shown(&uruk(&["image", "diff"], &[], &[image, stripped]));
    assert!(diff.0 == Some(1) && diff.1.starts_with("digest: "), "{diff:?}");
}

#[test]
fn what_cannot_be_written_is_refused() {
    let hello = source("hello.c");
    let refused = |options: &[&str], reason: &str| {
        let output = uruk(&["image", "build"], options, std::slice::from_ref(&hello));
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(125) && errors.contains(reason), "{options:?}: {errors}");
    };
    refused(&[], "-o FILE");
    refused(&["-o", "/nowhere/image"], "/nowhere/image: ");
    refused(&["-o", "x", "--lazy"], "--lazy has no meaning");
    let folder = tempfile::tempdir().unwrap();
    let (copy, other_name) = (folder.path().join("copy.c"), folder.path().join("other"));
    std::fs::copy(&hello, &copy).unwrap();
    std::os::unix::fs::symlink(&copy, &other_name).unwrap();
    refused(&["-o", other_name.to_str().unwrap(), copy.to_str().unwrap()], "it is one of the files that are linked");
    assert_eq!(std::fs::read(&copy).unwrap(), std::fs::read(&hello).unwrap());
    refused(&["-o", "x", "--save-image", "y"], "--save-image has no meaning");
    refused(&["-o", "x", "--at", "high"], "an address, as 0x400000");
    refused(&["-o", "x", "--at", "0x400001"], "a multiple of 64 KiB");
    refused(&["-o", "x", "--keep", "nothing_of_that_name"], "no object of the image defines `nothing_of_that_name`");
    refused(&["-o", "x", "--shared", "--at", "0x400000"], "--at has no meaning");
    let help = shown(&uruk(&["image", "--help"], &[], &[])).1;
    assert!(
        ["-o FILE", "--shared", "--mapped", "--at ADDRESS", "--keep NAME", "--strip", "info", "diff"]
            .iter()
            .all(|option| help.contains(option)),
        "{help}"
    );
}

/// A program that builds a list, describes it and saves itself; `LEAK` is a word that nobody describes.
const SAVED: &str = r#"
#include <stdio.h>
#include <stdlib.h>
#include <uruk.h>
extern uruk_status uruk_save_image(const uruk_image_options *options) __attribute__((weak));
struct node { struct node *next; FILE **stream; long value; long leak; };
static struct node *head;
static int saved;
static int failed(const char *what) {
    char text[1000];
    uruk_last_message(text, sizeof text);
    return fprintf(stderr, "%s: %s\n", what, text), 3;
}
static int save(void) {
    uruk_world *world;
    uruk_type_id node, cell;
    uruk_object_type type;
    uruk_pointer_field fields[] = {{0, URUK_POINTER_REFERENCE}, {8, URUK_POINTER_DATA}};
    uruk_object_type_init(&type, sizeof type);
    type.name = "node", type.size = sizeof(struct node), type.alignment = 8, type.fields = fields, type.field_count = 2;
    if (uruk_world_create(&world) || uruk_world_add_type(world, &type, &node)) return failed("node");
    type.name = "cell", type.size = 8, type.field_count = 1;
    if (uruk_world_add_type(world, &type, &cell)) return failed("cell");
    if (uruk_world_add_cell(world, "head", (uint64_t)&head, cell)) return failed("head");
    for (struct node *at = head; at; at = at->next) {
        uruk_object object = {(uint64_t)at, node};
        if (uruk_world_add_objects(world, &object, 1)) return failed("object");
        if (uruk_world_add_pointer(world, (uint64_t)&at->stream, "stdout", NULL)) return failed("pointer");
    }
    const char *roots[] = {"head"};
    uruk_image_options options;
    uruk_image_options_init(&options, sizeof options);
    options.world = world, options.roots = roots, options.root_count = 1;
    saved = 1;
    return uruk_save_image(&options) ? failed("image") : uruk_world_dispose(world);
}
int main(int count, char **arguments) {
    int was_saved = saved;
    for (long value = 1; !saved && value < 4; value++) {
        struct node *made = malloc(sizeof *made);
        *made = (struct node){head, &stdout, value * value, LEAK};
        head = made;
    }
    if (!was_saved && uruk_save_image && save()) return 3;
    for (struct node *at = head; at; at = at->next) fprintf(*at->stream, "%ld ", at->value);
    printf("%s %d\n", was_saved ? "saved" : "built", count);
    return 0;
}
"#;

#[test]
fn programs_save_themselves() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("saved.c");
    std::fs::write(&file, SAVED).unwrap();
    let header = format!("-I{}", Path::new(env!("CARGO_MANIFEST_DIR")).join("../uruk-capi/include").display());
    let image = folder.path().join("image");
    let save = |leak: &str, options: &[&str]| {
        let options = [&["--save-image", image.to_str().unwrap(), "-O1", &header, leak][..], options].concat();
        uruk(&["run"], &options, std::slice::from_ref(&file))
    };
    assert_eq!(shown(&save("-DLEAK=0", &[])), (Some(0), "9 4 1 built 1\n".into()));
    assert_eq!(shown(&Command::new(&image).arg("x").output().unwrap()), (Some(0), "9 4 1 saved 2\n".into()));
    let info = shown(&uruk(&["image", "info"], &[], std::slice::from_ref(&image))).1;
    assert!(info.contains("kept by root") && info.contains(" head\n"), "{info}");
    std::fs::remove_file(&image).unwrap();
    // What would be wrong is named with the way there, and may be allowed.
    let leaks = save("-DLEAK=(long)made", &[]);
    let errors = String::from_utf8_lossy(&leaks.stderr).into_owned();
    assert!(leaks.status.code() == Some(3) && !image.exists(), "{errors}");
    let paths: Vec<&str> =
        errors.lines().filter_map(|line| line.split(": 0x").next()?.split("image: ").last()).collect();
    assert_eq!(paths.first(), Some(&"head+0 -> node+24"), "{errors}");
    let allowed: Vec<&str> = paths.iter().flat_map(|path| ["--allow", path]).collect();
    assert_eq!(save("-DLEAK=(long)made", &allowed).status.code(), Some(0));
    assert_eq!(shown(&Command::new(&image).output().unwrap()).1, "9 4 1 saved 1\n");
    // Who does not ask has none, and is told.
    let quiet = uruk(&["run", "--save-image", image.to_str().unwrap()], &[], &[source("hello.c")]);
    assert!(String::from_utf8_lossy(&quiet.stderr).contains("has not saved itself"), "{quiet:?}");
    let lazy = uruk(&["run", "--lazy", "--save-image", "x"], &[], &[source("hello.c")]);
    assert!(String::from_utf8_lossy(&lazy.stderr).contains("linked before it runs"), "{lazy:?}");
}
