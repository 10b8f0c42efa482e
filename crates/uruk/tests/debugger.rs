//! What gdb and backtraces see of linked code. The program that they look at is this one, run again with a task.
//!
//! Needs `gcc`, `clang-22`, `gdb` and `rustc`.

use std::backtrace::Backtrace;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Names the objects that the program run again links; whatever is not run again finds it unset.
const OBJECT: &str = "URUK_TEST_OBJECT";

const PROGRAM: &str = "\
int counter = 40;
_Thread_local int thread_counter = 7;
struct pair { int x, y; };
__attribute__((noinline)) static int helper(int value, struct pair *pair) {
    int doubled = value * 2;
    counter += doubled; /* stops here */
    return doubled + pair->x;
}
int entry(int count) {
    struct pair pair = { 3, 4 };
    thread_counter += count;
    return helper(count + 10, &pair) + 1; /* calls */
}
";

const COMMANDS: &[&str] = &[
    "set confirm off",
    "set breakpoint pending on",
    "break program.c:6",
    "break host_is_done",
    "run",
    "info args",
    "print *pair",
    "print counter",
    "print doubled",
    "print thread_counter",
    "backtrace",
    "info symbol helper",
    "next",
    "print counter",
    "continue",
    "info address helper",
    "continue",
];

/// What gdb prints, in this order; other lines may lie between.
const EXPECTED: &[&str] = &[
    "Breakpoint 1, helper (value=12, pair=0x",
    "counter += doubled; /* stops here */",
    "value = 12",
    "$1 = {x = 3, y = 4}",
    "$2 = 40",
    "$3 = 24",
    "$4 = 9",
    "#0  helper (value=12, pair=0x",
    "program.c:6",
    " in entry (count=2) at ",
    "program.c:12",
    " in host_calls ()",
    "helper in section .text of <in-memory@0x",
    "return doubled + pair->x;",
    "$5 = 64",
    "host_is_done ()",
];

/// A folder of its own for a test.
fn folder(name: &str) -> PathBuf {
    let folder = env::temp_dir().join(format!("uruk-debugger-{}-{name}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// Compiles `source`, and returns the object.
fn compile(compiler: &[&str], folder: &Path, source: &str, text: &str) -> PathBuf {
    fs::write(folder.join(source), text).unwrap();
    let object = folder.join("object.o");
    let mut command = Command::new(compiler[0]);
    command.current_dir(folder).args(&compiler[1..]).arg(source).arg("-o").arg(&object);
    assert!(command.status().unwrap().success(), "{compiler:?}");
    object
}

/// That all of `expected` occur in `text`, each after the one before.
fn check_order(text: &str, expected: &[&str]) {
    let mut rest = text;
    for wanted in expected {
        let at = rest.find(wanted).unwrap_or_else(|| panic!("`{wanted}` is missing, or not where it belongs:\n{text}"));
        rest = &rest[at + wanted.len()..];
    }
}

fn check_gdb(name: &str, compiler: &[&str]) {
    let folder = folder(name);
    let object = compile(compiler, &folder, "program.c", PROGRAM);
    run_gdb(COMMANDS, &[&object], EXPECTED);
    fs::remove_dir_all(&folder).unwrap();
}

/// Runs gdb on this program, which links these objects.
fn run_gdb(commands: &[&str], objects: &[&Path], expected: &[&str]) {
    let mut gdb = Command::new("gdb");
    gdb.args(["-nx", "-batch"]).args(commands.iter().flat_map(|command| ["-ex", command]));
    gdb.arg("--args").arg(env::current_exe().unwrap()).args(["--exact", "debugged_host", "--nocapture"]);
    let output = gdb.env(OBJECT, env::join_paths(objects).unwrap()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    check_order(&text, expected);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!errors.contains("in-memory"), "{errors}");
    // It has gone with its object.
    check_order(&errors, &["No symbol \"helper\" in current context."]);
}

#[test]
fn gdb_sees_what_clang_made_for_darwin() {
    // Often enough that objects of ELF would share images.
    const OTHER: &str = "static int other(int n)\n{\n    return n + 1;\n}\nint (*const used)(int) __attribute__((visibility(\"hidden\"), weak)) = other;\n";
    const TIMES: usize = 70;
    for version in ["-gdwarf-4", "-gdwarf-5"] {
        let folders = ["one", "other"].map(|object| folder(&format!("darwin{version}-{object}")));
        let clang = ["clang-22", "--target=x86_64-apple-macos13", "-ffreestanding", version, "-c"];
        let objects =
            [compile(&clang, &folders[0], "program.c", PROGRAM), compile(&clang, &folders[1], "other.c", OTHER)];
        // Thread-local variables of Darwin's are not found.
        let mut expected: Vec<&str> = EXPECTED.iter().copied().filter(|line| *line != "$4 = 9").collect();
        *expected.iter_mut().find(|line| **line == "$5 = 64").unwrap() = "$4 = 64";
        let at = expected.iter().position(|line| line.starts_with("helper in section")).unwrap();
        expected.insert(at, "Line 3 of \"other.c\" starts at address");
        let mut commands = COMMANDS.to_vec();
        let at = commands.iter().position(|command| *command == "info symbol helper").unwrap();
        commands.insert(at, "info line other.c:3");
        let others = std::iter::repeat_n(&*objects[1], TIMES);
        run_gdb(&commands, &[&*objects[0]].into_iter().chain(others).collect::<Vec<_>>(), &expected);
        folders.iter().for_each(|folder| fs::remove_dir_all(folder).unwrap());
    }
}

#[test]
fn gdb_sees_what_gcc_made() {
    check_gdb("gcc", &["gcc", "-g", "-c"]);
}

#[test]
fn gdb_sees_compressed_sections() {
    check_gdb("zlib", &["gcc", "-g", "-gz", "-c"]);
    check_gdb("zlib-gnu", &["gcc", "-g", "-gz=zlib-gnu", "-c"]);
    check_gdb("zstd", &["clang-22", "-g", "-gz=zstd", "-c"]);
}

#[test]
fn gdb_sees_what_clang_made() {
    check_gdb("clang", &["clang-22", "-g", "-gdwarf-5", "-c"]);
    check_gdb("sections", &["clang-22", "-g", "-gdwarf-4", "-ffunction-sections", "-fdata-sections", "-c"]);
    check_gdb("crel", &["clang-22", "-g", "-Wa,--crel,--allow-experimental-crel", "-c"]);
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn host_calls(entry: extern "C" fn(i32) -> i32) -> i32 {
    std::hint::black_box(entry(2)) + 1
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn host_is_done() {
    std::hint::black_box(());
}

#[test]
fn debugged_host() {
    let Some(object) = env::var_os(OBJECT) else { return };
    let jit = uruk::Jit::new().unwrap();
    let tracker = jit.session().create_tracker(jit.main().id());
    let inputs: Vec<_> = env::split_paths(&object).map(|path| uruk::read_file(&path).unwrap()).collect();
    jit.session().add_objects(jit.main().id(), Some(tracker), &inputs).unwrap();
    // SAFETY: this is how the program declares it.
    let entry = unsafe { jit.main().function::<extern "C" fn(i32) -> i32>("entry") }.unwrap();
    assert_eq!(host_calls(entry), 29);
    jit.session().remove_forced(tracker);
    host_is_done();
}

const TRACED: &str = "\
static void inner(void (*callback)(void)) {
    callback();
    __asm__ volatile (\"\");
}
void traced_function(void (*callback)(void)) {
    inner(callback);
    __asm__ volatile (\"\");
}
";

/// Runs this program again for one of its hosts; what it prints on both streams.
fn run_again(host: &str, object: &Path) -> String {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", host, "--nocapture"]).env(OBJECT, object).env("RUST_BACKTRACE", "1");
    let output = command.output().unwrap();
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn backtraces_name_functions_files_and_lines() {
    for (name, compiler) in [("trace-gcc", "gcc"), ("trace-clang", "clang-22")] {
        let folder = folder(name);
        let object = compile(&[compiler, "-g", "-O1", "-fno-inline", "-c"], &folder, "traced.c", TRACED);
        let text = run_again("traced_host", &object);
        check_order(
            &text,
            &["print_backtrace", ": inner", "traced.c:2", ": traced_function", "traced.c:6", "traced_host"],
        );
        fs::remove_dir_all(&folder).unwrap();
    }
}

#[test]
fn backtraces_name_functions_without_debug_information() {
    let folder = folder("trace-plain");
    let object = compile(&["gcc", "-O1", "-fno-inline", "-c"], &folder, "traced.c", TRACED);
    check_order(
        &run_again("traced_host", &object),
        &["print_backtrace", ": inner", ": traced_function", "traced_host"],
    );
    fs::remove_dir_all(&folder).unwrap();
}

extern "C" fn print_backtrace() {
    println!("{}", Backtrace::force_capture());
}

#[test]
fn traced_host() {
    let Some(object) = env::var_os(OBJECT) else { return };
    let jit = uruk::Jit::new().unwrap();
    jit.main().add_file(Path::new(&object)).unwrap();
    type Traced = extern "C" fn(extern "C" fn());
    // SAFETY: this is how the program declares it.
    let traced = unsafe { jit.main().function::<Traced>("traced_function") }.unwrap();
    traced(print_backtrace);
}

const PANICKING: &str = "\
#[inline(never)]
fn fails(number: u32) {
    if number == 1 { panic!(\"number {number}\") }
}
#[unsafe(no_mangle)]
pub extern \"C\" fn panicking() -> bool {
    std::panic::catch_unwind(|| fails(std::hint::black_box(1))).is_err()
}
";

#[test]
fn a_linked_panic_names_its_functions() {
    let folder = folder("panic");
    let rustc = ["rustc", "--edition=2024", "--crate-type=staticlib", "-g", "-Cpanic=unwind", "--crate-name=linked"];
    let archive = compile(&rustc, &folder, "linked.rs", PANICKING);
    let named = folder.join("linked.a");
    fs::rename(&archive, &named).unwrap();
    let text = run_again("panicking_host", &named);
    check_order(&text, &["number 1", ": linked::fails", "linked.rs:3", "linked::panicking", "linked.rs:7"]);
    fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn panicking_host() {
    let Some(archive) = env::var_os(OBJECT) else { return };
    let jit = uruk::Jit::new().unwrap();
    jit.main().add_file(Path::new(&archive)).unwrap();
    // SAFETY: this is how the program declares it.
    let panicking = unsafe { jit.main().function::<extern "C" fn() -> bool>("panicking") }.unwrap();
    assert!(panicking());
}
