//! A numeric kernel that gets faster while the program uses it: Cranelift compiles it at once, and LLVM, which takes its
//! time, compiles it again for this very processor when it has been called often. Callers keep the address that they have.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};
use uruk::orc::layer::ReoptimizeLayer;
use uruk::uruk_cranelift::{self, Cranelift, Function};
use uruk::{Cause, CompileLayer, Compiler, Interface, Jit, Linkable, Session};
use uruk_llvm::{ConcurrentCompiler, Options, Target, ThreadSafeModule};

/// The scalar product of two arrays.
pub type Dot = extern "C" fn(*const f32, *const f32, usize) -> f32;

/// As Cranelift has it: one product after the other.
const CLIF: &str = "
    function %dot(i64, i64, i64) -> f32 system_v {
    block0(v0: i64, v1: i64, v2: i64):
        v3 = iconst.i64 0
        v4 = iconst.i64 1
        v5 = iconst.i64 4
        v6 = f32const 0.0
        jump block1(v3, v6)
    block1(v7: i64, v8: f32):
        v9 = icmp ult v7, v2
        brif v9, block2, block3
    block2:
        v10 = imul v7, v5
        v11 = iadd v0, v10
        v12 = iadd v1, v10
        v13 = load.f32 v11
        v14 = load.f32 v12
        v15 = fmul v13, v14
        v16 = fadd v8, v15
        v17 = iadd v7, v4
        jump block1(v17, v16)
    block3:
        return v8
    }
";

/// The same for LLVM, which may add in any order, and so many at once.
pub const IR: &str = "
    define float @dot(ptr %left, ptr %right, i64 %count) {
    entry:
      br label %head
    head:
      %index = phi i64 [ 0, %entry ], [ %next, %body ]
      %sum = phi float [ 0.0, %entry ], [ %new, %body ]
      %more = icmp ult i64 %index, %count
      br i1 %more, label %body, label %end
    body:
      %from.left = getelementptr float, ptr %left, i64 %index
      %from.right = getelementptr float, ptr %right, i64 %index
      %x = load float, ptr %from.left
      %y = load float, ptr %from.right
      %product = fmul reassoc contract nsz float %x, %y
      %new = fadd reassoc contract nsz float %sum, %product
      %next = add i64 %index, 1
      br label %head
    end:
      ret float %sum
    }
";

// ANCHOR: compiler
/// A function in the terms of both compilers, and which of them is to compile it.
#[derive(Clone)]
struct Kernel {
    function: Function,
    ir: Arc<str>,
    tier: Tier,
}

#[derive(Clone, Copy)]
enum Tier {
    Quick,
    Thorough,
}

/// Both compilers.
struct Tiers {
    quick: Cranelift,
    thorough: ConcurrentCompiler,
}

impl Compiler<Kernel> for Tiers {
    fn interface(&self, session: &Session, kernel: &Kernel) -> Result<Interface, Cause> {
        self.quick.interface(session, &kernel.function)
    }

    fn compile(&self, session: &Session, kernel: Kernel) -> Result<Linkable, Cause> {
        match kernel.tier {
            Tier::Quick => Compiler::compile(&self.quick, session, kernel.function),
            Tier::Thorough => {
                let module = ThreadSafeModule::parse("dot.ll", kernel.ir.as_bytes())?;
                Compiler::compile(&self.thorough, session, module)
            }
        }
    }
}
// ANCHOR_END: compiler

/// Adds the kernel to the main dylib, as one that LLVM compiles again, from this IR, when it has been called `threshold`
/// times.
pub fn add_kernel(jit: &Jit, threshold: u32, ir: &str) -> Result<(), Box<dyn Error>> {
    let quick = Cranelift::new(&uruk_cranelift::Options::default())?;
    let options = Options::optimized('3').ok_or("there is no such level")?;
    let thorough = ConcurrentCompiler::new(Arc::new(Target::new(options)?))?;
    let functions = uruk_cranelift::read("dot.clif", CLIF, quick.isa())?;
    // ANCHOR: layer
    let compile = Arc::new(CompileLayer::new(Tiers { quick, thorough }));
    let again = |_: &Session, kernel| Ok::<_, Cause>(Kernel { tier: Tier::Thorough, ..kernel });
    let layer = Arc::new(ReoptimizeLayer::new(threshold, again, compile));
    for function in functions {
        jit.main().add(&layer, Kernel { function, ir: ir.into(), tier: Tier::Quick })?;
    }
    // ANCHOR_END: layer
    Ok(())
}

/// How long calls take, the threshold's last one aside: as many before LLVM's version is there, and after.
pub fn measure(calls: u32, length: usize) -> Result<[Duration; 2], Box<dyn Error>> {
    // LLVM is not to take the processor that is measured on.
    let jit = Jit::builder().compile_threads(1).build()?;
    add_kernel(&jit, calls + 2, IR)?;
    // SAFETY: that is its type in both languages.
    let dot = unsafe { jit.main().handle::<Dot>("dot")? };
    // Small numbers: their sums are exact, in whatever order they are added.
    let array: Vec<f32> = (0..length).map(|index| (index % 7) as f32).collect();
    let call = || dot(array.as_ptr(), array.as_ptr(), length);
    let expected = array.iter().map(|number| number * number).sum::<f32>();
    let timed = || {
        let start = Instant::now();
        let good = (0..calls).filter(|_| call() == expected).count();
        (start.elapsed(), good == calls as usize)
    };
    // The first call has Cranelift compile it, the last one of these LLVM.
    let first = call();
    let (before, same_before) = timed();
    let last = call();
    jit.session().wait_until_idle();
    let (after, same_after) = timed();
    assert!(same_before && same_after && [first, last] == [expected; 2], "the kernel computes something else");
    assert!(jit.session().take_reports().is_empty());
    Ok([before, after])
}

/// Runs the kernel until it is fast.
pub fn main() -> Result<(), Box<dyn Error>> {
    const CALLS: u32 = 2_000;
    const LENGTH: usize = 4096;
    let [before, after] = measure(CALLS, LENGTH)?;
    let nanoseconds = |time: Duration| time.as_secs_f64() * 1e9 / f64::from(CALLS);
    println!("compiled by Cranelift: {:7.0} ns a call", nanoseconds(before));
    println!("then by LLVM:          {:7.0} ns a call", nanoseconds(after));
    println!("{:.1} times as fast", before.as_secs_f64() / after.as_secs_f64());
    Ok(())
}
