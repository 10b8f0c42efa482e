//! Linked programs as files that an emulator runs: relaxed code does what the code of another linker does.

use crate::machines::Machine;
use crate::whole::{self, Whole};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// How programs of a machine are linked and run.
pub struct Emulation {
    /// The compiler driver that links them statically.
    pub driver: &'static str,
    /// The emulator.
    pub emulator: &'static str,
    /// The number of the machine in file headers, and their flags.
    pub header: (u16, u32),
}

/// Where a program's memory begins.
const BASE: u64 = 0x1_0000;
const PAGE: u64 = 0x1000;
const HEADER: u64 = 64;
const PROGRAM_HEADER: u64 = 56;

/// What a program prints, and its status.
#[derive(PartialEq, Eq, Debug)]
pub struct Outcome {
    status: Option<i32>,
    output: String,
}

fn run(emulation: &Emulation, program: &Path, arguments: &[&str]) -> Outcome {
    let mut command = Command::new("timeout");
    let output = command.arg("60").arg(emulation.emulator).arg(program).args(arguments).output().unwrap();
    Outcome { status: output.status.code(), output: String::from_utf8_lossy(&output.stdout).into_owned() }
}

/// Links objects with the C library by the driver and by the library, and runs both. Returned are what the driver's and
/// the library's do, and the code's bytes before and after relaxation.
pub fn compare(machine: &Machine, objects: &[PathBuf], arguments: &[&str]) -> (Outcome, Outcome, u64, u64) {
    let emulation = machine.emulation.as_ref().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (theirs, ours) = (folder.path().join("theirs"), folder.path().join("ours"));
    let mut driver = Command::new(emulation.driver);
    let output =
        driver.args(["-static", "-Wl,-t", "-o"]).arg(&theirs).args(objects).args(["-lm", "-lpthread"]).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // What it has linked: its start files, the objects, its archives.
    let listed = String::from_utf8(output.stdout).unwrap();
    let files: Vec<PathBuf> = listed.lines().map(PathBuf::from).collect();
    let whole = whole::link(&files, BASE);
    fs::write(&ours, file(emulation, &whole)).unwrap();
    let mode = fs::metadata(&theirs).unwrap().permissions();
    fs::set_permissions(&ours, mode).unwrap();
    let outcome = |program| run(emulation, program, arguments);
    (outcome(&theirs), outcome(&ours), whole.code_before, whole.lanes[0].1.len() as u64)
}

/// A program as a file for the system's loader; what lies at an address lies at the same distance from the file's start.
fn file(emulation: &Emulation, whole: &Whole) -> Vec<u8> {
    const LOAD: u32 = 1;
    const THREADS: u32 = 7;
    let end = whole.lanes.iter().map(|(address, bytes, zeros)| address + bytes.len() as u64 + zeros).max().unwrap();
    let threads = end.next_multiple_of(whole.threads.2.max(PAGE));
    let image = &whole.threads.0;
    let mut segments = vec![(LOAD, 4, BASE, HEADER + 6 * PROGRAM_HEADER, 0, PAGE)];
    for ((address, bytes, zeros), flags) in whole.lanes.iter().zip([5, 4, 6]) {
        segments.push((LOAD, flags, *address, bytes.len() as u64, *zeros, PAGE));
    }
    segments.push((LOAD, 4, threads, image.len() as u64, 0, PAGE));
    segments.push((THREADS, 4, threads, image.len() as u64, whole.threads.1 - image.len() as u64, whole.threads.2));
    let mut bytes = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    bytes.extend([2, emulation.header.0].map(u16::to_le_bytes).concat());
    bytes.extend(1u32.to_le_bytes());
    bytes.extend([whole.entry, HEADER, 0].map(u64::to_le_bytes).concat());
    bytes.extend(emulation.header.1.to_le_bytes());
    bytes
        .extend([HEADER as u16, PROGRAM_HEADER as u16, segments.len() as u16, 64, 0, 0].map(u16::to_le_bytes).concat());
    for (kind, flags, address, size, zeros, align) in segments {
        bytes.extend([kind, flags].map(u32::to_le_bytes).concat());
        let numbers = [address - BASE, address, address, size, size + zeros, align];
        bytes.extend(numbers.map(u64::to_le_bytes).concat());
    }
    for (address, content) in whole.lanes.iter().map(|(address, bytes, _)| (*address, bytes)).chain([(threads, image)])
    {
        bytes.resize((address - BASE) as usize, 0);
        bytes.extend_from_slice(content);
    }
    bytes
}
