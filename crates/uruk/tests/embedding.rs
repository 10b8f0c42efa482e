//! Uruk in a C++ program that holds copies of library variables, as executables that are not position-independent do:
//! linked code must use the copies, as the libraries themselves do.

#[expect(dead_code, reason = "objects are wanted as files here")]
mod support;

use std::path::PathBuf;
use std::process::Command;
use support::compile_file;

const HOST: &str = r#"
#include <cstdio>
#include <iostream>
#include <sstream>
#include <stdexcept>
#include <unistd.h>

extern "C" const void *uruk_link(const char *object, const char *library, const char *function);
extern char end[]; // of the executable's own data
struct Seen { std::ostream *out; FILE **error; char ***environment; };
typedef void Look(Seen *, std::ostream *);

int main(int, char **argv) {
    bool copies = (char *)&std::cout < end && (char *)&stderr < end && (char *)&environ < end;
    std::printf("copies %d\n", copies);
    Look *look = (Look *)uruk_link(argv[1], argv[2], "look");
    if (!look) return 1;
    Seen seen = {};
    std::ostringstream text;
    std::streambuf *usual = std::cout.rdbuf(text.rdbuf());
    stderr = stdout;
    char *own[] = {(char *)"GREETING=hello", nullptr};
    environ = own;
    try { look(&seen, &text); } catch (const std::runtime_error &error) { std::printf("caught %s\n", error.what()); }
    std::cout.rdbuf(usual);
    std::printf("same %d %d %d\n", seen.out == &std::cout, seen.error == &stderr, seen.environment == &environ);
    std::printf("text %s\n", text.str().c_str());
}
"#;

const OBJECT: &str = r#"
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <stdexcept>
#include <unistd.h>

struct Seen { std::ostream *out; FILE **error; char ***environment; };
static std::ostream *initialised = &std::cout;
extern "C" void look(Seen *seen, std::ostream *text) {
    *seen = {&std::cout, &stderr, &environ};
    if (initialised != &std::cout) std::abort();
    std::cout << "to the host's stream: " << environ[0] << " and " << std::getenv("GREETING");
    std::fprintf(stderr, "to the host's stderr\n");
    if (text->good()) throw std::runtime_error("from the object");
}
"#;

const EXPECTED: &str = "copies 1\nto the host's stderr\ncaught from the object\nsame 1 1 1\n\
                        text to the host's stream: GREETING=hello and hello\n";

/// Builds the example that is a static library. Which of them cargo has built with the tests depends on how it was called.
fn static_library() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its path");
    let target = test.ancestors().nth(3).expect("it lies in target/PROFILE/deps");
    let mut command = Command::new(env!("CARGO"));
    // By the choice of packages that tests are built by: for another one, all that it uses would be built anew.
    command.args(["build", "--quiet", "--workspace", "--exclude=uruk-llvm", "--exclude=uruk-llvm-plugin"]);
    command.args(["--example", "embedded", "--target-dir"]).arg(target);
    assert!(command.status().is_ok_and(|status| status.success()), "cargo builds the example");
    target.join("debug/examples/libembedded.a")
}

#[test]
fn the_hosts_copies_are_what_linked_code_uses() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let host = compile_file(folder.path(), "host.cpp", HOST, &["-O1", "-fno-pic"]);
    let program = host.with_file_name("host");
    let mut command = Command::new("g++");
    command.arg("-no-pie").arg(&host).arg(static_library()).arg("-o").arg(&program);
    assert!(command.status().is_ok_and(|status| status.success()), "g++ links the host");
    for flags in ["-fPIC", "-fPIE", "-fno-pic", "-mcmodel=large"] {
        let object = compile_file(folder.path(), "object.cpp", OBJECT, &["-O1", flags]);
        // Naming a library must not bring its own, unused originals to the fore.
        for library in [None, Some("libstdc++.so.6"), Some("libc.so.6")] {
            let output = Command::new(&program).arg(&object).args(library).output().expect("the host runs");
            let errors = String::from_utf8_lossy(&output.stderr);
            assert_eq!(String::from_utf8_lossy(&output.stdout), EXPECTED, "{flags} {library:?}: {errors}");
            assert!(output.status.success(), "{flags} {library:?}: {errors}");
        }
    }
}
