//! The stack can be walked from every instruction of code that refers to far data, thunks included.
//!
//! A function runs with the processor's trap flag set; the handler of each trap walks the stack and looks for the
//! frame, with the very address, from which the function was called. Exceptions go through such code, too.
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};
use uruk::Jit;

const STEPS: &str = r#"
#define _GNU_SOURCE
#include <signal.h>
#include <unwind.h>

extern long far_data[64], far_other[];
extern long (*far_call)(long);
extern struct { const void *pointer; long number; } far_record;

static long steps, lost, expected;
static void outer(void);

static _Unwind_Reason_Code visit(struct _Unwind_Context *context, void *found) {
    if (_Unwind_GetRegionStart(context) != (unsigned long)outer) return _URC_NO_REASON;
    *(long *)found = _Unwind_GetCFA(context);
    return _URC_NORMAL_STOP;
}
static long frame_of_outer(void) {
    long found = 0;
    _Unwind_Backtrace(visit, &found);
    return found;
}
static void trap(int number, siginfo_t *info, void *context) {
    steps++;
    lost += frame_of_outer() != expected;
}

__attribute__((noinline)) static long callee(long x) { return x + far_data[2]; }
__attribute__((noinline)) static long leaf(const long *p, long n) {
    long sum = 0;
    for (long i = 0; i < n; i++) sum += far_data[(p[i] + i) & 63] ^ (p == far_data);
    return sum;
}
__attribute__((noinline)) static long frames(long n) {
    volatile char *room = __builtin_alloca(n + 16);
    room[n] = far_data[1];
    far_record.pointer = far_other;
    far_record.number += room[n];
    const void *volatile kept = far_data;
    return far_record.number + (kept == far_record.pointer);
}
__attribute__((noinline)) static long realigned(long n) {
    _Alignas(64) volatile long words[8] = {far_data[3], n, far_data[4]};
    return words[0] + words[2] + ((long)words & 63);
}
__attribute__((noinline)) static long calls(long n) {
    far_call = callee;
    long first = far_call(n);
    return first + far_call(first);
}
__attribute__((noinline)) static long tail(long n) { return far_call(n + 1); }
__attribute__((noinline)) void work(void) {
    long n = leaf(far_data, 5);
    n += frames(n & 63);
    n += realigned(n);
    n += calls(n);
    n += tail(n);
    far_data[9] = n;
}

void trap_each(long flag); // built-in functions for the flags come without rows for their pushes
__asm__(".text\n.type trap_each, @function\ntrap_each:\n.cfi_startproc\npushfq\n.cfi_adjust_cfa_offset 8\n"
        "andq $~0x100, (%rsp)\norq %rdi, (%rsp)\npopfq\n.cfi_adjust_cfa_offset -8\nret\n.cfi_endproc\n"
        ".size trap_each, . - trap_each");

__attribute__((noinline)) static void outer(void) {
    expected = frame_of_outer();
    trap_each(0x100);
    work();
    trap_each(0);
    __asm__ volatile(""); // no tail call
}

long run(void) {
    struct sigaction action = {0}, old;
    action.sa_sigaction = trap;
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGTRAP, &action, &old);
    outer();
    sigaction(SIGTRAP, &old, 0);
    return lost || !expected ? -lost - 1 : steps;
}
"#;

const THROWS: &str = r#"
#include <exception>
#include <stdexcept>
#include <typeinfo>

extern long far_data[64];
extern void (*far_call)();
struct Count { ~Count() { far_data[5]++; } };
struct Own : std::runtime_error { using runtime_error::runtime_error; };
static void out_of_range() { throw std::out_of_range("x"); }
static void own() { throw Own("y"); }
static void number() { throw 7; }
__attribute__((noinline)) static long attempt() {
    Count count;
    try {
        far_call();
    } catch (const std::logic_error &error) {
        return far_data[6] + 1;
    } catch (const Own &error) {
        return far_data[6] + 2 + (typeid(error) == typeid(Own));
    } catch (...) {
        return far_data[6] + 5;
    }
    return -1;
}
extern "C" long run() {
    far_data[5] = 0;
    far_data[6] = 100;
    long sum = 0;
    for (auto function : {out_of_range, own, number}) {
        far_call = function;
        sum = sum * 1000 + attempt();
    }
    return sum * 10 + far_data[5];
}
"#;

/// What the linked code calls far: a part of this executable, which lies far from libraries and from low memory.
struct Far {
    data: [AtomicI64; 64],
    other: AtomicI64,
    call: AtomicI64,
    record: [AtomicI64; 2],
}

static FAR: Mutex<Far> = Mutex::new(Far {
    data: [const { AtomicI64::new(0) }; 64],
    other: AtomicI64::new(0),
    call: AtomicI64::new(0),
    record: [const { AtomicI64::new(0) }; 2],
});

/// Whether the code lies where its flags want it, or near the libraries because something else was there first.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Order {
    First,
    Second,
}

fn run(compiler: &str, flags: &[&str], name: &str, source: &str, order: Order) -> i64 {
    let folder = tempfile::tempdir().unwrap();
    let object = compile(folder.path(), compiler, flags, name, source);
    let far = FAR.lock().unwrap_or_else(PoisonError::into_inner);
    for (number, word) in (0..).zip(&far.data) {
        word.store(number, Ordering::Relaxed);
    }
    let data = far.data.as_ptr() as u64;
    let jit = Jit::builder().threads(1).build().unwrap();
    jit.load_library("libstdc++.so.6").unwrap();
    jit.load_library("libgcc_s.so.1").unwrap();
    jit.main().define("far_data", data);
    jit.main().define("far_other", far.other.as_ptr() as u64);
    jit.main().define("far_call", far.call.as_ptr() as u64);
    jit.main().define("far_record", far.record.as_ptr() as u64);
    if order == Order::Second {
        let other = compile(folder.path(), "cc", &["-fPIC"], "other.c", "int other(void) { return 1; }");
        jit.main().add_objects(&[uruk::read_file(&other).unwrap()]).unwrap();
        jit.main().address("other").unwrap();
    }
    jit.main().add_objects(&[uruk::read_file(&object).unwrap()]).unwrap();
    let address = jit.main().address("run").unwrap();
    assert!(1 << 31 < address.abs_diff(data), "the data is near");
    // SAFETY: the sources above define this function, `jit` keeps it, and what it writes to are atomics whose
    // lock is held.
    unsafe {
        let run: extern "C" fn() -> i64 = std::mem::transmute(address);
        run()
    }
}

fn compile(folder: &Path, compiler: &str, flags: &[&str], name: &str, source: &str) -> PathBuf {
    let (from, to) = (folder.join(name), folder.join(name).with_extension("o"));
    std::fs::write(&from, source).unwrap();
    let status = Command::new(compiler).args(flags).arg("-w").arg("-c").arg(&from).arg("-o").arg(&to).status();
    assert!(status.unwrap().success(), "{compiler} {flags:?}");
    to
}

/// Placements and levels; position-independent code refers to an executable's data directly, too.
const FLAGS: &[&[&str]] = &[
    &["-fno-pic", "-O0"],
    &["-fno-pic", "-O2"],
    &["-fno-pic", "-O1", "-fno-omit-frame-pointer"],
    &["-fno-pic", "-Os", "-fno-asynchronous-unwind-tables", "-funwind-tables", "-fexceptions"],
    &["-fPIE", "-O0"],
    &["-fPIE", "-O2"],
];

#[test]
fn every_step_can_be_unwound() {
    for flags in FLAGS {
        // Tables without asynchronous rows hold at calls only.
        if flags.contains(&"-fno-asynchronous-unwind-tables") {
            continue;
        }
        for order in [Order::First, Order::Second] {
            let steps = run("cc", flags, "steps.c", STEPS, order);
            assert!(100 < steps, "{flags:?}, {order:?}: {steps}");
        }
    }
}

#[test]
fn exceptions_pass_and_are_caught() {
    for flags in FLAGS {
        for order in [Order::First, Order::Second] {
            assert_eq!(run("c++", flags, "throws.cpp", THROWS, order), 1011031053, "{flags:?}, {order:?}");
        }
    }
}
