//! The same program over pipes, TCP and a socket of this machine; who may connect; what a batch costs.

use crate::support::{Listening, URUK, add_c, call, compiled, compiled_in, jit, spawn, wrapper};
use std::io::{self, IoSlice, Write};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use uruk::Input;
use uruk::orc::remote::{Options, Remote};
use uruk_executor::protocol::transport::{Ends, Stream};

fn check(remote: &Arc<Remote>) {
    let jit = jit(remote);
    add_c(&jit, "#include <stdlib.h>\nint twice(int x) { return abs(-x) * 2; }");
    assert_eq!(call(&jit, "twice", &[21]).unwrap(), 42);
}

#[test]
fn every_transport_carries_a_program() {
    check(&spawn(&Options::default()));
    let folder = tempfile::tempdir().unwrap();
    let path = format!("unix:{}/socket", folder.path().display());
    for address in ["tcp:127.0.0.1:0", "tcp::0", &path] {
        let listening = Listening::start(address, "");
        // One after the other, and at once; each has a process of its own.
        let remotes = [(); 3].map(|()| Arc::new(Remote::connect(&listening.address, &Options::default()).unwrap()));
        remotes.iter().for_each(check);
        assert_ne!(remotes[0].target().process, remotes[1].target().process);
    }
}

#[test]
fn who_has_another_secret_is_refused() {
    let listening = Listening::start("tcp:127.0.0.1:0", "of both");
    let with = |secret: &str| Options { secret: secret.into(), ..Options::default() };
    for wrong in ["", "of one"] {
        let error = Remote::connect(&listening.address, &with(wrong)).err().unwrap().to_string();
        assert!(error.contains("secret") || error.contains("ended the connection"), "{error}");
    }
    check(&Arc::new(Remote::connect(&listening.address, &with("of both")).unwrap()));
}

#[test]
fn other_machines_need_a_secret() {
    let output = Command::new(URUK).args(["executor", "--listen", "tcp:0.0.0.0:0"]).env_remove("URUK_SECRET").output();
    let output = output.unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("set URUK_SECRET"));
}

#[test]
fn the_command_runs_programs_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let wrapper = wrapper(folder.path(), "");
    let object = compiled_in(
        folder.path(),
        "program.c",
        "#include <stdio.h>\n#include <stdlib.h>\nstatic void bye(void) { puts(\"bye\"); }
         int main(int count, char **values) { char line[9]; atexit(bye);
           printf(\"%s %s\", values[1], fgets(line, 9, stdin)); if (count == 3) abort(); return 3; }",
    );
    let run = |arguments: &[&str]| {
        let mut command = Command::new(URUK);
        command.args(["run", "--executor"]).args([&wrapper, &object]).arg("--").args(arguments);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(b"in\n").unwrap();
        child.wait_with_output().unwrap()
    };
    let output = run(&["out"]);
    assert_eq!((output.status.code(), &*output.stdout), (Some(3), &b"out in\nbye\n"[..]));
    assert!(output.stderr.is_empty());
    let output = run(&["out", "abort"]);
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(128 + 6), "{message}");
    assert!(message.contains("it was ended by signal 6") && message.contains("main+0x"), "{message}");
}

/// Counts what is written.
struct Counted<W>(W, Arc<AtomicUsize>);

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.write(bytes)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// How often something is sent to link so many objects at once.
fn messages_for(count: usize) -> usize {
    let listening = Listening::start(&format!("unix:{}/s", tempfile::tempdir().unwrap().keep().display()), "");
    let stream = match &listening.address {
        uruk_executor::protocol::transport::Address::Unix(path) => UnixStream::connect(path).unwrap(),
        other => panic!("{other}"),
    };
    let sent = Arc::new(AtomicUsize::new(0));
    let ends = Stream::Unix(stream).into_ends().unwrap();
    let ends = Ends { to: Box::new(Counted(ends.to, sent.clone())), ..ends };
    let options = Options { heartbeat: None, ..Options::default() };
    let remote = Arc::new(Remote::over(ends, "counted executor".into(), None, &options).unwrap());
    let jit = jit(&remote);
    // One object for each function, as `-ffunction-sections` and a splitter would make them.
    let objects: Vec<Input> = (0..count)
        .map(|number| {
            let text = format!(
                ".globl f{number}\n.type f{number},@function\nf{number}: .cfi_startproc\n mov ${number}, %eax\n ret\n \
                 .cfi_endproc\n.size f{number}, .-f{number}\n.section .note.GNU-stack\n"
            );
            compiled("f.s", &text)
        })
        .collect();
    jit.main().add_objects(&objects).unwrap();
    let before = sent.load(Ordering::Relaxed);
    assert_eq!(call(&jit, &format!("f{}", count - 1), &[]).unwrap(), count as u64 - 1);
    sent.load(Ordering::Relaxed) - before
}

#[test]
fn a_batch_takes_as_many_messages_whatever_its_size() {
    let (few, many) = (messages_for(4), messages_for(200));
    assert!(few <= 20 && many <= few, "{few} for 4 objects, {many} for 200");
}
