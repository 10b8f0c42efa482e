//! What can go wrong between IR and object.

/// Why a module could not be read or compiled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Text that is no IR.
    #[error("{module}:{line}:{column}: {message}")]
    Syntax {
        /// The module.
        module: String,
        /// From 1.
        line: u32,
        /// From 1.
        column: u32,
        /// What LLVM said.
        message: String,
    },
    /// Bytes that are no bitcode of a version that this LLVM reads.
    #[error("{module}: the bitcode cannot be read: {message}; make it anew, with LLVM {version} or older")]
    Bitcode {
        /// The module.
        module: String,
        /// What LLVM said.
        message: String,
        /// The version of LLVM in use.
        version: String,
    },
    /// IR that breaks the language's rules.
    #[error("{module} is not valid IR: {message}")]
    Invalid {
        /// The module.
        module: String,
        /// What LLVM said, a line for each violation.
        message: String,
    },
    /// A module for another machine or system.
    #[error(
        "{module} is for `{found}`, and code runs here on `{wanted}`; compile its source for that, or drop the line `target triple`"
    )]
    WrongTriple {
        /// The module.
        module: String,
        /// Its target.
        found: String,
        /// The target that is compiled for.
        wanted: String,
    },
    /// A module whose types are laid out in another way.
    #[error(
        "{module} has the data layout `{found}`, and `{triple}` needs `{wanted}`; make it with a compiler for that target"
    )]
    WrongLayout {
        /// The module.
        module: String,
        /// Its layout.
        found: String,
        /// The target that is compiled for.
        triple: String,
        /// The target's layout.
        wanted: String,
    },
    /// A target that LLVM cannot compile for.
    #[error("LLVM cannot compile for `{triple}`: {message}")]
    Target {
        /// The target.
        triple: String,
        /// What LLVM said.
        message: String,
    },
    /// A module with assembler outside of its functions cannot be divided.
    #[error("{module} has module-level assembler, which cannot be divided by function; compile it whole")]
    Assembler {
        /// The module.
        module: String,
    },
    /// The code generator or a pass refuses a module.
    #[error("{module} cannot be compiled: {message}")]
    Compile {
        /// The module.
        module: String,
        /// What LLVM said.
        message: String,
    },
    /// LLVM gave up in the middle of something earlier, and what is left of the context cannot be trusted.
    #[error(
        "{module} cannot be used: compiling something of the same context went wrong beyond repair; give modules contexts of their own"
    )]
    Broken {
        /// The module.
        module: String,
    },
}
