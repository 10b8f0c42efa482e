//! There are no signals.

/// Nothing is held off.
#[derive(Clone, Copy)]
pub struct Mask;

impl Mask {
    pub fn current() -> Mask {
        Mask
    }

    pub fn set(&self) {}
}

/// Nothing is.
pub struct HeldOff;

impl HeldOff {
    pub fn new() -> HeldOff {
        HeldOff
    }
}
