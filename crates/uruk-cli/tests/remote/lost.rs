//! What is said, and on which side, when an executor is lost while names are looked for, when it takes nothing any more, and when
//! a first call there cannot be answered.

use crate::support::{Listening, URUK, add_c, call, compiled, compiled_in, jit, signal, spawn, wrapper};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use uruk::Jit;
use uruk::orc::DylibId;
use uruk::orc::error::Error;
use uruk::orc::executor::find_one;
use uruk::orc::generator::{DefinitionGenerator, Wanted};
use uruk::orc::remote::{Address, Options, Remote};
use uruk::orc::session::Session;
use uruk::plugin::{Context, PassResult, Placed, Plugin, Working};

/// Kills the executor when a name is looked for, of which it knows nothing.
struct Kills(u32);

impl DefinitionGenerator for Kills {
    fn generate(&self, _: &Session, _: DylibId, _: Wanted<'_>) -> Result<(), Error> {
        signal(self.0, "KILL");
        Ok(())
    }

    fn name(&self) -> String {
        "the end".into()
    }
}

/// A JIT whose executor is killed when a dylib is asked for a name.
fn ending(dylib: &str) -> (Arc<Remote>, Jit) {
    let remote = spawn(&Options::default());
    let jit = jit(&remote);
    let dylib = jit.session().dylib(dylib).unwrap();
    jit.session().add_generator(dylib, Arc::new(Kills(remote.target().process)));
    (remote, jit)
}

/// The error names the executor, and nothing else has to be said.
fn check(jit: &Jit, error: uruk::Error) {
    let text = error.to_string();
    assert!(text.contains(&format!("executor `{URUK}` is gone: it was ended by signal 9")), "{text}");
    let uruk::Error::Session(error) = error else { panic!("{text}") };
    assert!(error.executor_lost().is_some(), "{text}");
    assert_eq!(jit.session().take_reports().len(), 0);
}

#[test]
fn an_executor_that_is_lost_during_a_link_is_why_names_are_not_found() {
    const PROGRAM: &str = "int abs(int); int gone(int); int work(int x) { return abs(x) + gone(x); }";
    // Before the process's libraries are asked, and before what a static link adds.
    for dylib in ["main", "<process>"] {
        let (_remote, jit) = ending(dylib);
        add_c(&jit, PROGRAM);
        check(&jit, call(&jit, "work", &[1]).unwrap_err());
        check(&jit, jit.main().address("work").unwrap_err());
    }
    // Before libraries are loaded because something is missing.
    let (_remote, jit) = ending("<process>");
    jit.load_libraries_on_demand(&["libm.so.6"]);
    add_c(&jit, PROGRAM);
    check(&jit, call(&jit, "work", &[1]).unwrap_err());
}

#[test]
fn an_executor_that_is_lost_during_a_look_up_is_its_error() {
    for dylib in ["main", "<process>"] {
        let (_remote, jit) = ending(dylib);
        let name = if dylib == "main" { "abs" } else { "gone" };
        check(&jit, jit.main().address(name).unwrap_err());
    }
}

/// Stops the executor before the bytes of an object are sent.
struct Stops(u32);

impl Plugin for Stops {
    fn post_fixup(&self, _: &Context, _: &Placed<'_>, _: &mut Working<'_, '_>) -> PassResult {
        signal(self.0, "STOP");
        Ok(())
    }
}

#[test]
fn an_executor_that_takes_nothing_any_more_is_given_up() {
    let options = Options { patience: Some(Duration::from_secs(1)), heartbeat: None, ..Options::default() };
    let copied = Options { share_memory: false, ..options.clone() };
    let folder = tempfile::tempdir().unwrap();
    let unix = Listening::start(&format!("unix:{}/socket", folder.path().display()), "");
    let tcp = Listening::start("tcp::0", "");
    let connect = |address: &Address| Arc::new(Remote::connect(address, &copied).unwrap());
    let connected = [
        (spawn(&copied), true),
        (spawn(&options), true),
        (connect(&unix.address), false),
        (connect(&tcp.address), false),
    ];
    let large = compiled("large.c", "char table[24 << 20] = {1}; char *get(void) { return table; }");
    for (remote, is_child) in connected {
        let stops = Arc::new(Stops(remote.target().process));
        let jit = Jit::builder().executor(remote.clone()).plugin(stops).build().unwrap();
        jit.main().add_objects(std::slice::from_ref(&large)).unwrap();
        let error = call(&jit, "get", &[]).unwrap_err().to_string();
        assert!(error.contains("is gone: "), "{error}");
        if !is_child {
            // It finds its connection at an end.
            signal(remote.target().process, "CONT");
        }
    }
}

#[test]
fn one_that_says_nothing_is_no_executor() {
    let options = Options { patience: Some(Duration::from_millis(200)), ..Options::default() };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    // Connections wait to be accepted, which never happens.
    let _unix = UnixListener::bind(&path).unwrap();
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    for address in [Address::Unix(path), Address::Tcp(tcp.local_addr().unwrap().to_string())] {
        let error = Remote::connect(&address, &options).err().unwrap().to_string();
        assert!(error.contains(&format!("setting up executor at {address}")), "{error}");
    }
    // A child over pipes.
    let silent = Options { share_memory: false, ..options };
    let arguments = ["-c", "exec sleep 1000"];
    let error = Remote::spawn(Path::new("/bin/sh"), arguments, &silent).err().unwrap().to_string();
    assert!(error.contains("setting up executor `/bin/sh`"), "{error}");
}

const CALLS_NOTHING: &str = "int gone(int); int start(int x) { return gone(x) + 1; }";

#[test]
fn a_first_call_that_fails_ends_the_executor_and_is_explained_here() {
    let remote = spawn(&Options::default());
    let jit = Jit::builder().lazy_calls(true).executor(remote).build().unwrap();
    add_c(&jit, CALLS_NOTHING);
    let error = call(&jit, "start", &[1]).unwrap_err().to_string();
    assert!(error.contains("it was ended by signal 6") && error.contains(": start+0x"), "{error}");
    let reports = jit.session().take_reports();
    assert_eq!(reports.len(), 1, "{reports:?}");
    assert!(reports[0].to_string().contains("symbol `gone`"), "{}", reports[0]);
}

#[test]
fn a_first_call_that_fails_goes_where_the_executor_has_code_for_that() {
    let remote = spawn(&Options::default());
    let instead = find_one(&*remote, b"abs").unwrap().unwrap().address;
    let jit = Jit::builder().lazy_calls(true).lazy_failure(instead).executor(remote).build().unwrap();
    add_c(&jit, CALLS_NOTHING);
    assert_eq!(call(&jit, "start", &[-5i64 as u64]).unwrap(), 6);
    let reports = jit.session().take_reports();
    assert!(reports[0].to_string().contains("symbol `gone`"), "{}", reports[0]);
}

#[test]
fn the_command_says_why_a_first_call_has_failed() {
    let folder = tempfile::tempdir().unwrap();
    let object = compiled_in(folder.path(), "program.c", "int gone(int); int main(void) { return gone(1); }");
    let mut command = Command::new(URUK);
    let output = command.args(["run", "--lazy", "--executor"]).arg(wrapper(folder.path(), "")).arg(&object).output();
    let output = output.unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(128 + 6), "{errors}");
    assert!(errors.contains("called a function that could not be made ready"), "the executor: {errors}");
    assert!(
        errors.contains("it was ended by signal 6") && errors.contains("symbol `gone`"),
        "the controller: {errors}"
    );
}
