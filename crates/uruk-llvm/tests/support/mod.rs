//! What several tests need.

use uruk_llvm::ThreadSafeModule;

/// A module of a text.
pub fn parse(name: &str, text: &str) -> ThreadSafeModule {
    ThreadSafeModule::parse(name, text.as_bytes()).unwrap()
}
