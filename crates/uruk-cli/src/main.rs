//! The `uruk` command; see the library.
#![forbid(unsafe_code)]

#[global_allocator]
static ALLOCATOR: uruk::scratch::ScratchAllocator = uruk::scratch::ScratchAllocator::new();

fn main() -> std::process::ExitCode {
    ALLOCATOR.hold_across_fork();
    uruk_cli::main(std::env::args_os().skip(1))
}
