//! A real Kubernetes API server with its store, for tests: RBAC, client certificates for any user, outages on demand.
//!
//! There are no controllers and no nodes: EndpointSlices and statuses are written by tests.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

use anyhow::{Context as _, bail};
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::json;
use tempfile::TempDir;
use tokio::sync::{Mutex, OnceCell};

use crate::authority::{Authority, Pair};
use crate::etcd::{Backup, Etcd};
use crate::{eventually, free_ports, spawn};

const START: Duration = Duration::from_secs(60);

/// A running API server. It ends when this is dropped.
pub struct KubeApi {
    // Children end before the folder goes.
    apiserver: std::sync::Mutex<Option<Running>>,
    etcd: Etcd,
    authority: Authority,
    binaries: PathBuf,
    folder: TempDir,
    port: u16,
}

/// A child that is killed when it is dropped.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only where the child has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl KubeApi {
    /// Starts one. `None`, with a line on stderr, where its binaries cannot be had on this machine.
    ///
    /// # Errors
    /// Where it does not come up within a minute, with the end of its log; and where it cannot be had although
    /// `SILVERBACK_REQUIRE_KUBE_API` is set.
    pub async fn start() -> anyhow::Result<Option<Self>> {
        let Some(binaries) = kube_api_binaries().await? else { return Ok(None) };
        let folder = TempDir::with_prefix("silverback-kube-api-")?;
        let authority = Authority::new()?;
        write_files(folder.path(), &authority)?;
        let [port, etcd_port, peer_port] = free_ports()?;
        let etcd = Etcd::start(binaries.join("etcd"), folder.path(), etcd_port, peer_port)?;
        let api = Self { apiserver: std::sync::Mutex::new(None), etcd, authority, binaries, folder, port };
        api.kubeconfig_for("admin", &["system:masters"])?;
        api.start_apiserver().await?;
        Ok(Some(api))
    }

    /// One for all tests that run at the same time in a process: none may count on its being empty, or stop it. It ends
    /// with the last of them.
    ///
    /// # Errors
    /// As [`KubeApi::start`].
    pub async fn shared() -> anyhow::Result<Option<Arc<Self>>> {
        static SHARED: Mutex<Weak<KubeApi>> = Mutex::const_new(Weak::new());
        let mut shared = SHARED.lock().await;
        if let Some(running) = shared.upgrade() {
            return Ok(Some(running));
        }
        let started = Self::start().await?.map(Arc::new);
        *shared = started.as_ref().map(Arc::downgrade).unwrap_or_default();
        Ok(started)
    }

    /// Where it is, e.g. `https://127.0.0.1:34567`.
    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Kubeconfig of a user who may do everything.
    pub fn admin_kubeconfig(&self) -> PathBuf {
        self.kubeconfig_path("admin")
    }

    /// Kubeconfig of a user with a certificate; what the user may do is for RBAC to say. At most two groups.
    ///
    /// # Errors
    /// Where a name cannot be certified or the file cannot be written.
    pub fn kubeconfig_for(&self, user: &str, groups: &[&str]) -> anyhow::Result<PathBuf> {
        let Pair { certificate, key } = self.authority.user(user, groups)?;
        let path = self.kubeconfig_path(user);
        let (certificate_path, key_path) = (path.with_extension("crt"), path.with_extension("key"));
        fs::write(&certificate_path, certificate)?;
        fs::write(&key_path, key)?;
        // JSON is YAML too.
        let kubeconfig = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "clusters": [{ "name": "test", "cluster": {
                "server": self.url(), "certificate-authority": self.folder.path().join("ca.crt") } }],
            "users": [{ "name": user, "user": {
                "client-certificate": certificate_path, "client-key": key_path } }],
            "contexts": [{ "name": "test", "context": { "cluster": "test", "user": user } }],
        });
        fs::write(&path, kubeconfig.to_string()).with_context(|| format!("kubeconfig of user {user}"))?;
        Ok(path)
    }

    /// A client of a user who may do everything. It belongs to the caller's runtime.
    ///
    /// # Errors
    /// Where the kubeconfig cannot be used.
    pub async fn client(&self) -> anyhow::Result<kube::Client> {
        client_from(&self.admin_kubeconfig()).await
    }

    /// A client of a user with a certificate. It belongs to the caller's runtime.
    ///
    /// # Errors
    /// As [`KubeApi::kubeconfig_for`].
    pub async fn client_for(&self, user: &str, groups: &[&str]) -> anyhow::Result<kube::Client> {
        client_from(&self.kubeconfig_for(user, groups)?).await
    }

    /// Kills the API server; its data stay.
    pub fn stop_apiserver(&self) {
        self.apiserver.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Starts the API server again where it was, and waits until it is ready.
    ///
    /// # Errors
    /// Where it does not come up within a minute, with the end of its log.
    pub async fn start_apiserver(&self) -> anyhow::Result<()> {
        self.stop_apiserver();
        let child = spawn::start(self.apiserver_command()?).context("kube-apiserver cannot be started")?;
        *self.apiserver.lock().unwrap_or_else(PoisonError::into_inner) = Some(Running(child));
        let client = self.client().await?;
        eventually("kube-apiserver is ready", START, async || {
            if let Some(ended) = self.ended() {
                return Ok(Err(anyhow::anyhow!("kube-apiserver ended at once: {ended}")));
            }
            let request = http::Request::get("/readyz").body(Vec::new()).map_err(|e| e.to_string())?;
            client.request_text(request).await.map(|_| Ok(())).map_err(|e| e.to_string())
        })
        .await
        .and_then(|ready| ready)
        .with_context(|| format!("end of its log:\n{}", self.log_tail()))
    }

    /// Copies what is stored. The API server is away for it.
    ///
    /// # Errors
    /// Where something does not come up again.
    pub async fn back_up(&self) -> anyhow::Result<Backup> {
        self.stop_apiserver();
        let backup = self.etcd.back_up()?;
        self.start_apiserver().await?;
        Ok(backup)
    }

    /// Puts everything back to what it was. The API server is away for it.
    ///
    /// # Errors
    /// Where something does not come up again.
    pub async fn restore(&self, backup: &Backup) -> anyhow::Result<()> {
        self.stop_apiserver();
        self.etcd.restore(backup)?;
        self.start_apiserver().await
    }

    /// Has the store forget everything but the present. What the API server has in memory it forgets when it is
    /// started again.
    ///
    /// # Errors
    /// Where the store refuses.
    pub async fn compact(&self) -> anyhow::Result<()> {
        self.etcd.compact().await
    }

    /// The folder with `kube-apiserver.log` and `etcd.log`, which goes when this is dropped.
    pub fn logs(&self) -> &Path {
        self.folder.path()
    }

    fn ended(&self) -> Option<String> {
        let mut apiserver = self.apiserver.lock().unwrap_or_else(PoisonError::into_inner);
        apiserver.as_mut()?.0.try_wait().ok().flatten().map(|status| status.to_string())
    }

    fn log_tail(&self) -> String {
        let log = fs::read_to_string(self.logs().join("kube-apiserver.log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }

    fn apiserver_command(&self) -> anyhow::Result<Command> {
        let mut command = spawn::command(self.binaries.join("kube-apiserver"));
        command
            .arg(format!("--secure-port={}", self.port))
            .arg(format!("--etcd-servers=http://127.0.0.1:{}", self.etcd.port))
            .args(["--bind-address=127.0.0.1", "--advertise-address=127.0.0.1"])
            .args(["--service-cluster-ip-range=10.96.0.0/16", "--authorization-mode=RBAC"])
            .args(["--disable-admission-plugins=ServiceAccount", "--enable-priority-and-fairness=false"])
            .args(["--endpoint-reconciler-type=none", "--shutdown-delay-duration=0s"])
            .arg("--service-account-issuer=https://kubernetes.default.svc");
        for (flag, file) in [
            ("client-ca-file", "ca.crt"),
            ("tls-cert-file", "server.crt"),
            ("tls-private-key-file", "server.key"),
            ("service-account-key-file", "service-account.pub"),
            ("service-account-signing-key-file", "service-account.key"),
            ("cert-dir", "generated"),
        ] {
            command.arg(format!("--{flag}={}", self.folder.path().join(file).display()));
        }
        log_to(&mut command, &self.logs().join("kube-apiserver.log"))?;
        Ok(command)
    }

    fn kubeconfig_path(&self, user: &str) -> PathBuf {
        let name: String = user.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        self.folder.path().join(format!("{name}.kubeconfig"))
    }
}

/// The folder with `kube-apiserver` and `etcd`. `None`, with a line on stderr, where they cannot be had on this machine.
///
/// # Errors
/// Where they do not build; and where they cannot be had although `SILVERBACK_REQUIRE_KUBE_API` is set.
pub async fn kube_api_binaries() -> anyhow::Result<Option<PathBuf>> {
    // What cannot be had is not tried for again by each test.
    static FOUND: OnceCell<Result<PathBuf, String>> = OnceCell::const_new();
    match FOUND.get_or_try_init(binaries).await? {
        Ok(folder) => Ok(Some(folder.clone())),
        Err(reason) if std::env::var_os("SILVERBACK_REQUIRE_KUBE_API").is_some() => {
            bail!("SILVERBACK_REQUIRE_KUBE_API is set, but there is no kube-apiserver: {reason}")
        }
        Err(reason) => {
            eprintln!("skipped: no kube-apiserver: {reason}");
            Ok(None)
        }
    }
}

/// The folder with `kube-apiserver` and `etcd`, or why there is none.
async fn binaries() -> anyhow::Result<Result<PathBuf, String>> {
    const NOT_TO_BE_HAD: i32 = 3;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../apiserver/build");
    let output = match tokio::process::Command::new(&script).output().await {
        Ok(output) => output,
        Err(error) => return Ok(Err(format!("tests/apiserver/build cannot be run: {error}"))),
    };
    let progress = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    match output.status.code() {
        Some(0) => {
            let printed = String::from_utf8(output.stdout)?;
            let folder = printed.lines().last().context("tests/apiserver/build prints no folder")?;
            Ok(Ok(PathBuf::from(folder)))
        }
        Some(NOT_TO_BE_HAD) => Ok(Err(progress)),
        _ => bail!("tests/apiserver/build fails ({}): {progress}", output.status),
    }
}

fn write_files(folder: &Path, authority: &Authority) -> anyhow::Result<()> {
    let server = authority.server()?;
    fs::write(folder.join("ca.crt"), &authority.certificate)?;
    fs::write(folder.join("server.crt"), server.certificate)?;
    fs::write(folder.join("server.key"), server.key)?;
    let service_account = rcgen::KeyPair::generate()?;
    fs::write(folder.join("service-account.key"), service_account.serialize_pem())?;
    fs::write(folder.join("service-account.pub"), service_account.public_key_pem())?;
    Ok(())
}

pub(crate) fn log_to(command: &mut Command, path: &Path) -> anyhow::Result<()> {
    let log = File::options().create(true).append(true).open(path)?;
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    Ok(())
}

async fn client_from(kubeconfig: &Path) -> anyhow::Result<kube::Client> {
    let file = Kubeconfig::read_from(kubeconfig)?;
    let config = kube::Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?;
    Ok(kube::Client::try_from(config)?)
}
