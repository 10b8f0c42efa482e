//! There is no sandbox on Windows.

/// Why there is no sandbox.
#[derive(Debug, thiserror::Error)]
#[error("there is no sandbox on Windows; run the executor on Linux, or without --sandbox")]
pub struct SandboxError;

/// Refuses.
pub(super) fn enter() -> Result<(), SandboxError> {
    Err(SandboxError)
}
