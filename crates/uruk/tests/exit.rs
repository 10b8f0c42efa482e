//! What linked code registers for its end: it runs when the code is removed, when its JIT is dropped, or at exit, once.

#[path = "support/child.rs"]
mod child;
mod support;

use child::{alone, exit, fork, remark, say};
use std::sync::{Mutex, mpsc};
use std::thread;
use support::compile;
use uruk::{Dylib, Input, Jit, Tracker};

/// A JIT whose code can say words.
fn jit() -> Jit {
    let jit = Jit::new().unwrap();
    jit.load_library("libstdc++.so.6").unwrap();
    jit.main().define("say", say as *const () as u64);
    jit
}

fn c(source: &str) -> Input {
    compile("exit.c", &format!("{PRELUDE}{source}"), &["-O1", "-fPIC"])
}

const PRELUDE: &str = "#include <stdlib.h>\n#include <pthread.h>\n#include <dlfcn.h>\nvoid say(const char *);\n";

/// An object whose initialiser registers handlers that say words.
fn registering(words: &[&str]) -> Input {
    let functions: String =
        words.iter().map(|word| format!("static void {word}(void) {{ say(\"{word}\"); }}\n")).collect();
    let calls: String = words.iter().map(|word| format!("atexit({word});")).collect();
    c(&format!("{functions}__attribute__((constructor)) static void start(void) {{ {calls} }}"))
}

const STATICS: &str = r#"
    #include <cstdlib>
    extern "C" void say(const char *);
    struct Named {
        const char *name;
        Named(const char *name) : name(name) {}
        ~Named() { say(name); }
    };
    static Named first("first"), second("second");
    static void between() { say("between"); }
    static int registered = std::atexit(between);
    static Named third("third");
    __attribute__((destructor)) static void finaliser() { say("finaliser"); }
"#;

fn statics() -> Input {
    compile("statics.cpp", STATICS, &["-O1"])
}

#[test]
fn removal_runs_destructors_and_handlers_the_latest_first() {
    let objects = [statics()];
    let said = alone("removal_runs_destructors_and_handlers_the_latest_first", || {
        let jit = jit();
        let tracker = jit.main().add_tracked(&objects).unwrap();
        jit.main().initialize().unwrap();
        remark("start");
        tracker.remove().wait();
        remark("removed");
        exit()
    });
    assert_eq!(said, "start third between second first finaliser removed");
}

#[test]
fn exit_runs_what_was_not_removed() {
    let (goes, stays) = (registering(&["one", "two"]), registering(&["three", "four"]));
    let said = alone("exit_runs_what_was_not_removed", || {
        let jit = jit();
        let main = jit.main();
        main.add_objects(&[stays]).unwrap();
        let tracker = main.add_tracked(&[goes]).unwrap();
        main.initialize().unwrap();
        tracker.remove().wait();
        remark("exit");
        exit()
    });
    assert_eq!(said, "two one exit four three");
}

#[test]
fn handlers_take_their_turn_among_those_of_the_process() {
    extern "C" fn host() {
        remark("host");
    }
    let objects = [registering(&["one"]), statics(), registering(&["two"])];
    let said = alone("handlers_take_their_turn_among_those_of_the_process", || {
        let jit = jit();
        for object in objects {
            jit.main().add_objects(&[object]).unwrap();
            jit.main().initialize().unwrap();
            // SAFETY: a function of this program.
            assert_eq!(unsafe { libc::atexit(host) }, 0);
        }
        exit()
    });
    assert_eq!(said, "host two host third between second first finaliser host one");
}

#[test]
fn a_forced_removal_only_forgets() {
    let objects = [statics(), registering(&["one"])];
    let said = alone("a_forced_removal_only_forgets", || {
        let jit = jit();
        let tracker = jit.main().add_tracked(&objects).unwrap();
        jit.main().initialize().unwrap();
        // SAFETY: nothing of it runs or refers to it.
        unsafe { tracker.remove_forced() };
        remark("forced");
        exit()
    });
    assert_eq!(said, "forced");
}

#[test]
fn a_jit_that_is_dropped_is_finalized() {
    let objects = [statics(), registering(&["one"])];
    let said = alone("a_jit_that_is_dropped_is_finalized", || {
        let jit = jit();
        jit.main().add_objects(&objects).unwrap();
        jit.main().initialize().unwrap();
        drop(jit);
        remark("dropped");
        exit()
    });
    assert_eq!(said, "one third between second first finaliser dropped");
}

#[test]
fn a_jit_that_is_dropped_while_the_process_exits_finishes_what_is_left() {
    static JIT: Mutex<Option<Jit>> = Mutex::new(None);
    extern "C" fn drop_it() {
        remark("dropping");
        drop(JIT.lock().unwrap().take());
        remark("dropped");
    }
    let (before, after) = (registering(&["one", "two"]), registering(&["three"]));
    let said = alone("a_jit_that_is_dropped_while_the_process_exits_finishes_what_is_left", || {
        let jit = jit();
        jit.main().add_objects(&[before]).unwrap();
        jit.main().initialize().unwrap();
        // SAFETY: a function of this program.
        assert_eq!(unsafe { libc::atexit(drop_it) }, 0);
        jit.main().add_objects(&[after]).unwrap();
        jit.main().initialize().unwrap();
        *JIT.lock().unwrap() = Some(jit);
        exit()
    });
    assert_eq!(said, "three dropping two one dropped");
}

#[test]
fn objects_whose_destructor_is_elsewhere_are_destroyed_when_their_memory_goes() {
    let source = r#"
        extern void *__dso_handle;
        int __cxa_atexit(void (*)(void *), void *, void *);
        int on_exit(void (*)(int, void *), void *);
        void destroy(void *), leave(int, void *);
        static char goes[] = "object", other[] = "other";
        __attribute__((constructor)) static void start(void) {
            __cxa_atexit(destroy, goes, &__dso_handle);
            on_exit(leave, other);
        }"#;
    let object = c(source);
    /// # Safety
    /// A C string.
    unsafe extern "C" fn leave(_status: i32, word: *const libc::c_char) {
        // SAFETY: the caller's promise.
        unsafe { say(word) };
    }
    let said = alone("objects_whose_destructor_is_elsewhere_are_destroyed_when_their_memory_goes", || {
        let jit = jit();
        jit.main().define("destroy", say as *const () as u64);
        jit.main().define("leave", leave as *const () as u64);
        let tracker = jit.main().add_tracked(&[object]).unwrap();
        jit.main().initialize().unwrap();
        tracker.remove().wait();
        remark("removed");
        exit()
    });
    assert_eq!(said, "other object removed");
}

#[test]
fn quick_exit_runs_what_is_left() {
    let source = |word| {
        c(&format!(
            "static void handler(void) {{ say(\"{word}\"); }} \
             __attribute__((constructor)) static void start(void) {{ at_quick_exit(handler); }}"
        ))
    };
    let objects = [source("one"), source("two"), source("three")];
    let said = alone("quick_exit_runs_what_is_left", || {
        unsafe extern "C" {
            fn quick_exit(status: i32) -> !;
        }
        let jit = jit();
        let main = jit.main();
        let trackers = objects.map(|object| main.add_tracked(&[object]).unwrap());
        main.initialize().unwrap();
        trackers[1].remove().wait();
        remark("removed");
        // SAFETY: the handlers are code that is still there.
        unsafe { quick_exit(7) }
    });
    assert_eq!(said, "removed three one");
}

#[test]
fn fork_handlers_go_with_their_code() {
    let source = |word| {
        c(&format!(
            "static void prepare(void) {{ say(\"before-{word}\"); }} static void child(void) {{ say(\"child-{word}\"); }} \
             __attribute__((constructor)) static void start(void) {{ pthread_atfork(prepare, 0, child); }}"
        ))
    };
    let (goes, stays) = (source("one"), source("two"));
    let said = alone("fork_handlers_go_with_their_code", || {
        let jit = jit();
        jit.main().add_objects(&[stays]).unwrap();
        let tracker = jit.main().add_tracked(&[goes]).unwrap();
        jit.main().initialize().unwrap();
        assert_eq!(fork(|| 3), 3);
        tracker.remove().wait();
        remark("removed");
        assert_eq!(fork(|| 4), 4);
        drop(tracker);
        drop(jit);
        assert_eq!(fork(|| 5), 5);
        exit()
    });
    let (first, second) = said.split_once("removed").unwrap();
    let sorted = |words: &str| {
        let mut words: Vec<String> = words.split_whitespace().map(str::to_string).collect();
        words.sort();
        words
    };
    assert_eq!(sorted(first), ["before-one", "before-two", "child-one", "child-two"]);
    assert_eq!(sorted(second), ["before-two", "child-two"]);
}

#[test]
fn handlers_may_register_and_look_up() {
    let said = with_curious_handler("handlers_may_register_and_look_up", |_| ());
    assert_eq!(said, "helper found last dropped");
}

#[test]
fn handlers_may_do_so_during_a_removal() {
    let said = with_curious_handler("handlers_may_do_so_during_a_removal", |tracker| tracker.remove().wait());
    assert_eq!(said, "helper gone last dropped");
}

fn with_curious_handler(test: &str, act: impl FnOnce(&Tracker<'_>)) -> String {
    let source = r#"
        static void last(void) { say("last"); }
        static void handler(void) {
            void (*helper)(void) = (void (*)(void))dlsym(RTLD_DEFAULT, "helper");
            if (helper) helper();
            say(dlsym(RTLD_DEFAULT, "own") ? "found" : "gone");
            atexit(last);
        }
        void own(void) {}
        __attribute__((constructor)) static void start(void) { atexit(handler); }"#;
    let (helper, object) = (c("void helper(void) { say(\"helper\"); }"), c(source));
    alone(test, || {
        let jit = jit();
        let main = jit.main();
        main.add_objects(&[helper]).unwrap();
        let tracker = main.add_tracked(&[object]).unwrap();
        main.initialize().unwrap();
        act(&tracker);
        drop(tracker);
        drop(jit);
        remark("dropped");
        exit()
    })
}

#[test]
fn a_lazy_function_may_be_a_handler() {
    let said = with_lazy_handler("a_lazy_function_may_be_a_handler", |_, _| ());
    assert_eq!(said, "exit finish");
}

#[test]
fn a_lazy_function_may_be_a_handler_until_it_goes() {
    let clear = |stubs: Dylib<'_>, main: Dylib<'_>| {
        // The stub goes once nothing refers to it.
        stubs.clear();
        main.clear().wait();
    };
    assert_eq!(with_lazy_handler("a_lazy_function_may_be_a_handler_until_it_goes", clear), "finish exit");
}

fn with_lazy_handler(test: &str, act: impl FnOnce(Dylib<'_>, Dylib<'_>)) -> String {
    let body = c("void finish(void) { say(\"finish\"); }");
    let user = c("void finish(void); __attribute__((constructor)) static void start(void) { atexit(finish); }");
    alone(test, || {
        let jit = jit();
        let bodies = jit.create_dylib("bodies").unwrap();
        bodies.define("say", say as *const () as u64);
        bodies.add_objects(&[body]).unwrap();
        let stubs = jit.create_dylib("stubs").unwrap();
        stubs.lazy_reexport(&bodies, &["finish"]).unwrap();
        jit.main().link_against(&[stubs]);
        jit.main().add_objects(&[user]).unwrap();
        jit.main().initialize().unwrap();
        act(stubs, jit.main());
        remark("exit");
        exit()
    })
}

const THREAD_LOCALS: &str = r#"
    #include <string>
    extern "C" void say(const char *);
    struct Named {
        const char *name = "thread";
        ~Named() { say(name); }
    };
    static thread_local Named named;
    static thread_local std::string text;
    extern "C" int touch(void) { text.assign(100, 'x'); return named.name[0] + (int)text.size(); }
"#;

#[test]
fn thread_local_objects_are_destroyed_unless_their_code_has_gone() {
    type Touch = extern "C" fn() -> i32;
    let object = compile("threads.cpp", THREAD_LOCALS, &["-O1", "-fPIC"]);
    let staying = THREAD_LOCALS.replace("\"thread\"", "\"staying\"").replace("touch", "touch_staying");
    let staying = compile("staying.cpp", &staying, &["-O1", "-fPIC"]);
    let said = alone("thread_local_objects_are_destroyed_unless_their_code_has_gone", || {
        let jit = jit();
        let main = jit.main();
        main.add_objects(&[staying]).unwrap();
        let tracker = main.add_tracked(&[object]).unwrap();
        // SAFETY: as declared.
        let functions =
            unsafe { [main.function::<Touch>("touch").unwrap(), main.function::<Touch>("touch_staying").unwrap()] };
        let touch = move || functions.map(|touch| touch());
        // One thread ends before the removal, one after it.
        assert_eq!(thread::spawn(touch).join().unwrap(), [216, 215]);
        remark("removing");
        let (touched, wait_touched) = mpsc::channel();
        let (removed, wait_removed) = mpsc::channel();
        let other = thread::spawn(move || {
            touched.send(touch()).unwrap();
            wait_removed.recv().unwrap();
        });
        assert_eq!(wait_touched.recv().unwrap(), [216, 215]);
        tracker.remove().wait();
        removed.send(()).unwrap();
        other.join().unwrap();
        exit()
    });
    let (before, after) = said.split_once("removing").unwrap();
    assert!(before.contains("thread") && before.contains("staying"), "{said}");
    assert_eq!(after.trim(), "staying");
}
