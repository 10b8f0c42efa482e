//! The `uruk` command; see the library.
#![forbid(unsafe_code)]

#[cfg(unix)]
#[global_allocator]
static ALLOCATOR: uruk::scratch::ScratchAllocator = uruk::scratch::ScratchAllocator::new();

fn main() -> std::process::ExitCode {
    #[cfg(unix)]
    ALLOCATOR.hold_across_fork();
    uruk_cli::main(std::env::args_os().skip(1))
}
