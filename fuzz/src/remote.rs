//! What both sides of a connection to an executor make of any bytes.

use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use std::io::{Cursor, Read};
use std::marker::PhantomData;
use std::sync::{Arc, Weak};
use uruk_executor::protocol::frame::Limits;
use uruk_executor::protocol::message::{Answer, Question, Reply, Request};
use uruk_executor::protocol::transport::Ends;
use uruk_executor::protocol::{Handler, Incoming, Peer};
use uruk_executor::serve::{Target, decode, encode};

/// Decodes calls and posts of one kind.
struct Decoding<T>(PhantomData<fn() -> T>);

impl<T: DeserializeOwned + Serialize + PartialEq + Debug> Handler for Decoding<T> {
    fn post(&self, message: &[u8], payload: &mut dyn Read) -> Result<(), String> {
        both_ways::<T>(message)?;
        payload.read_to_end(&mut Vec::new()).map(drop).map_err(|error| error.to_string())
    }

    fn call(&self, message: &[u8]) -> Result<Vec<u8>, String> {
        both_ways::<T>(message)
    }

    fn dispatch(&self, incoming: Incoming) {
        // An error is an answer, too.
        _ = self.call(incoming.message());
    }
}

/// What was decoded is encoded and decoded to the same.
fn both_ways<T: DeserializeOwned + Serialize + PartialEq + Debug>(message: &[u8]) -> Result<Vec<u8>, String> {
    let value: T = decode(message)?;
    let bytes = encode(&value);
    assert_eq!(decode::<T>(&bytes).as_ref(), Ok(&value));
    Ok(bytes)
}

fn read<T: DeserializeOwned + Serialize + PartialEq + Debug + 'static>(data: &[u8]) {
    let handler = Arc::new(Decoding::<T>(PhantomData));
    let weak: Weak<Decoding<T>> = Arc::downgrade(&handler);
    let ends = Ends::new(Cursor::new(data.to_vec()), std::io::sink());
    let peer = Peer::new(ends, Limits { message: 1 << 16, payload: 1 << 16 }, weak);
    let reason = peer.read();
    assert_eq!(peer.ended().map(|gone| gone.to_string()), Some(reason));
    assert!(peer.call(b"", None).is_err(), "nothing is sent once a connection has ended");
}

/// As an executor reads what a controller sends.
pub fn executor_messages(data: &[u8]) {
    read::<Request>(data);
    // What a controller answers comes alone.
    _ = both_ways::<Reply>(data);
}

/// As a controller reads what an executor sends.
pub fn controller_messages(data: &[u8]) {
    read::<Question>(data);
    _ = both_ways::<Answer>(data);
    _ = both_ways::<Target>(data);
}
