//! What programs find without defining it, beside the functions of this process.

use std::io::Write;

// ANCHOR: runtime
/// Writes the character of a code; returns 0.
pub extern "C" fn putchard(code: f64) -> f64 {
    // Whoever does not read it any more cannot be told so.
    let _ = std::io::stdout().write_all(&[code as u8]);
    0.0
}

/// Writes a number and a new line; returns 0.
pub extern "C" fn printd(number: f64) -> f64 {
    let _ = writeln!(std::io::stdout(), "{number}");
    0.0
}
// ANCHOR_END: runtime

/// Where functions lead that are declared but not defined; an expression that could get here is not run.
pub extern "C" fn undefined() -> f64 {
    f64::NAN
}
