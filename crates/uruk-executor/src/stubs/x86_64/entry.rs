//! Saves what a call may pass on x86-64, asks for the body, goes there.
//!
//! Data flow: a block's head jumps here with three words above the caller's return address (context, group, cell) and
//! all registers as the caller left them → the pool is asked on the caller's stack → all registers are restored and
//! the body, or the failure handler, is entered as if it had been called in the first place.
//! Invariants: every general register and all enabled vector, mask and x87 state reach the body unchanged, so one
//! entry serves the System V and the Windows convention, static chains and conventions of a compiler's own. (Windows'
//! shadow space lies above the return address and is not touched; the question below is a System V call on any
//! system, which needs none. What lies below the stack pointer is nobody's there, so the last jump is a return, of which
//! shadow stacks know nothing; those are for programs that ask for them, and a host that is linked here does not.) Meanwhile the floating-point environment is the default one: whoever compiles the body
//! is not to round as its caller wishes.
//! `unsafe` is here for the processor's instructions.
//! Protection keys and AMX tiles are left alone: no call passes them, and what the resolver does to them is meant.
//! Sources: x86-64 psABI §3.2; Microsoft's "x64 calling convention"; Intel SDM volume 1 chapter 13 (XSAVE).

use once_cell::race::OnceBox;
use std::arch::x86_64::{__cpuid_count, _xgetbv};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use super::super::entry::missing;
use super::super::{Shared, entry};
use super::GROUP_CELLS;

/// x87, SSE, AVX, the AVX-512 masks, the upper halves of zmm0–15, zmm16–31, and APX's r16–r31.
const PASSED: u64 = 1 | 1 << 1 | 1 << 2 | 0b111 << 5 | 1 << 19;
/// The legacy region and the header of an XSAVE area.
const LEAST_AREA_BYTES: u64 = 512 + 64;

/// Which state components are saved.
static COMPONENTS: AtomicU32 = AtomicU32::new(0);
/// How much room that takes.
static AREA_BYTES: AtomicU64 = AtomicU64::new(LEAST_AREA_BYTES);
/// MXCSR of the default environment: nearest, all exceptions masked.
static DEFAULT_MXCSR: u32 = 0x1f80;

/// The ways in that this processor can take. The first saves everything; later ones, on a processor that has the first,
/// may save less.
pub(in super::super) fn addresses() -> &'static [u64] {
    static ADDRESSES: OnceBox<Vec<u64>> = OnceBox::new();
    ADDRESSES.get_or_init(|| {
        let mut addresses = vec![enter_by_fxsave as *const () as u64];
        if is_x86_feature_detected!("xsave") {
            // SAFETY: the processor has XSAVE and the system has enabled it.
            let components = unsafe { enabled() } & PASSED;
            COMPONENTS.store(components as u32, Relaxed);
            AREA_BYTES.store(area_bytes(components), Relaxed);
            addresses.insert(0, enter_by_xsave as *const () as u64);
        }
        if is_x86_feature_detected!("xsavec") {
            addresses.insert(0, enter_by_xsavec as *const () as u64);
        }
        Box::new(addresses)
    })
}

/// XCR0.
#[target_feature(enable = "xsave")]
fn enabled() -> u64 {
    // SAFETY: register 0 is there wherever XSAVE is.
    unsafe { _xgetbv(0) }
}

/// Room for these components in the standard format and in the compacted one.
fn area_bytes(components: u64) -> u64 {
    let (mut standard, mut compacted) = (LEAST_AREA_BYTES, LEAST_AREA_BYTES);
    for component in (2..63).filter(|component| components >> component & 1 != 0) {
        let leaf = __cpuid_count(0xd, component);
        let (size, offset, aligned) = (u64::from(leaf.eax), u64::from(leaf.ebx), leaf.ecx & 2 != 0);
        standard = standard.max(offset + size);
        compacted = if aligned { compacted.next_multiple_of(64) } else { compacted } + size;
    }
    standard.max(compacted)
}

/// What only DWARF's unwinders, or the instructions of one system, are told.
#[cfg(unix)]
macro_rules! on {
    (unix $($text:tt)*) => {
        concat!($($text)*)
    };
    (windows $($text:tt)*) => {
        ""
    };
}
/// The same for Windows'.
#[cfg(windows)]
macro_rules! on {
    (unix $($text:tt)*) => {
        ""
    };
    (windows $($text:tt)*) => {
        concat!($($text)*)
    };
}

/// One entry by the instructions that save and restore. Its frame, from the return address down: cell, group and
/// context, as they were pushed; rbp; nine registers; the area, aligned to 64. The cell's word becomes the target's. Windows counts
/// offsets of saved registers from a place below rbp, as if the room for them had been made before rbp was set.
macro_rules! entry {
    ($name:ident, $save:literal, $restore:literal) => {
        #[unsafe(naked)]
        extern "C" fn $name() {
            std::arch::naked_asm!(
                on!(unix ".cfi_startproc"),
                on!(windows ".seh_proc ", stringify!($name)),
                on!(unix ".cfi_def_cfa_offset 32"),
                on!(windows ".seh_stackalloc 24"),
                "endbr64",
                "push rbp",
                on!(windows ".seh_pushreg rbp"),
                on!(unix ".cfi_def_cfa_offset 40"),
                on!(unix ".cfi_offset rbp, -40"),
                "mov rbp, rsp",
                on!(windows ".seh_stackalloc 80"),
                on!(windows ".seh_setframe rbp, 80"),
                on!(unix ".cfi_def_cfa_register rbp"),
                "push rax",
                "push rcx",
                "push rdx",
                "push rsi",
                "push rdi",
                // A caller by the Windows convention expects these two back.
                on!(unix ".cfi_offset rsi, -72"),
                on!(unix ".cfi_offset rdi, -80"),
                on!(windows ".seh_savereg rsi, 48"),
                on!(windows ".seh_savereg rdi, 40"),
                on!(windows ".seh_endprologue"),
                "push r8",
                "push r9",
                "push r10",
                "push r11",
                "sub rsp, [rip + {area_bytes}]",
                "and rsp, -64",
                // The header must be zero where saving does not write it.
                "xor eax, eax",
                "mov [rsp + 512], rax",
                "mov [rsp + 520], rax",
                "mov [rsp + 528], rax",
                "mov [rsp + 536], rax",
                "mov [rsp + 544], rax",
                "mov [rsp + 552], rax",
                "mov [rsp + 560], rax",
                "mov [rsp + 568], rax",
                "mov eax, [rip + {components}]",
                "xor edx, edx",
                concat!($save, " [rsp]"),
                "fninit",
                "ldmxcsr [rip + {mxcsr}]",
                "mov rdi, [rbp + 8]",
                "mov rsi, [rbp + 16]",
                "mov rdx, [rbp + 24]",
                "call {answer}",
                "mov [rbp + 24], rax",
                "mov eax, [rip + {components}]",
                "xor edx, edx",
                concat!($restore, " [rsp]"),
                "lea rsp, [rbp - 72]",
                "pop r11",
                "pop r10",
                "pop r9",
                "pop r8",
                "pop rdi",
                "pop rsi",
                "pop rdx",
                "pop rcx",
                "pop rax",
                on!(unix ".cfi_restore rsi"),
                on!(unix ".cfi_restore rdi"),
                "pop rbp",
                on!(unix ".cfi_def_cfa rsp, 32"),
                on!(unix ".cfi_restore rbp"),
                on!(unix "lea rsp, [rsp + 24]"),
                on!(unix ".cfi_def_cfa_offset 8"),
                // No register is free. Signal handlers keep off the 128 bytes below the stack pointer.
                on!(unix "jmp qword ptr [rsp - 8]"),
                on!(windows "lea rsp, [rsp + 16]"),
                on!(windows "ret"),
                on!(unix ".cfi_endproc"),
                on!(windows ".seh_endproc"),
                area_bytes = sym AREA_BYTES,
                components = sym COMPONENTS,
                mxcsr = sym DEFAULT_MXCSR,
                answer = sym answer,
            )
        }
    };
}

entry!(enter_by_fxsave, "fxsave64", "fxrstor64");
entry!(enter_by_xsave, "xsave64", "xrstor64");
entry!(enter_by_xsavec, "xsavec64", "xrstor64");

/// The failure handler of pools that were given none: says who called and aborts.
pub(in super::super) fn default_failure() -> u64 {
    fail as *const () as u64
}

#[unsafe(naked)]
extern "C" fn fail() {
    std::arch::naked_asm!(
        on!(unix ".cfi_startproc"),
        on!(windows ".seh_proc fail"),
        "endbr64",
        "mov rdi, [rsp]",
        "push rbp",
        on!(unix ".cfi_def_cfa_offset 16"),
        on!(unix ".cfi_offset rbp, -16"),
        on!(windows ".seh_pushreg rbp"),
        "mov rbp, rsp",
        on!(unix ".cfi_def_cfa_register rbp"),
        on!(windows ".seh_setframe rbp, 0"),
        on!(windows ".seh_endprologue"),
        "and rsp, -16",
        "call {called_in_vain}",
        "ud2",
        on!(unix ".cfi_endproc"),
        on!(windows ".seh_endproc"),
        called_in_vain = sym called_in_vain,
    )
}

/// Passes the caller's address on from where the instructions above put it on any system.
extern "sysv64" fn called_in_vain(caller: u64) -> ! {
    missing(caller)
}

/// Where the call goes that came through this cell.
///
/// # Safety
/// The words are those that the head of a block, a group's entry and a stub have pushed.
unsafe extern "sysv64-unwind" fn answer(context: *const Shared, group: u64, cell: u64) -> u64 {
    // SAFETY: the block was made with this context, and its code has the numbers of its groups.
    unsafe { entry::answer(context, group * GROUP_CELLS as u64 + cell) }
}
