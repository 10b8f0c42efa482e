//! Two sides in one process, and sides whose other end says what a test wants.

use super::*;
use std::os::unix::net::UnixStream;
use std::os::unix::thread::JoinHandleExt;
use std::sync::atomic::AtomicBool;

/// Adds one to what comes; while asked for more than nothing, asks the other side for one less.
struct Counting {
    peer: Weak<Peer>,
    posted: mpsc::Sender<Vec<u8>>,
}

impl Handler for Counting {
    fn post(&self, message: &[u8], _: &mut dyn Read) -> Result<(), String> {
        self.posted.send(message.into()).map_err(|error| error.to_string())
    }

    fn call(&self, message: &[u8]) -> Result<Vec<u8>, String> {
        let [depth, value] = message else { return Err("two bytes are wanted".into()) };
        if *depth == 0 {
            return Ok(vec![value + 1]);
        }
        let asked = self.peer.upgrade().ok_or("the side is gone")?.call(&[depth - 1, *value], None);
        Ok(vec![asked.map_err(|gone| gone.to_string())?[0] + 1])
    }

    fn dispatch(&self, incoming: Incoming) {
        if let Some(peer) = self.peer.upgrade() {
            peer.execute_elsewhere(incoming, ());
        }
    }
}

struct Side {
    peer: Arc<Peer>,
    posted: Receiver<Vec<u8>>,
    /// The peer has it weakly.
    _handler: Arc<Counting>,
    stands_by: Option<thread::JoinHandle<String>>,
}

impl Side {
    fn new(ends: Ends) -> Side {
        let (sender, posted) = mpsc::channel();
        let mut handler = None;
        let peer = Arc::new_cyclic(|peer: &Weak<Peer>| {
            let counting = handler.insert(Arc::new(Counting { peer: peer.clone(), posted: sender }));
            let counting: Weak<Counting> = Arc::downgrade(counting);
            Peer::new(ends, Limits::default(), counting)
        });
        let stands_by = thread::spawn({
            let peer = peer.clone();
            move || peer.read()
        });
        Side { peer, posted, _handler: handler.unwrap(), stands_by: Some(stands_by) }
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        self.peer.end("the test is over");
        let reason = self.stands_by.take().unwrap().join().unwrap();
        assert!(!reason.is_empty());
    }
}

/// A side, and the bare other end.
fn side() -> (Side, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    (Side::new(Stream::Unix(ours).into_ends().unwrap()), theirs)
}

fn frame(kind: Kind, call: u32, message: &[u8]) -> Vec<u8> {
    [&Header { call, ..Header::new(kind, message) }.encode()[..], message].concat()
}

/// Where the system tells when something has come, and where it does not.
fn pairs() -> [[Side; 2]; 2] {
    let pair = || <[UnixStream; 2]>::from(UnixStream::pair().unwrap());
    let told = pair().map(|end| Stream::Unix(end).into_ends().unwrap());
    let untold = pair().map(|end| {
        let socket = Stream::Unix(end.try_clone().unwrap());
        Ends { socket: Some(socket), ..Ends::new(end.try_clone().unwrap(), end) }
    });
    [told.map(Side::new), untold.map(Side::new)]
}

#[test]
fn calls_of_many_threads_nest_in_both_directions() {
    for sides in pairs() {
        thread::scope(|scope| {
            for thread in 0..8u8 {
                let peer = &sides[usize::from(thread) % 2].peer;
                scope.spawn(move || {
                    for round in 0..200u8 {
                        let depth = (thread + round) % 5;
                        assert_eq!(peer.call(&[depth, thread], None), Ok(vec![thread + depth + 1]));
                        peer.post(&[thread]);
                    }
                });
            }
        });
        for (index, side) in sides.iter().enumerate() {
            side.peer.flush();
            let other = &sides[1 - index];
            let sum: u32 = other.posted.iter().take(800).map(|message| u32::from(message[0])).sum();
            // Even threads post to the second side, odd ones to the first.
            assert_eq!(sum, 200 * if index == 0 { 2 + 4 + 6 } else { 1 + 3 + 5 + 7 });
        }
    }
}

/// Who has its answer leaves, whatever else has come with it.
#[test]
fn what_comes_behind_an_answer_is_read() {
    let (side, mut theirs) = side();
    for round in 0..50u8 {
        let peer = side.peer.clone();
        let caller = thread::spawn(move || peer.call(b"", None));
        let header = Header::read(&mut theirs, Limits::default()).unwrap();
        let post = frame(Kind::Post, 0, &[round]);
        let bytes = [&frame(Kind::Answer, header.call, b"done")[..], &post, &post[..10]].concat();
        theirs.write_all(&bytes).unwrap();
        assert_eq!(caller.join().unwrap(), Ok(b"done".to_vec()));
        assert_eq!(side.posted.recv().unwrap(), [round]);
        theirs.write_all(&post[10..]).unwrap();
        assert_eq!(side.posted.recv().unwrap(), [round], "that began before and ends after nobody waited");
    }
}

#[test]
fn posts_are_taken_while_nobody_waits() {
    let (side, mut theirs) = side();
    for round in 0..50u8 {
        theirs.write_all(&frame(Kind::Post, 0, &[round])).unwrap();
        assert_eq!(side.posted.recv().unwrap(), [round]);
    }
}

/// Neither one that never comes nor one of which half comes is waited for longer than said.
#[test]
fn an_answer_has_to_be_whole_in_time() {
    for part in [0, 10, 21] {
        let (side, mut theirs) = side();
        let limit = Duration::from_millis(20);
        thread::scope(|scope| {
            let caller = scope.spawn(|| side.peer.call(b"", Some(limit)));
            let header = Header::read(&mut theirs, Limits::default()).unwrap();
            theirs.write_all(&frame(Kind::Answer, header.call, b"done")[..part]).unwrap();
            assert_eq!(caller.join().unwrap(), Err(Gone::Late(limit)), "after {part} bytes");
        });
    }
}

/// One that waits for something else reads for all, and one that has got nothing wrong learns of the end.
#[test]
fn what_is_not_of_the_protocol_ends_all_calls() {
    let (side, mut theirs) = side();
    thread::scope(|scope| {
        let callers: Vec<_> = (0..4).map(|_| scope.spawn(|| side.peer.call(b"", None))).collect();
        for _ in 0..4 {
            Header::read(&mut theirs, Limits::default()).unwrap();
        }
        theirs.write_all(&frame(Kind::Answer, 77, b"")).unwrap();
        for caller in callers {
            let gone = caller.join().unwrap().unwrap_err();
            assert!(matches!(&gone, Gone::Misled(reason) if reason.contains("77")), "{gone}");
        }
    });
}

/// What comes for ever does not keep a call from ending in time.
#[test]
fn a_deadline_is_kept_while_other_messages_come() {
    let (side, mut theirs) = side();
    let limit = Duration::from_millis(50);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                theirs.write_all(&frame(Kind::Post, 0, b"x").repeat(50)).unwrap();
            }
        });
        assert_eq!(side.peer.call(b"", Some(limit)), Err(Gone::Late(limit)));
        done.store(true, Ordering::Relaxed);
    });
}

/// What was read ahead before there was a side is not left where it is.
#[test]
fn what_is_in_the_buffer_at_first_is_taken() {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    theirs.write_all(&[&b"hello"[..], &frame(Kind::Post, 0, b"early")].concat()).unwrap();
    let mut ends = Stream::Unix(ours).into_ends().unwrap();
    ends.from.read_exact(&mut [0; 5]).unwrap();
    let side = Side::new(ends);
    assert_eq!(side.posted.recv().unwrap(), b"early");
}

/// A connection without a socket cannot be shut down, and who reads it is told all the same.
#[test]
fn who_reads_learns_of_an_end_that_another_has_found() {
    let (from, theirs) = std::io::pipe().unwrap();
    let side = Side::new(Ends::pipes(from, io::sink()));
    let peer = side.peer.clone();
    let caller = thread::spawn(move || peer.call(b"", None));
    while side.peer.shared.calls().waiting.is_empty() {
        thread::yield_now();
    }
    side.peer.end("that is enough");
    assert_eq!(caller.join().unwrap(), Err(Gone::Ended("that is enough".into())));
    // The thread that stands by reads until the other end goes.
    drop(theirs);
}

static IN_HANDLER: Mutex<Option<Box<dyn Fn() + Send>>> = Mutex::new(None);

/// Has a handler run on the thread that waits for the one call of this side.
fn interrupt(caller: &thread::JoinHandle<Result<Vec<u8>, Gone>>, handler: impl Fn() + Send + 'static) {
    extern "C" fn handle(_: std::ffi::c_int) {
        let handler = IN_HANDLER.lock().unwrap().take();
        if let Some(handler) = handler {
            handler();
        }
    }
    *IN_HANDLER.lock().unwrap() = Some(Box::new(handler));
    // SAFETY: the handler does what a program's may do that calls a lazy function; the thread waits.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handle as *const () as usize;
        assert_eq!(libc::sigaction(libc::SIGUSR1, &action, std::ptr::null_mut()), 0);
        assert_eq!(libc::pthread_kill(caller.as_pthread_t() as _, libc::SIGUSR1), 0);
    }
}

/// A handler that runs on the thread which reads asks something itself, is stopped, and never comes back: calls are answered.
#[test]
fn who_reads_may_be_interrupted() {
    let (side, mut theirs) = side();
    let answer = |theirs: &mut UnixStream, number: u32, text: &[u8]| {
        theirs.write_all(&frame(Kind::Answer, number, text)).unwrap();
    };
    let next = |theirs: &mut UnixStream| Header::read(theirs, Limits::default()).unwrap().call;
    let call = |side: &Side| {
        let peer = side.peer.clone();
        thread::spawn(move || peer.call(b"", None))
    };
    let caller = call(&side);
    let outer = next(&mut theirs);
    // As long as it still sends, a handler could not.
    while !side.peer.reading.is_led() {
        thread::yield_now();
    }
    let (sender, asked) = mpsc::channel();
    let peer = side.peer.clone();
    interrupt(&caller, move || sender.send(peer.call(b"", None)).unwrap());
    let inner = next(&mut theirs);
    answer(&mut theirs, inner, b"inner");
    assert_eq!(asked.recv().unwrap(), Ok(b"inner".to_vec()));
    // The handler waits for what another thread learns by a call.
    let (go_on, wait) = mpsc::channel::<()>();
    let (sender, stopped) = mpsc::channel();
    let wait = Mutex::new(wait);
    interrupt(&caller, move || {
        sender.send(()).unwrap();
        wait.lock().unwrap().recv().unwrap();
    });
    stopped.recv().unwrap();
    let other = call(&side);
    let number = next(&mut theirs);
    answer(&mut theirs, number, b"other");
    assert_eq!(other.join().unwrap(), Ok(b"other".to_vec()));
    go_on.send(()).unwrap();
    answer(&mut theirs, outer, b"outer");
    assert_eq!(caller.join().unwrap(), Ok(b"outer".to_vec()));
}
