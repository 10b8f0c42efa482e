//! Code that refers to data out of 32-bit reach does what it does when the data is near.
//!
//! Each instruction is assembled once and linked twice: with the data beside the code, where it runs as assembled,
//! and with the data at a far address, where it runs in a thunk. Registers, flags, the red zone, the stack pointer
//! and the data must then be the same.
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use uruk::Jit;

/// General registers in the order of the state, without the stack pointer.
const REGISTERS: [&str; 15] =
    ["rax", "rcx", "rdx", "rbx", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"];
const NARROW: [&str; 15] =
    ["eax", "ecx", "edx", "ebx", "ebp", "esi", "edi", "r8d", "r9d", "r10d", "r11d", "r12d", "r13d", "r14d", "r15d"];
const BYTES: [&str; 15] =
    ["al", "cl", "dl", "bl", "bpl", "sil", "dil", "r8b", "r9b", "r10b", "r11b", "r12b", "r13b", "r14b", "r15b"];

/// What an instruction starts with and leaves.
#[repr(C, align(16))]
#[derive(Clone, PartialEq, Debug)]
struct State {
    registers: [u64; 15],
    flags: u64,
    stack: u64,
    vector: [u64; 2],
    red_zone: [u64; 16],
    above: [u64; 2],
}

const DATA: usize = 64;

/// A part of this executable, which lies far from libraries and from low memory.
static FAR: Mutex<Data> = Mutex::new(Data([0; DATA]));

/// The data that instructions refer to.
#[repr(C, align(64))]
#[derive(Clone, Copy, PartialEq, Debug)]
struct Data([u64; DATA]);

/// Forms for every register: `{q}`, `{d}`, `{b}` are its names, `{o}` and `{p}` those of another. Their fields are distances.
const RELATIVE: &[&str] = &[
    "mov far+8(%rip), %{q}",
    "mov far+8(%rip), %{d}",
    "mov far+3(%rip), %{b}",
    "movzbl far+9(%rip), %{d}",
    "movsbq far+17(%rip), %{q}",
    "movslq far+12(%rip), %{q}",
    "lea far+24(%rip), %{q}",
    "mov %{q}, far+16(%rip)",
    "mov %{d}, far+16(%rip)",
    "mov %{b}, far+16(%rip)",
    "add far+8(%rip), %{q}",
    "sbb far+8(%rip), %{d}",
    "cmp %{q}, far+8(%rip)",
    "cmp far+8(%rip), %{d}",
    "test %{q}, far+8(%rip)",
    "imul $77, far+8(%rip), %{q}",
    "imul far+8(%rip), %{q}",
    "cmovc far+8(%rip), %{q}",
    "cmovz far+8(%rip), %{d}",
    "xchg %{q}, far+8(%rip)",
    "lock xadd %{q}, far+8(%rip)",
    "lock cmpxchg %{q}, far+8(%rip)",
    "bsf far+8(%rip), %{q}",
    "popcnt far+8(%rip), %{q}",
    "cvtsi2sdq far+8(%rip), %xmm0",
    "cvttsd2si far+8(%rip), %{q}",
    "movq far+8(%rip), %xmm0",
];

/// Forms with no register to choose.
const RELATIVE_ONCE: &[&str] = &[
    "mov far+8(%rip), %ah",
    "add %dh, far+8(%rip)",
    "cmpl $0, far(%rip)",
    "cmpb $1, far+5(%rip)",
    "movl $1234567, far+4(%rip)",
    "movq $-3, far+40(%rip)",
    "addl $1000, far+8(%rip)",
    "lock incq far+8(%rip)",
    "negl far+8(%rip)",
    "sarq far+8(%rip)",
    "shll %cl, far+8(%rip)",
    "mulq far+8(%rip)",
    "setc far+8(%rip)",
    "btsq $9, far+8(%rip)",
    "movss far+8(%rip), %xmm0",
    "addsd far+8(%rip), %xmm0",
    "pxor far+16(%rip), %xmm0",
    "movups %xmm0, far+16(%rip)",
    "ucomisd far+8(%rip), %xmm0",
    "push far+8(%rip)",
    "pop far+8(%rip)",
    "mov %rsp, far+48(%rip)",
    "cmp %rsp, far+48(%rip)",
    "cmp far+48(%rip), %rsp",
    "call *far+448(%rip)",
    "jmp *far+456(%rip)",
];

/// Forms with 32-bit addresses; here registers hold small numbers.
const ABSOLUTE: &[&str] = &[
    "mov $far+8, %{d}",
    "mov $far+8, %{q}",
    "lea far+8(,%{q},8), %{q}",
    "lea far+8(%{q}), %{o}",
    "lea far+8(%{q},%{o},4), %{o}",
    "mov far+8(,%{q},8), %{q}",
    "mov far+8(,%{q},8), %{o}",
    "mov %{q}, far+8(%{q},%{o},2)",
    "movzbl far(%{q}), %{p}",
    "cmp $far+8, %{q}",
    "add $far+8, %{q}",
    "sub $far+8, %{q}",
    "test $far+8, %{q}",
    "cmpb $0, far(%{q})",
    "incl far(,%{q},4)",
    "movq $far+8, -8(%rsp)",
    "cmpq $far+8, 16(%rsp,%{q},1)",
    "push far(,%{q},8)",
    "pop far(,%{q},8)",
];

const ABSOLUTE_ONCE: &[&str] = &[
    "push $far+8",
    "movq $far+16, (%rsp)",
    "movq $far+16, near+8(%rip)",
    "movq $far+16, far+8(%rip)",
    "movq $near+16, far+8(%rip)",
    "cmpq $far+16, near(,%rcx,8)",
    "cmp $far+16, %rsp",
    "mov far+8, %eax",
    "movss far(,%rcx,4), %xmm0",
    "call *far+448",
    "call *far+448-24(,%rbx,8)", // rbx holds 3
    "jmp *far+456-24(,%rbx,8)",
];

/// One function for each instruction: takes a state, runs the instruction, gives the state back.
fn assembly(instructions: &[String]) -> String {
    let mut text = String::from(
        ".data\n.balign 16\nstate: .quad 0\nrsp: .quad 0\nrdi: .quad 0\n.globl near\nnear: .zero 64\n\
         .text\n.globl callee\ncallee: lea 1(%rax), %rax\nret\n",
    );
    for (number, instruction) in instructions.iter().enumerate() {
        let name = format!("case{number}");
        let _ = write!(
            text,
            ".globl {name}\n.type {name}, @function\n{name}:\npush %rbx\npush %rbp\npush %r12\npush %r13\npush %r14\n\
             push %r15\nmov %rdi, state(%rip)\nmov %rsp, rsp(%rip)\npushq 120(%rdi)\npopfq\n\
             movdqu 136(%rdi), %xmm0\npushq 152(%rdi)\nlea 8(%rsp), %rsp\nlea -16(%rsp), %rsp\n\
             mov 280(%rdi), %rax\nmov %rax, (%rsp)\nmov 288(%rdi), %rax\nmov %rax, 8(%rsp)\n"
        );
        for word in 0..16 {
            let _ = writeln!(text, "mov {}(%rdi), %rax\nmov %rax, {}(%rsp)", 152 + 8 * word, -8 * (word + 1));
        }
        for (index, register) in REGISTERS.iter().enumerate().filter(|(_, register)| **register != "rdi") {
            let _ = writeln!(text, "mov {}(%rdi), %{register}", 8 * index);
        }
        let _ = writeln!(text, "mov 48(%rdi), %rdi\n{instruction}");
        if instruction.starts_with("jmp") {
            let _ = writeln!(text, "ud2");
        }
        let _ = writeln!(text, ".globl landing{number}\nlanding{number}:\nmov %rdi, rdi(%rip)\nmov state(%rip), %rdi");
        for (index, register) in REGISTERS.iter().enumerate().filter(|(_, register)| **register != "rdi") {
            let _ = writeln!(text, "mov %{register}, {}(%rdi)", 8 * index);
        }
        // What lies around where the stack pointer was before, which is 16 bytes below what was kept.
        let _ = writeln!(
            text,
            "mov rdi(%rip), %rax\nmov %rax, 48(%rdi)\nmov %rsp, 128(%rdi)\nmov rsp(%rip), %rsp\n\
             mov -16(%rsp), %rax\nmov %rax, 280(%rdi)\nmov -8(%rsp), %rax\nmov %rax, 288(%rdi)"
        );
        for word in 0..16 {
            let _ = writeln!(text, "mov {}(%rsp), %rax\nmov %rax, {}(%rdi)", -8 * (word + 1) - 16, 152 + 8 * word);
        }
        let _ = writeln!(
            text,
            "pushfq\npopq 120(%rdi)\nmovdqu %xmm0, 136(%rdi)\n\
             pop %r15\npop %r14\npop %r13\npop %r12\npop %rbp\npop %rbx\nret\n.size {name}, . - {name}"
        );
    }
    text.push_str(".section .note.GNU-stack,\"\",@progbits\n");
    text
}

/// Assembles or compiles a source in a folder.
fn object(folder: &Path, name: &str, source: &str, flags: &[&str]) -> PathBuf {
    let (from, to) = (folder.join(name), folder.join(name).with_extension("o"));
    std::fs::write(&from, source).unwrap();
    let status = Command::new("cc").args(flags).arg("-c").arg(&from).arg("-o").arg(&to).status().unwrap();
    assert!(status.success(), "{}", from.display());
    to
}

fn link(objects: &[&Path], define: Option<u64>) -> Jit {
    let jit = Jit::builder().threads(1).build().unwrap();
    if let Some(address) = define {
        jit.main().define("far", address);
    }
    let inputs: Vec<_> = objects.iter().map(|path| uruk::read_file(path).unwrap()).collect();
    jit.main().add_objects(&inputs).unwrap();
    jit
}

fn expand(forms: &[&str], once: &[&str]) -> Vec<String> {
    let mut instructions: Vec<String> = once.iter().map(|form| form.to_string()).collect();
    for form in forms {
        for index in 0..15 {
            let other = (index * 7 + 4) % 15;
            let other = if other == index { 14 - index } else { other };
            let form =
                form.replace("{p}", NARROW[other]).replace("{q}", REGISTERS[index]).replace("{d}", NARROW[index]);
            let form = form.replace("{b}", BYTES[index]).replace("{o}", REGISTERS[other]);
            instructions.push(form);
        }
    }
    instructions
}

/// Makes words that are addresses in a range into offsets.
fn relative(words: &mut [u64], base: u64, mark: u64) {
    for word in words {
        if word.wrapping_sub(base) < 512 {
            *word = word.wrapping_sub(base).wrapping_add(mark);
        }
    }
}

fn run(jit: &Jit, number: usize, far: u64, state: &State) -> (State, Data) {
    let address = |name: &str| jit.main().address(name).unwrap();
    let mut data = Data([0; DATA]);
    for (index, word) in data.0.iter_mut().enumerate() {
        *word = 0x4010_2030_4050_6070_u64.wrapping_mul(2 * index as u64 + 1);
    }
    data.0[56] = address("callee");
    data.0[57] = address(&format!("landing{number}"));
    let mut state = state.clone();
    // SAFETY: `far` is the address of a `Data` that nobody else uses meanwhile, in this process or in linked code that
    // `jit` keeps; the function takes a state of this layout and keeps the callee-saved registers.
    let after = unsafe {
        *(far as *mut Data) = data;
        let case: extern "C" fn(*mut State) = std::mem::transmute(address(&format!("case{number}")));
        case(&mut state);
        *(far as *const Data)
    };
    let Data(mut after) = after;
    for (word, before) in after.iter_mut().zip(data.0) {
        *word = if before == *word { 0 } else { *word };
    }
    relative(&mut after, far, 1 << 60);
    relative(&mut after, address("near"), 2 << 60);
    relative(&mut after, state.stack & !511, 3 << 60);
    let mut registers = state.registers;
    relative(&mut registers, far, 1 << 60);
    relative(&mut state.red_zone, far, 1 << 60);
    relative(&mut state.above, far, 1 << 60);
    state.registers = registers;
    (state, Data(after))
}

fn check(name: &str, instructions: &[String], registers: [u64; 15]) {
    let folder = tempfile::tempdir().unwrap();
    let code = object(folder.path(), &format!("{name}.s"), &assembly(instructions), &[]);
    let data = object(folder.path(), "data.s", ".data\n.balign 64\n.globl far\nfar: .zero 512\n", &[]);
    let mut room = FAR.lock().unwrap_or_else(PoisonError::into_inner);
    let far = &raw mut *room as u64;
    let (beside, away) = (link(&[&code, &data], None), link(&[&code], Some(far)));
    let near = beside.main().address("far").unwrap();
    let place = beside.main().address("case0").unwrap();
    assert!(place.abs_diff(near) < 1 << 31 && 1 << 31 < away.main().address("case0").unwrap().abs_diff(far));
    for (number, instruction) in instructions.iter().enumerate() {
        for flags in [0x202, 0xad7] {
            let state = State {
                registers,
                flags,
                stack: 0,
                vector: [0x3ff8_0000_4020_0000, 0x4050_0000_0000_0001],
                red_zone: std::array::from_fn(|index| 0xabcd_0000 + index as u64),
                above: [0x1111, 0x2222],
            };
            let expected = run(&beside, number, near, &state);
            let mut found = run(&away, number, far, &state);
            if instruction.starts_with("call") {
                found.0.red_zone = expected.0.red_zone; // callers have none
            }
            // An address differs between the two, and so do flags that are computed from one.
            let computed = instruction.contains("$far") && !instruction.contains("mov");
            if computed || instruction.starts_with("cmp") && instruction.contains("rsp") {
                found.0.flags = expected.0.flags;
                if instruction.starts_with("add") || instruction.starts_with("sub") {
                    for (one, other) in found.0.registers.iter_mut().zip(expected.0.registers) {
                        let base = if instruction.starts_with("add") {
                            far.wrapping_sub(near)
                        } else {
                            near.wrapping_sub(far)
                        };
                        if one.wrapping_sub(base) == other {
                            *one = other;
                        }
                    }
                }
            }
            assert_eq!(found, expected, "{instruction} with flags {flags:#x}");
        }
    }
}

#[test]
fn distances_to_far_data_do_what_near_ones_do() {
    let registers = std::array::from_fn(|index| 0x8123_4567_89ab_cdef_u64.rotate_left(4 * index as u32));
    check("relative", &expand(RELATIVE, RELATIVE_ONCE), registers);
}

#[test]
fn absolute_far_addresses_do_what_near_ones_do() {
    let registers = std::array::from_fn(|index| index as u64);
    check("absolute", &expand(ABSOLUTE, ABSOLUTE_ONCE), registers);
}

#[test]
fn weak_symbols_that_nobody_defines_are_null_from_anywhere() {
    let folder = tempfile::tempdir().unwrap();
    let source = ".globl run\n.weak nobody\nrun: lea nobody(%rip), %rax\nret\n";
    let jit = link(&[&object(folder.path(), "weak.s", source, &[])], None);
    // SAFETY: the function above takes nothing and keeps all registers that it has to.
    let found = unsafe {
        let run: extern "C" fn() -> u64 = std::mem::transmute(jit.main().address("run").unwrap());
        run()
    };
    assert_eq!(found, 0);
}

#[test]
fn what_cannot_reach_is_an_error_with_a_way_out() {
    let far = &raw const FAR as u64;
    for (name, source) in [
        ("half", ".globl run\nrun: cmp $far, %eax\nret\n"),
        ("stack", ".globl run\nrun: mov far(%rip), %rsp\nret\n"),
        ("data", ".globl run\nrun: ret\n.data\n.long far\n"),
        ("entered", ".globl run\nrun: je 1f + 1\n1: lock incl far(%rip)\nret\n"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let jit = link(&[&object(folder.path(), &format!("{name}.s"), source, &[])], Some(far));
        let error = jit.main().address("run").unwrap_err().to_string();
        assert!(error.contains(&format!("{name}.o(.")), "{error}");
        assert!(error.contains("`far`") && error.contains("-fPIC"), "{error}");
    }
}
