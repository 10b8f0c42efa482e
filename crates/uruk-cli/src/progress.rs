//! Progress for a person who waits: a line on standard error, if that is a terminal and the work takes longer than half
//! a second. Otherwise nothing is printed and no thread is started.

use std::borrow::Cow;
use std::io::IsTerminal;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget};

/// How long work stays silent.
const PATIENCE: Duration = Duration::from_millis(500);

/// Shows what is being done. Dropped or finished, it leaves the terminal as it was.
#[derive(Debug, Default)]
pub struct Progress {
    /// The thread that draws, and the way to tell it of phases. None if nobody watches.
    drawer: Option<(Sender<Cow<'static, str>>, JoinHandle<()>)>,
}

impl Progress {
    /// Starts the wait; draws nothing yet.
    pub fn start() -> Progress {
        if !std::io::stderr().is_terminal() {
            return Progress::default();
        }
        let (sender, receiver) = channel();
        // A terminal without threads to spare gets no progress.
        let thread = std::thread::Builder::new().name("progress".to_owned()).spawn(move || draw(&receiver));
        Progress { drawer: thread.ok().map(|thread| (sender, thread)) }
    }

    /// Says what is being done from now on, as "linking" or "compiling main.c".
    pub fn phase(&self, name: impl Into<Cow<'static, str>>) {
        if let Some((sender, _)) = &self.drawer {
            // The thread only ends when this is dropped.
            let _ = sender.send(name.into());
        }
    }

    /// Takes the line off the terminal. To be called before the program runs: it may write there, or fork.
    pub fn finish(&mut self) {
        if let Some((sender, thread)) = self.drawer.take() {
            drop(sender);
            let _ = thread.join();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.finish();
    }
}

/// Draws until the sender goes.
fn draw(phases: &Receiver<Cow<'static, str>>) {
    let start = Instant::now();
    let mut phase = Cow::from("working");
    loop {
        match phases.recv_timeout(PATIENCE.saturating_sub(start.elapsed())) {
            Ok(name) => phase = name,
            Err(RecvTimeoutError::Timeout) => break,
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
    let line = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()).with_message(phase);
    line.enable_steady_tick(Duration::from_millis(100));
    for name in phases {
        line.set_message(name);
    }
    line.finish_and_clear();
}
