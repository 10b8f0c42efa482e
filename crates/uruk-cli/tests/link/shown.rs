//! What the `-show` flags and the symbol table print.

use super::support::{SLAB, assemble, link, link_at_slab, text};
use std::fs;
use tempfile::TempDir;

const SOURCE: &str = ".globl main\nmain: callq far@PLT\nmovq value@GOTPCREL(%rip), %rax\nretq\n.size main, .-main\n\
                      .data\nvalue: .quad main\n.size value, 8\n.bss\n.zero 32\n";

fn shown(flags: &[&str]) -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    assemble(folder.path(), "x86_64-linux-gnu", &[], "main", SOURCE);
    let own = ["main.o", "-abs=far=0x7fff00000000"];
    let output = link_at_slab(folder.path(), &[&own, flags].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    (folder, text(&output.stdout))
}

#[test]
fn addresses_of_everything() {
    let (_folder, shown) = shown(&["-show-addrs"]);
    for line in [
        "file \"main.o\"".to_string(),
        format!("section \".text\": {SLAB:#018x}, 13 bytes"),
        format!("symbol \"main\": {SLAB:#018x}, 13 bytes"),
        "section \".bss\"".to_string(),
        "section \"$__GOT\"".to_string(),
        "section \"$__STUBS\"".to_string(),
        "stub \"far\"".to_string(),
        "GOT slot \"value\"".to_string(),
    ] {
        assert!(shown.contains(&line), "{line}: {shown}");
    }
}

#[test]
fn graphs_by_name() {
    let (_folder, graphs) = shown(&["-show-graphs=^ma.n\\.o$"]);
    assert!(graphs.contains("object main.o") && graphs.contains("R_X86_64_REX_GOTPCRELX"), "{graphs}");
    assert_eq!(shown(&["-show-graphs=other"]).1, "");
    let folder = tempfile::tempdir().unwrap();
    assemble(folder.path(), "x86_64-linux-gnu", &[], "main", SOURCE);
    let output = link_at_slab(folder.path(), &["main.o", "-phony-externals", "-show-graphs=("]);
    assert!(text(&output.stderr).contains("llvm-jitlink error: `-show-graphs=(`"), "{}", text(&output.stderr));
}

#[test]
fn states_before_and_after() {
    let (_folder, before) = shown(&["-show-init-es"]);
    assert!(before.contains("\"main\": no address, waiting"), "{before}");
    let (_folder, after) = shown(&["-show-entry-es"]);
    assert!(after.contains(&format!("\"main\": {SLAB:#018x}, ready")), "{after}");
    assert!(after.contains("\"far\": 0x00007fff00000000, ready") && after.contains("library \"main\""), "{after}");
}

#[test]
fn bytes_of_sections() {
    let (_folder, shown) = shown(&["-show-relocated-section-contents"]);
    assert!(shown.contains("section \".data\"\n") && shown.contains("section \".bss\": 32 zero bytes"), "{shown}");
    assert!(shown.contains(": 00 00 00 00 01 00 00 00\n"), "the address of main: {shown}");
}

#[test]
fn times_and_files() {
    let folder = tempfile::tempdir().unwrap();
    assemble(folder.path(), "x86_64-linux-gnu", &[], "main", ".globl main\nmain: retq\n");
    let output = link(folder.path(), &["-noexec", "main.o", "-show-times", "-show-linked-files"]);
    assert_eq!(text(&output.stdout), "Linking main.o\n");
    assert!(["linking", "total"].iter().all(|word| text(&output.stderr).contains(word)));
}

#[test]
fn symbols_name_the_addresses_of_backtraces() {
    let (folder, _) = shown(&["-write-symtab=symbols"]);
    let written = fs::read_to_string(folder.path().join("symbols")).unwrap();
    assert!(written.starts_with("\"main.o\"\n") && written.contains(&format!("{SLAB:#x} main\n")), "{written}");
    fs::write(folder.path().join("trace"), format!("#0 {:#x}\n#1 0x10\n", SLAB + 5)).unwrap();
    let output = link(folder.path(), &["-symbolicate-with=symbols", "trace"]);
    assert_eq!(text(&output.stdout), format!("#0 {:#x}  main + 0x5 (main.o)\n#1 0x10\n", SLAB + 5));
    fs::write(folder.path().join("symbols"), "x\n").unwrap();
    let output = link(folder.path(), &["-symbolicate-with=symbols", "trace"]);
    assert_eq!(output.status.code(), Some(1));
}
