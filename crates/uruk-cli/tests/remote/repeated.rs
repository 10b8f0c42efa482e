//! Every fault again and again, at moments of chance: whoever waits gets an error, the next executor works, and nothing is left:
//! no descriptor, no thread, no mapping, no process.
//!
//! `URUK_FAULTS` says how often. What is left is counted in a process of the test's own, where nothing else happens.

use crate::support::{Listening, URUK, call, compiled, compiled_in, jit, signal, spawn, wrapper};
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, LazyLock, mpsc};
use std::thread;
use std::time::{Duration, Instant};
use uruk::orc::remote::{Options, Remote};
use uruk::{Error, Input, Jit};
use uruk_executor::protocol::Source;
use uruk_executor::protocol::spawn::spawn as start;

const FAULTY: &str = "
    #include <stdlib.h>
    #include <string.h>
    #include <sys/resource.h>
    #include <unistd.h>
    char data[20000] = {1};
    int fine(void) { return 1; }
    int crash(int *p) { return *p; }
    void stop(void) { abort(); }
    void leave(void) { exit(3); }
    void spin(void) { for (volatile int i = 0;; i++) {} }
    void shut(void) { for (int number = 3; number < 64; number++) close(number); for (;;) pause(); }
    void eat(void) {
        struct rlimit limit = {1 << 30, 1 << 30};
        setrlimit(RLIMIT_AS, &limit);
        for (char *room; (room = malloc(1 << 20)); ) memset(room, 1, 1 << 20);
        abort();
    }
";

static OBJECT: LazyLock<Input> = LazyLock::new(|| compiled("faulty.c", FAULTY));

/// Numbers that look like chance and are the same each time.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        // The multiplier and the increment are Knuth's.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }

    fn moment(&mut self) -> Duration {
        Duration::from_micros(self.below(15_000))
    }
}

fn options() -> Options {
    let patience = Some(Duration::from_millis(1500));
    Options { patience, run_limit: patience, heartbeat: Some(Duration::from_millis(50)), ..Options::default() }
}

/// Links functions and calls them, one after the other, until that fails or has gone well so often.
fn work(remote: &Arc<Remote>, rounds: u64) -> Result<(), Error> {
    let jit = Jit::builder().executor(remote.clone()).build()?;
    for round in 0..rounds {
        let text = format!("function %f{round}() -> i64 {{ block0: v0 = iconst.i64 {round} return v0 }}");
        jit.main().add_clif("f.clif", &text)?;
        call(&jit, &format!("f{round}"), &[])?;
        let tracker = jit.main().add_tracked(std::slice::from_ref(&*OBJECT))?;
        call(&jit, "fine", &[])?;
        tracker.remove();
    }
    Ok(())
}

/// Does something to an executor that works; the work must end.
fn during_work(chance: &mut Chance, options: &Options, fault: impl FnOnce(&Arc<Remote>)) {
    let remote = spawn(options);
    let (ended, end) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(|| ended.send(work(&remote, u64::MAX)).unwrap());
        let early = end.recv_timeout(chance.moment());
        fault(&remote);
        early.or_else(|_| end.recv()).unwrap().unwrap_err();
    });
}

/// The program does something to itself.
fn by_itself(chance: &mut Chance, function: &str) {
    let share_memory = chance.below(2) == 0;
    during_work(chance, &Options { share_memory, ..options() }, |remote| {
        let jit = jit(remote);
        jit.main().add_objects(std::slice::from_ref(&*OBJECT)).unwrap();
        call(&jit, function, &[8]).unwrap_err();
    });
}

/// What comes from an executor is damaged from some byte on.
struct Damaged<R> {
    from: R,
    left: usize,
    how: fn(&mut [u8]) -> usize,
}

impl<R: Read> Read for Damaged<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(bytes)?;
        let sound = read.min(self.left);
        self.left -= sound;
        if sound == read {
            return Ok(read);
        }
        Ok(sound + (self.how)(&mut bytes[sound..read]))
    }
}

impl<R: AsFd> AsFd for Damaged<R> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.from.as_fd()
    }
}

fn damaged(chance: &mut Chance, place: u64, how: fn(&mut [u8]) -> usize) {
    let (child, mut ends) = start(Path::new(URUK), ["executor"], chance.below(2) == 0, options().patience).unwrap();
    let left = place as usize;
    ends.from = match &ends.socket {
        Some(socket) => Source::watched(Damaged { from: socket.try_clone().unwrap(), left, how }),
        None => Source::new(Damaged { from: ends.from, left, how }),
    };
    // The handshake may fail, or the work, or nothing: a number may be any number.
    if let Ok(remote) = Remote::over(ends, "damaged executor".into(), Some(child), &options()) {
        _ = work(&Arc::new(remote), 500);
    }
}

fn anywhere(chance: &mut Chance, how: fn(&mut [u8]) -> usize) {
    let place = chance.below(6000);
    damaged(chance, place, how);
}

fn another_secret(chance: &mut Chance) {
    let folder = tempfile::tempdir().unwrap();
    let listening = Listening::start(&format!("unix:{}/socket", folder.path().display()), "secret");
    let secret = chance.below(1 << 30).to_le_bytes().to_vec();
    Remote::connect(&listening.address, &Options { secret, ..options() }).err().unwrap();
    Remote::connect(&listening.address, &Options { secret: b"secret".into(), ..Options::default() }).unwrap();
}

fn quota(chance: &mut Chance) {
    let quota = (100_000 + chance.below(1_000_000)).to_string();
    let remote = Remote::spawn(Path::new(URUK), ["executor", "--memory", &quota], &Options::default()).unwrap();
    let remote = Arc::new(remote);
    let mut jits = Vec::new();
    let error = loop {
        let jit = jit(&remote);
        jit.main().add_objects(std::slice::from_ref(&*OBJECT)).unwrap();
        match call(&jit, "fine", &[]) {
            Ok(value) => assert_eq!(value, 1),
            Err(error) => break error.to_string(),
        }
        jits.push(jit);
    };
    assert!(error.contains("over this executor's quota"), "{error}");
    assert_eq!(call(&jits[0], "fine", &[]).unwrap(), 1);
}

fn dying_controller(chance: &mut Chance) {
    let folder = tempfile::tempdir().unwrap();
    let object = compiled_in(folder.path(), "program.c", "#include <unistd.h>\nint main(void) { for (;;) pause(); }");
    let mut controller = Command::new(URUK);
    controller.args(["run", "--executor"]).args([wrapper(folder.path(), ""), object]).stdout(Stdio::piped());
    let mut controller = controller.spawn().unwrap();
    let mut output = controller.stdout.take().unwrap();
    thread::park_timeout(2 * chance.moment());
    controller.kill().unwrap();
    controller.wait().unwrap();
    // The executor has the other end, too: it is at its end when that has gone.
    output.read_to_end(&mut Vec::new()).unwrap();
}

const FAULTS: &[fn(&mut Chance)] = &[
    |chance| during_work(chance, &options(), |remote| signal(remote.target().process, "KILL")),
    |chance| during_work(chance, &options(), |remote| signal(remote.target().process, "STOP")),
    |chance| by_itself(chance, "crash"),
    |chance| by_itself(chance, "stop"),
    |chance| by_itself(chance, "leave"),
    |chance| by_itself(chance, "spin"),
    |chance| by_itself(chance, "shut"),
    |chance| by_itself(chance, "eat"),
    // Garbage, an end, lengths that are none, a version that nobody speaks.
    |chance| {
        anywhere(chance, |bytes| {
            bytes.iter_mut().for_each(|byte| *byte ^= 0x5a);
            bytes.len()
        });
    },
    |chance| anywhere(chance, |_| 0),
    |chance| {
        anywhere(chance, |bytes| {
            let end = bytes.len().min(4);
            bytes[..end].fill(0xff);
            bytes.len()
        });
    },
    |chance| {
        damaged(chance, 4, |bytes| {
            bytes.fill(9);
            bytes.len()
        });
    },
    another_secret,
    quota,
    dying_controller,
];

/// How many descriptors, threads, mappings and children this process has, ended ones that nobody has waited for among them.
fn held() -> [usize; 4] {
    let list = |folder: &str| std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    let threads = list("/proc/self/task");
    // A thread may have ended meanwhile.
    let children = threads.iter().filter_map(|thread| std::fs::read_to_string(thread.join("children")).ok());
    let children = children.map(|children| children.split_whitespace().count()).sum();
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    [list("/proc/self/fd").len(), threads.len(), maps.lines().count(), children]
}

/// The same once what is on its way out has gone: threads end a little after what they worked for.
fn held_at_rest(at_most: [usize; 4]) -> [usize; 4] {
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        let held = held();
        if Instant::now() > until || held.iter().zip(at_most).all(|(held, most)| *held <= most) {
            return held;
        }
        thread::park_timeout(Duration::from_millis(1));
    }
}

fn rounds(count: u64) {
    let once = |round: u64| {
        for (number, fault) in (0..).zip(FAULTS) {
            fault(&mut Chance(round * 1000 + number));
            let next = jit(&spawn(&Options::default()));
            next.main().add_objects(std::slice::from_ref(&*OBJECT)).unwrap();
            assert_eq!(call(&next, "fine", &[]).unwrap(), 1, "after fault {number} of round {round}");
        }
    };
    // What a process makes once is there then.
    once(0);
    let [files, threads, mappings, _] = held_at_rest([usize::MAX, 2, usize::MAX, 0]);
    (1..=count).for_each(once);
    // Stacks of threads, and what the allocator keeps, come and go; a mapping of each executor would be far more.
    let most = [files, threads, mappings + 16, 0];
    let after = held_at_rest(most);
    assert!(after.iter().zip(most).all(|(after, most)| *after <= most), "{after:?} is left of {most:?}");
}

#[test]
fn faults_at_any_moment_leave_nothing_behind() {
    const ROUNDS: &str = "URUK_FAULTS";
    const INSIDE: &str = "URUK_FAULTS_INSIDE";
    let count = std::env::var(ROUNDS).ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(2);
    if std::env::var_os(INSIDE).is_some() {
        return rounds(count);
    }
    let mut own = Command::new(std::env::current_exe().unwrap());
    own.args(["--exact", "repeated::faults_at_any_moment_leave_nothing_behind", "--nocapture"]).env(INSIDE, "1");
    assert!(own.status().unwrap().success());
}
