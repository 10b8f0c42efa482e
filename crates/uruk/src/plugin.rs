//! Plugins: code of yours that sees, and may change, every object on its way through a link.
//!
//! Given to [`Builder::plugin`](crate::Builder::plugin), a [`Plugin`] is called at the phases of a link. This one counts
//! how often each function is entered: the function's symbol moves to a few instructions that count and jump to it.
//!
//! ```
//! use std::sync::Arc;
//! use uruk::plugin::*;
//!
//! struct CountEntries;
//!
//! impl Plugin for CountEntries {
//!     fn post_prune(&self, _: &Context, graph: &mut Editor<'_>) -> PassResult {
//!         let functions: Vec<SymbolId> = graph.all_symbols().map(|(id, _)| id)
//!             .filter(|id| graph.symbol(*id).kind == SymbolKind::Function && graph.block_of(*id).is_some())
//!             .collect();
//!         let code = graph.add_section(".text.count", SectionKind::Code)?;
//!         let counters = graph.add_section("counters", SectionKind::Data)?;
//!         for function in functions {
//!             let (body, offset) = (graph.block_of(function).unwrap(), graph.symbol(function).value);
//!             let body = graph.add_symbol(NewSymbol::local("", body, offset))?;
//!             let counter = graph.add_block(counters, &[0; 8], 8)?;
//!             let counter = graph.add_symbol(NewSymbol::local("", counter, 0))?;
//!             // lock incq counter(%rip); jmp body
//!             let entry = [0xf0, 0x48, 0xff, 0x05, 0, 0, 0, 0, 0xe9, 0, 0, 0, 0];
//!             let entry = graph.add_block(code, &entry, 16)?;
//!             graph.add_edge(entry, 4, x86_64::PC32, counter, -4)?;
//!             graph.add_edge(entry, 9, x86_64::BRANCH32, body, -4)?;
//!             graph.move_symbol(function, entry, 0)?;
//!         }
//!         Ok(())
//!     }
//!
//!     fn linked(&self, context: &Context, graph: &Placed<'_>) {
//!         for section in graph.sections_named(b"counters") {
//!             println!("{}: counters at {:x?}", context.object, graph.section_range(section));
//!         }
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let jit = uruk::Jit::builder().plugin(Arc::new(CountEntries)).build()?;
//! # let folder = std::env::temp_dir().join(format!("uruk-plugin-doc-{}", std::process::id()));
//! # std::fs::create_dir_all(&folder)?;
//! # let (source, object) = (folder.join("answer.c"), folder.join("answer.o"));
//! # std::fs::write(&source, "int add(int a, int b) { return a + b; }")?;
//! # assert!(std::process::Command::new("cc").arg("-c").arg(&source).arg("-o").arg(&object).status()?.success());
//! jit.main().add_file(&object)?;
//! // SAFETY: this is how the C function is declared.
//! let add = unsafe { jit.main().function::<extern "C" fn(i32, i32) -> i32>("add")? };
//! assert_eq!(add(40, 2), 42); // and counted
//! # std::fs::remove_dir_all(&folder)?;
//! # Ok(())
//! # }
//! ```

pub use uruk_jitlink::action::{Action, Argument, Call};
pub use uruk_jitlink::dump::dump;
pub use uruk_jitlink::edit::{EditError, Editor, NewSymbol, Stage};
pub use uruk_jitlink::graph::*;
pub use uruk_jitlink::names::Names;
pub use uruk_jitlink::placed::{Placed, Working};
pub use uruk_jitlink::x86_64;
pub use uruk_orc::error::Error;
pub use uruk_orc::plugin::{Context, PassResult, Plugin};
pub use uruk_orc::{DylibId, Retained, UnitId};
