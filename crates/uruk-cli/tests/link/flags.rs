//! What each flag means: libraries, order, definitions, and what is refused.

use super::support::{assemble, link, link_at_slab, text};
use std::fs;
use std::path::Path;

const TRIPLE: &str = "x86_64-linux-gnu";

/// A folder with objects of these sources.
fn objects(sources: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, source) in sources {
        assemble(folder.path(), TRIPLE, &[], name, source);
    }
    folder
}

fn archive(folder: &Path, name: &str, members: &[&str]) {
    let output =
        std::process::Command::new("ar").arg("rcs").arg(name).args(members).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
}

/// Links and expects that it goes well.
fn good(folder: &Path, arguments: &[&str]) -> String {
    let output = link_at_slab(folder, arguments);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// Links and expects an error, which begins as scripts expect it.
fn bad(folder: &Path, arguments: &[&str], message: &str) {
    let output = link_at_slab(folder, arguments);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
    let line = said.lines().find(|line| line.starts_with("llvm-jitlink error: ")).unwrap_or_default();
    assert!(said.contains(message) && !line.is_empty(), "{arguments:?}: {message}: {said}");
}

const MAIN: &str = ".globl main\nmain: callq f\nretq\n.size main, .-main\n";
const F: &str = ".globl f\nf: movl $3, %eax\nretq\n.size f, .-f\n";

#[test]
fn the_status_is_the_programs_own() {
    let folder = objects(&[("main", MAIN), ("f", F)]);
    let output = link(folder.path(), &["main.o", "f.o"]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
    let arguments = ".globl main\nmain: movl %edi, %eax\nretq\n";
    let folder = objects(&[("main", arguments)]);
    let output = link(folder.path(), &["main.o", "--args", "a", "-noexec", "c"]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
}

#[test]
fn flags_have_one_or_two_dashes_and_values_two_forms() {
    let folder = objects(&[("main", MAIN)]);
    for flags in [["-abs", "f=0x10"], ["--abs", "f=020"], ["-abs=f=16", "-noexec"], ["--abs=f=0x10", "--noexec=1"]] {
        good(folder.path(), &["main.o", flags[0], flags[1]]);
    }
    bad(folder.path(), &["main.o", "-abs"], "`-abs` needs a value");
    bad(folder.path(), &["main.o", "-abs", "f=zz"], "`-abs` takes NAME=ADDRESS, not `f=zz`");
    bad(folder.path(), &["main.o", "--noexce"], "did you mean `-noexec`?");
    bad(folder.path(), &["main.o", "-noexec=maybe"], "`-noexec` takes 0 or 1");
}

#[test]
fn what_is_not_done_is_refused() {
    let folder = objects(&[("main", MAIN), ("f", F)]);
    for (flag, advice) in [
        ("-oop-executor", "nothing for an executor to do"),
        ("-oop-executor-connect=host", "takes HOST:PORT"),
        ("-perf-support", "perf"),
        ("-vtune-support", "VTune"),
        ("-add-self-relocations", "32-bit ARM"),
        ("-use-memmgr=shared", "is for -oop-executor"),
        ("-use-memmgr=none", "`default`"),
        ("-triple=sparc-linux", "these are: ELF x86-64"),
        ("-num-threads=0", "above 0"),
    ] {
        bad(folder.path(), &["main.o", "f.o", flag], advice);
    }
    good(
        folder.path(),
        &["main.o", "f.o", "-perf-support=0", "-use-memmgr=default", "-num-threads=2", "-triple=x86_64-linux"],
    );
    let output = link_at_slab(folder.path(), &["main.o", "f.o", "-orc-runtime=any.a"]);
    assert!(output.status.success() && text(&output.stderr).contains("built in"));
}

#[test]
fn slabs_go_together_with_noexec() {
    let folder = objects(&[("main", MAIN), ("f", F)]);
    for (flags, message) in [
        (&["-noexec", "-slab-address=0x1000"][..], "requires -slab-allocate and -noexec"),
        (&["-slab-allocate=1Mb", "-slab-address=0x1000"], "requires -slab-allocate and -noexec"),
        (&["-slab-allocate=1Mb"], "requires -noexec"),
        (&["-noexec", "-slab-allocate=1Xb"], "`-slab-allocate` takes"),
        (&["-noexec", "-slab-allocate=4Kb", "-slab-page-size=3"], "a power of two"),
        (&["-noexec", "-slab-allocate=0Kb"], "in the slab"),
    ] {
        let output = link(folder.path(), &[flags, &["main.o", "f.o"]].concat());
        assert_eq!(output.status.code(), Some(1), "{flags:?}");
        assert!(text(&output.stderr).contains(message), "{flags:?}: {}", text(&output.stderr));
    }
}

#[test]
fn the_entry_is_always_looked_up() {
    let folder = objects(&[("f", F), ("main", MAIN)]);
    bad(folder.path(), &["f.o"], "Symbols not found: [ main ]");
    good(folder.path(), &["f.o", "-entry", "f"]);
    good(folder.path(), &["f.o", "-jd=other", "main.o", "-lmain"]);
    bad(folder.path(), &["main.o"], "f");
}

#[test]
fn rules_are_checked_all_and_there_has_to_be_one() {
    let folder = objects(&[("main", MAIN), ("f", F)]);
    let write = |text: &str| fs::write(folder.path().join("rules"), text).unwrap();
    write("# jitlink-check: 1 = 2\n# jitlink-check: gone = 1\n# jitlink-check: main = 0x100000000\n");
    let output = link_at_slab(folder.path(), &["main.o", "f.o", "-check=rules"]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("rules:1: rule `1 = 2` is false: 0x1 is not 0x2"), "{said}");
    assert!(said.contains("rules:2: rule `gone = 1`: nothing that was linked is called `gone`"), "{said}");
    assert!(!said.contains("rules:3") && said.contains("llvm-jitlink error: some checks in `rules` failed"), "{said}");
    write("nothing\n");
    bad(folder.path(), &["main.o", "f.o", "-check=rules"], "there is no line `# jitlink-check: ...`");
    write("# other: 1 = 1\n");
    good(folder.path(), &["main.o", "f.o", "-check=rules", "-check-name=other"]);
    bad(folder.path(), &["main.o", "f.o", "-check=none"], "cannot read `none`");
    fs::create_dir(folder.path().join("sub")).unwrap();
    fs::copy(folder.path().join("f.o"), folder.path().join("sub/main.o")).unwrap();
    bad(folder.path(), &["main.o", "sub/main.o", "-check=rules", "-check-name=other"], "have the same name");
    good(folder.path(), &["main.o", "sub/main.o"]);
}

#[test]
fn checks_also_go_before_what_runs() {
    let folder = objects(&[("main", MAIN), ("f", F)]);
    let rules = "# jitlink-check: decode_operand(main, 0) = f - next_pc(main)\n# jitlink-check: *{1}f = 0xb8\n";
    fs::write(folder.path().join("rules"), rules).unwrap();
    let output = link(folder.path(), &["main.o", "f.o", "-check=rules"]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
    fs::write(folder.path().join("rules"), "# jitlink-check: *{1}f = 0xb9\n").unwrap();
    let output = link(folder.path(), &["main.o", "f.o", "-check=rules"]);
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn libraries_have_files_of_their_own() {
    let other = ".globl f\nf: movl $7, %eax\nretq\n";
    let folder = objects(&[("main", MAIN), ("f", F), ("g", other)]);
    let status = |arguments: &[&str]| link(folder.path(), arguments).status.code();
    assert_eq!(status(&["main.o", "-la", "-jd=a", "f.o", "-jd", "b", "g.o"]), Some(3));
    assert_eq!(status(&["main.o", "-lb", "-la", "-jd=a", "f.o", "-jd", "b", "g.o"]), Some(7), "in order of -l");
    assert_eq!(status(&["-jd=a", "f.o", "-jd=main", "main.o", "-la"]), Some(3));
    assert_eq!(status(&["-jd=a", "main.o", "f.o"]), Some(3), "the entry may be in another library");
    bad(folder.path(), &["main.o", "-jd=a", "f.o"], "f");
    bad(folder.path(), &["main.o", "-lnone", "f.o"], "library `main` wants -lnone");
    bad(folder.path(), &["main.o", "f.o", "-alias=none:x=main"], "names the library `none`");
    archive(folder.path(), "libarch.a", &["f.o"]);
    fs::create_dir(folder.path().join("sub")).unwrap();
    fs::rename(folder.path().join("libarch.a"), folder.path().join("sub/libarch.a")).unwrap();
    assert_eq!(status(&["main.o", "-Lsub", "-larch"]), Some(3));
    assert_eq!(status(&["main.o", "-L", "sub", "-hidden-l=arch"]), Some(3));
    assert_eq!(status(&["main.o", "-load_hidden", "sub/libarch.a"]), Some(3));
    assert_eq!(status(&["main.o", "-la", "-jd=a", "sub/libarch.a"]), Some(3));
    bad(folder.path(), &["main.o", "-la", "-jd=a", "-load_hidden=sub/libarch.a"], "f");
    bad(folder.path(), &["main.o", "-larch", "-jd=a", "-Lsub"], "none given by -L");
}

#[test]
fn archives_give_what_is_needed_or_all() {
    let folder = objects(&[("main", ".globl main\nmain: retq\n"), ("f", F)]);
    archive(folder.path(), "lib.a", &["f.o"]);
    let shown = good(folder.path(), &["main.o", "lib.a", "-show-linked-files"]);
    assert!(shown.contains("Linking main.o") && !shown.contains("f.o"), "{shown}");
    let folder = objects(&[("main", MAIN), ("f", F)]);
    archive(folder.path(), "lib.a", &["f.o"]);
    let shown = good(folder.path(), &["main.o", "lib.a", "-show-linked-files"]);
    assert!(shown.contains("Linking lib.a(f.o)"), "{shown}");
    good(folder.path(), &["main.o", "lib.a", "-all_load"]);
    good(folder.path(), &["main.o", "lib.a", "-ObjC"]);
}

#[test]
fn names_are_defined_at_addresses_by_others_and_as_null() {
    let folder = objects(&[("main", MAIN), ("f", F)]);
    fs::write(folder.path().join("rules"), "# jitlink-check: f = 0x123\n").unwrap();
    good(folder.path(), &["main.o", "-abs=f=0x123", "-check=rules"]);
    good(folder.path(), &["main.o", "-phony-externals"]);
    let renamed = F.replace('f', "g");
    let folder = objects(&[("main", MAIN), ("g", &renamed)]);
    assert_eq!(link(folder.path(), &["main.o", "g.o", "-alias=f=g"]).status.code(), Some(3));
    assert_eq!(link(folder.path(), &["main.o", "-alias=f=a:g", "-jd=a", "g.o"]).status.code(), Some(3));
    let puts = ".globl main\nmain: callq puts@PLT\n";
    let folder = objects(&[("main", puts)]);
    good(folder.path(), &["main.o"]);
    bad(folder.path(), &["main.o", "-no-process-syms"], "puts");
}

#[test]
fn sections_are_made_of_files() {
    let source = ".globl main\nmain: movzbl second(%rip), %eax\nretq\n.size main, .-main\n";
    let folder = objects(&[("main", source)]);
    fs::write(folder.path().join("bytes"), [1, 42, 3]).unwrap();
    let flag = "-sectcreate=.made,bytes@first=0,second=1";
    assert_eq!(link(folder.path(), &["main.o", flag]).status.code(), Some(42));
    let rules =
        "# jitlink-check: *{1}second = 42\n# jitlink-check: second - first = 1\n# jitlink-check: *{2}first = 0x2a01\n";
    fs::write(folder.path().join("rules"), rules).unwrap();
    good(folder.path(), &["main.o", flag, "-check=rules"]);
    bad(folder.path(), &["main.o", "-sectcreate=.made,none@second=0"], "cannot read `none`");
    bad(folder.path(), &["main.o", "-sectcreate=.made,bytes@second=4"], "do not lie in block");
}

#[test]
fn a_harness_sees_private_symbols_and_replaces_definitions() {
    let tested = "private: movl $5, %eax\nretq\n.size private, .-private\n.globl api\napi: callq hook\nretq\n\
                  .globl hook\nhook: movl $1, %eax\nretq\n.size hook, .-hook\n";
    let harness = ".globl main\nmain: pushq %rbx\ncallq private\nmovl %eax, %ebx\ncallq api\naddl %ebx, %eax\npopq %rbx\nretq\n\
                   .globl hook\nhook: movl $20, %eax\nretq\n";
    let folder = objects(&[("tested", tested), ("harness", harness)]);
    let output = link(folder.path(), &["tested.o", "-harness", "harness.o"]);
    assert_eq!(output.status.code(), Some(25), "{}", text(&output.stderr));
    bad(folder.path(), &["tested.o", "harness.o"], "hook");
}

#[test]
fn stubs_of_libraries_that_are_absent_are_null() {
    let source = ".globl main\nmain: movl $_ext, %eax\nretq\n";
    let folder = objects(&[("main", source)]);
    fs::write(folder.path().join("x.tbd"), "--- !tapi-tbd\ntbd-version: 4\nexports:\n  - symbols: [ _ext ]\n").unwrap();
    assert_eq!(link(folder.path(), &["main.o", "-weak_library", "x.tbd"]).status.code(), Some(0));
    assert_eq!(link(folder.path(), &["main.o", "-L.", "-weak-l=x"]).status.code(), Some(0));
    fs::write(folder.path().join("x.tbd"), "{}").unwrap();
    bad(folder.path(), &["main.o", "-weak_library=x.tbd"], "no text-based stub");
}

#[test]
fn lazy_files_are_linked_by_their_first_call() {
    let folder = objects(&[("main", MAIN), ("f", F), ("g", ".globl g\ng: retq\n.type g,@function\n")]);
    assemble(folder.path(), TRIPLE, &[], "f", &format!("{F}.type f,@function\n"));
    let arguments = ["main.o", "-lazy", "f.o", "-lazy", "g.o", "-record-lazy-execs=calls", "-show-linked-files"];
    let output = link(folder.path(), &arguments);
    let shown = text(&output.stdout);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
    assert!(shown.contains("Linking f.o") && !shown.contains("Linking g.o"), "{shown}");
    assert_eq!(fs::read_to_string(folder.path().join("calls")).unwrap(), "main,f\n");
    let output = link(folder.path(), &["main.o", "-lazy", "f.o", "-speculate-order=calls", "-speculate=simple"]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
    bad(folder.path(), &["main.o", "-lazy", "f.o"], "nothing is called");
    fs::write(folder.path().join("calls"), "f\n").unwrap();
    let output = link(folder.path(), &["main.o", "-lazy", "f.o", "-speculate-order=calls"]);
    assert!(text(&output.stderr).contains("line 1 is not `library,function`"));
}
