//! What unwinding costs with 1, 100 and 10,000 registrations: `cargo run --release -p uruk-executor --example
//! unwind_cost`; with `--no-default-features`, when libgcc keeps the records. Needs a C++ compiler.

use std::error::Error;
use std::ffi::CString;
use std::hint::black_box;
use std::panic::{catch_unwind, resume_unwind};
use std::process::Command;
use std::time::{Duration, Instant};
use std::{env, fs, mem, ptr};

use uruk_executor::phdr::{self, JitModule, ModuleSegment};
use uruk_executor::{gdb, unwind};

/// push %rbp; mov %rsp,%rbp; call *%rdi; pop %rbp; ret
const CALLER: &[u8] = b"\x55\x48\x89\xe5\xff\xd7\x5d\xc3";
/// A CIE and an FDE for it with absolute addresses, which are at `ADDRESS`, and a terminator.
const RECORDS: &[u8] = b"\x14\0\0\0\0\0\0\0\x01zR\0\x01\x78\x10\x01\0\x0c\x07\x08\x90\x01\0\0\
\x24\0\0\0\x1c\0\0\0\0\0\0\0\0\0\0\0\x08\0\0\0\0\0\0\0\0\x41\x0e\x10\x86\x02\x43\x0d\x06\x43\x0c\x07\x08\0\0\0\
\0\0\0\0\0\0\0\0";
const ADDRESS: usize = 32;

const SOURCE: &str = r#"
static void raise_it() { throw 5; }
extern "C" void throw_through(void (*linked)(void (*)())) { try { linked(raise_it); } catch (int) {} }
static void call(void (*callback)()) { callback(); asm volatile(""); }
extern "C" void throw_elsewhere() { throw_through(call); }
"#;

type Caller = extern "C-unwind" fn(extern "C-unwind" fn());

extern "C-unwind" fn throw() {
    resume_unwind(Box::new(5));
}

/// Nanoseconds for each of `count` calls.
fn time(count: usize, mut work: impl FnMut(usize)) -> u128 {
    let start = Instant::now();
    (0..count).for_each(&mut work);
    start.elapsed().max(Duration::from_nanos(1)).as_nanos() / count as u128
}

/// The fastest of several rounds: the machine has other things to do.
fn best(mut work: impl FnMut()) -> u128 {
    (0..9).map(|_| time(500, |_| work())).min().unwrap_or_default()
}

fn library() -> Result<(extern "C" fn(Caller), extern "C" fn()), Box<dyn Error>> {
    let base = env::temp_dir().join(format!("uruk-unwind-cost-{}", std::process::id()));
    let (source, library) = (base.with_extension("cpp"), base.with_extension("so"));
    fs::write(&source, SOURCE)?;
    let compiled = Command::new("c++").args(["-O1", "-fPIC", "-shared", "-o"]).arg(&library).arg(&source).status()?;
    let name = CString::new(library.as_os_str().as_encoded_bytes())?;
    // SAFETY: the library has no initialisers of ours, and the functions have these types.
    let functions = unsafe {
        let handle = libc::dlopen(name.as_ptr(), libc::RTLD_NOW);
        if !compiled.success() || handle.is_null() {
            return Err("no C++ library".into());
        }
        (
            mem::transmute::<*mut libc::c_void, extern "C" fn(Caller)>(libc::dlsym(handle, c"throw_through".as_ptr())),
            mem::transmute::<*mut libc::c_void, extern "C" fn()>(libc::dlsym(handle, c"throw_elsewhere".as_ptr())),
        )
    };
    fs::remove_file(source)?;
    fs::remove_file(library)?;
    Ok(functions)
}

fn main() -> Result<(), Box<dyn Error>> {
    const STEP: usize = 160;
    let (throw_through, throw_elsewhere) = library()?;
    println!("{:?}; nanoseconds each", unwind::path());
    println!("objects  register  first throw  C++ through  C++ elsewhere  Rust through  deregister  phdr     gdb");
    for count in [1, 100, 10_000] {
        let bytes = count * STEP;
        let (protection, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: a new mapping of our own, filled before it becomes executable.
        let start = unsafe {
            let start = libc::mmap(ptr::null_mut(), bytes, protection, flags, -1, 0).cast::<u8>();
            (0..count).for_each(|n| start.add(n * STEP).copy_from(CALLER.as_ptr(), CALLER.len()));
            libc::mprotect(start.cast(), bytes, libc::PROT_READ | libc::PROT_EXEC);
            start.addr()
        };
        let code = |n: usize| start + n * STEP..start + n * STEP + CALLER.len();
        let records: Vec<Vec<u8>> = (0..count)
            .map(|n| {
                let mut records = RECORDS.to_vec();
                records[ADDRESS..ADDRESS + 8].copy_from_slice(&code(n).start.to_le_bytes());
                records
            })
            .collect();
        let mut registrations = Vec::with_capacity(count);
        let register = time(count, |n| {
            // SAFETY: the records are right and outlive the registration.
            registrations.push(unsafe { unwind::register(&[code(n)], records[n].as_ptr().addr(), records[n].len()) });
        });
        assert!(registrations.iter().all(Result::is_ok));
        // SAFETY: functions of this type lie at all of them; this is one in the middle.
        let linked = unsafe { mem::transmute::<usize, Caller>(code(count / 2).start) };
        let first = time(1, |_| throw_through(linked));
        let through = best(|| throw_through(linked));
        let elsewhere = best(|| throw_elsewhere());
        let rust = best(|| _ = black_box(catch_unwind(|| linked(throw))));
        let deregister = time(count, |_| drop(registrations.pop()));

        let mut modules = Vec::with_capacity(count);
        let listing = time(count, |n| {
            let segments = vec![ModuleSegment { vaddr: 0, size: CALLER.len(), flags: libc::PF_X }];
            modules.push(phdr::register(JitModule { base: code(n).start, segments, image: Box::new(|| None) }));
        });
        let mut debug = Vec::with_capacity(count);
        let images = vec![vec![0u8; 64]; count];
        let mut images = images.into_iter();
        let showing = time(count, |_| debug.extend(images.next().map(gdb::register)));
        println!(
            "{count:7} {register:9} {first:12} {through:12} {elsewhere:14} {rust:13} {deregister:11} {listing:5} {showing:7}"
        );
    }
    Ok(())
}
