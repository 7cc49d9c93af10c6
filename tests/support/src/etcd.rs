//! The API server's store, which can be put back in time and told to forget its past.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::kube_api::{Running, log_to};
use crate::spawn;

/// A copy of what was stored.
pub struct Backup(TempDir);

/// A running etcd. It ends when this is dropped.
pub(crate) struct Etcd {
    child: Mutex<Option<Running>>,
    program: PathBuf,
    folder: PathBuf,
    pub(crate) port: u16,
    peer_port: u16,
}

impl Etcd {
    /// Starts one that stores and logs below `folder`.
    pub(crate) fn start(program: PathBuf, folder: &Path, port: u16, peer_port: u16) -> anyhow::Result<Self> {
        let etcd = Self { child: Mutex::default(), program, folder: folder.to_owned(), port, peer_port };
        etcd.run()?;
        Ok(etcd)
    }

    fn run(&self) -> anyhow::Result<()> {
        let mut command = spawn::command(&self.program);
        let (client, peer) =
            (format!("http://127.0.0.1:{}", self.port), format!("http://127.0.0.1:{}", self.peer_port));
        command
            .arg(format!("--data-dir={}", self.data().display()))
            .args([format!("--listen-client-urls={client}"), format!("--advertise-client-urls={client}")])
            .args([format!("--listen-peer-urls={peer}"), format!("--initial-advertise-peer-urls={peer}")])
            .arg(format!("--initial-cluster=default={peer}"))
            .args(["--unsafe-no-fsync", "--log-level=warn", "--quota-backend-bytes=8589934592"]);
        log_to(&mut command, &self.folder.join("etcd.log"))?;
        let child: Child = spawn::start(command).context("etcd cannot be started")?;
        self.child.lock().unwrap_or_else(PoisonError::into_inner).replace(Running(child));
        Ok(())
    }

    fn stop(&self) {
        self.child.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    fn data(&self) -> PathBuf {
        self.folder.join("etcd")
    }

    /// Copies what is stored. It is stopped for it, and runs again afterwards.
    pub(crate) fn back_up(&self) -> anyhow::Result<Backup> {
        self.stop();
        let backup = TempDir::with_prefix("silverback-etcd-")?;
        copy(&self.data(), backup.path())?;
        self.run()?;
        Ok(Backup(backup))
    }

    /// Stores what was stored then, and nothing else.
    pub(crate) fn restore(&self, backup: &Backup) -> anyhow::Result<()> {
        self.stop();
        fs::remove_dir_all(self.data())?;
        copy(backup.0.path(), &self.data())?;
        self.run()
    }

    /// Forgets everything but the present.
    pub(crate) async fn compact(&self) -> anyhow::Result<()> {
        let anything = json!({ "key": "AA==" });
        let answer = self.post("/v3/kv/range", &anything).await?;
        let revision = answer.pointer("/header/revision").cloned().with_context(|| format!("no revision: {answer}"))?;
        self.post("/v3/kv/compaction", &json!({ "revision": revision, "physical": true })).await?;
        Ok(())
    }

    async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
        let body = body.to_string();
        let head = format!("POST {path} HTTP/1.0\r\ncontent-type: application/json\r\ncontent-length: {}", body.len());
        stream.write_all(format!("{head}\r\n\r\n{body}").as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        let (head, body) = answer.split_once("\r\n\r\n").context("etcd gives no HTTP answer")?;
        ensure!(head.contains(" 200 "), "etcd answers {path} with {answer}");
        Ok(serde_json::from_str(body)?)
    }
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}
