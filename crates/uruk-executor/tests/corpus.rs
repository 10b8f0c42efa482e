//! Runs what the fuzz targets of the protocol do on every saved input, and on each with a flipped bit or cut short.

#[path = "../../../fuzz/src/remote.rs"]
mod remote;

use std::fs;
use std::path::Path;

fn check(target: &str, body: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut count = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        // Shown with the panic, if there is one.
        println!("{}", path.display());
        let data = fs::read(&path).unwrap();
        body(&data);
        for at in 0..data.len() {
            body(&data[..at]);
            for bit in 0..8 {
                let mut data = data.clone();
                data[at] ^= 1 << bit;
                body(&data);
            }
        }
        count += 1;
    }
    assert_ne!(count, 0, "no input in {}", folder.display());
}

#[test]
fn messages_of_controllers() {
    check("executor_messages", remote::executor_messages);
}

#[test]
fn messages_of_executors() {
    check("controller_messages", remote::controller_messages);
}
