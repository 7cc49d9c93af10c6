//! The product's binaries as children under watch: their lines, signals to them, their end.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use rustix::process::{Pid, kill_process};

pub use rustix::process::Signal;

use crate::{eventually, spawn};

type Lines = Arc<Mutex<Vec<String>>>;

/// A child. It is killed when this is dropped.
pub struct Process {
    name: String,
    child: Mutex<Child>,
    pid: Pid,
    lines: Lines,
}

impl Process {
    /// Starts `program`. Its environment is `env` alone. Lines of stdout and stderr are kept, and shown with `name`
    /// in front where `SILVERBACK_TEST_VERBOSE` is set.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub fn spawn<A: AsRef<OsStr>>(
        name: &str,
        program: &Path,
        args: impl IntoIterator<Item = A>,
        env: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        let mut command = spawn::command(program);
        command.args(args).env_clear().envs(env.iter().copied());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child =
            spawn::start(command).with_context(|| format!("{name}: {} cannot be started", program.display()))?;
        let lines = Lines::default();
        if let Some(stdout) = child.stdout.take() {
            keep(name, stdout, &lines);
        }
        if let Some(stderr) = child.stderr.take() {
            keep(name, stderr, &lines);
        }
        let pid = Pid::from_child(&child);
        Ok(Self { name: name.to_owned(), child: Mutex::new(child), pid, lines })
    }

    /// What it has printed so far.
    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits for a line that contains `part`, also one printed earlier, and gives it.
    ///
    /// # Errors
    /// Where no such line comes, with what was printed instead.
    pub async fn wait_for_line(&self, part: &str, deadline: Duration) -> anyhow::Result<String> {
        eventually(&format!("{} prints {part:?}", self.name), deadline, async || {
            let lines = self.lines();
            match lines.iter().find(|line| line.contains(part)) {
                Some(line) => Ok(line.clone()),
                None => Err(self.tail()),
            }
        })
        .await
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// Where it has ended.
    pub fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        ensure!(self.is_running(), "{} has ended already", self.name);
        kill_process(self.pid, signal).with_context(|| format!("signal to {}", self.name))
    }

    /// Resident memory in kilobytes: now, and at most so far. `None` where the system does not tell.
    pub fn memory(&self) -> Option<(u64, u64)> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid.as_raw_nonzero())).ok()?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.trim().trim_end_matches(" kB").parse().ok()
        };
        Some((field("VmRSS:")?, field("VmHWM:")?))
    }

    /// Whether it has not ended.
    pub fn is_running(&self) -> bool {
        matches!(self.child().try_wait(), Ok(None))
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// Where it goes on, with its last lines.
    pub async fn wait_exit(&self, deadline: Duration) -> anyhow::Result<ExitStatus> {
        eventually(&format!("{} ends", self.name), deadline, async || match self.child().try_wait() {
            Ok(Some(status)) => Ok(status),
            Ok(None) => Err(format!("it runs; {}", self.tail())),
            Err(error) => Err(error.to_string()),
        })
        .await
    }

    fn tail(&self) -> String {
        let lines = self.lines();
        format!("its last lines are:\n{}", lines[lines.len().saturating_sub(30)..].join("\n"))
    }

    fn child(&self) -> std::sync::MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("{}: {}", self.name, self.tail());
        }
        let mut child = self.child();
        // Both fail only where it has ended already.
        let _ = child.kill();
        let _ = child.wait();
    }
}

fn keep(name: &str, stream: impl Read + Send + 'static, lines: &Lines) {
    let (lines, name) = (Arc::clone(lines), name.to_owned());
    let verbose = std::env::var_os("SILVERBACK_TEST_VERBOSE").is_some();
    thread::spawn(move || {
        for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line).into_owned();
            if verbose {
                eprintln!("[{name}] {line}");
            }
            lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        }
    });
}

/// A binary of the workspace, built as the running test was, once in this process. Where `SILVERBACK_BIN_DIR` names a
/// folder, it is taken from there as it is.
///
/// # Errors
/// Where it is not there or does not build.
pub fn binary(name: &str) -> anyhow::Result<PathBuf> {
    static BUILT: Mutex<Option<HashSet<String>>> = Mutex::new(None);
    if let Some(folder) = std::env::var_os("SILVERBACK_BIN_DIR") {
        let path = PathBuf::from(folder).join(name);
        ensure!(path.is_file(), "SILVERBACK_BIN_DIR: {} is not there", path.display());
        return Ok(path);
    }
    // target/<profile>/deps/<test>
    let test = std::env::current_exe()?;
    let profile_folder = test.ancestors().nth(2).context("the test does not run from a target folder")?;
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    let built = built.get_or_insert_default();
    if !built.contains(name) {
        build(name, profile_folder)?;
        built.insert(name.to_owned());
    }
    Ok(profile_folder.join(name))
}

fn build(name: &str, profile_folder: &Path) -> anyhow::Result<()> {
    let target = profile_folder.parent().context("the test does not run from a target folder")?;
    let profile = match profile_folder.file_name().and_then(OsStr::to_str) {
        Some("debug") | None => "dev",
        Some(other) => other,
    };
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--quiet", "--profile", profile, "--bin", name, "--target-dir"])
        .arg(target)
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."))
        .output()
        .context("cargo cannot be run")?;
    if !output.status.success() {
        bail!("{name} does not build:\n{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}
