//! Command lines, and real compilers: what they make is linked by `cc` with the libraries that the plan then names.

use super::*;
use crate::args::{self, parse};
use std::ffi::{OsStr, OsString};
use std::process::Command;

fn plan(arguments: &[&OsStr]) -> Plan {
    let words = std::iter::once(OsStr::new("run")).chain(arguments.iter().copied()).map(OsStr::to_owned).collect();
    match parse(words) {
        Ok(args::Command::Run(request)) => Plan::build(*request).unwrap(),
        other => panic!("{other:?}"),
    }
}

/// Compiles sources, links them statically and gives what the program prints.
fn check(files: &[(&str, &str)], flags: &[&str], want: &str) {
    let sources = tempfile::tempdir().unwrap();
    let mut arguments: Vec<OsString> = flags.iter().map(OsString::from).collect();
    for (name, content) in files {
        std::fs::write(sources.path().join(name), content).unwrap();
        arguments.push(sources.path().join(name).into());
    }
    let mut plan = plan(&arguments.iter().map(OsString::as_os_str).collect::<Vec<_>>());
    let compiled = compile(&mut plan).unwrap();
    let program = sources.path().join("program");
    let mut cc = Command::new("cc");
    cc.arg("-o").arg(&program);
    for input in &plan.dylibs[0].inputs {
        match input {
            Input::Object(path) => cc.arg(path),
            Input::Library { library: Library::Path(path), .. } => {
                cc.arg(joined_path("-Wl,-rpath,", path.parent().unwrap())).arg(path)
            }
            other => panic!("{other:?}"),
        };
    }
    assert!(cc.status().unwrap().success(), "{cc:?}");
    let folder = compiled.as_ref().unwrap().path().to_owned();
    drop(compiled);
    assert!(!folder.exists());
    let output = Command::new(program).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), want);
}

fn joined_path(prefix: &str, path: &Path) -> OsString {
    let mut whole = OsString::from(prefix);
    whole.push(path);
    whole
}

#[test]
fn languages_are_mixed() {
    let files = [
        ("a.c", "int twice(int); int printf(const char *, ...); int main(void) { printf(\"%d\\n\", twice(N)); }"),
        ("b.cc", "#include <string>\nextern \"C\" int twice(int n) { return 2 * std::stoi(std::to_string(n)); }"),
        ("c.s", ".globl seven\n.set seven, 7\n.section .note.GNU-stack,\"\",@progbits\n"),
    ];
    check(&files, &["-DN=21", "-O1", "-std=c11", "-std=c++17", "-j2"], "42\n");
}

#[test]
fn rust_programs_need_their_libstd_only() {
    let program = "use std::collections::HashMap;
        fn main() {
            let map: HashMap<_, _> = (0..3).map(|n| (n, vec![n.to_string()])).collect();
            let sum = std::thread::spawn(move || map.values().flatten().map(|n| n.len()).sum::<usize>()).join();
            let caught = std::panic::catch_unwind(|| std::panic::resume_unwind(Box::new(1))).is_err();
            println!(\"{} {caught}\", sum.unwrap());
        }";
    check(&[("p.rs", program)], &[], "3 true\n");
    check(&[("p.rs", program)], &["-O2", "-g"], "3 true\n");
    let allocator = "use std::alloc::{GlobalAlloc, Layout, System};
        struct Mine;
        unsafe impl GlobalAlloc for Mine {
            unsafe fn alloc(&self, layout: Layout) -> *mut u8 { unsafe { System.alloc(layout) } }
            unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) { unsafe { System.dealloc(memory, layout) } }
        }
        #[global_allocator]
        static MINE: Mine = Mine;
        fn main() { println!(\"{:?}\", vec![1; std::env::args().count()]) }";
    check(&[("g.rs", allocator)], &[], "[1]\n");
    let library = "#![crate_type = \"lib\"]
        #[unsafe(no_mangle)]
        pub extern \"C\" fn twice(n: i32) -> i32 { vec![n; 2].iter().sum() }";
    let main = "int twice(int); int printf(const char *, ...); int main(void) { printf(\"%d\\n\", twice(4)); }";
    check(&[("l.rs", library), ("m.c", main)], &[], "8\n");
}

#[test]
fn fortran_where_it_is_installed() {
    if Command::new("gfortran").arg("--version").output().is_err() {
        return;
    }
    check(&[("f.f90", "program f\n  print '(I0)', 6 * 7\nend program\n")], &["-O2"], "42\n");
}
