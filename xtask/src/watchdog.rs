//! Steps that hang are ended, so that a run always comes to its last line.

use std::fs;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

/// What every process has in its environment that comes from one that is watched, also when its parent is gone.
const MARK: &str = "URUK_TASK";

/// Marks what this process starts from now on. It must be the only thread.
pub fn mark() -> String {
    let mark = std::process::id().to_string();
    // SAFETY: nobody else reads or writes the environment, since there is no other thread.
    unsafe { std::env::set_var(MARK, &mark) };
    mark
}

/// Does `action`; if it takes longer than `limit`, what has this mark is killed, and what gets it from then on. True if it came to
/// that.
pub fn limited<T>(mark: &str, limit: Duration, action: impl FnOnce() -> T) -> (T, bool) {
    let (ended, end_seen) = mpsc::channel::<()>();
    thread::scope(|scope| {
        let watchdog = scope.spawn(move || {
            if end_seen.recv_timeout(limit) != Err(RecvTimeoutError::Timeout) {
                return false;
            }
            println!("after {} minutes, this is killed:", limit.as_secs() / 60);
            let mark = format!("{MARK}={mark}\0");
            while end_seen.recv_timeout(Duration::from_millis(200)) == Err(RecvTimeoutError::Timeout) {
                kill_marked(&mark);
            }
            true
        });
        let value = action();
        drop(ended);
        (value, watchdog.join().unwrap_or(true))
    })
}

/// Kills every process whose environment has the mark, and says what it was.
fn kill_marked(mark: &str) {
    let folders = fs::read_dir("/proc").into_iter().flatten().flatten();
    for process in folders.filter_map(|folder| folder.file_name().to_str()?.parse::<i32>().ok()) {
        let read = |file: &str| fs::read(format!("/proc/{process}/{file}")).unwrap_or_default();
        let environment = read("environ");
        if !environment.split_inclusive(|byte| *byte == 0).any(|variable| variable == mark.as_bytes()) {
            continue;
        }
        println!("{process} {}", String::from_utf8_lossy(&read("cmdline")).replace('\0', " "));
        // SAFETY: kill has no memory effects. Only what was started with the mark has it: never this process, which has set it later.
        unsafe { libc::kill(process, libc::SIGKILL) };
    }
}

#[cfg(test)]
mod tests {
    use super::limited;
    use std::process::Command;
    use std::time::Duration;

    #[test]
    fn what_hangs_is_killed_with_what_it_left_behind() {
        // The second one holds the pipe and has lost its parent; neither is in the group of the first.
        let script = "setsid sh -c 'sleep 1000 & echo orphan' & wait; sleep 1000";
        let mark = format!("test-{}", std::process::id());
        let run = || Command::new("sh").args(["-c", script]).env(super::MARK, &mark).output().unwrap();
        let (output, killed) = limited(&mark, Duration::from_secs(3), run);
        assert!(killed && !output.status.success());
        assert_eq!(output.stdout, b"orphan\n");
    }

    #[test]
    fn what_ends_in_time_is_left_alone() {
        let (value, killed) = limited("nobody's", Duration::from_secs(600), || 5);
        assert_eq!((value, killed), (5, false));
    }
}
