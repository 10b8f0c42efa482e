//! What programs do elsewhere is what they do here.

use crate::support::{URUK, add_c, call, compiled, compiled_in, jit, spawn, wrapper};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use uruk::orc::dispatch::ThreadPool;
use uruk::orc::executor::find_one;
use uruk::orc::remote::Options;
use uruk::{Input, Jit};

#[test]
fn functions_are_called_with_numbers_and_variables_stay() {
    let remote = spawn(&Options::default());
    let jit = jit(&remote);
    add_c(
        &jit,
        "long total; __thread int mine = 3; static int started;
         __attribute__((constructor)) static void start(void) { started = 1; }
         long add(long by) { return total += by; }
         long many(long a, long b, long c, long d, long e, long f) { return a + 2*b + 3*c + 4*d + 5*e + 6*f; }
         int state(void) { return started * 10 + ++mine; }",
    );
    assert_eq!(call(&jit, "add", &[40]).unwrap(), 40);
    assert_eq!(call(&jit, "add", &[2]).unwrap(), 42);
    assert_eq!(call(&jit, "many", &[1, 1, 1, 1, 1, 1]).unwrap(), 21);
    assert_eq!((call(&jit, "state", &[]).unwrap(), call(&jit, "state", &[]).unwrap()), (14, 15));
    let error = call(&jit, "many", &[0; 7]).unwrap_err().to_string();
    assert!(error.contains("7 arguments were given"), "{error}");
    assert_ne!(remote.target().process, std::process::id());
}

#[test]
fn addresses_of_another_process_are_no_functions_of_this_one() {
    let remote = spawn(&Options::default());
    let jit = jit(&remote);
    add_c(&jit, "int one(void) { return 1; }");
    // SAFETY: it is refused.
    let error = unsafe { jit.main().function::<extern "C" fn() -> i32>("one") }.unwrap_err().to_string();
    assert!(error.contains("runs in another process"), "{error}");
}

#[test]
fn a_program_has_its_arguments_and_its_status() {
    let remote = spawn(&Options::default());
    let jit = jit(&remote);
    add_c(
        &jit,
        "#include <stdlib.h>\n#include <string.h>\n
         int main(int count, char **values) { if (count == 3) exit(9); return strcmp(values[1], \"x\") ? 1 : count; }",
    );
    jit.set_arguments(["program", "x"]).unwrap();
    assert_eq!(jit.main().run("main").unwrap(), 2);
    jit.set_arguments(["program", "x", "y"]).unwrap();
    assert_eq!(jit.main().run("main").unwrap(), 9, "the process has ended, and that is its status");
    let error = call(&jit, "main", &[]).unwrap_err().to_string();
    assert!(error.contains("is gone: it ended with status 9"), "{error}");
}

#[test]
fn a_forked_process_ends_where_its_code_returns() {
    let remote = spawn(&Options::default());
    let jit = jit(&remote);
    add_c(
        &jit,
        "#include <sys/wait.h>\n#include <unistd.h>\n
         static int ended(int child) { int status; waitpid(child, &status, 0); return WIFEXITED(status) ? WEXITSTATUS(status) : -1; }
         int main(void) { int child = fork(); return child ? 10 * ended(child) : 7; }
         int called(void) { int child = fork(); return child ? ended(child) : 8; }",
    );
    assert_eq!(call(&jit, "called", &[]).unwrap(), 0, "nobody wants what it has returned");
    assert_eq!(jit.main().run("main").unwrap(), 70);
}

#[test]
fn linked_code_finds_dylibs_and_the_process_libraries() {
    let remote = spawn(&Options::default());
    let jit = jit(&remote);
    add_c(
        &jit,
        "#define _GNU_SOURCE\n#include <dlfcn.h>\n#include <string.h>\n
         int answer(void) { return 42; }
         int ask(void) { int (*found)(void) = dlsym(RTLD_DEFAULT, \"answer\"); return found ? found() : -1; }
         int named(void) { Dl_info info; return dladdr(answer, &info) && !strcmp(info.dli_sname, \"answer\"); }
         int none(void) { return dlsym(RTLD_DEFAULT, \"no_such_function\") == 0; }",
    );
    assert_eq!(call(&jit, "ask", &[]).unwrap(), 42);
    assert_eq!(call(&jit, "named", &[]).unwrap(), 1);
    assert_eq!(call(&jit, "none", &[]).unwrap(), 1);
    assert!(find_one(&*remote, b"printf").unwrap().is_some());
    assert!(find_one(&*remote, b"no_such_function").unwrap().is_none());
}

#[test]
fn exceptions_cross_frames_and_end_at_their_handlers() {
    let throwing = compiled(
        "throw.cpp",
        "#include <stdexcept>
         __attribute__((noinline)) int deep(int n) { if (n == 0) throw std::runtime_error(\"deep\"); return deep(n - 1) + 1; }
         extern \"C\" int caught(int n) { try { return deep(n); } catch (const std::exception &e) { return e.what()[0]; } }",
    );
    let remote = spawn(&Options::default());
    let jit = jit(&remote);
    jit.load_libraries_on_demand(&["libstdc++.so.6"]);
    jit.main().add_objects(&[throwing]).unwrap();
    assert_eq!(call(&jit, "caught", &[50]).unwrap(), u64::from(b'd'));
}

#[test]
fn code_is_removed_and_memory_comes_back() {
    let remote = spawn(&Options::default());
    let jit = jit(&remote);
    let input = compiled("part.c", "int part(void) { return 7; }");
    let mut live = None;
    for _ in 0..20 {
        let tracker = jit.main().add_tracked(std::slice::from_ref(&input)).unwrap();
        assert_eq!(call(&jit, "part", &[]).unwrap(), 7);
        tracker.remove().wait();
        let now = jit.memory_statistics().live;
        assert_eq!(*live.get_or_insert(now), now);
    }
}

/// Lazy or not, here or elsewhere, with one thread or many: the eight corners.
#[test]
fn lazy_and_eager_near_and_far_with_one_thread_and_many() {
    let objects: Vec<Input> = (0..20)
        .map(|number| {
            let text = match number {
                0 => "int f0(int x) { return x; }".to_string(),
                _ => format!(
                    "int f{}(int); int f{number}(int x) {{ return x % 2 ? f{}(x + 1) : x + {number}; }}",
                    number - 1,
                    number - 1
                ),
            };
            compiled("f.c", &text)
        })
        .collect();
    for (lazy, far, threads) in
        (0..8).map(|corner| (corner & 1 != 0, corner & 2 != 0, if corner & 4 == 0 { 1 } else { 4 }))
    {
        let mut builder = Jit::builder().lazy_calls(lazy);
        if far {
            builder = builder.executor(spawn(&Options::default()));
        }
        if threads != 1 {
            builder = builder.dispatcher(Arc::new(ThreadPool::new(threads)));
        }
        let jit = builder.build().unwrap();
        jit.main().add_objects(&objects).unwrap();
        let wrong = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for first in 0..threads {
                let (jit, wrong) = (&jit, &wrong);
                scope.spawn(move || {
                    for number in (1..20).cycle().skip(5 * first).take(19) {
                        let value = call(jit, &format!("f{number}"), &[3]).unwrap();
                        let expected = if number == 1 { 4 } else { 4 + number as u64 - 1 };
                        wrong.fetch_add(usize::from(value != expected), Ordering::Relaxed);
                    }
                });
            }
        });
        assert_eq!(wrong.into_inner(), 0, "lazy {lazy}, far {far}, {threads} threads");
    }
}

/// Threads that the program makes itself call functions that are not linked yet.
#[test]
fn threads_of_the_program_ask_for_themselves() {
    let texts = [
        "#include <pthread.h>\nint work(int); static void *run(void *n) { return (void *)(long)work((int)(long)n); }
         long all(void) { pthread_t t[16]; long sum = 0;
           for (long i = 0; i < 16; i++) pthread_create(&t[i], 0, run, (void *)i);
           for (int i = 0; i < 16; i++) { void *r; pthread_join(t[i], &r); sum += (long)r; } return sum; }",
        "int later(int); int work(int n) { return later(n) + 1; }",
        "int later(int n) { return 2 * n; }",
    ];
    let remote = spawn(&Options::default());
    let jit = Jit::builder().lazy_calls(true).executor(remote).build().unwrap();
    texts.iter().for_each(|text| add_c(&jit, text));
    assert_eq!(call(&jit, "all", &[]).unwrap(), 2 * 120 + 16);
}

/// A first call is no cancellation point where a later one is none, though files are read and processes run meanwhile.
#[test]
fn a_thread_is_cancelled_where_its_program_says() {
    const CANCELLED: &str = "#include <pthread.h>
        #include <stdio.h>
        int later(int);
        static int reached;
        static void *thread(void *argument) {
            pthread_cancel(pthread_self());
            reached = later(41);
            pthread_testcancel();
            reached = -1;
            return argument;
        }
        int main(void) {
            pthread_t made;
            void *result;
            pthread_create(&made, NULL, thread, NULL);
            pthread_join(made, &result);
            printf(\"%d %d\\n\", reached, result == PTHREAD_CANCELED);
            return 0;
        }";
    let folder = tempfile::tempdir().unwrap();
    let wrapper = wrapper(folder.path(), "");
    let [main, later] = [("main.c", CANCELLED), ("later.c", "int later(int n) { return n + 1; }")]
        .map(|(name, text)| compiled_in(folder.path(), name, text));
    for executor in [None, Some(wrapper)] {
        let mut command = Command::new(URUK);
        command.args(["run", "--lazy"]).args(executor.iter().flat_map(|it| [Path::new("--executor"), it]));
        let output = command.args([&main, &later]).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "42 1\n", "{}", String::from_utf8_lossy(&output.stderr));
    }
}
