//! The beginning of a connection: which version both speak, and that both know the secret, without saying it.
//!
//! Each side sends 40 bytes: `URUK`, the oldest and the newest version that it speaks, and 32 random bytes. Then each sends
//! a keyed hash of both random parts and of its role, by which the other sees that it knows the secret; where there is
//! none, the key is that of the empty one. Last, the executor says what it is, as a frame.

use std::io::{self, Read, Write};

/// The versions of the protocol that this program speaks, the oldest and the newest.
pub const VERSIONS: (u16, u16) = (1, 1);

const MAGIC: &[u8; 4] = b"URUK";
const CONTEXT: &str = "uruk executor protocol: shared secret";

/// Which side one is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// Links, and says what is to be done.
    Controller,
    /// Runs code.
    Executor,
}

/// Why a connection did not come about.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HelloError {
    /// Reading or writing failed.
    #[error("the other side ended the connection before it was set up: {0}")]
    Io(#[from] io::Error),
    /// The other side speaks something else.
    #[error("the other side does not speak this protocol; is it an executor of Uruk?")]
    Magic,
    /// There is no version that both speak.
    #[error(
        "the other side speaks versions {} to {} of the protocol, this one {} to {}; update the older one", .0.0, .0.1, VERSIONS.0, VERSIONS.1
    )]
    Version((u16, u16)),
    /// The secrets differ.
    #[error("the other side has another secret; start both with the same")]
    Secret,
    /// No random numbers are to be had.
    #[error("the system gives no random bytes: {0}")]
    Random(String),
}

/// Agrees on a version, the newest that both speak.
pub fn exchange(from: &mut dyn Read, to: &mut dyn Write, role: Role, secret: &[u8]) -> Result<u16, HelloError> {
    let mut own = [0; 40];
    own[..4].copy_from_slice(MAGIC);
    own[4..6].copy_from_slice(&VERSIONS.0.to_le_bytes());
    own[6..8].copy_from_slice(&VERSIONS.1.to_le_bytes());
    getrandom::fill(&mut own[8..]).map_err(|error| HelloError::Random(error.to_string()))?;
    let sent = to.write_all(&own).and_then(|()| to.flush());
    let mut other = [0; 40];
    from.read_exact(&mut other)?;
    if other[..4] != *MAGIC {
        return Err(HelloError::Magic);
    }
    // Only now: one that speaks something else may have gone, and is told so all the same.
    sent?;
    let (oldest, newest) = (u16::from_le_bytes([other[4], other[5]]), u16::from_le_bytes([other[6], other[7]]));
    let version = newest.min(VERSIONS.1);
    if version < oldest.max(VERSIONS.0) {
        return Err(HelloError::Version((oldest, newest)));
    }
    let (controller, executor) = match role {
        Role::Controller => (&own, &other),
        Role::Executor => (&other, &own),
    };
    let key = blake3::derive_key(CONTEXT, secret);
    let proof = |role: Role| {
        let mut hasher = blake3::Hasher::new_keyed(&key);
        hasher.update(&[role as u8]).update(controller).update(executor).finalize()
    };
    let others = match role {
        Role::Controller => Role::Executor,
        Role::Executor => Role::Controller,
    };
    to.write_all(proof(role).as_bytes())?;
    to.flush()?;
    let mut theirs = [0; 32];
    from.read_exact(&mut theirs)?;
    // Compared in constant time.
    if proof(others) == blake3::Hash::from_bytes(theirs) { Ok(version) } else { Err(HelloError::Secret) }
}
