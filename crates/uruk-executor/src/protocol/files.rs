//! Files in memory that go with messages over a socket of this machine: what linked code and data are handed over in.
//!
//! Data flow: [`Contents`], which the controller fills → [`Contents::seal`], after which nobody can write to it or change its
//! size → `send` with a message → `Receiver`, which keeps it until the message has been read → [`Received::next`], checked →
//! the executor maps it for itself alone, or reads it.
//! Invariants: a file is sent only when this process has no mapping of it any more, and all changes are ruled out before: so no
//! process can make another one fail by it, or see it change. Files are taken in the order of their messages.
//! Sources: memfd_create(2), fcntl(2) (file sealing), unix(7) (SCM_RIGHTS), cmsg(3).

use super::transport::Stream;
use crate::at_fork::{self, Held, Locks};
use std::collections::VecDeque;
use std::ffi::{c_int, c_void};
use std::fs::File;
use std::io::{self, Read, Write};
use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::ptr::{self, NonNull};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Without these a file may change under who has it.
const SEALS: c_int = libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_WRITE;

/// Bytes of what a message carries beside its text: room for a few descriptors.
const CONTROL: usize = 64;

/// Three runs of bytes in a file in memory, which only this process has.
pub struct Contents {
    file: File,
    start: NonNull<u8>,
    length: usize,
    lanes: [Range<usize>; 3],
}

// SAFETY: the mapping belongs to this value alone, and any thread may use it.
unsafe impl Send for Contents {}

impl Contents {
    /// For content of these lengths at these addresses, all zero: each lies at an offset that is the same as its address in a
    /// page of `page_bytes`, a power of two, so that pages of the file can become pages there.
    pub fn new(lanes: [(u64, u64); 3], page_bytes: u64) -> io::Result<Contents> {
        let too_large = || io::Error::from_raw_os_error(libc::ENOMEM);
        let mut end = 0u64;
        let mut place = |(address, length): (u64, u64)| {
            let start = end.checked_next_multiple_of(page_bytes)?.checked_add(address & (page_bytes - 1))?;
            end = start.checked_add(length)?;
            Some(usize::try_from(start).ok()?..usize::try_from(end).ok()?)
        };
        let [code, read_only, data] = lanes.map(|lane| place(lane).ok_or_else(too_large));
        let lanes = [code?, read_only?, data?];
        let size =
            end.checked_next_multiple_of(page_bytes).filter(|size| *size < i64::MAX as u64).ok_or_else(too_large)?;
        let length = usize::try_from(size).map_err(|_| too_large())?.max(page_bytes as usize);
        let file = in_memory()?;
        file.set_len(length as u64)?;
        // All of it is about to be written.
        let flags = libc::MAP_SHARED | libc::MAP_POPULATE;
        // SAFETY: a new mapping, of a file that has this length.
        let start = unsafe {
            libc::mmap(ptr::null_mut(), length, libc::PROT_READ | libc::PROT_WRITE, flags, file.as_raw_fd(), 0)
        };
        let start = if start == libc::MAP_FAILED { None } else { NonNull::new(start.cast()) };
        let start = start.ok_or_else(io::Error::last_os_error)?;
        Ok(Contents { file, start, length, lanes })
    }

    /// The bytes of each.
    pub fn working(&mut self) -> [&mut [u8]; 3] {
        // SAFETY: the mapping is as long, is written by this process only, since nobody else has the file, and lives as long
        // as `self`, whose borrow excludes a second slice.
        let mut rest = unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.length) };
        let mut at = 0;
        self.lanes.each_ref().map(|lane| {
            let (_, behind) = std::mem::take(&mut rest).split_at_mut(lane.start - at);
            let (bytes, behind) = behind.split_at_mut(lane.end - lane.start);
            (rest, at) = (behind, lane.end);
            bytes
        })
    }

    /// Where each begins in the file.
    pub fn offsets(&self) -> [u64; 3] {
        self.lanes.each_ref().map(|lane| lane.start as u64)
    }

    /// Ends all writing: from now on the file is what it is.
    pub fn seal(self) -> io::Result<File> {
        let mut file = self.file.try_clone()?;
        // Its mapping would be in the way.
        drop(self);
        match seal(&file) {
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                // A process that was forked meanwhile has the mapping, too.
                let mut copy = in_memory()?;
                io::copy(&mut file, &mut copy)?;
                seal(&copy)?;
                Ok(copy)
            }
            sealed => sealed.map(|()| file),
        }
    }
}

fn seal(file: &File) -> io::Result<()> {
    // SAFETY: the descriptor is open.
    match unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, SEALS | libc::F_SEAL_SEAL) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

impl Drop for Contents {
    fn drop(&mut self) {
        // SAFETY: the mapping was made by `new`, and no slice of it is left. An error could only leave it as it is.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.length) };
    }
}

/// A file that is in no folder, and that no program is to be started from.
fn in_memory() -> io::Result<File> {
    // Kernels before 6.3 do not know the last.
    for more in [libc::MFD_NOEXEC_SEAL, 0] {
        let flags = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING | more;
        // SAFETY: the name is a C string.
        let number = unsafe { libc::memfd_create(c"uruk".as_ptr(), flags) };
        if 0 <= number {
            // SAFETY: it was opened above, and nobody else has it.
            return Ok(unsafe { File::from_raw_fd(number) });
        }
        let error = io::Error::last_os_error();
        if error.raw_os_error() != Some(libc::EINVAL) {
            return Err(error);
        }
    }
    Err(io::ErrorKind::Unsupported.into())
}

/// Checks that a file that came cannot change, and has all of these bytes.
fn check(file: &File, lanes: &[(u64, u64); 3]) -> Result<(), String> {
    // SAFETY: the descriptor is open.
    let seals = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GET_SEALS) };
    if seals < 0 {
        return Err("the file with content is none in memory".into());
    }
    if seals & SEALS != SEALS {
        return Err("the file with content may still be changed by others; it has to be sealed".into());
    }
    let length = file.metadata().map_err(|error| error.to_string())?.len();
    for (offset, bytes) in lanes {
        if offset.checked_add(*bytes).is_none_or(|end| length < end) {
            return Err(format!("content of {bytes} bytes at {offset} lies outside of its file of {length}"));
        }
    }
    Ok(())
}

/// Sends bytes and, with the first of them, a file.
pub(super) fn send(socket: &Stream, bytes: &[u8], file: &File) -> io::Result<()> {
    let Stream::Unix(socket) = socket else { return Err(io::ErrorKind::Unsupported.into()) };
    let sent = loop {
        match send_some(socket, bytes, file) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            sent => break sent?,
        }
    };
    let mut socket: &UnixStream = socket;
    socket.write_all(&bytes[sent..])
}

fn send_some(socket: &UnixStream, bytes: &[u8], file: &File) -> io::Result<usize> {
    let mut control = Control([0; CONTROL]);
    let mut part = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    let mut header = control.header(&mut part);
    let size = size_of::<c_int>() as u32;
    // SAFETY: the header describes a buffer with room for one descriptor, into which one is written; the bytes are only read.
    let sent = unsafe {
        header.msg_controllen = libc::CMSG_SPACE(size) as _;
        let first = libc::CMSG_FIRSTHDR(&header);
        (*first).cmsg_level = libc::SOL_SOCKET;
        (*first).cmsg_type = libc::SCM_RIGHTS;
        (*first).cmsg_len = libc::CMSG_LEN(size) as _;
        libc::CMSG_DATA(first).cast::<c_int>().write_unaligned(file.as_raw_fd());
        libc::sendmsg(socket.as_raw_fd(), &header, libc::MSG_NOSIGNAL)
    };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}

#[repr(C, align(8))]
struct Control([u8; CONTROL]);

impl Control {
    fn header(&mut self, part: &mut libc::iovec) -> libc::msghdr {
        // SAFETY: a header of zeros says that there is nothing.
        let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
        header.msg_iov = part;
        header.msg_iovlen = 1;
        header.msg_control = self.0.as_mut_ptr().cast::<c_void>();
        header.msg_controllen = CONTROL as _;
        header
    }
}

/// What came and has not been taken.
#[derive(Default)]
struct Queue {
    files: VecDeque<OwnedFd>,
    /// The descriptor that is read, as long as it is.
    reading: Option<c_int>,
}

struct Shared(Mutex<Queue>);

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Locks for Shared {
    fn take(&self) -> Held<'_> {
        Box::new(self.queue())
    }

    /// The thread that reads is not in the child, which would keep the connection open for as long as it lives.
    fn in_child(&self) {
        let Some(reading) = self.queue().reading.take() else { return };
        // SAFETY: the number is the reader's, which nobody uses in the child; another file takes its place.
        unsafe {
            let nothing = libc::open(c"/dev/null".as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC);
            if 0 <= nothing {
                libc::dup3(nothing, reading, libc::O_CLOEXEC);
                libc::close(nothing);
            }
        }
    }
}

/// Where files are taken that came with messages.
#[derive(Clone)]
pub struct Received(Arc<Shared>);

impl Received {
    /// The next one, if it is sealed and has these bytes: offset and length of each lane's.
    pub fn next(&self, lanes: &[(u64, u64); 3]) -> Result<File, String> {
        let next = self.0.queue().files.pop_front();
        let file = File::from(next.ok_or("a message came without the file that belongs to it")?);
        check(&file, lanes)?;
        Ok(file)
    }
}

/// A socket that is read, with the files that come over it.
pub(super) struct Receiver {
    socket: Stream,
    shared: Arc<Shared>,
}

impl Receiver {
    pub fn new(socket: Stream) -> (Receiver, Received) {
        let reading = Some(socket.as_fd().as_raw_fd());
        let shared = at_fork::hold_while_alive(Shared(Mutex::new(Queue { reading, ..Queue::default() })));
        (Receiver { socket, shared: shared.clone() }, Received(shared))
    }
}

impl AsFd for Receiver {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.shared.queue().reading = None;
    }
}

impl Read for Receiver {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let mut control = Control([0; CONTROL]);
        let mut part = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
        let mut header = control.header(&mut part);
        // SAFETY: the header describes both buffers.
        let read = unsafe { libc::recvmsg(self.socket.as_fd().as_raw_fd(), &mut header, libc::MSG_CMSG_CLOEXEC) };
        let read = usize::try_from(read).map_err(|_| io::Error::last_os_error())?;
        // SAFETY: the kernel has filled the buffer in with whole records, and says how far; descriptors in them are this
        // process's, and nobody else has them.
        unsafe {
            let mut record = libc::CMSG_FIRSTHDR(&header);
            while !record.is_null() {
                if (*record).cmsg_level == libc::SOL_SOCKET && (*record).cmsg_type == libc::SCM_RIGHTS {
                    let length = (*record).cmsg_len as usize - libc::CMSG_LEN(0) as usize;
                    let numbers = libc::CMSG_DATA(record).cast::<c_int>();
                    let numbers = (0..length / size_of::<c_int>()).map(|index| numbers.add(index).read_unaligned());
                    self.shared.queue().files.extend(numbers.map(|number| OwnedFd::from_raw_fd(number)));
                }
                record = libc::CMSG_NXTHDR(&header, record);
            }
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests;
