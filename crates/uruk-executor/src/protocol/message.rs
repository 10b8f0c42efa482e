//! The messages. Each is encoded by `postcard`; a variant's number is its place in the list, so new ones come last.

use serde::{Deserialize, Serialize};
use std::ops::Range;

/// Bytes that are a name, mostly.
pub type Text = Vec<u8>;

/// The controller's number for something that the executor keeps for it: an allocation, a library, a registration.
pub type Number = u64;

/// What the controller asks the executor to do.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Request {
    /// What the process, or one library, defines under these names. Answered by [`Answer::Found`].
    Find {
        /// The library, if it is one.
        library: Option<Number>,
        /// The names.
        names: Vec<Text>,
    },
    /// The names that the process's libraries import. Answered by [`Answer::Names`].
    Imports,
    /// Loads a library for good.
    LoadLibrary {
        /// Path or soname.
        name: String,
    },
    /// Loads a library to be searched by itself, under a number.
    OpenLibrary {
        /// The number.
        library: Number,
        /// Path or soname.
        name: String,
    },
    /// The addresses among which memory will lie. Answered by [`Answer::Range`].
    Span {
        /// Below 2 GiB.
        low: bool,
    },
    /// Memory for a batch. Answered by [`Answer::Words`], the lanes' addresses.
    Allocate {
        /// Its number.
        allocation: Number,
        /// Below 2 GiB.
        low: bool,
        /// Size, alignment and zero-fill of each lane.
        lanes: [[u64; 3]; 3],
    },
    /// The raw bytes of the frame are content of an allocation. Posted.
    Write {
        /// Whose.
        allocation: Number,
        /// In which lane.
        lane: u8,
        /// From where on.
        offset: u64,
    },
    /// Makes an allocation's bytes what they are to be: code, constants, variables.
    Finalize {
        /// Which.
        allocation: Number,
    },
    /// Gives an unfinished allocation back. Posted.
    Abandon {
        /// Which.
        allocation: Number,
    },
    /// Gives finished memory back: lane, address and size of each piece. Posted.
    Release {
        /// The pieces.
        segments: Vec<(u8, u64, u64)>,
    },
    /// What is allocated. Answered by [`Answer::Words`]: live and committed bytes of each lane, reserved ones, reservations.
    Statistics,
    /// Thread-local variables of a batch. Answered by [`Answer::Words`], two for each question.
    LoadThreads {
        /// A number for what keeps them.
        resource: Number,
        /// First bytes of the image.
        image: Vec<u8>,
        /// Bytes in all.
        size: u64,
        /// A power of two.
        align: u64,
        /// What is asked.
        questions: Vec<(ThreadVariable, ThreadQuestion)>,
    },
    /// Makes unwind records known. Posted.
    RegisterUnwind {
        /// A number for the registration.
        resource: Number,
        /// The code.
        code: Range<u64>,
        /// The records.
        records: Range<u64>,
    },
    /// Shows the frame's raw bytes, an ELF image, to debuggers. Posted.
    RegisterDebug {
        /// A number for the registration.
        resource: Number,
    },
    /// Lets backtraces name functions; [`Question::Image`] asks for the image when one needs it. Posted.
    RegisterNames {
        /// A number for the registration, and for the image.
        resource: Number,
        /// What is added to addresses in the image.
        base: u64,
        /// Where the code is.
        code: Vec<Range<u64>>,
    },
    /// Undoes a registration, frees stubs, closes a library. Posted.
    Drop {
        /// Which.
        resource: Number,
    },
    /// Prepares for stubs that ask [`Question::Resolve`]. Posted.
    StubPool {
        /// Its number.
        pool: Number,
        /// Where calls go that cannot be answered.
        failure: Option<u64>,
        /// Below 2 GiB.
        low: bool,
    },
    /// Makes lazy stubs. Answered by [`Answer::Pairs`], number and address of each.
    MakeStubs {
        /// Of which pool.
        pool: Number,
        /// How many.
        count: u64,
    },
    /// Lets stubs lead to other addresses.
    RedirectStubs {
        /// Of which pool.
        pool: Number,
        /// Stub and address.
        targets: Vec<(u64, u64)>,
    },
    /// Frees stubs.
    FreeStubs {
        /// Of which pool.
        pool: Number,
        /// Which.
        stubs: Vec<u64>,
    },
    /// Runs resolvers of indirect functions: slot and resolver.
    RunResolvers {
        /// The pairs.
        slots: Vec<(u64, u64)>,
    },
    /// Runs initialisers.
    RunInitialisers {
        /// In this order.
        functions: Vec<u64>,
    },
    /// Has functions run at the end. Posted.
    RunAtExit {
        /// In this order.
        functions: Vec<u64>,
    },
    /// Runs now what code and data in these ranges have registered for the end.
    RunFinalisers {
        /// The ranges.
        memory: Vec<Range<u64>>,
    },
    /// Forgets what code and data in these ranges have registered, and destructors of these thread-local variables. Posted.
    Forget {
        /// The ranges.
        memory: Vec<Range<u64>>,
        /// By module, ranges of offsets.
        variables: Vec<(u64, Range<u64>)>,
    },
    /// The program's arguments. Posted.
    SetArguments {
        /// The program's name first.
        arguments: Vec<Text>,
    },
    /// Calls a function with the program's arguments. Answered by [`Answer::Words`], its status.
    RunMain {
        /// The function.
        function: u64,
    },
    /// Calls a function with words. Answered by [`Answer::Words`], what it returns.
    Run {
        /// The function.
        function: u64,
        /// At most six.
        arguments: Vec<u64>,
    },
    /// Ends the process as `exit` does.
    Exit {
        /// Its status.
        status: i32,
    },
    /// Makes the process's libraries use these definitions.
    Interpose {
        /// Name and address.
        definitions: Vec<(Text, u64)>,
    },
    /// Lets linked code find the controller's dylibs. Posted.
    OfferDylibs {
        /// A number for that.
        resource: Number,
    },
    /// The object that a static link adds for a name. Answered by [`Answer::Bytes`].
    SupportObject {
        /// The name.
        name: Text,
    },
    /// Listens for connections that become the program's standard streams. Answered by [`Answer::Streams`].
    OpenStreams,
    /// Waits for these connections.
    FinishStreams,
    /// Nothing: says that the controller is there. Answered by [`Answer::Done`].
    Ping,
    /// The file in memory that comes with this has all of an allocation's content. Posted, to executors that have said that
    /// they [take files](crate::serve::Target::file_pages).
    Share {
        /// Whose.
        allocation: Number,
        /// Where each lane's content begins in the file: at its address, within a page.
        offsets: [u64; 3],
    },
    /// Makes records of functions known to Windows' unwinder. Posted.
    RegisterFunctions {
        /// A number for the registration.
        resource: Number,
        /// What they count from.
        base: u64,
        /// The records, in order of address.
        records: Range<u64>,
    },
    /// The process's memory at an address, up to where nothing can be read. Answered by [`Answer::Bytes`].
    Memory {
        /// Where.
        address: u64,
        /// How much at most. There may be less than is there if this is more than 1 MiB.
        size: u64,
    },
    /// What the process has mapped, as its system lists it. Answered by [`Answer::Bytes`].
    Mappings,
}

/// A thread-local variable that is asked about.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum ThreadVariable {
    /// The batch's own at this offset.
    Own(u64),
    /// One of a library.
    Native(Text),
}

/// What is asked about it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum ThreadQuestion {
    /// Its module's number and its offset there.
    ModuleAndOffset,
    /// Its offset from the thread pointer.
    ThreadOffset,
    /// The function and argument that find it.
    Descriptor,
}

/// What the executor answers.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Answer {
    /// It was done.
    Done,
    /// Address of each name that is defined, and whether it is thread-local.
    Found(Vec<Option<(u64, bool)>>),
    /// Names.
    Names(Vec<Text>),
    /// A range of addresses.
    Range(Range<u64>),
    /// Numbers.
    Words(Vec<u64>),
    /// Pairs of numbers.
    Pairs(Vec<(u64, u64)>),
    /// Bytes, if there are any.
    Bytes(Option<Vec<u8>>),
    /// Where the controller connects twice, and what it sends there first, followed by 0 on the connection for standard input
    /// and output, and by 1 on the one for standard error.
    Streams {
        /// The address, as text.
        address: String,
        /// What it sends.
        token: [u8; 32],
    },
    /// More thread-local storage at fixed offsets is needed than the process has left.
    StaticThreadStorage {
        /// Bytes in all.
        needed: u64,
    },
}

/// What the executor asks the controller, while linked code waits.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Question {
    /// The address of a lazy stub's body. Answered by [`Reply::Address`].
    Resolve {
        /// The pool.
        pool: Number,
        /// The stub.
        stub: u64,
    },
    /// The image of named code. Answered by [`Reply::Bytes`].
    Image {
        /// Its registration.
        resource: Number,
    },
    /// `dlopen`. Answered by [`Reply::Opened`].
    Open {
        /// The name.
        name: Text,
    },
    /// `dlclose`. Answered by [`Reply::Closed`].
    Close {
        /// The dylib's number.
        dylib: u32,
    },
    /// `dlsym` of a dylib. Answered by [`Reply::Address`].
    Symbol {
        /// The dylib's number.
        dylib: u32,
        /// The name.
        name: Text,
    },
    /// `dlsym` of the program. Answered by [`Reply::Address`].
    ProgramSymbol {
        /// The name.
        name: Text,
    },
    /// `dlsym` of what comes after a dylib. Answered by [`Reply::Address`].
    NextSymbol {
        /// The dylib's number.
        dylib: u32,
        /// The name.
        name: Text,
    },
    /// The dylib of an address. Answered by [`Reply::Dylib`].
    DylibContaining {
        /// The address.
        address: u64,
    },
    /// `dladdr`. Answered by [`Reply::Described`].
    Describe {
        /// The address.
        address: u64,
    },
    /// The process is about to end by a signal. Posted.
    Crashed(Crash),
    /// The process has ended, says the one that started it. Posted.
    Ended {
        /// Its status, if it ended by itself.
        status: Option<i32>,
        /// The signal that ended it, if one did.
        signal: Option<i32>,
    },
}

/// How a process came to its end.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Crash {
    /// The signal.
    pub signal: i32,
    /// The address that could not be used, where there is one.
    pub address: u64,
    /// Where each active function of the thread was, the innermost first.
    pub frames: Vec<CrashFrame>,
}

/// A function that was active.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct CrashFrame {
    /// The instruction, or where that is a call its last byte.
    pub address: u64,
    /// What the process knows of it: library, function and distance; linked code is the controller's to name.
    pub place: Option<String>,
}

/// What lies at an address.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Described {
    /// The dylib's name.
    pub dylib: Text,
    /// Where it begins.
    pub base: u64,
    /// The symbol at or before the address, and its address.
    pub symbol: Option<(Text, u64)>,
}

/// What the controller answers.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Reply {
    /// An address, if there is one.
    Address(Option<u64>),
    /// Bytes, if there are any.
    Bytes(Option<Vec<u8>>),
    /// A dylib was opened or could not be, or there is none of the name.
    Opened(Option<Result<u32, String>>),
    /// A dylib was closed.
    Closed(Result<(), String>),
    /// A dylib's number.
    Dylib(Option<u32>),
    /// What lies at an address.
    Described(Option<Described>),
    /// It was done.
    Done,
}
