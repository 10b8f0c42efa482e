//! What backtraces and gdb show of compiled functions. The program that they look at is this one, run again.
//!
//! Needs `gdb`.

use std::backtrace::Backtrace;
use std::env;
use std::process::Command;
use uruk::Jit;

/// Says that this program has been run again for a test's host.
const AGAIN: &str = "URUK_TEST_CRANELIFT_HOST";

/// Lines matter: gdb is asked for them.
const TEXT: &str = "; the first line
function %traced_outer(i64) -> i64 {
    fn0 = %traced_inner(i64) -> i64
block0(v0: i64):
    v1 = call fn0(v0)
    v2 = iconst.i64 1
    v3 = iadd v1, v2
    return v3
}

function %traced_inner(i64) -> i64 {
    fn0 = %host_is_called(i64) -> i64
block0(v0: i64):
    v1 = call fn0(v0)
    v2 = iconst.i64 10
    v3 = iadd v1, v2
    return v3
}
";

/// That all of `expected` occur in `text`, each after the one before.
fn check_order(text: &str, expected: &[&str]) {
    let mut rest = text;
    for wanted in expected {
        let at = rest.find(wanted).unwrap_or_else(|| panic!("`{wanted}` is missing, or not where it belongs:\n{text}"));
        rest = &rest[at + wanted.len()..];
    }
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn host_is_called(n: i64) -> i64 {
    println!("{}", Backtrace::force_capture());
    std::hint::black_box(n)
}

fn run_host() {
    let jit = Jit::new().unwrap();
    jit.main().define_function("host_is_called", host_is_called as extern "C" fn(i64) -> i64);
    jit.main().add_clif("traced.clif", TEXT).unwrap();
    // SAFETY: as the text declares it.
    let outer = unsafe { jit.main().function::<extern "C" fn(i64) -> i64>("traced_outer") }.unwrap();
    assert_eq!(outer(1), 12);
}

#[test]
fn host() {
    if env::var_os(AGAIN).is_some() {
        run_host();
    }
}

/// The arguments that run this program again.
fn again() -> Vec<String> {
    let own = env::current_exe().unwrap().to_string_lossy().into_owned();
    [&own, "--exact", "shown::host", "--nocapture"].map(String::from).into()
}

#[test]
fn backtraces_name_compiled_functions() {
    let again = again();
    let output = Command::new(&again[0]).args(&again[1..]).env(AGAIN, "1").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    check_order(&text, &["host_is_called", ": traced_inner", ": traced_outer", "shown::host"]);
}

#[test]
fn gdb_shows_compiled_functions_and_their_lines() {
    let commands = [
        "set confirm off",
        "set breakpoint pending on",
        "break traced.clif:14",
        "run",
        "backtrace",
        "info symbol traced_inner",
        "finish",
        "continue",
    ];
    let mut gdb = Command::new("gdb");
    gdb.args(["-nx", "-batch"]).args(commands.iter().flat_map(|command| ["-ex", command])).arg("--args").args(again());
    let output = gdb.env(AGAIN, "1").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    check_order(
        &text,
        &[
            "Breakpoint 1, traced_inner",
            "traced.clif:14",
            "#0  traced_inner",
            "traced.clif:14",
            "#1",
            "in traced_outer",
            "traced.clif:5",
            "traced_inner in section .text",
            "traced_outer",
            "exited normally",
        ],
    );
}
