//! What a session tells about its dylibs to whoever looks for them while its code runs.

use std::ffi::CString;

/// A session's number for one of its dylibs. `u32::MAX` is kept for the program as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DylibHandle(pub u32);

/// What a session tells about its JIT dylibs. Calls come from any thread that runs JIT'd code, with
/// no lock held; they may link code and run initialisers. A panic is reported as a `dlerror`.
pub trait DylibDirectory: Send + Sync {
    /// The dylib that is called `name`, opened once more: its initialisers have run. `None` if there is none.
    fn open(&self, name: &[u8]) -> Option<Result<DylibHandle, String>>;
    /// Takes one `open` back.
    fn close(&self, dylib: DylibHandle) -> Result<(), String>;
    /// The address of `name` in this dylib and those it depends on; for a thread-local variable, that of
    /// the calling thread.
    fn symbol(&self, dylib: DylibHandle, name: &[u8]) -> Option<u64>;
    /// The address of `name` in the whole program, in the root dylib's order: for `RTLD_DEFAULT`, and
    /// for the handle that `dlopen(NULL)` returns.
    fn program_symbol(&self, name: &[u8]) -> Option<u64>;
    /// The same, after `dylib` in that order: for `RTLD_NEXT`.
    fn next_symbol(&self, dylib: DylibHandle, name: &[u8]) -> Option<u64>;
    /// The dylib whose code lies at this address.
    fn dylib_containing(&self, address: u64) -> Option<DylibHandle>;
    /// What lies at this address: for `dladdr`.
    fn describe(&self, address: u64) -> Option<AddressInfo>;
}

/// What `dladdr` says of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressInfo {
    /// The dylib's name, or the path of a file that describes it.
    pub dylib: CString,
    /// Where the dylib begins.
    pub base: u64,
    /// The symbol at or before the address, if there is one, and its address.
    pub symbol: Option<(CString, u64)>,
}
