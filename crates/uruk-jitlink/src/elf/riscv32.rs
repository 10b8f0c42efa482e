//! ELF riscv32: riscv64 but for the width of addresses.

use super::machine::{Class, Machine, rules};
use super::riscv64::{self, RELOCS, Rules};
use crate::format::Format;
use crate::riscv::rv32;

/// The format and architecture.
pub static FORMAT: Format = riscv64::format(&rv32::ARCHITECTURE, "ELF riscv32");

static RULES: Rules = rules(&rv32::ARCHITECTURE, RELOCS);

/// The machine.
pub static MACHINE: Machine = riscv64::machine(Class::Narrow, &FORMAT, &RULES);
