//! Executors that do not keep to the protocol.

use std::io::{Read, Write};
use std::ops::Range;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;
use uruk::orc::executor::{Executor, find_one};
use uruk::orc::remote::{Options, Remote};
use uruk_executor::protocol::frame::{HEADER, Header, Kind, Limits, read_bytes};
use uruk_executor::protocol::hello::{self, Role};
use uruk_executor::protocol::message::Answer;
use uruk_executor::protocol::transport::Stream;
use uruk_executor::serve::{Target, encode};
use uruk_jitlink::memory::{Placement, checked};

fn options() -> Options {
    Options { patience: Some(Duration::from_secs(5)), heartbeat: None, ..Options::default() }
}

/// A connection to an executor that behaves as it is told.
fn connect(behave: impl FnOnce(UnixStream) + Send + 'static) -> Result<Remote, uruk::orc::error::Error> {
    let (ours, theirs) = UnixStream::pair().unwrap();
    std::thread::spawn(move || behave(theirs));
    Remote::over(Stream::Unix(ours).into_ends().unwrap(), "liar".into(), None, &options())
}

fn frame(kind: Kind, call: u32, message: &[u8]) -> Vec<u8> {
    let header = Header { message: message.len() as u32, payload: 0, kind, call, during: 0 };
    [&header.encode()[..], message].concat()
}

fn greet(stream: &mut UnixStream) {
    greet_with(stream, None);
}

fn greet_with(stream: &mut UnixStream, file_pages: Option<u64>) {
    let mut from = stream.try_clone().unwrap();
    hello::exchange(&mut from, stream, Role::Executor, b"").unwrap();
    let target = Target {
        architecture: "x86_64".into(),
        system: "linux".into(),
        features: Vec::new(),
        process: 1,
        insists_on: Vec::new(),
        windows_functions: Vec::new(),
        debug_wanted: false,
        debug_thread_base: None,
        backtraces_wanted: false,
        sandbox: false,
        lacks_streams: false,
        file_pages,
    };
    stream.write_all(&frame(Kind::Post, 0, &encode(&target))).unwrap();
}

/// Reads the next call and answers it with these bytes, which get the call's number.
fn answer(stream: &mut UnixStream, bytes: impl FnOnce(u32) -> Vec<u8>) {
    let header = Header::read(stream, Limits::default()).unwrap();
    read_bytes(stream, header.message).unwrap();
    // The controller may have gone by now.
    _ = stream.write_all(&bytes(header.call));
}

fn error_of(behave: impl FnOnce(UnixStream) + Send + 'static) -> String {
    connect(behave).err().unwrap().to_string()
}

#[test]
fn what_is_no_executor_is_told_so() {
    let error = error_of(|mut stream| stream.write_all(&[b'x'; 100]).unwrap());
    assert!(error.contains("does not speak this protocol"), "{error}");
    let error = error_of(drop);
    assert!(error.contains("ended the connection"), "{error}");
    let error = error_of(|mut stream| {
        let mut bytes = [0; 40];
        stream.read_exact(&mut bytes).unwrap();
        bytes[4..8].copy_from_slice(&[7, 0, 9, 0]);
        stream.write_all(&bytes).unwrap();
    });
    assert!(error.contains("versions 7 to 9"), "{error}");
    let error = error_of(|mut stream| {
        let mut from = stream.try_clone().unwrap();
        _ = hello::exchange(&mut from, &mut stream, Role::Executor, b"another");
    });
    assert!(error.contains("another secret"), "{error}");
    let error = error_of(|mut stream| {
        let mut from = stream.try_clone().unwrap();
        hello::exchange(&mut from, &mut stream, Role::Executor, b"").unwrap();
        stream.write_all(&frame(Kind::Post, 0, b"\xff\xff\xff")).unwrap();
    });
    assert!(error.contains("cannot be decoded"), "{error}");
}

/// What the controller says when the answer to its first call is this.
fn after(bytes: impl FnOnce(u32) -> Vec<u8> + Send + 'static) -> String {
    let remote = connect(|mut stream| {
        greet(&mut stream);
        answer(&mut stream, bytes);
        // The connection stays until the controller ends it.
        _ = stream.read_to_end(&mut Vec::new());
    });
    find_one(&remote.unwrap(), b"name").unwrap_err().to_string()
}

#[test]
fn frames_that_are_none_end_the_connection_with_a_reason() {
    let error = after(|_| vec![0xee; HEADER]);
    assert!(error.contains("liar is gone") && error.contains("kind of a frame"), "{error}");
    let error = after(|call| {
        let mut bytes = frame(Kind::Answer, call, b"");
        bytes[..4].copy_from_slice(&u32::MAX.to_le_bytes());
        bytes
    });
    assert!(error.contains("4294967295 bytes came"), "{error}");
    let error = after(|call| frame(Kind::Answer, call + 1, &encode(&Answer::Done)));
    assert!(error.contains("nobody waits for"), "{error}");
    let error = after(|call| frame(Kind::Answer, call, b"\x63\x63"));
    assert!(error.contains("cannot be decoded"), "{error}");
    let error = after(|call| frame(Kind::Answer, call, &encode(&Answer::Names(Vec::new()))));
    assert!(error.contains("does not fit the question"), "{error}");
    let error = after(|call| frame(Kind::Answer, call, &encode(&Answer::Found(vec![None; 3]))));
    assert!(error.contains("does not fit the question"), "{error}");
    let error = after(|call| frame(Kind::Failure, call, b"no \xff"));
    assert!(error.contains("in liar: no "), "{error}");
    let error = after(|call| frame(Kind::Call, call, b"\x01\x01"));
    assert!(error.contains("liar is gone"), "{error}");
}

#[test]
fn a_frame_that_is_cut_off_ends_the_connection() {
    let remote = connect(|mut stream| {
        greet(&mut stream);
        answer(&mut stream, |call| frame(Kind::Answer, call, &[1; 1000])[..HEADER + 10].to_vec());
    });
    let error = find_one(&remote.unwrap(), b"name").unwrap_err().to_string();
    assert!(error.contains("liar is gone: the connection broke"), "{error}");
}

#[test]
fn addresses_that_make_no_sense_are_refused() {
    let with = |answers: Vec<Answer>| {
        let remote = connect(move |mut stream| {
            greet(&mut stream);
            for given in answers {
                answer(&mut stream, |call| frame(Kind::Answer, call, &encode(&given)));
            }
            _ = stream.read_to_end(&mut Vec::new());
        });
        Arc::new(remote.unwrap())
    };
    let remote = with(vec![Answer::Range(Range { start: 10, end: 5 })]);
    assert!(remote.memory().span(Placement::Near).unwrap_err().to_string().contains("does not fit"));
    let remote = with(vec![Answer::Words(vec![0x1001, 0, 0])]);
    let mut demand = uruk_jitlink::memory::Demand::default();
    demand.lanes[0].size = 64;
    demand.lanes[0].align = 16;
    let allocate = |remote: &Remote| checked(remote.memory().allocate(&demand)?, &demand);
    let error = allocate(&remote).err().unwrap().to_string();
    assert!(error.contains("0x1001"), "{error}");
    let remote = with(vec![Answer::Words(vec![0x1000])]);
    let error = allocate(&remote).err().unwrap().to_string();
    assert!(error.contains("does not fit"), "{error}");
}

#[test]
fn pages_of_a_size_that_there_is_not_are_refused() {
    for bytes in [0, 3, 2048, 1 << 40, u64::MAX] {
        let error = error_of(move |mut stream| greet_with(&mut stream, Some(bytes)));
        assert!(error.contains("pages have a size that no pages have"), "{error}");
    }
}

/// Memory at addresses that make no sense is filled all the same, and what becomes of it is the executor's affair.
#[test]
fn an_executor_that_takes_files_cannot_harm_who_fills_them() {
    let addresses = [0x7fff_ffff_f000, 0x7ff0_0000_0000, 0x7ff8_0000_0123];
    let remote = connect(move |mut stream| {
        greet_with(&mut stream, Some(2 << 20));
        answer(&mut stream, |call| frame(Kind::Answer, call, &encode(&Answer::Words(addresses.into()))));
        // The file goes with the next byte that is read: it is dropped unseen.
        _ = stream.read_to_end(&mut Vec::new());
    });
    let remote = remote.unwrap();
    let mut demand = uruk_jitlink::memory::Demand::default();
    demand.lanes.iter_mut().for_each(|lane| lane.size = 1 << 20);
    let mut allocation = remote.memory().allocate(&demand).unwrap();
    for bytes in allocation.working() {
        assert_eq!(bytes.len(), 1 << 20);
        bytes.fill(0xcc);
    }
}
