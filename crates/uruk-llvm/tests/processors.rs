//! Modules are compiled for the machines of executors elsewhere, with what those can do.

use std::sync::Arc;
use uruk_llvm::{Options, Processor, SimpleCompiler, Target, ThreadSafeModule};

const ADD: &str = "
define double @add(ptr %sum, i32 %more, double %x) {
  %old = atomicrmw add ptr %sum, i32 %more seq_cst
  %wide = sitofp i32 %old to double
  %result = fadd double %wide, %x
  ret double %result
}
";

fn compile(architecture: &str, features: &[&str]) -> Vec<u8> {
    let processor = Processor {
        architecture: architecture.into(),
        system: "linux".into(),
        features: features.iter().map(|feature| (*feature).into()).collect(),
    };
    let target = Target::new(Options::default().for_processor(&processor)).unwrap();
    let module = ThreadSafeModule::parse("add.ll", ADD.as_bytes()).unwrap();
    SimpleCompiler::new(Arc::new(target)).unwrap().compile(&module).unwrap().to_vec()
}

fn half(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

#[test]
fn code_is_for_the_processor() {
    // `e_machine` of the file header.
    let [arm, arm_lse] = [&[][..], &["lse", "fp16"]].map(|features| compile("aarch64", features));
    assert_eq!(half(&arm, 18), 183);
    // One instruction, `ldaddal w1, w8, [x0]`, which needs that the processor has it.
    let holds = |bytes: &[u8]| {
        bytes.windows(4).any(|word| u32::from_le_bytes(word.try_into().unwrap()) & 0xffff_fc00 == 0xb8e1_0000)
    };
    assert_eq!([holds(&arm), holds(&arm_lse)], [false, true]);
    // Floating-point numbers are passed in registers of their own (`EF_RISCV_FLOAT_ABI_DOUBLE`).
    let riscv = compile("riscv64", &["m", "a", "f", "d", "c"]);
    assert_eq!((half(&riscv, 18), half(&riscv, 48) & 6), (243, 4));
}
