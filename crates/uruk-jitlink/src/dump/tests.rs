//! Dumps of objects that an assembler makes, beside what they should be.

use super::*;
use crate::elf;
use crate::input::Input;
use std::fs;
use std::process::Command;

fn check(source: &str, expected: &str) {
    let folder = tempfile::TempDir::new().unwrap();
    let (text, object) = (folder.path().join("a.s"), folder.path().join("a.o"));
    fs::write(&text, source).unwrap();
    let status = Command::new("as").arg("-mx86-used-note=no").arg(&text).arg("-o").arg(&object).status().unwrap();
    assert!(status.success());
    let names = Names::default();
    let graph = elf::read(&Input::from_bytes("a.o", fs::read(&object).unwrap()), &names).unwrap();
    let dumped = dump(&graph, &names).to_string();
    assert_eq!(dumped, expected, "\n{dumped}");
}

#[test]
fn tables_show_what_there_is() {
    check(
        "
        .text
        .globl f
        .type f, @function
        f: call g@PLT
           mov v(%rip), %eax
           ret
        .size f, . - f
        .data
        .hidden v
        .globl v
        .type v, @object
        .size v, 4
        v: .long 5
           .balign 8
           .quad f + 3
        .comm room, 64, 16
        .weak w
        .section .bss
        .section .text
        ",
        "\
object a.o

sections
  id  name   kind
   0  .text  code
   1  .data  data
   2  .bss   zero

blocks
  id  section  size  align  address
   0  .text    0xc   1
   1  .data    0x10  8
   2  .bss     0x0   1

symbols
  id  name  at                size  kind      binding
   1  f     block 0+0x0       0xc   function  global
   2  g     undefined                         global
   3  v     block 1+0x0       0x4   object    global   hidden
   4  room  common, align 16  0x40  object    global

edges
  at           kind            target
  block 0+0x1  R_X86_64_PLT32  g - 0x4
  block 0+0x7  R_X86_64_PC32   v - 0x4
  block 1+0x8  R_X86_64_64     f + 0x3
",
    );
}

#[test]
fn groups_and_tables_of_functions_are_named() {
    check(
        "
        .section .text.inline, \"axG\", @progbits, inline, comdat
        .weak inline
        inline: ret
        .section .init_array.00101, \"aw\", @init_array
        .quad inline
        .section .tdata, \"awT\", @progbits
        .type t, @tls_object
        t: .long 1
        .text
        mov %fs:t@tpoff, %eax
        leaq t@tpoff+4(%rax), %rcx
        ",
        "\
object a.o
needs static thread-local storage

sections
  id  name               kind
   0  .text              code
   1  .data              data
   2  .bss               zero
   3  .text.inline       code
   4  .init_array.00101  initialisers, priority 101
   5  .tdata             thread-local data

blocks
  id  section            size  align  address
   0  .text              0xf   1
   1  .data              0x0   1
   2  .bss               0x0   1
   3  .text.inline       0x1   1
   4  .init_array.00101  0x8   1
   5  .tdata             0x4   1

symbols
  id  name                   at           size  kind          binding
   1  t                      block 5+0x0        thread-local  local
   2  inline                 block 3+0x0                      weak
   3  _GLOBAL_OFFSET_TABLE_  undefined                        global

edges
  at           kind              target
  block 0+0x4  R_X86_64_TPOFF32  t
  block 0+0xb  R_X86_64_TPOFF32  t + 0x4
  block 4+0x0  R_X86_64_64       inline

groups
  signature  blocks
  inline     3
",
    );
}

#[test]
fn an_empty_object_has_the_assemblers_sections() {
    check(
        "",
        "\
object a.o

sections
  id  name   kind
   0  .text  code
   1  .data  data
   2  .bss   zero

blocks
  id  section  size  align  address
   0  .text    0x0   1
   1  .data    0x0   1
   2  .bss     0x0   1
",
    );
}
