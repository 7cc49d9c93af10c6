//! Silverback's services as child processes of the demo, which do not outlive it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process};
use silverback_service::probe;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use super::plan::{Plan, Replica, Service};
use super::world::World;

/// Namespace and name of the Lease.
pub(super) const LEASE: (&str, &str) = ("kong", "silverback-demo");
/// Duration, renew deadline and retry period of the Lease: a fifth of what they are unless told otherwise.
pub(super) const LEASE_TIMES: [Duration; 3] =
    [Duration::from_secs(3), Duration::from_secs(2), Duration::from_millis(400)];
/// How long a service has to end before it is made to.
const PATIENCE: Duration = Duration::from_secs(5);

/// A service in a process of its own.
pub(super) struct Running {
    pub(super) service: Service,
    pub(super) replica: Replica,
    plan: Plan,
    log: PathBuf,
    child: Child,
}

impl Running {
    /// Starts one. Its log goes to a file beside the kubeconfigs.
    pub(super) fn start(world: &World, plan: Plan, service: Service, replica: Replica) -> anyhow::Result<Self> {
        let name = name(service, replica);
        let kubeconfig = world.kubeconfig(&name)?;
        let log = kubeconfig.with_extension("log");
        let file = File::options().create(true).append(true).open(&log).with_context(|| log.display().to_string())?;
        let mut command = Command::new(std::env::current_exe().context("finding this program")?);
        // What is set for a Silverback of the user's own is not for these.
        for (variable, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("CONTROLLER_")) {
            command.env_remove(variable);
        }
        command.arg(service.name()).arg("--until-stdin-ends");
        command.arg(format!("--{}-bind-address={}", service.name(), plan.grpc(service, replica)));
        command.arg(format!("--health-probe-bind-address={}", plan.health(service, replica)));
        command.arg(format!("--metrics-bind-address={}", plan.metrics(service, replica)));
        command.args(flags(world, plan, service, &name, &kubeconfig));
        command.stdin(Stdio::piped()).stdout(file.try_clone()?).stderr(file).kill_on_drop(true);
        // A Ctrl-C at the terminal is the demo's to handle.
        command.process_group(0);
        let child = command.spawn().with_context(|| format!("starting {name}"))?;
        Ok(Self { service, replica, plan, log, child })
    }

    pub(super) fn name(&self) -> String {
        name(self.service, self.replica)
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id().unwrap_or_default()
    }

    /// Waits until it says that it is ready.
    ///
    /// # Errors
    /// When it ends instead, with its last words.
    pub(super) async fn ready(&mut self) -> anyhow::Result<()> {
        let address = self.plan.health(self.service, self.replica);
        loop {
            if let Some(status) = self.child.try_wait()? {
                anyhow::bail!("{} ended ({status}): {}", self.name(), last_words(&self.log));
            }
            if timeout(Duration::from_secs(1), probe::is_ready(address)).await == Ok(true) {
                return Ok(());
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// kill -9.
    pub(super) async fn kill(&mut self) -> anyhow::Result<ExitStatus> {
        self.child.start_kill()?;
        Ok(self.child.wait().await?)
    }

    /// Asks it to end, and waits until it has.
    pub(super) async fn stop(&mut self) {
        if let Some(pid) = self.child.id().and_then(|id| Pid::from_raw(id.cast_signed())) {
            let _ = kill_process(pid, Signal::TERM);
        }
        if timeout(PATIENCE, self.child.wait()).await.is_err() {
            let _ = self.kill().await;
        }
    }
}

/// Stops them all, those first that others are served by last.
pub(super) async fn stop_all(services: &mut [Running]) {
    futures::future::join_all(services.iter_mut().map(Running::stop)).await;
}

fn name(service: Service, replica: Replica) -> String {
    format!("{}-{}", service.name(), replica.letter())
}

fn flags(world: &World, plan: Plan, service: Service, name: &str, kubeconfig: &Path) -> Vec<String> {
    let urls = |service| Replica::BOTH.map(|replica| format!("http://{}", plan.grpc(service, replica))).join(",");
    let kubeconfig = format!("--kubeconfig={}", kubeconfig.display());
    match service {
        Service::Watcher => vec![kubeconfig],
        Service::Translator => vec![format!("--watcher-url={}", urls(Service::Watcher))],
        Service::Pusher => {
            let gateways: Vec<String> = world.gateways.iter().map(|gateway| gateway.admin_url()).collect();
            let [duration, deadline, retry] = LEASE_TIMES.map(|time| format!("{}ms", time.as_millis()));
            vec![
                kubeconfig,
                format!("--translator-url={}", urls(Service::Translator)),
                format!("--kong-admin-url={}", gateways.join(",")),
                "--force-leader-election=enabled".to_owned(),
                format!("--election-namespace={}", LEASE.0),
                format!("--election-lease-name={}", LEASE.1),
                format!("--election-identity={name}"),
                format!("--election-lease-duration={duration}"),
                format!("--election-renew-deadline={deadline}"),
                format!("--election-retry-period={retry}"),
            ]
        }
    }
}

fn last_words(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(5)..].join("\n")
}
