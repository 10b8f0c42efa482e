//! Listeners: notices for a debugger or profiler of yours, of what is linked and of what goes.
//!
//! Given to [`Builder::listener`](crate::Builder::listener), a [`Listener`] is told of each object with its symbols, their
//! addresses and sizes, and once more before the object's memory goes: when it is removed, or when the
//! [`Jit`](crate::Jit) is dropped. gdb, lldb and backtraces need none: [`Builder::debugger`](crate::Builder::debugger).
//! This one writes the map from which `perf` takes names of functions.
//!
//! ```
//! use std::sync::{Arc, Mutex};
//! use uruk::listener::*;
//!
//! #[derive(Default)]
//! struct PerfMap(Mutex<String>);
//!
//! impl Listener for PerfMap {
//!     fn loaded(&self, object: &Loaded<'_>) {
//!         let mut map = self.0.lock().unwrap();
//!         for symbol in object.symbols().filter(|symbol| symbol.kind == SymbolKind::Function) {
//!             let name = String::from_utf8_lossy(symbol.name);
//!             map.push_str(&format!("{:x} {:x} {name}\n", symbol.address, symbol.size));
//!         }
//!     }
//!
//!     fn freed(&self, _: LoadId) {}
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let map = Arc::new(PerfMap::default());
//! let jit = uruk::Jit::builder().listener(map.clone()).build()?;
//! # let folder = std::env::temp_dir().join(format!("uruk-listener-doc-{}", std::process::id()));
//! # std::fs::create_dir_all(&folder)?;
//! # let (source, object) = (folder.join("answer.c"), folder.join("answer.o"));
//! # std::fs::write(&source, "int add(int a, int b) { return a + b; }")?;
//! # assert!(std::process::Command::new("cc").arg("-c").arg(&source).arg("-o").arg(&object).status()?.success());
//! jit.main().add_file(&object)?; // made by `cc -c` from `int add(int a, int b) { return a + b; }`
//! let add = jit.main().address("add")?;
//! assert!(map.0.lock().unwrap().starts_with(&format!("{add:x} ")));
//! # std::fs::remove_dir_all(&folder)?;
//! # Ok(())
//! # }
//! ```

pub use uruk_jitlink::graph::SymbolKind;
pub use uruk_orc::listener::{Listener, LoadId, Loaded, LoadedSymbol};
