//! What code in a sandbox can do, and what it cannot.

use crate::support::{Listening, URUK, add_c, call, jit};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use uruk::orc::remote::{Options, Remote};

const ESCAPES: &str = "
    #define _GNU_SOURCE
    #include <errno.h>
    #include <fcntl.h>
    #include <sched.h>
    #include <signal.h>
    #include <sys/ioctl.h>
    #include <sys/mount.h>
    #include <sys/prctl.h>
    #include <sys/ptrace.h>
    #include <sys/resource.h>
    #include <sys/socket.h>
    #include <sys/stat.h>
    #include <sys/uio.h>
    #include <unistd.h>
    static int refused(long result) { return result < 0 && (errno == EPERM || errno == EACCES); }
    int writes_files(void) { return refused(open(\"/tmp/escaped\", O_CREAT | O_WRONLY, 0600)); }
    int writes_here(void) { return refused(open(\"escaped\", O_CREAT | O_WRONLY, 0600)); }
    int reads_secrets(void) { return refused(open(\"/etc/shadow\", O_RDONLY)) && refused(open(\"/root\", O_RDONLY)); }
    int writes_memory(void) { return refused(open(\"/proc/self/mem\", O_RDWR)); }
    int reads_parent(int parent) { char name[64]; __builtin_sprintf(name, \"/proc/%d/mem\", parent);
        return refused(open(name, O_RDONLY)); }
    int connects(void) { return refused(socket(AF_INET, SOCK_STREAM, 0)) && refused(socket(AF_UNIX, SOCK_STREAM, 0)); }
    int runs_programs(void) { char *none[] = {0}; return refused(execve(\"/bin/true\", none, none)); }
    int signals(int parent) { return refused(kill(parent, 0)) && refused(kill(-1, 0)); }
    int traces(int parent) { return refused(ptrace(PTRACE_ATTACH, parent, 0, 0)); }
    int peeks(int parent) { char c; struct iovec own = {&c, 1}, other = {(void *)4096, 1};
        return refused(process_vm_readv(parent, &own, 1, &other, 1, 0)); }
    int mounts(void) { return refused(mount(\"none\", \"/tmp\", \"tmpfs\", 0, 0)) && refused(unshare(CLONE_NEWUSER)); }
    int gains(void) { return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) < 0 || refused(setuid(0)); }
    int limits(void) { struct rlimit l = {1, 1}; return refused(setrlimit(RLIMIT_NOFILE, &l)); }
    int removes(void) { return refused(unlink(\"/tmp/there\")) && refused(rename(\"/tmp/a\", \"/tmp/b\")) && refused(mkdir(\"/tmp/d\", 0700)); }
    int types(void) { char c = 'x'; return refused(ioctl(0, TIOCSTI, &c)); }
";

#[test]
fn code_in_a_sandbox_reaches_nothing() {
    let remote = Remote::spawn(Path::new(URUK), ["executor", "--sandbox"], &Options::default()).unwrap();
    assert!(remote.target().sandbox);
    let jit = jit(&Arc::new(remote));
    add_c(&jit, ESCAPES);
    let own = u64::from(std::process::id());
    for name in [
        "writes_files",
        "writes_here",
        "reads_secrets",
        "writes_memory",
        "connects",
        "runs_programs",
        "mounts",
        "gains",
        "limits",
        "removes",
        "types",
    ] {
        assert_eq!(call(&jit, name, &[]).unwrap() as i32, 1, "{name}");
    }
    for name in ["reads_parent", "signals", "traces", "peeks"] {
        assert_eq!(call(&jit, name, &[own]).unwrap() as i32, 1, "{name}");
    }
}

#[test]
fn programs_in_a_sandbox_compute() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("program.cpp");
    std::fs::write(
        &source,
        "#include <iostream>\n#include <stdexcept>\n#include <thread>\n#include <vector>\n#include <cmath>\n
         #include <sys/wait.h>\n#include <unistd.h>\n
         static thread_local int own = 3;
         int main(int count, char **values) {
           std::vector<double> sums(4); std::vector<std::thread> threads;
           for (int i = 0; i < 4; i++) threads.emplace_back([&sums, i] { sums[i] = std::sqrt(i * i) + own++; });
           for (auto &thread : threads) thread.join();
           try { throw std::runtime_error(values[1]); } catch (const std::exception &e) { std::cout << e.what(); }
           for (double sum : sums) std::cout << ' ' << sum;
           std::string line; std::getline(std::cin, line); std::cout << ' ' << line << std::endl;
           int status; if (pid_t child = fork()) waitpid(child, &status, 0); else _exit(5);
           return WEXITSTATUS(status) + count;
         }",
    )
    .unwrap();
    let socket = format!("unix:{}/socket", folder.path().display());
    let listening = Listening::with(&["--sandbox"], &socket, "");
    let check = |places: &[&str]| {
        let mut command = Command::new(URUK);
        command.args(["run", "--sandbox"]).args(places).arg(&source).args(["--", "argument"]);
        let output = command.stdin(std::process::Stdio::null()).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), &*output.stdout), (Some(7), &b"argument 3 4 5 6 \n"[..]), "{errors}");
    };
    check(&[]);
    check(&["--executor", &listening.address.to_string()]);
    drop(listening);
    let listening = Listening::start(&format!("{socket}2"), "");
    let mut command = Command::new(URUK);
    let output = command.args(["run", "--sandbox", "--executor", &listening.address.to_string()]).arg(&source).output();
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(125));
    assert!(String::from_utf8_lossy(&output.stderr).contains("start it with --sandbox"));
}
