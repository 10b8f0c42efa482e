//! `uruk repl`, as its users see it.

use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, unlockpt};
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

/// Pipes a text to the command.
fn pipe(text: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_uruk"));
    command.arg("repl").args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let text = text.to_owned();
    let writer = std::thread::spawn(move || drop(input.write_all(text.as_bytes())));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}

fn check(text: &str, status: i32, out: &str, errors: &str) {
    let output = pipe(text, &[]);
    assert_eq!(String::from_utf8_lossy(&output.stderr), errors, "{text}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), out, "{text}");
    assert_eq!(output.status.code(), Some(status), "{text}");
}

#[test]
fn values_are_printed() {
    check("def f(x) x+1 f(41)\n", 0, "42\n", "");
    check("", 0, "", "");
    check("extern putchard(c) extern printd(x)\nputchard(65)\nprintd(1/8)\n", 0, "A0\n0.125\n0\n", "");
}

#[test]
fn definitions_can_be_changed_and_errors_end_nothing() {
    check("def f() 1\ndef g() f()\ng()\ndef f() 2\ng()\n", 0, "1\n2\n", "");
    let error = "<standard input>: error: there is no variable `x` here\n --> line 2, column 5\n2 | 2 + x\n  |     ^\n";
    check("1\n2 + x\n3\n", 1, "1\n3\n", error);
}

/// What `examples/mandelbrot.ks` computes.
fn mandelbrot() -> String {
    let (left, top, width, height) = (-2.2, 1.2, 72.0, 24.0);
    let mut picture = String::new();
    for y in 0..24 {
        for x in 0..72 {
            let (cr, ci) = (left + f64::from(x) * 3.0 / width, top - f64::from(y) * 2.4 / height);
            let (mut r, mut i, mut n) = (0.0, 0.0, 0);
            loop {
                (r, i, n) = (r * r - i * i + cr, 2.0 * i * r + ci, n + 1);
                // The condition is asked before the step, as the loop of the language does it.
                if 4.0 <= r * r + i * i || 60 <= n {
                    break;
                }
            }
            picture.push(if 59 < n {
                '*'
            } else if 9 < n {
                '+'
            } else if 4 < n {
                '.'
            } else {
                ' '
            });
        }
        picture.push('\n');
    }
    picture
}

#[test]
fn the_mandelbrot_set_from_a_file_and_from_a_pipe() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/mandelbrot.ks");
    let want = mandelbrot() + "0\n";
    let output = pipe("", &[path.to_str().unwrap()]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), want);
    assert!(output.status.success());
    check(&std::fs::read_to_string(path).unwrap(), 0, &want, "");
}

#[test]
fn ten_thousand_expressions_are_evaluated() {
    let text: String = (0..10_000).map(|number| format!("{number} * 2\n")).collect();
    let want: String = (0..10_000).map(|number| format!("{}\n", number * 2)).collect();
    check(&text, 0, &want, "");
}

#[test]
fn mistakes_on_the_command_line() {
    let check = |arguments: &[&str], want: &str| {
        let output = pipe("", arguments);
        assert_eq!(output.status.code(), Some(125), "{arguments:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), format!("uruk: error: {want}\n"));
    };
    check(&["--backend", "gcc"], "`--backend` takes `cranelift` or `llvm`, not `gcc`");
    let absent = "cannot compile: LLVM IR needs the plugin liburuk_llvm_plugin.so, which is not installed";
    let mut command = Command::new(env!("CARGO_BIN_EXE_uruk"));
    let output = command.args(["repl", "--backend=llvm"]).env("URUK_LLVM", "/none").output().unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).starts_with(&format!("uruk: error: {absent}")), "{output:?}");
    assert_eq!(output.status.code(), Some(125));
    check(&["none.ks"], "cannot read `none.ks`: No such file or directory (os error 2)");
    check(&["a.ks", "b.ks"], "`uruk repl` takes one file only");
}

#[test]
fn messages_are_short_however_many_mistakes_a_line_has() {
    let output = pipe(&("def f(x) ".repeat(5000) + "2\n1\n"), &[]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "1\n");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(errors.matches("error: expected an expression, found `def`").count(), 4999);
    assert!(errors.len() < 5000 * 400, "{} bytes", errors.len());
}

#[test]
fn an_endless_text_is_refused() {
    let zeros = || File::open("/dev/zero").unwrap();
    let check = |arguments: &[&str], name: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_uruk"));
        let output = command.arg("repl").args(arguments).stdin(zeros()).output().unwrap();
        let want = format!("uruk: error: cannot read `{name}`: it has more than 64 MiB\n");
        assert_eq!(String::from_utf8_lossy(&output.stderr), want);
        assert_eq!(output.status.code(), Some(125));
    };
    check(&[], "<standard input>");
    check(&["/dev/zero"], "/dev/zero");
}

#[test]
fn messages_that_nobody_can_be_told_end_nothing() {
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_uruk"));
    let output = command.args(["repl", "none.ks"]).stdin(Stdio::null()).stderr(full).output().unwrap();
    assert_eq!(output.status.code(), Some(125));
}

/// Has the command prompt on a terminal, whose other end is returned.
fn terminal(home: &Path) -> (File, Child) {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let keys = openpt(flags).unwrap();
    unlockpt(&keys).unwrap();
    let screen = ioctl_tiocgptpeer(&keys, flags).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_uruk"));
    command.arg("repl").env("TERM", "xterm").env("XDG_STATE_HOME", home);
    let streams = || Stdio::from(screen.try_clone().unwrap());
    let child = command.stdin(streams()).stdout(streams()).stderr(streams()).spawn().unwrap();
    let mut keys = File::from(keys);
    wait_for(&["> "], &mut keys);
    (keys, child)
}

/// Reads what is shown until these texts are there, one after the other. Keys that mean something while a line is edited may be
/// pressed once there is a prompt: before that the terminal takes them for its own.
fn wait_for(texts: &[&str], keys: &mut File) {
    let (mut shown, mut more) = (Vec::new(), [0; 4096]);
    let are_there = |shown: &[u8]| {
        let shown = String::from_utf8_lossy(shown).into_owned();
        texts.iter().try_fold(&*shown, |rest, text| Some(rest.split_once(text)?.1)).is_some()
    };
    while !are_there(&shown) {
        let length = keys.read(&mut more).unwrap();
        shown.extend(&more[..length]);
    }
}

#[test]
fn a_conversation_ends_with_its_input() {
    let home = tempfile::tempdir().unwrap();
    let (mut keys, mut child) = terminal(home.path());
    keys.write_all(b"6 * 7\r").unwrap();
    wait_for(&["42\r\n", "> "], &mut keys);
    keys.write_all(b"\x04").unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));

    let (mut keys, mut child) = terminal(home.path());
    keys.write_all(b"1 +\r").unwrap();
    wait_for(&["+"], &mut keys);
    // The terminal goes in the midst of a line.
    drop(keys);
    assert_eq!(child.wait().unwrap().code(), Some(125));
}
