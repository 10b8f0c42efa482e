//! Code and data that are handed over in memory.

use crate::support::{Listening, URUK, add_c, call, compiled, compiled_in, jit, kill_at_moments, spawn, wrapper};
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use uruk::orc::executor::find_one;
use uruk::orc::remote::{Options, Remote};
use uruk_executor::protocol::files::Contents;
use uruk_executor::protocol::frame::{Header, Limits, read_bytes};
use uruk_executor::protocol::hello::{self, Role};
use uruk_executor::protocol::message::{Answer, Request};
use uruk_executor::protocol::spawn::spawn as start;
use uruk_executor::protocol::{Handler, Incoming, Peer};
use uruk_executor::serve::{decode, encode};

/// Much of everything, and what has become of it.
const PROGRAM: &str = r#"
    #include <stdio.h>
    #include <string.h>
    #include <sys/wait.h>
    #include <unistd.h>
    int variables[100000] = { 1, 2, [50000] = 3, [99999] = 4 };
    const int constants[50000] = { 5, 6, [49999] = 7 };
    static char zeros[300000];
    asm(".text\n .globl filler\n filler: .fill 200000, 1, 0x90\n ret\n");
    void filler(void);

    /* The pages that are a file's: of code, of constants, of variables. */
    int in_files(void) {
        char line[512];
        int found = 0;
        FILE *maps = fopen("/proc/self/maps", "r");
        while (fgets(line, sizeof line, maps)) {
            if (!strstr(line, "/memfd:uruk")) continue;
            /* Neither writable and executable, nor anybody else's. */
            if (strstr(line, " rwx") || strstr(line, "s 0")) found |= 16;
            found |= strstr(line, " r-xp ") ? 1 : strstr(line, " r--p ") ? 2 : strstr(line, " rw-p ") ? 4 : 8;
        }
        fclose(maps);
        return found;
    }

    int check(void) {
        filler();
        long sum = 0;
        for (int i = 0; i < 100000; i++) sum += variables[i];
        for (int i = 0; i < 50000; i++) sum += constants[i];
        for (int i = 0; i < 300000; i++) sum += zeros[i];
        return sum;
    }

    /* A process of the program's own changes its own copy. */
    int copied(void) {
        pid_t child = fork();
        if (child == 0) {
            memset(variables, 1, sizeof variables);
            _exit(variables[7] == 0x01010101 ? 3 : 1);
        }
        int status;
        waitpid(child, &status, 0);
        variables[50000] += 10;
        return WEXITSTATUS(status) * 1000 + check();
    }
"#;

fn shares(remote: &Arc<Remote>) -> u64 {
    let jit = jit(remote);
    add_c(&jit, PROGRAM);
    assert_eq!(call(&jit, "check", &[]).unwrap(), 28);
    assert_eq!(call(&jit, "copied", &[]).unwrap(), 3038);
    call(&jit, "in_files", &[]).unwrap()
}

#[test]
fn pages_become_the_executors_where_the_connection_carries_files() {
    let options = Options::default();
    let plain = Options { share_memory: false, ..Options::default() };
    assert_eq!(shares(&spawn(&options)), 7);
    assert_eq!(shares(&spawn(&plain)), 0);
    let sandboxed = Remote::spawn(Path::new(URUK), ["executor", "--sandbox"], &options).unwrap();
    assert_eq!(shares(&Arc::new(sandboxed)), 7);
    let folder = tempfile::tempdir().unwrap();
    let listening = Listening::start(&format!("unix:{}/socket", folder.path().display()), "");
    assert_eq!(shares(&Arc::new(Remote::connect(&listening.address, &options).unwrap())), 7);
    assert_eq!(shares(&Arc::new(Remote::connect(&listening.address, &plain).unwrap())), 0);
    let listening = Listening::start("tcp::0", "");
    assert_eq!(shares(&Arc::new(Remote::connect(&listening.address, &options).unwrap())), 0);
}

#[test]
fn what_is_removed_leaves_no_file() {
    let remote = spawn(&Options::default());
    let jit = jit(&remote);
    let large = compiled("large.c", "char table[12 << 20] = {1}; int look(int at) { return table[at]++; }");
    add_c(&jit, PROGRAM.split("asm(").next().unwrap());
    let before = jit.main().address("variables").unwrap();
    for _ in 0..3 {
        let tracker = jit.main().add_tracked(std::slice::from_ref(&large)).unwrap();
        assert_eq!(call(&jit, "look", &[0]).unwrap(), 1);
        assert_eq!(call(&jit, "look", &[0]).unwrap(), 2);
        tracker.remove();
    }
    assert_eq!(jit.main().address("variables").unwrap(), before);
    // What is posted is done before what is asked next.
    find_one(&*remote, b"abs").unwrap();
    let maps = std::fs::read_to_string(format!("/proc/{}/maps", remote.target().process)).unwrap();
    let size = |line: &str| {
        let (start, end) = line.split(' ').next().unwrap().split_once('-').unwrap();
        u64::from_str_radix(end, 16).unwrap() - u64::from_str_radix(start, 16).unwrap()
    };
    let left: u64 = maps.lines().filter(|line| line.contains("/memfd:uruk")).map(size).sum();
    assert!(left < 6 << 20, "{maps}");
}

/// Killed while much is handed over, a little later each time.
#[test]
fn a_kill_at_any_moment_ends_in_errors() {
    let program = compiled("program.c", PROGRAM);
    let work = |remote: &Arc<Remote>| -> Result<(), uruk::Error> {
        let jit = uruk::Jit::builder().executor(remote.clone()).build()?;
        loop {
            let tracker = jit.main().add_tracked(std::slice::from_ref(&program))?;
            assert_eq!(call(&jit, "check", &[])?, 28);
            tracker.remove();
        }
    };
    let check = |remote: &Remote, _| {
        let error = find_one(remote, b"abs").unwrap_err().to_string();
        assert!(error.contains("is gone: it was ended by signal 9"), "{error}");
    };
    kill_at_moments(0..16, |remote| work(remote).unwrap_err(), check);
}

struct Nobody;

impl Handler for Nobody {
    fn post(&self, _: &[u8], _: &mut dyn Read) -> Result<(), String> {
        Ok(())
    }

    fn call(&self, _: &[u8]) -> Result<Vec<u8>, String> {
        Err("nobody answers".into())
    }

    fn dispatch(&self, _: Incoming) {}
}

/// What becomes of an executor that is given this file for 100 kB of variables: the first byte, or nothing if it ends.
fn given(file: impl FnOnce(u64) -> (File, u64)) -> Option<()> {
    let (mut child, mut ends) = start(Path::new(URUK), ["executor"], true, None).unwrap();
    hello::exchange(&mut ends.from, &mut *ends.to, Role::Controller, b"").unwrap();
    let header = Header::read(&mut ends.from, Limits::default()).unwrap();
    read_bytes(&mut ends.from, header.message).unwrap();
    let handler = Arc::new(Nobody);
    let weak: std::sync::Weak<Nobody> = Arc::downgrade(&handler);
    let peer = Arc::new(Peer::new(ends, Limits::default(), weak));
    let reader = {
        let peer = peer.clone();
        std::thread::spawn(move || peer.read())
    };
    let ask = |request: &Request| {
        let answer = peer.call(&encode(request), Some(Duration::from_secs(20))).ok()?;
        Some(decode::<Answer>(&answer).unwrap())
    };
    let lanes = [[0, 1, 0], [0, 1, 0], [100_000, 4096, 0]];
    let Some(Answer::Words(words)) = ask(&Request::Allocate { allocation: 1, low: false, lanes }) else { panic!() };
    let (file, offset) = file(words[2]);
    peer.post_file(&encode(&Request::Share { allocation: 1, offsets: [0, 0, offset] }), &file);
    let finished = ask(&Request::Finalize { allocation: 1 });
    assert!(finished.is_none() || finished == Some(Answer::Done));
    peer.end("this is all");
    reader.join().unwrap();
    assert!(child.wait().unwrap().success(), "it ends as it always does");
    finished.map(drop)
}

#[test]
fn an_executor_refuses_files_that_could_harm_it() {
    let whole = |address, length| Contents::new([(0, 0), (0, 0), (address, length)], 4096).unwrap();
    assert!(given(|address| (whole(address, 100_000).seal().unwrap(), 0)).is_some());
    assert!(given(|address| (whole(address + 1, 100_000).seal().unwrap(), 1)).is_some(), "it is copied");
    assert!(given(|address| (whole(address, 90_000).seal().unwrap(), 0)).is_none(), "too small");
    assert!(given(|address| (whole(address, 100_000).seal().unwrap(), 1 << 40)).is_none(), "nothing is there");
    assert!(given(|_| (tempfile::tempfile().unwrap(), 0)).is_none(), "not in memory");
    assert!(given(|_| (File::open("/dev/zero").unwrap(), 0)).is_none(), "no file");
}

/// A process that a program leaves behind does not keep the connection open.
#[test]
fn the_end_is_noticed_though_a_copy_of_the_process_lives_on() {
    let folder = tempfile::tempdir().unwrap();
    let text =
        "#include <unistd.h>\nint main(void) { char byte; if (fork() == 0) return read(0, &byte, 1); _exit(9); }";
    let object = compiled_in(folder.path(), "program.c", text);
    let wrapper = wrapper(folder.path(), "");
    let piped = format!("pipes:{}", wrapper.display());
    for place in [wrapper.to_str().unwrap(), &piped] {
        let mut command = Command::new(URUK);
        command
            .args(["run", "--executor", place])
            .arg(&object)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut run = command.spawn().unwrap();
        // What the copy waits for, and ends with.
        let mut input = run.stdin.take().unwrap();
        assert_eq!(run.wait().unwrap().code(), Some(9), "{place}");
        input.write_all(b"x").unwrap();
    }
}
