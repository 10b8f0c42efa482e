//! The `uruk` command; see the library.
#![forbid(unsafe_code)]

/// The linker's own allocator, so that its garbage is not in the C library's heap when the program begins; it takes
/// memory in large pages, and first touch is much of a link's cost.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    uruk_cli::main(std::env::args_os().skip(1))
}
