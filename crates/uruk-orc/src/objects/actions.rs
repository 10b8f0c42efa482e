//! Allocation actions: what graphs want called once their bytes are final, and when they go.

use crate::error::Error;
use crate::executor::Executor;
use std::sync::Arc;
use uruk_jitlink::action::Call;
use uruk_jitlink::graph::LinkGraph;

/// A call that is made before an object's memory goes.
pub(crate) struct Departure {
    object: Arc<str>,
    function: u64,
    arguments: Vec<u64>,
}

impl Departure {
    pub fn make(&self, executor: &dyn Executor) -> Result<(), Error> {
        call(executor, &self.object, "before its memory goes", self.function, &self.arguments)
    }
}

/// Makes the calls of an object whose memory is final, and notes those for when it goes. If one fails, those before it have been
/// made, and are undone when the object is given back.
pub(super) fn run(
    executor: &dyn Executor,
    graph: &LinkGraph,
    addresses: &[u64],
    departures: &mut Vec<Departure>,
) -> Result<(), Error> {
    const WHEN: &str = "after finalization";
    let object = graph.input.name();
    let resolve = |call: &Call| {
        call.resolve(addresses).ok_or_else(|| {
            let symbol = String::from_utf8_lossy(graph.symbol_name(call.function));
            failed(object, WHEN, format!("`{symbol}`, or what it is given, was dropped or is not defined"))
        })
    };
    for action in &graph.actions {
        let departure = action.deallocate.as_ref().map(resolve).transpose()?;
        if let Some((function, arguments)) = action.finalize.as_ref().map(resolve).transpose()? {
            call(executor, object, WHEN, function, &arguments)?;
        }
        departures.extend(departure.map(|(function, arguments)| Departure {
            object: object.clone(),
            function,
            arguments,
        }));
    }
    Ok(())
}

/// Calls a function that returns 0 if it succeeds.
fn call(
    executor: &dyn Executor,
    object: &str,
    when: &'static str,
    function: u64,
    arguments: &[u64],
) -> Result<(), Error> {
    match executor.call(function, arguments)? {
        0 => Ok(()),
        status => Err(failed(object, when, format!("the function at {function:#x} returned {status:#x}"))),
    }
}

fn failed(object: &str, when: &'static str, reason: String) -> Error {
    Error::Action { object: object.into(), when, reason }
}
