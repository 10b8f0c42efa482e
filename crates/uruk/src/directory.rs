//! What linked code finds by `dlopen`, `dlsym` and `dladdr`: the dylibs of the JIT that it belongs to.

use crate::jit::Inner;
use std::ffi::CString;
use std::sync::{Arc, Weak};
use uruk_executor::dl::{AddressInfo, DylibDirectory, DylibHandle};
use uruk_jitlink::format::Convention;
use uruk_orc::{DylibId, SearchEntry};

/// Answers for a JIT for as long as it lives.
pub(crate) struct Directory {
    inner: Weak<Inner>,
}

impl Directory {
    pub fn new(inner: &Arc<Inner>) -> Directory {
        Directory { inner: Arc::downgrade(inner) }
    }
}

impl Inner {
    /// A dylib's search order for callers of `dlsym`, without what the process defines, which glibc answers for.
    fn own_order(&self, dylib: DylibId) -> Vec<SearchEntry> {
        let mut order = self.session.search_order_for(dylib, Convention::Unix);
        order.retain(|entry| entry.dylib != self.process);
        order
    }
}

impl DylibDirectory for Directory {
    fn open(&self, name: &[u8]) -> Option<Result<DylibHandle, String>> {
        let inner = self.inner.upgrade()?;
        let dylib = inner.session.dylib(std::str::from_utf8(name).ok()?)?;
        if dylib == inner.process {
            return None;
        }
        let handle = DylibHandle(dylib.number());
        Some(inner.initialize(dylib).map(|()| handle).map_err(|error| error.to_string()))
    }

    fn close(&self, _dylib: DylibHandle) -> Result<(), String> {
        // A dylib belongs to its JIT, which ends it; as with RTLD_NODELETE, closing keeps it.
        Ok(())
    }

    fn symbol(&self, dylib: DylibHandle, name: &[u8]) -> Option<u64> {
        let inner = self.inner.upgrade()?;
        let dylib = DylibId::from_number(dylib.0);
        inner.session.lookup_defined(&inner.own_order(dylib), name)
    }

    fn program_symbol(&self, name: &[u8]) -> Option<u64> {
        let inner = self.inner.upgrade()?;
        inner.session.lookup_defined(&inner.own_order(*inner.main.get()?), name)
    }

    fn next_symbol(&self, dylib: DylibHandle, name: &[u8]) -> Option<u64> {
        let inner = self.inner.upgrade()?;
        let mut order = inner.own_order(*inner.main.get()?);
        let position = order.iter().position(|entry| entry.dylib == DylibId::from_number(dylib.0))?;
        inner.session.lookup_defined(&order.split_off(position + 1), name)
    }

    fn dylib_containing(&self, address: u64) -> Option<DylibHandle> {
        let dylib = self.inner.upgrade()?.session.dylib_containing(address)?;
        Some(DylibHandle(dylib.number()))
    }

    fn describe(&self, address: u64) -> Option<AddressInfo> {
        let found = self.inner.upgrade()?.session.describe(address)?;
        let symbol = found.symbol.and_then(|(name, address)| Some((CString::new(name).ok()?, address)));
        Some(AddressInfo { dylib: CString::new(found.dylib).ok()?, base: found.base, symbol })
    }
}
