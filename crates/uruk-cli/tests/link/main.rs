//! `uruk link`: fixtures with checks in comments, limits of relocations, and what each flag does.

mod aarch64_elf;
mod coff;
mod coverage;
mod flags;
mod macho;
mod riscv_elf;
mod shown;
mod support;
mod x86_64_elf;
