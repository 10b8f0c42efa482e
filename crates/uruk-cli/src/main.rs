//! The `uruk` command; see the library.
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    uruk_cli::main(std::env::args_os().skip(1))
}
