//! Parts of tests that end their process or fork: they run in a process of their own, where no other test is.

use std::ffi::{CString, c_char};
use std::process::Command;

/// Set where a test finds itself alone.
const ALONE: &str = "URUK_TEST_ALONE";
/// What a process exits with that got to its end.
const STATUS: i32 = 7;

/// Runs `body` in a process of its own, which must leave by [`exit`]; gives the words that are said in it. `test` is the
/// calling test's name; it calls this once.
pub fn alone(test: &str, body: impl FnOnce()) -> String {
    if std::env::var_os(ALONE).is_some() {
        body();
        unreachable!("the process has exited");
    }
    let mut command = Command::new(std::env::current_exe().expect("a test knows its path"));
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]).env(ALONE, "1");
    let output = command.output().expect("the test starts again");
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(STATUS), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let words: Vec<&str> = text.lines().filter_map(|line| line.split_once("said ")).map(|(_, word)| word).collect();
    words.join(" ")
}

/// For linked code: says a word.
///
/// # Safety
/// `word` is a C string.
pub unsafe extern "C" fn say(word: *const c_char) {
    // SAFETY: the caller's promise.
    let line = [b"said ", unsafe { std::ffi::CStr::from_ptr(word) }.to_bytes(), b"\n"].concat();
    // SAFETY: the line's own bytes.
    unsafe { libc::write(1, line.as_ptr().cast(), line.len()) };
}

/// The same for a test.
pub fn remark(word: &str) {
    let word = CString::new(word).expect("a word without zero bytes");
    // SAFETY: a C string.
    unsafe { say(word.as_ptr()) }
}

/// Ends the process as a C program does.
pub fn exit() -> ! {
    // SAFETY: the handlers of this process run here.
    unsafe { libc::exit(STATUS) }
}

/// Forks, and gives the child's status; that of one which was ended by a signal is negative.
pub fn fork(child: impl FnOnce() -> i32) -> i32 {
    // SAFETY: the child goes on with what survives a fork, which is what is tested, and leaves by `_exit`.
    let process = unsafe { libc::fork() };
    assert_ne!(process, -1, "fork works");
    if process == 0 {
        // SAFETY: a child that hangs is ended by this.
        unsafe { libc::alarm(60) };
        let status = std::panic::catch_unwind(std::panic::AssertUnwindSafe(child)).unwrap_or(101);
        // SAFETY: ends the child without the parent's destructors.
        unsafe { libc::_exit(status) };
    }
    let mut status = 0;
    // SAFETY: waits for the child above.
    assert_eq!(unsafe { libc::waitpid(process, &mut status, 0) }, process);
    if libc::WIFEXITED(status) { libc::WEXITSTATUS(status) } else { -libc::WTERMSIG(status) }
}
