//! `uruk run --executor`: the program runs in another process, or on another machine.

use crate::args::Place;
use crate::plan::Plan;
use std::sync::Arc;
use uruk::orc::remote::{Options, Remote};

/// Starts or connects to the executor of a plan, if it names one.
pub fn executor(plan: &Plan) -> Result<Option<Arc<Remote>>, uruk::Error> {
    let Some(place) = &plan.options.executor else { return Ok(None) };
    let secret = std::env::var_os("URUK_SECRET").unwrap_or_default().into_encoded_bytes();
    let options = Options { secret, ..Options::default() };
    let remote = match place {
        Place::Child(program) => {
            let debugger = plan.options.debugger.then_some("--debugger");
            Remote::spawn(program, debugger, &options)?
        }
        Place::Listening(address) => Remote::connect(address, &options)?,
    };
    Ok(Some(Arc::new(remote)))
}
