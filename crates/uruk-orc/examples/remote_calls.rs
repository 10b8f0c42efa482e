//! What an empty call into another process and back costs, for `cargo xtask bench remote`: `remote_calls EXECUTOR COUNT`
//! starts the executor, calls `abs` there that often, and prints the microseconds of one call as JSON.

use std::error::Error;
use std::path::Path;
use std::time::Instant;
use uruk_orc::executor::{Executor, find_one};
use uruk_orc::remote::{Options, Remote};

fn main() -> Result<(), Box<dyn Error>> {
    const WARM: u64 = 100;
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [executor, count] = arguments.as_slice() else { return Err("usage: remote_calls EXECUTOR COUNT".into()) };
    let count: u64 = count.parse()?;
    let remote = Remote::spawn(Path::new(executor), [""; 0], &Options::default())?;
    let function = find_one(&remote, b"abs")?.ok_or("the executor has no `abs`")?.address;
    let call = || remote.call(function, &[-1i64 as u64]);
    let mut sum = 0;
    for _ in 0..WARM {
        sum += call()? as u32 as u64;
    }
    let start = Instant::now();
    for _ in 0..count {
        sum += call()? as u32 as u64;
    }
    let taken = start.elapsed().as_secs_f64() * 1e6;
    if sum != WARM + count {
        return Err("a call gave a wrong number".into());
    }
    println!("{{\"call_us\": {}}}", taken / count as f64);
    Ok(())
}
