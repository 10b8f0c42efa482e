//! Templates linked by hand and run against the process's glibc.

#[cfg_attr(target_arch = "x86_64", path = "tests/x86_64.rs")]
#[cfg_attr(target_arch = "aarch64", path = "tests/aarch64.rs")]
#[cfg_attr(target_arch = "riscv64", path = "tests/riscv64.rs")]
mod arch;

use std::ffi::c_void;
use std::ops::Range;
use std::process::Command;
use std::sync::{Mutex, OnceLock};

use super::*;
use crate::at_exit::{finalize, forget_within, run_at_exit, run_within};
use crate::in_process::overridden;
use crate::libraries;
use crate::testing::{Code, in_child, run_in_child, tool};

/// A dylib with all templates, a stub for each function they jump to, and a `__dso_handle`.
struct Dylib {
    code: Code,
    handle: u64,
    offsets: Vec<usize>,
}

impl Dylib {
    fn new() -> Self {
        let mut offsets = Vec::new();
        let mut handle = 0;
        let code = Code::with(4096, |base| {
            handle = base + 2048;
            let mut bytes = vec![0; 4096];
            let (mut end, mut stub) = (0, 1024);
            for template in TEMPLATES {
                offsets.push(end);
                bytes[end..][..template.code.len()].copy_from_slice(template.code);
                for fixup in template.fixups {
                    let target = match fixup.symbol {
                        "__dso_handle" | TEMPLATE_START => handle,
                        name => {
                            let own = overridden(name.as_bytes());
                            let function = own.unwrap_or_else(|| libraries::find(name.as_bytes()).unwrap().address);
                            let jump = arch::jump_to(function);
                            bytes[stub..][..jump.len()].copy_from_slice(&jump);
                            stub += 32;
                            base + stub as u64 - 32
                        }
                    };
                    let place = base + (end + fixup.offset) as u64;
                    let target = target.wrapping_add_signed(fixup.addend);
                    arch::fix_up(&mut bytes[end + fixup.offset..], fixup.relocation, place, target);
                }
                end = (end + template.code.len()).next_multiple_of(4);
            }
            bytes
        });
        Dylib { code, handle, offsets }
    }

    fn address(&self, name: &str) -> *const c_void {
        let index = TEMPLATES.iter().position(|template| template.name == name).unwrap();
        self.code.address().wrapping_byte_add(self.offsets[index])
    }

    /// `atexit` or `at_quick_exit`.
    fn register(&self, name: &str, function: extern "C" fn()) {
        // SAFETY: the templates of these names have this type.
        let register: extern "C" fn(extern "C" fn()) -> c_int = unsafe { std::mem::transmute(self.address(name)) };
        assert_eq!(register(function), 0);
    }
}

static EVENTS: Mutex<Vec<&str>> = Mutex::new(Vec::new());

fn events() -> Vec<&'static str> {
    std::mem::take(&mut *EVENTS.lock().unwrap())
}

extern "C" fn first() {
    EVENTS.lock().unwrap().push("first");
}

extern "C" fn second() {
    EVENTS.lock().unwrap().push("second");
}

extern "C" fn other() {
    EVENTS.lock().unwrap().push("other");
}

#[test]
fn handlers_of_atexit_run_once_in_reverse_when_their_dylib_is_finalized() {
    let (dylib, another) = (Dylib::new(), Dylib::new());
    dylib.register("atexit", first);
    another.register("atexit", other);
    dylib.register("atexit", second);
    // SAFETY: the handlers are functions of this program.
    unsafe {
        finalize(dylib.handle);
        assert_eq!(events(), ["second", "first"]);
        finalize(dylib.handle);
        assert_eq!(events(), [""; 0]);
        finalize(another.handle);
    }
    assert_eq!(events(), ["other"]);
}

/// Ranges that hold these functions and nothing else.
fn ranges(functions: &[extern "C" fn()]) -> Vec<Range<u64>> {
    let address = |function: &extern "C" fn()| *function as *const () as u64;
    functions.iter().map(|function| address(function)..address(function) + 1).collect()
}

#[test]
fn handlers_run_when_their_code_goes() {
    check_child("handlers_run_when_their_code_goes", &["second", "late", "first", "other"], |dylib| {
        static DYLIB: OnceLock<usize> = OnceLock::new();
        extern "C" fn register_late() {
            println!("said second");
            // SAFETY: the template, as in `register`.
            let register: extern "C" fn(extern "C" fn()) -> c_int =
                unsafe { std::mem::transmute(*DYLIB.get().unwrap()) };
            assert_eq!(register(late), 0);
        }
        extern "C" fn late() {
            println!("said late");
        }
        extern "C" fn other() {
            println!("said other");
        }
        DYLIB.set(dylib.address("atexit") as usize).unwrap();
        dylib.register("atexit", say_first);
        dylib.register("atexit", other);
        dylib.register("atexit", register_late);
        // SAFETY: functions of this program.
        unsafe {
            run_within(&ranges(&[say_first, register_late, late]));
            run_within(&ranges(&[say_first, register_late, late]));
        }
        std::process::exit(7);
    });
}

#[test]
fn destructors_run_when_their_objects_go() {
    static DESTROYED: Mutex<Vec<u64>> = Mutex::new(Vec::new());
    extern "C" fn destroy(object: u64) {
        DESTROYED.lock().unwrap().push(object);
    }
    let register = overridden(b"__cxa_atexit").unwrap();
    // SAFETY: the type of `__cxa_atexit`.
    let register: extern "C" fn(extern "C" fn(u64), u64, u64) -> c_int =
        unsafe { std::mem::transmute(register as *const ()) };
    for object in [0x10, 0x20, 0x30] {
        assert_eq!(register(destroy, object, 0), 0);
    }
    // SAFETY: the destructor does not look at the object.
    unsafe {
        run_within(&[0x18..0x31, 0x50..0x60]);
        assert_eq!(*DESTROYED.lock().unwrap(), [0x30, 0x20]);
        run_within(&[0x10..0x11, 0..1]);
    }
    assert_eq!(*DESTROYED.lock().unwrap(), [0x30, 0x20, 0x10]);
}

#[test]
fn what_is_forgotten_does_not_run() {
    check_child("what_is_forgotten_does_not_run", &["second"], |dylib| {
        let on_exit = overridden(b"on_exit").unwrap();
        // SAFETY: the type of `on_exit`.
        let on_exit: extern "C" fn(extern "C" fn(), u64) -> c_int =
            unsafe { std::mem::transmute(on_exit as *const ()) };
        dylib.register("atexit", say_first);
        dylib.register("at_quick_exit", say_first);
        assert_eq!(on_exit(say_first, 0), 0);
        // SAFETY: functions of this program.
        unsafe { run_at_exit(&[say_second as *const () as u64, say_first as *const () as u64]) };
        forget_within(&ranges(&[say_first]));
        std::process::exit(7);
    });
}

#[test]
fn handlers_get_the_status() {
    check_child("handlers_get_the_status", &["7 5", "6 7"], |_| {
        extern "C" fn exited(status: c_int, argument: u64) {
            println!("said {status} {argument}");
        }
        type Handler = extern "C" fn(c_int, u64);
        let (on_exit, atexit) = (overridden(b"on_exit").unwrap(), overridden(b"__cxa_atexit").unwrap());
        // SAFETY: the type of `on_exit`.
        let on_exit: extern "C" fn(Handler, u64) -> c_int = unsafe { std::mem::transmute(on_exit as usize) };
        // SAFETY: the type of `__cxa_atexit`.
        let atexit: extern "C" fn(Handler, u64, u64) -> c_int = unsafe { std::mem::transmute(atexit as usize) };
        // glibc gives these the status as their second argument.
        assert_eq!(atexit(exited, 6, 0), 0);
        assert_eq!(on_exit(exited, 5), 0);
        std::process::exit(7);
    });
}

extern "C" fn say_first() {
    println!("said first");
}

extern "C" fn say_second() {
    println!("said second");
}

/// Runs `end` in a child, whose output must have the lines that were said in this order.
fn check_child(test: &str, said: &[&str], end: impl FnOnce(&Dylib)) {
    if in_child() {
        end(&Dylib::new());
        unreachable!("the process has ended");
    }
    let output = run_in_child(&format!("lifecycle::tests::{test}"), &[]);
    let text = String::from_utf8_lossy(&output.stdout);
    let lines: Vec<&str> = text.lines().filter_map(|line| line.split_once("said ")).map(|(_, what)| what).collect();
    assert_eq!((lines.as_slice(), output.status.code()), (said, Some(7)), "{output:?}");
}

#[test]
fn exit_runs_what_was_not_finalized() {
    check_child("exit_runs_what_was_not_finalized", &["second", "first"], |dylib| {
        dylib.register("atexit", say_first);
        dylib.register("atexit", say_second);
        dylib.register("at_quick_exit", other);
        std::process::exit(7);
    });
}

#[test]
fn quick_exit_runs_its_own() {
    check_child("quick_exit_runs_its_own", &["second", "first"], |dylib| {
        unsafe extern "C" {
            fn quick_exit(status: c_int) -> !;
        }
        dylib.register("at_quick_exit", say_first);
        dylib.register("at_quick_exit", say_second);
        dylib.register("atexit", other);
        // SAFETY: the handlers are functions of this program.
        unsafe { quick_exit(7) };
    });
}

#[test]
fn fork_handlers_run_until_their_dylib_is_finalized() {
    check_child("fork_handlers_run_until_their_dylib_is_finalized", &["first", "second", "in child"], |dylib| {
        let register = |name: &str| {
            // SAFETY: the templates of these names have this type.
            let function: extern "C" fn(
                Option<extern "C" fn()>,
                Option<extern "C" fn()>,
                Option<extern "C" fn()>,
            ) -> c_int = unsafe { std::mem::transmute(dylib.address(name)) };
            assert_eq!(function(Some(say_first), None, Some(say_second)), 0);
        };
        let fork = |in_child: fn()| {
            // SAFETY: the child only prints and ends; no other thread of this process holds a lock
            // that it takes.
            match unsafe { libc::fork() } {
                0 => {
                    in_child();
                    // SAFETY: ends the child.
                    unsafe { libc::_exit(0) };
                }
                // SAFETY: waits for the child that was just made.
                child => assert_eq!(unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) }, child),
            }
        };
        register("pthread_atfork");
        fork(|| println!("said in child"));
        // SAFETY: nothing runs: there are only fork handlers.
        unsafe { finalize(dylib.handle) };
        fork(|| ());
        std::process::exit(7);
    });
}

#[test]
fn every_name_of_libc_nonshared_is_to_be_had() {
    let output = Command::new(tool("CC", "cc")).arg("-print-file-name=libc_nonshared.a").output().unwrap();
    let path = String::from_utf8(output.stdout).unwrap();
    let output = Command::new(tool("NM", "nm")).args(["-P", "--defined-only", path.trim()]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let names: Vec<&str> = text
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ');
            let name = fields.next()?;
            matches!(fields.next()?, "T" | "W").then_some(name)
        })
        .collect();
    assert!(names.contains(&"atexit"), "{text}");
    for name in names {
        let has_template = TEMPLATES.iter().any(|template| template.name == name);
        assert!(has_template || libraries::find(name.as_bytes()).is_some(), "{name}");
    }
}

#[test]
fn main_and_initializers_get_the_programs_arguments() {
    static SEEN: Mutex<Vec<(i32, String, bool)>> = Mutex::new(Vec::new());
    extern "C" fn main(count: c_int, values: *const *mut c_char, environment: *const *mut c_char) -> c_int {
        // SAFETY: what `Arguments` promises: `count` strings and a null.
        let last = unsafe {
            assert!((*values.add(count as usize)).is_null());
            std::ffi::CStr::from_ptr(*values.add(count as usize - 1)).to_str().unwrap().to_owned()
        };
        SEEN.lock().unwrap().push((count, last, environment == super::environment()));
        // A program may write to its arguments.
        // SAFETY: the first string has bytes.
        unsafe { **values = 0 };
        42
    }
    let arguments = Arguments::new(["program", "-x", "cut\0off"]);
    let address = main as *const () as u64;
    // SAFETY: `main` above takes these arguments.
    unsafe {
        run_initializers(&[address, address], &arguments);
        assert_eq!(call_main(address, &arguments), 42);
    }
    assert_eq!(*SEEN.lock().unwrap(), vec![(3, "cut".to_owned(), true); 3]);
}

#[test]
fn support_archives_come_newest_first() {
    let root = std::env::temp_dir().join(format!("uruk-support-{}", std::process::id()));
    let architecture = std::env::consts::ARCH;
    let archives = [
        format!("lib/gcc/{architecture}-linux-gnu/13/libgcc.a"),
        format!("lib/gcc/{architecture}-linux-gnu/12/libgcc.a"),
        format!("lib/gcc/{architecture}-linux-gnu/9.3.0/libgcc.a"),
        format!("lib/llvm-22/lib/clang/22/lib/linux/libclang_rt.builtins-{architecture}.a"),
        format!("lib/clang/9.0.1/lib/{architecture}-unknown-linux-gnu/libclang_rt.builtins.a"),
    ];
    let others =
        ["lib/gcc/sparc-linux-gnu/14/libgcc.a".to_owned(), format!("lib/gcc/{architecture}-w64-mingw32/12/libgcc.a")];
    for archive in archives.iter().rev().chain(&others) {
        std::fs::create_dir_all(root.join(archive).parent().unwrap()).unwrap();
        std::fs::write(root.join(archive), "").unwrap();
    }
    let expected: Vec<PathBuf> = archives.iter().map(|archive| root.join(archive)).collect();
    assert_eq!(support_archives_below(&root), expected);
    std::fs::remove_dir_all(&root).unwrap();
    assert_eq!(support_archives_below(&root), [""; 0].map(PathBuf::from));

    let output = Command::new(tool("CC", "cc")).arg("-print-libgcc-file-name").output().unwrap();
    let used = PathBuf::from(String::from_utf8(output.stdout).unwrap().trim()).canonicalize().unwrap();
    assert!(support_archives().iter().any(|archive| archive.canonicalize().unwrap() == used));
}
