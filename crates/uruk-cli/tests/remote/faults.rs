//! Executors that crash, hang, are killed or run out of memory: whoever waits gets an error, and the next one works.

use crate::support::{URUK, add_c, call, jit, kill_at_moments, signal, spawn, wrapper};
use rustix::fs::{FileType, Mode};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use uruk::orc::error::Error;
use uruk::orc::executor::Executor;
use uruk::orc::remote::{Options, Remote};

const PROGRAM: &str = "
    #include <stdlib.h>
    #include <unistd.h>
    int fine(void) { return 1; }
    int crash(int *p) { return *p; }
    void stop(void) { abort(); }
    void spin(void) { for (volatile int i = 0;; i++) {} }
    int die(void) { _exit(17); }
    int wait_long(void) { for (;;) pause(); }
    int deep(int n) { volatile char room[4096]; room[n % 4096] = (char)n; return deep(n + 1) + room[0]; }
";

/// What became of the executor.
fn lost(error: uruk::Error) -> (String, Option<i32>, Option<i32>) {
    let uruk::Error::Session(error) = error else { panic!("{error}") };
    match error.executor_lost() {
        Some(Error::ExecutorLost { report, status, signal, .. }) => (report.clone(), *status, *signal),
        _ => panic!("{error}"),
    }
}

/// Lets an executor fail, and checks that all later work fails too, and that another one works.
fn after(
    options: &Options,
    fail: impl FnOnce(&Arc<Remote>, &uruk::Jit) -> uruk::Error,
) -> (String, Option<i32>, Option<i32>) {
    let remote = spawn(options);
    let jit = jit(&remote);
    add_c(&jit, PROGRAM);
    assert_eq!(call(&jit, "fine", &[]).unwrap(), 1);
    let end = lost(fail(&remote, &jit));
    lost(call(&jit, "fine", &[]).unwrap_err());
    drop(jit);
    let next = spawn(options);
    let jit = crate::support::jit(&next);
    add_c(&jit, PROGRAM);
    assert_eq!(call(&jit, "fine", &[]).unwrap(), 1);
    end
}

#[test]
fn crashes_are_reported_with_the_functions_that_were_active() {
    let (report, _, signal) = after(&Options::default(), |_, jit| call(jit, "crash", &[8]).unwrap_err());
    assert_eq!(signal, Some(11));
    assert!(report.contains("address 0x8") && report.contains(": crash+0x"), "{report}");
    let (report, _, signal) = after(&Options::default(), |_, jit| call(jit, "stop", &[]).unwrap_err());
    assert_eq!(signal, Some(6));
    assert!(report.contains(": stop+0x"), "{report}");
    let (_, status, _) = after(&Options::default(), |_, jit| call(jit, "die", &[]).unwrap_err());
    assert_eq!(status, Some(17));
    let (_, _, signal) = after(&Options::default(), |_, jit| call(jit, "deep", &[0]).unwrap_err());
    assert_eq!(signal, Some(11), "the stack is used up");
}

#[test]
fn an_endless_loop_is_ended_after_its_time() {
    let options = Options { run_limit: Some(Duration::from_secs(2)), ..Options::default() };
    let (report, ..) = after(&options, |_, jit| call(jit, "spin", &[]).unwrap_err());
    assert!(report.contains("calling a function took more than 2 seconds"), "{report}");
}

#[test]
fn a_process_that_is_stopped_is_given_up() {
    let options = Options {
        patience: Some(Duration::from_secs(2)),
        heartbeat: Some(Duration::from_millis(100)),
        ..Options::default()
    };
    // While somebody waits for the program, and while nobody does.
    after(&options, |remote, jit| {
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| call(jit, "wait_long", &[]).unwrap_err());
            signal(remote.target().process, "STOP");
            waiting.join().unwrap()
        })
    });
    after(&options, |remote, jit| {
        signal(remote.target().process, "STOP");
        call(jit, "fine", &[]).unwrap_err()
    });
}

/// Killed while it links and runs, a little later each time.
#[test]
fn a_kill_at_any_moment_ends_in_errors() {
    let work = |remote: &Arc<Remote>| {
        let jit = uruk::Jit::builder().executor(remote.clone()).build()?;
        for round in 0.. {
            let name = format!("f{round}");
            let text = format!("function %{name}() -> i64 {{ block0: v0 = iconst.i64 {round} return v0 }}");
            jit.main().add_clif("f.clif", &text)?;
            assert_eq!(call(&jit, &name, &[])?, round);
        }
        Ok(())
    };
    kill_at_moments(0..24, |remote| work(remote).unwrap_err(), |_, error| assert_eq!(lost(error).2, Some(9)));
    let remote = spawn(&Options::default());
    add_c(&jit(&remote), PROGRAM);
}

#[test]
fn a_quota_of_memory_is_kept() {
    let options = Options::default();
    let remote = Remote::spawn(Path::new(URUK), ["executor", "--memory", "100000"], &options).unwrap();
    let remote = Arc::new(remote);
    let jit = jit(&remote);
    add_c(&jit, "int small(void) { return 2; }");
    let small = jit.main().address("small").unwrap();
    add_c(&jit, "char large[1 << 20] = {1}; char *get(void) { return large; }");
    let error = call(&jit, "get", &[]).unwrap_err().to_string();
    assert!(error.contains("over this executor's quota of 100000"), "{error}");
    assert_eq!(remote.call(small, &[]).unwrap(), 2);
}

#[test]
fn an_executor_without_a_controller_ends() {
    let folder = tempfile::tempdir().unwrap();
    let wrapper = wrapper(folder.path(), "");
    let source = folder.path().join("program.c");
    std::fs::write(
        &source,
        "#include <stdio.h>\n#include <unistd.h>\nint main(void) { printf(\"%d\\n\", getpid()); fflush(stdout); for (;;) pause(); }",
    )
    .unwrap();
    let mut controller = Command::new(URUK);
    let mut controller =
        controller.args(["run", "--executor"]).args([&wrapper, &source]).stdout(Stdio::piped()).spawn().unwrap();
    let mut output = BufReader::new(controller.stdout.take().unwrap());
    let mut process = String::new();
    output.read_line(&mut process).unwrap();
    assert!(Path::new("/proc").join(process.trim()).exists());
    controller.kill().unwrap();
    controller.wait().unwrap();
    // The program has the other end of this pipe: it is at its end when the program is.
    let mut rest = String::new();
    assert_eq!(output.read_line(&mut rest).unwrap(), 0);
}

#[test]
fn what_would_need_a_thread_fails_where_there_can_be_none() {
    let options = Options { patience: Some(Duration::from_secs(20)), heartbeat: None, ..Options::default() };
    let remote = spawn(&options);
    let jit = jit(&remote);
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("busy");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    add_c(&jit, PROGRAM);
    let text = format!(
        "#include <fcntl.h>
         #include <sys/resource.h>
         #include <unistd.h>
         int limit(void) {{ struct rlimit none = {{1, 1}}; return setrlimit(RLIMIT_AS, &none); }}
         int say_and_wait(void) {{ open(\"{}\", O_WRONLY); for (;;) pause(); }}",
        pipe.display()
    );
    add_c(&jit, &text);
    for function in ["fine", "say_and_wait"] {
        jit.main().address(function).unwrap();
    }
    assert_eq!(call(&jit, "limit", &[]).unwrap(), 0);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| call(&jit, "say_and_wait", &[]).unwrap_err());
        // Opened once the main thread, which is the only one, is busy.
        File::open(&pipe).unwrap();
        let error = call(&jit, "fine", &[]).unwrap_err().to_string();
        assert!(error.contains("no thread can be made that carries it out"), "{error}");
        signal(remote.target().process, "KILL");
        lost(waiting.join().unwrap());
    });
}
