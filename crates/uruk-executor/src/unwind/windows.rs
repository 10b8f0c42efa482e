//! Unwinding through linked code on Windows: from an address in it to the record of its function.
//!
//! Data flow: the records of an object, which count from a base that many objects have in common → an index by address, and for
//! each base one callback of the system's → the system asks, for an address within 4 GiB of the base that is in no DLL.
//! (Tables that the system is given one by one are searched one after the other, and Wine takes such a table for all
//! addresses from its base on.)
//! Invariant: a table is read only between its registration and the end of that.
//! Sources: Microsoft's "x64 exception handling"; `RtlInstallFunctionTableCallback`.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::ffi::c_void;
use std::io;
use std::ops::Range;
use std::ptr;
use std::slice;
use std::sync::{Mutex, PoisonError, RwLock, RwLockWriteGuard};
use windows_sys::Win32::System::Diagnostics::Debug::{IMAGE_RUNTIME_FUNCTION_ENTRY, RtlInstallFunctionTableCallback};

/// Nothing is refused.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct RangeError(Infallible);

/// DWARF's records, which nobody reads here.
#[derive(Debug)]
pub struct Registration;

/// Takes DWARF's records, which have no effect: code that has only these ends what is thrown through it.
///
/// # Safety
/// None is needed here; other systems read the records.
pub unsafe fn register(_: &[Range<usize>], _: usize, _: usize) -> Result<Registration, RangeError> {
    Ok(Registration)
}

/// Records in order of address, which are never empty.
struct Table {
    base: u64,
    end: u64,
    records: &'static [IMAGE_RUNTIME_FUNCTION_ENTRY],
}

/// By the address of the first function.
static TABLES: RwLock<BTreeMap<u64, Table>> = RwLock::new(BTreeMap::new());

/// Bases for which the system asks.
static BASES: Mutex<Vec<u64>> = Mutex::new(Vec::new());

fn tables() -> RwLockWriteGuard<'static, BTreeMap<u64, Table>> {
    TABLES.write().unwrap_or_else(PoisonError::into_inner)
}

/// Function records in use. Dropped, they are no longer.
#[derive(Debug)]
pub struct FunctionTable {
    /// The first function's address, if there is one.
    start: Option<u64>,
}

/// Makes functions unwindable by these records, which count from `base`.
///
/// # Safety
/// The records are readable and unchanged until what is returned is dropped, what they say is true, and they are in order
/// of address. Functions of other tables do not lie between these. No thread has a frame in the code when it is dropped.
pub(crate) unsafe fn register_functions(base: u64, records: Range<u64>) -> io::Result<FunctionTable> {
    let count = (records.end - records.start) as usize / size_of::<IMAGE_RUNTIME_FUNCTION_ENTRY>();
    let first = ptr::with_exposed_provenance(records.start as usize);
    // SAFETY: the caller's promise; the index lets go of them when the registration is dropped.
    let records: &'static [IMAGE_RUNTIME_FUNCTION_ENTRY] = unsafe { slice::from_raw_parts(first, count) };
    let (Some(first), Some(last)) = (records.first(), records.last()) else {
        return Ok(FunctionTable { start: None });
    };
    ask_for(base)?;
    let (start, end) = (base + u64::from(first.BeginAddress), base + u64::from(last.EndAddress));
    tables().insert(start, Table { base, end, records });
    Ok(FunctionTable { start: Some(start) })
}

impl Drop for FunctionTable {
    fn drop(&mut self) {
        if let Some(start) = self.start {
            tables().remove(&start);
        }
    }
}

/// Has the system ask about addresses from a base on, for good.
fn ask_for(base: u64) -> io::Result<()> {
    let mut bases = BASES.lock().unwrap_or_else(PoisonError::into_inner);
    if bases.contains(&base) {
        return Ok(());
    }
    // The two lowest bits tell the number from a table's address.
    // SAFETY: the callback may be called at any time, by any thread, with any address.
    match unsafe { RtlInstallFunctionTableCallback(base | 3, base, u32::MAX, Some(find), ptr::null(), ptr::null()) } {
        false => Err(io::Error::last_os_error()),
        true => {
            bases.push(base);
            Ok(())
        }
    }
}

/// The record of the function that an address lies in, or null.
unsafe extern "system" fn find(address: u64, _: *const c_void) -> *mut IMAGE_RUNTIME_FUNCTION_ENTRY {
    let tables = TABLES.read().unwrap_or_else(PoisonError::into_inner);
    let table = tables.range(..=address).next_back().map(|(_, table)| table).filter(|table| address < table.end);
    let record = table.and_then(|table| {
        let offset = address - table.base;
        let next = table.records.partition_point(|record| u64::from(record.BeginAddress) <= offset);
        table.records[..next].last().filter(|record| offset < u64::from(record.EndAddress))
    });
    record.map_or(ptr::null_mut(), |record| ptr::from_ref(record).cast_mut())
}
