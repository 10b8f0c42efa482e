//! Memory: a manager of yours, for everything that a JIT links.
//!
//! Given to [`Builder::memory_manager`](crate::Builder::memory_manager), a [`MemoryManager`] is asked once for each batch
//! of objects that are linked together: how many bytes of code, read-only data and variables, in one [`Demand`]. What it
//! gives has addresses at once and bytes to be written; it is finalized, or dropped if the link fails. Each object's share
//! comes back when the object goes, and everything by the time the [`Jit`](crate::Jit) has been dropped.
//!
//! What a manager says is looked at: memory that does not fit the demand, and an error of its own, are errors of the
//! look-up that asked, and the JIT goes on. This one leaves the work to the usual manager, within a budget.
//!
//! ```
//! use std::ops::Range;
//! use std::sync::Arc;
//! use uruk::memory::*;
//!
//! struct Budget {
//!     memory: InProcessMemory,
//!     bytes: u64,
//! }
//!
//! impl MemoryManager for Budget {
//!     fn span(&self, placement: Placement) -> Result<Range<u64>, MemoryError> {
//!         self.memory.span(placement)
//!     }
//!
//!     fn allocate(&self, demand: &Demand) -> Result<Box<dyn Allocation>, MemoryError> {
//!         let wanted: u64 = demand.lanes.iter().map(|lane| lane.size).sum();
//!         let live: u64 = self.memory.statistics().live.iter().sum();
//!         if self.bytes < live + wanted {
//!             return Err(MemoryError::Other(format!("{wanted} bytes are over the budget").into()));
//!         }
//!         self.memory.allocate(demand)
//!     }
//!
//!     fn release(&self, segments: &[Segment]) {
//!         self.memory.release(segments);
//!     }
//!
//!     fn statistics(&self) -> Statistics {
//!         self.memory.statistics()
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = std::env::temp_dir().join(format!("uruk-memory-doc-{}", std::process::id()));
//! # std::fs::create_dir_all(&folder)?;
//! # let file = |name: &str, source: &str| -> Result<_, Box<dyn std::error::Error>> {
//! #     let (source_file, object) = (folder.join(format!("{name}.c")), folder.join(format!("{name}.o")));
//! #     std::fs::write(&source_file, source)?;
//! #     assert!(std::process::Command::new("cc").arg("-c").arg(&source_file).arg("-o").arg(&object).status()?.success());
//! #     Ok(object)
//! # };
//! # let big = file("big", "char big[1 << 20]; char *get_big(void) { return big; }")?;
//! # let add = file("add", "int add(int a, int b) { return a + b; }")?;
//! let budget = || Ok(Arc::new(Budget { memory: InProcessMemory::new(Options::default()), bytes: 64 << 10 }) as Arc<_>);
//! let jit = uruk::Jit::builder().memory_manager(budget).build()?;
//! let other = jit.create_dylib("other")?;
//! other.add_file(&big)?; // char big[1 << 20]; char *get_big(void) { return big; }
//! jit.main().add_file(&add)?; // int add(int a, int b) { return a + b; }
//! let error = other.address("get_big").unwrap_err();
//! assert!(error.to_string().contains("over the budget"));
//! // SAFETY: this is how the C function is declared.
//! let add = unsafe { jit.main().function::<extern "C" fn(i32, i32) -> i32>("add")? };
//! assert_eq!(add(40, 2), 42);
//! # std::fs::remove_dir_all(&folder)?;
//! # Ok(())
//! # }
//! ```

pub use uruk_executor::memory::{InProcessMemory, Mode, Options, Place, protect};
pub use uruk_jitlink::memory::origin::next_number;
pub use uruk_jitlink::memory::{
    Allocation, Demand, Lane, LaneDemand, MemoryError, MemoryManager, ObjectPart, Origin, Placement, SectionPart,
    Segment, Statistics,
};
pub use uruk_jitlink::slab::Slab;
