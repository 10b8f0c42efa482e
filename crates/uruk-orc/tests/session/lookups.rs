//! Look-ups: as futures, and on behalf of the running program.

use crate::support::{Program, settle};
use std::future::Future;
use std::path::Path;
use std::pin::pin;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use uruk_jitlink::input::Input;
use uruk_orc::error::Error;
use uruk_orc::generator::ArchiveMembers;
use uruk_orc::session::Request;

struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_lookup_is_a_future_that_is_woken_once_its_answer_is_there() {
    let program = Program::new();
    let (sender, receiver) = mpsc::channel();
    program.define(&["f"], move |responsibility| sender.send(responsibility).unwrap());
    let woken = Arc::new(Woken(AtomicUsize::new(0)));
    let waker = Waker::from(woken.clone());
    let mut context = Context::from_waker(&waker);
    let request = Request::new(&program.order(), &[program.name("f")]);
    let mut lookup = pin!(program.session.start(&request));
    assert!(lookup.as_mut().poll(&mut context).is_pending());
    assert!(lookup.as_mut().poll(&mut context).is_pending());
    drop(program.session.start(&request)); // another one that nobody waits for
    settle(receiver.recv().unwrap(), 4);
    assert_eq!(woken.0.load(Ordering::Relaxed), 1);
    let Poll::Ready(answer) = lookup.as_mut().poll(&mut context) else { panic!("it was woken") };
    assert_eq!(answer.unwrap(), [Some(4)]);
}

/// An archive of what `f.c` of a folder compiles to.
fn archive_of(folder: &Path) -> Input {
    let run = |program: &str, arguments: &[&str]| {
        assert!(Command::new(program).args(arguments).current_dir(folder).status().unwrap().success());
    };
    run("gcc", &["-c", "f.c"]);
    run("ar", &["rc", "f.a", "f.o"]);
    Input::from_bytes("f.a", std::fs::read(folder.join("f.a")).unwrap())
}

#[test]
fn archives_add_nothing_for_the_running_program() {
    let program = Program::new();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("f.c"), "int f(void) { return 1; }").unwrap();
    let read = Arc::new(|_: &Path| Err(Error::Ended));
    let members = ArchiveMembers::new(&program.session, archive_of(folder.path()), read).unwrap();
    program.session.add_generator(program.dylib, Arc::new(members));
    let request = Request::new(&program.order(), &[program.name("f")]);
    let dynamic = program.session.start(&request.clone().dynamic()).wait();
    assert!(matches!(dynamic, Err(Error::Missing { .. })));
    let linked = program.session.start(&request).wait().unwrap();
    assert_eq!(program.session.start(&request.dynamic()).wait().unwrap(), linked);
}

#[test]
fn a_member_is_pulled_once_for_all_who_need_it_and_again_after_it_was_removed() {
    let program = Program::new();
    let folder = tempfile::tempdir().unwrap();
    let source: String = (0..8).map(|number| format!("int f{number}(void) {{ return {number}; }}")).collect();
    std::fs::write(folder.path().join("f.c"), source).unwrap();
    let read = Arc::new(|_: &Path| Err(Error::Ended));
    let members = ArchiveMembers::new(&program.session, archive_of(folder.path()), read).unwrap();
    program.session.add_generator(program.dylib, Arc::new(members));
    for _ in 0..50 {
        std::thread::scope(|scope| {
            for number in 0..8 {
                let program = &program;
                scope.spawn(move || assert_ne!(program.lookup(&format!("f{number}")).unwrap(), 0));
            }
        });
        program.session.clear(program.dylib).wait();
    }
}
