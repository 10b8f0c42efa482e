//! Uruk: objects and archives in, callable code out, in this process and without a link step.
//!
//! A [`Jit`] is a program being put together. Objects and archives are added to its [`Dylib`]s; looking a symbol up
//! links what it needs.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = std::env::temp_dir().join(format!("uruk-doc-{}", std::process::id()));
//! # std::fs::create_dir_all(&folder)?;
//! # let object = folder.join("answer.o");
//! # std::fs::write(folder.join("answer.c"), "int add(int a, int b) { return a + b; }")?;
//! # let source = folder.join("answer.c");
//! # assert!(std::process::Command::new("cc").arg("-c").arg(&source).arg("-o").arg(&object).status()?.success());
//! let jit = uruk::Jit::new()?;
//! jit.main().add_file(&object)?; // made by `cc -c` from `int add(int a, int b) { return a + b; }`
//! // SAFETY: this is how the C function is declared.
//! let add = unsafe { jit.main().function::<extern "C" fn(i32, i32) -> i32>("add")? };
//! assert_eq!(add(40, 2), 42);
//! # std::fs::remove_dir_all(&folder)?;
//! # Ok(())
//! # }
//! ```

//!
//! What lies beneath, sessions and units of your own, is in [`orc`].

mod builder;
#[cfg(feature = "cranelift")]
mod cranelift;
mod directory;
mod dylib;
mod files;
mod function;
mod inspect;
mod jit;
mod lazy;
mod lazy_calls;
pub mod listener;
#[cfg(feature = "llvm")]
mod llvm;
pub mod memory;
pub mod plugin;
#[cfg(feature = "cc")]
mod sources;

/// The README's example.
#[cfg(all(doctest, feature = "cranelift"))]
#[doc = include_str!("../../../README.md")]
mod readme {}

/// The examples of the guide, which are tests. Other crates have those chapters that are about them.
#[cfg(doctest)]
mod guide {
    #[doc = include_str!("../../../docs/guide/introduction.md")]
    mod introduction {}
    #[doc = include_str!("../../../docs/guide/linking.md")]
    mod linking {}
    #[doc = include_str!("../../../docs/guide/session.md")]
    mod session {}
    #[doc = include_str!("../../../docs/guide/laziness.md")]
    mod laziness {}
    #[doc = include_str!("../../../docs/guide/compilers.md")]
    mod compilers {}
    #[doc = include_str!("../../../docs/guide/caching.md")]
    mod caching {}
    #[cfg(feature = "cranelift")]
    #[doc = include_str!("../../../docs/guide/from-cranelift-jit.md")]
    mod from_cranelift_jit {}
    #[doc = include_str!("../../../docs/guide/from-llvm.md")]
    mod from_llvm {}
    #[doc = include_str!("../../../docs/guide/engine.md")]
    mod engine {}
    #[doc = include_str!("../../../docs/guide/testing.md")]
    mod testing {}
    #[doc = include_str!("../../../docs/guide/remote.md")]
    mod remote {}
    #[doc = include_str!("../../../docs/guide/executor-protocol.md")]
    mod executor_protocol {}
}

pub use builder::Builder;
#[cfg(feature = "cranelift")]
pub use cranelift::CraneliftLayer;
pub use dylib::{Dylib, Tracker};
pub use files::{read_file, read_files};
pub use function::{Function, FunctionPointer};
pub use inspect::inspect;
pub use jit::{Error, Jit};
pub use lazy::LazyJit;
pub use uruk_cache as cache;
#[cfg(feature = "cc")]
pub use uruk_cc;
#[cfg(feature = "cranelift")]
pub use uruk_cranelift;
pub use uruk_executor::restart;
#[cfg(unix)]
pub use uruk_executor::scratch;
pub use uruk_jitlink::format;
pub use uruk_jitlink::input::Input;
pub use uruk_jitlink::loader;
pub use uruk_jitlink::memory::Lane;
pub use uruk_jitlink::names::Name;
#[cfg(feature = "llvm")]
pub use uruk_llvm;
pub use uruk_orc as orc;
pub use uruk_orc::Linkable;
pub use uruk_orc::engine;
pub use uruk_orc::error::{Cause, Missing};
pub use uruk_orc::layer::{CompileLayer, Compiler, Interface, Layer, ObjectLayer, OnDemandLayer, Partition};
pub use uruk_orc::lazy::Redirectable;
pub use uruk_orc::responsibility::Responsibility;
pub use uruk_orc::session::{Removal, Session};
pub use uruk_orc::unit::{Definition, MaterializationUnit};
