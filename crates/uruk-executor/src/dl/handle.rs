//! Handles that `dlopen` gives to JIT'd code.
//! A handle is a number whose upper 16 bits no user address of x86-64, AArch64 or RISC-V has; then
//! 16 bits for the session, then 32 for the dylib.

use super::DylibHandle;
use std::ffi::c_void;

/// What a handle of ours stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Handle {
    pub session: u16,
    /// `None` is the session's whole program, which `dlopen(NULL)` opens.
    pub dylib: Option<DylibHandle>,
}

const TAG: u64 = 0x7572;
const PROGRAM: u32 = u32::MAX;

impl Handle {
    pub fn to_pointer(self) -> *mut c_void {
        let dylib = self.dylib.map_or(PROGRAM, |dylib| dylib.0);
        (TAG << 48 | u64::from(self.session) << 32 | u64::from(dylib)) as *mut c_void
    }

    /// `None` if the pointer is not one of ours.
    pub fn from_pointer(pointer: *mut c_void) -> Option<Self> {
        let bits = pointer as u64;
        let dylib = Some(DylibHandle(bits as u32)).filter(|dylib| dylib.0 != PROGRAM);
        (bits >> 48 == TAG).then_some(Handle { session: (bits >> 32) as u16, dylib })
    }
}
