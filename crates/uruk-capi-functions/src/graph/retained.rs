//! Graphs that stay: those of linked objects of a JIT with `URUK_JIT_RETAIN_GRAPHS`.

use super::{Graph, View, uruk_graph};
use crate::call::{Reach, enter, enter_value};
use crate::dylib::uruk_dylib;
use crate::error::{Failure, copy_text, uruk_status};
use crate::handle::{self, Handle};
use crate::raw::Out;
use std::ffi::c_char;
use std::sync::{Arc, Mutex};

/// The graphs of a dylib's linked objects, if its JIT retains them: as many as there is room for, and in `count` how many there are. They
/// are as `post_prune` has left them, with addresses, and the caller's to dispose of. `graphs` may be null if `room` is 0.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_dylib_retained_graphs(
    dylib: Handle<uruk_dylib>,
    graphs: Out<Handle<uruk_graph>>,
    room: usize,
    count: Out<usize>,
) -> uruk_status {
    enter(Reach::OutsideLinks, || {
        count.check("count")?;
        if room != 0 {
            graphs.check("graphs")?;
        }
        let retained = dylib.get()?.get().retained_graphs();
        let handle = |graph| {
            let graph = Graph(Mutex::new(Some(View::Retained(graph))));
            handle::put::<uruk_graph>(Arc::new(graph)).handle()
        };
        let found = retained.len();
        graphs.put_all(retained.into_iter().take(room).map(handle).collect::<Vec<_>>().into_iter())?;
        count.put(found)
    })
}

/// Copies what messages call the object of a graph, as far as there is room, with a zero byte at the end. Returns how long all of it is,
/// without that byte; 0 for what is no graph. May be called from callbacks.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_graph_object(graph: Handle<uruk_graph>, buffer: Out<c_char>, size: usize) -> usize {
    enter_value(Reach::Anywhere, 0, || graph.get()?.look(|graph, _| copy_text(graph.input.name(), buffer, size)))
}

/// Disposes of a retained graph. One that is lent to a callback goes by itself. Null is fine. May be called from callbacks.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_graph_dispose(graph: Handle<uruk_graph>) -> uruk_status {
    enter(Reach::Anywhere, || match graph.get_if_any()? {
        Some(lent) if !matches!(&*lent.lock(), Some(View::Retained(_))) => {
            Err(Failure::invalid("this uruk_graph is lent: it goes when the callback returns"))
        }
        _ => graph.take().map(drop),
    })
}
