//! Frames: a header of 20 bytes, a message, and perhaps raw bytes that are not copied on their way.
//!
//! | bytes | what |
//! | --- | --- |
//! | 0–3 | length of the message |
//! | 4–7 | length of the raw bytes behind it |
//! | 8 | kind |
//! | 9–11 | zero |
//! | 12–15 | number of the call; an answer has its call's |
//! | 16–19 | number of the other side's call that this one is made for, or zero |
//!
//! Numbers are little-endian.

use std::io::{self, IoSlice, Read, Write};

/// Bytes of a header.
pub const HEADER: usize = 20;

/// What a frame is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A message that is not answered.
    Post = 0,
    /// A message that is.
    Call = 1,
    /// The answer to a call.
    Answer = 2,
    /// A call failed; the message is why, as text.
    Failure = 3,
}

/// The first bytes of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// Length of the message.
    pub message: u32,
    /// Length of the raw bytes.
    pub payload: u32,
    /// What it is.
    pub kind: Kind,
    /// Number of the call.
    pub call: u32,
    /// The other side's call that this one is made for, or zero: it is carried out by the thread that waits for that.
    pub during: u32,
}

/// Sizes that a side accepts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Bytes of a message.
    pub message: u32,
    /// Raw bytes behind it.
    pub payload: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { message: 64 << 20, payload: 256 << 20 }
    }
}

/// Why bytes are no frame.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The other side has closed the connection, between frames.
    #[error("the connection was closed")]
    Closed,
    /// Reading failed, perhaps because the connection was closed within a frame.
    #[error("the connection broke: {0}")]
    Io(#[from] io::Error),
    /// What came is not of this protocol.
    #[error("{what} is {found}, which is not of this protocol")]
    Malformed {
        /// The part of the header.
        what: &'static str,
        /// Its value.
        found: u32,
    },
    /// A frame is longer than this side accepts.
    #[error("a frame with {what} of {size} bytes came, and {limit} are accepted at most")]
    TooLong {
        /// Message or raw bytes.
        what: &'static str,
        /// Its size.
        size: u32,
        /// What is accepted.
        limit: u32,
    },
}

impl Header {
    /// Of a message that belongs to no call yet and has no raw bytes. What is longer than a header can say is refused where
    /// it arrives, whatever the limit.
    pub fn new(kind: Kind, message: &[u8]) -> Header {
        Header { message: length(message), payload: 0, kind, call: 0, during: 0 }
    }

    /// The same with raw bytes behind it.
    pub fn with_payload(self, payload: &[u8]) -> Header {
        Header { payload: length(payload), ..self }
    }

    /// The bytes.
    pub fn encode(&self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[..4].copy_from_slice(&self.message.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.payload.to_le_bytes());
        bytes[8] = self.kind as u8;
        bytes[12..16].copy_from_slice(&self.call.to_le_bytes());
        bytes[16..].copy_from_slice(&self.during.to_le_bytes());
        bytes
    }

    /// Decodes a header that is within the limits.
    pub fn decode(bytes: &[u8; HEADER], limits: Limits) -> Result<Header, FrameError> {
        let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let kind = match word(8) {
            0 => Kind::Post,
            1 => Kind::Call,
            2 => Kind::Answer,
            3 => Kind::Failure,
            found => return Err(FrameError::Malformed { what: "the kind of a frame", found }),
        };
        let header = Header { message: word(0), payload: word(4), kind, call: word(12), during: word(16) };
        for (what, size, limit) in
            [("a message", header.message, limits.message), ("data", header.payload, limits.payload)]
        {
            if limit < size {
                return Err(FrameError::TooLong { what, size, limit });
            }
        }
        Ok(header)
    }

    /// Reads a header, after all of the frame before.
    pub fn read(from: &mut dyn Read, limits: Limits) -> Result<Header, FrameError> {
        let mut bytes = [0; HEADER];
        let first = loop {
            match from.read(&mut bytes) {
                Ok(0) => return Err(FrameError::Closed),
                Ok(read) => break read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        };
        from.read_exact(&mut bytes[first..])?;
        Header::decode(&bytes, limits)
    }
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

/// Reads so many bytes, taking memory only as they come: the length is what somebody said.
pub fn read_bytes(from: &mut dyn Read, length: u32) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if from.take(length.into()).read_to_end(&mut bytes)? == length as usize {
        Ok(bytes)
    } else {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

/// Writes all of these slices, in as few system calls as there can be.
pub fn write_all(to: &mut dyn Write, parts: &[&[u8]]) -> io::Result<()> {
    let mut slices: Vec<IoSlice<'_>> =
        parts.iter().filter(|part| !part.is_empty()).map(|part| IoSlice::new(part)).collect();
    let mut rest = &mut slices[..];
    while !rest.is_empty() {
        match to.write_vectored(rest) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => IoSlice::advance_slices(&mut rest, written),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
