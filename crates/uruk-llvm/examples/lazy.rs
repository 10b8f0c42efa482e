//! A module whose functions are compiled one by one, each when it is called first, and what happens to a call of one that
//! cannot be had.

use std::error::Error;
use uruk::{FunctionPointer, Jit};
use uruk_llvm::ThreadSafeModule;

const TEXT: &str = "
    declare i32 @nowhere(i32)

    define i32 @even(i32 %n) {
      %zero = icmp eq i32 %n, 0
      br i1 %zero, label %yes, label %ask
    ask:
      %m = sub i32 %n, 1
      %answer = call i32 @odd(i32 %m)
      ret i32 %answer
    yes:
      ret i32 1
    }

    define i32 @odd(i32 %n) {
      %zero = icmp eq i32 %n, 0
      br i1 %zero, label %no, label %ask
    ask:
      %m = sub i32 %n, 1
      %answer = call i32 @even(i32 %m)
      ret i32 %answer
    no:
      ret i32 0
    }

    define i32 @broken(i32 %n) {
      %answer = call i32 @nowhere(i32 %n)
      ret i32 %answer
    }
";

/// Stands in for every function that cannot be had.
extern "C" fn failed(_: i32) -> i32 {
    -1
}

/// Calls functions that are there and one that is not.
pub fn main() -> Result<(), Box<dyn Error>> {
    let jit = Jit::builder().lazy_failure((failed as extern "C" fn(i32) -> i32).to_address()).build()?;
    jit.main().add_lazy_ir_module(ThreadSafeModule::parse("parity.ll", TEXT.as_bytes())?)?;
    let called = || jit.session().first_calls().len();
    // SAFETY: all three are declared so.
    let [even, broken] =
        unsafe { [jit.main().function::<extern "C" fn(i32) -> i32>("even")?, jit.main().function("broken")?] };

    assert_eq!(called(), 0);
    assert_eq!(even(0), 1);
    assert_eq!(called(), 1);
    assert_eq!(even(7), 0);
    assert_eq!(called(), 2);
    assert_eq!(broken(1), -1);
    for report in jit.session().take_reports() {
        println!("{report}");
    }
    Ok(())
}
