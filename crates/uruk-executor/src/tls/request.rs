//! What is asked for a batch's thread-local variables, on every system.

/// What a linked batch asks of who has thread-local storage.
#[derive(Clone, Copy, Debug)]
pub struct TlsRequest<'a> {
    /// Initial bytes of each thread's block; what follows up to `mem_size` is zero.
    pub image: &'a [u8],
    /// Size of the block in bytes, zero if the batch has no thread-local variables of its own.
    pub mem_size: u64,
    /// The block's alignment in bytes, a power of two.
    pub align: u64,
    /// What the code needs to know.
    pub slots: &'a [TlsSlot<'a>],
}

/// One thing the code needs to know of one variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TlsSlot<'a> {
    /// The variable.
    pub target: TlsTarget<'a>,
    /// The form in which the code wants its place.
    pub kind: TlsSlotKind,
}

/// A thread-local variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsTarget<'a> {
    /// At this offset, in bytes, in the request's own block.
    Own(u64),
    /// Defined by a library of the process, by name.
    Native(&'a [u8]),
}

/// How a variable's place is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsSlotKind {
    /// General and local dynamic: the `tls_index` pair that `__tls_get_addr` takes.
    ModuleAndOffset,
    /// Initial and local exec: the (on x86-64 negative) offset from the thread pointer, then zero.
    ThreadOffset,
    /// A TLS descriptor: the resolver and its argument. The pair may be copied to another aligned
    /// place. Up to glibc 2.39 the resolver may change vector registers on a thread's first access
    /// of a module (glibc bug 31372).
    Descriptor,
}
