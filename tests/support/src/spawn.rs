//! Starts children that do not outlive the tests, not even where these are killed.
//!
//! Linux can kill a child when the thread that started it ends, so one thread that lasts starts them all.

use std::io;
use std::process::{Child, Command};
use std::sync::LazyLock;
use std::sync::mpsc::{Sender, channel};
use std::thread;

type Order = (Command, Sender<io::Result<Child>>);

static STARTER: LazyLock<Sender<Order>> = LazyLock::new(|| {
    let (orders, inbox) = channel::<Order>();
    thread::spawn(move || {
        for (mut command, answer) in inbox {
            // Nobody waits for the answer only where the test has gone.
            let _ = answer.send(command.spawn());
        }
    });
    orders
});

/// A command for `program` that is killed together with this process, where the machine has `setpriv`.
pub(crate) fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    static SETPRIV: LazyLock<bool> = LazyLock::new(|| {
        Command::new("setpriv").args(["--pdeathsig", "KILL", "true"]).output().is_ok_and(|o| o.status.success())
    });
    if *SETPRIV {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(program);
        command
    } else {
        Command::new(program)
    }
}

/// Starts `command` from the thread that lasts.
pub(crate) fn start(command: Command) -> io::Result<Child> {
    let (answer, outcome) = channel();
    STARTER.send((command, answer)).map_err(io::Error::other)?;
    outcome.recv().map_err(io::Error::other)?
}
