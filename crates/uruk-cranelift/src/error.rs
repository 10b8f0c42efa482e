//! Why something was not compiled.

use cranelift_codegen::binemit::Reloc;
use uruk_jitlink::edit::EditError;

/// What is wrong with a function, a CLIF text or a setting.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Text that is not CLIF.
    #[error("{file}:{line}: {message}")]
    Syntax {
        /// What messages call the text.
        file: String,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// CLIF for another machine.
    #[error("{file} is for {wanted}, and this is {host}; {hint}")]
    Target {
        /// What messages call the text.
        file: String,
        /// What the text asks for.
        wanted: String,
        /// The machine where the code would run.
        host: String,
        /// How to go on.
        hint: &'static str,
    },
    /// Two functions of a text that have one name.
    #[error("{file}:{line}: function `{function}` is defined already in line {first}; give one of them another name")]
    Twice {
        /// What messages call the text.
        file: String,
        /// Where the second one begins.
        line: usize,
        /// The name.
        function: String,
        /// Where the first one begins.
        first: usize,
    },
    /// A function that breaks a rule of CLIF.
    #[error("{place}: function `{function}` breaks a rule of CLIF: {message}")]
    Verifier {
        /// File and line, or the unit.
        place: String,
        /// The function.
        function: String,
        /// The rule.
        message: String,
    },
    /// A function that Cranelift cannot compile.
    #[error("function `{function}` cannot be compiled: {message}")]
    Codegen {
        /// The function.
        function: String,
        /// Cranelift's reason.
        message: String,
    },
    /// A relocation that has no meaning here.
    #[error(
        "function `{function}` has a relocation of kind {kind} at {offset:#x}, which {format} does not have; compile for this target with `tls_model=elf_gd`"
    )]
    Relocation {
        /// The function.
        function: String,
        /// Cranelift's name of it.
        kind: Reloc,
        /// Where in the code it is.
        offset: u32,
        /// What it is linked as.
        format: &'static str,
    },
    /// An exception handler in code for Windows.
    #[error(
        "function `{function}` handles exceptions, which functions for Windows do not do here; let them pass to a caller in C++"
    )]
    Handlers {
        /// The function.
        function: String,
    },
    /// An exception handler that no personality routine understands.
    #[error(
        "function `{function}` handles exceptions by tag; handlers are called for every exception here: write `default`"
    )]
    ExceptionTag {
        /// The function.
        function: String,
    },
    /// Data whose contents were not given.
    #[error("data `{data}` has no contents; call `define` or `define_zeroinit` first")]
    Uninitialized {
        /// Its name.
        data: String,
    },
    /// A setting that Cranelift does not have, or not with this value.
    #[error("Cranelift's setting `{name}` cannot be `{value}`: {message}")]
    Setting {
        /// The setting.
        name: String,
        /// The value.
        value: String,
        /// Cranelift's reason.
        message: String,
    },
    /// A machine that Cranelift has no code for.
    #[error("Cranelift does not compile for {machine}: {message}")]
    Machine {
        /// The machine.
        machine: String,
        /// Why not.
        message: String,
    },
    /// Code that does not make a link graph, because it is too large or a name has a zero byte.
    #[error("`{name}` does not make a link graph: {cause}")]
    Graph {
        /// The function or the data.
        name: String,
        /// What the graph refused.
        cause: EditError,
    },
}
