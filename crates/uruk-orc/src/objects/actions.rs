//! Allocation actions: what graphs want called once their bytes are final, and when they go.

use crate::error::Error;
use crate::executor::Executor;
use uruk_jitlink::graph::LinkGraph;

/// Makes the calls of an object whose memory is final, and notes those for when it goes. If one fails, those before it have been
/// made, and are undone when the object is given back.
pub(super) fn run(
    executor: &dyn Executor,
    graph: &LinkGraph,
    addresses: &[u64],
    departures: &mut Vec<(u64, Vec<u64>)>,
) -> Result<(), Error> {
    const WHEN: &str = "after finalization";
    let resolve = |call: &uruk_jitlink::action::Call| {
        let symbol = || String::from_utf8_lossy(graph.symbol_name(call.function)).into_owned();
        let missing = || failed(WHEN, format!("`{}`, or what it is given, was dropped or is not defined", symbol()));
        call.resolve(addresses).ok_or_else(missing)
    };
    let named = |error| match error {
        Error::Action { when, reason, .. } => Error::Action { object: graph.input.name().to_string(), when, reason },
        other => other,
    };
    for action in &graph.actions {
        let departure = action.deallocate.as_ref().map(resolve).transpose().map_err(named)?;
        if let Some((function, arguments)) = action.finalize.as_ref().map(resolve).transpose().map_err(named)? {
            call(executor, WHEN, function, &arguments).map_err(named)?;
        }
        departures.extend(departure);
    }
    Ok(())
}

/// Calls a function that returns 0 if it succeeds.
pub(crate) fn call(executor: &dyn Executor, when: &'static str, function: u64, arguments: &[u64]) -> Result<(), Error> {
    match executor.call(function, arguments)? {
        0 => Ok(()),
        status => Err(failed(when, format!("the function at {function:#x} returned {status:#x}"))),
    }
}

fn failed(when: &'static str, reason: String) -> Error {
    Error::Action { object: "a removed object".into(), when, reason }
}
