//! Cranelift's functions in dylibs: as text and built in memory, beside C, across exceptions, and as debuggers see them.

mod builtins;
mod cached;
mod errors;
mod lazy;
mod mixed;
mod shown;
mod unwinding;
