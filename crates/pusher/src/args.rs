//! Flags of the pusher.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use silverback_gateway::{ClientSettings, Endpoint, Timeouts, discovery, worker};
use silverback_model::leadership::LeaseTiming;
use silverback_service::addresses::TranslatorUrl;
use silverback_service::values::{Listen, NamespacedName, duration, seconds};

/// Flags of the pusher. They hold secrets, so there is no `Debug`.
#[derive(Clone, clap::Args)]
pub struct PusherArgs {
    /// Where the pusher serves what it knows of the gateways over gRPC.
    #[arg(
        long,
        env = "CONTROLLER_PUSHER_BIND_ADDRESS",
        default_value = "127.0.0.1:7603",
        value_name = "ADDRESS",
        help_heading = "Pusher"
    )]
    pub pusher_bind_address: Listen,

    /// Whom it follows.
    #[command(flatten, next_help_heading = "Pusher")]
    pub translators: TranslatorUrl,

    /// Longest time one push to one gateway may take, in seconds.
    #[arg(
        long,
        env = "CONTROLLER_PROXY_TIMEOUT_SECONDS",
        default_value = "30",
        value_name = "SECONDS",
        value_parser = seconds,
        help_heading = "Pusher"
    )]
    pub proxy_timeout_seconds: Duration,

    /// How to reach the gateways.
    #[command(flatten)]
    pub gateways: GatewayArgs,

    /// How to elect the one that pushes.
    #[command(flatten)]
    pub election: ElectionArgs,

    /// What is told back and kept.
    #[command(flatten)]
    pub isolation: IsolationArgs,
}

/// Flags of what is told back, and of the last good configuration.
#[derive(Clone, Debug, clap::Args)]
pub struct IsolationArgs {
    /// Tell in this file what the gateways are and refuse, instead of in a ConfigMap beside the Lease.
    #[arg(long, env = "CONTROLLER_FEEDBACK_FILE", value_name = "FILE", help_heading = "Pusher")]
    pub feedback_file: Option<PathBuf>,

    /// Keep the configuration that gateways accepted last, to fill gateways with while no translator answers; in Secrets
    /// beside the Lease, where there is one.
    #[arg(
        long,
        env = "CONTROLLER_KEEP_LAST_GOOD_CONFIG",
        num_args = 0..=1,
        require_equals = true,
        default_value_t = true,
        default_missing_value = "true",
        action = clap::ArgAction::Set,
        help_heading = "Pusher"
    )]
    pub keep_last_good_config: bool,

    /// Keep it in this folder instead, so that it can be read without an API server. It holds private keys.
    #[arg(long, env = "CONTROLLER_LAST_GOOD_CONFIG_DIR", value_name = "FOLDER", help_heading = "Pusher")]
    pub last_good_config_dir: Option<PathBuf>,
}

/// Flags that say where gateways are and how to talk to them. They hold secrets, so there is no `Debug`.
#[derive(Clone, clap::Args)]
pub struct GatewayArgs {
    /// Admin API of a gateway; repeatable; http://localhost:8001 when neither this nor --kong-admin-svc is given.
    #[arg(
        long,
        env = "CONTROLLER_KONG_ADMIN_URL",
        value_name = "URL",
        value_delimiter = ',',
        conflicts_with = "kong_admin_svc",
        help_heading = "Gateways"
    )]
    pub kong_admin_url: Vec<String>,

    /// Service of the gateways' Admin APIs, whose endpoints are discovered.
    #[arg(long, env = "CONTROLLER_KONG_ADMIN_SVC", value_name = "NAMESPACE/NAME", help_heading = "Gateways")]
    pub kong_admin_svc: Option<NamespacedName>,

    /// Names of the Service's ports that are Admin APIs.
    #[arg(
        long,
        env = "CONTROLLER_KONG_ADMIN_SVC_PORT_NAMES",
        default_values = discovery::DEFAULT_PORT_NAMES,
        value_name = "NAME",
        value_delimiter = ',',
        help_heading = "Gateways"
    )]
    pub kong_admin_svc_port_names: Vec<String>,

    /// How often each gateway is asked which configuration it holds while nothing changes.
    #[arg(
        long,
        env = "CONTROLLER_GATEWAY_DISCOVERY_READINESS_CHECK_INTERVAL",
        default_value = "5s",
        value_name = "DURATION",
        value_parser = duration,
        help_heading = "Gateways"
    )]
    pub gateway_discovery_readiness_check_interval: Duration,

    /// How long a gateway may take to say which configuration it holds.
    #[arg(
        long,
        env = "CONTROLLER_GATEWAY_DISCOVERY_READINESS_CHECK_TIMEOUT",
        default_value = "5s",
        value_name = "DURATION",
        value_parser = duration,
        help_heading = "Gateways"
    )]
    pub gateway_discovery_readiness_check_timeout: Duration,

    /// Header to send with each request; repeatable.
    #[arg(
        long,
        env = "CONTROLLER_KONG_ADMIN_HEADER",
        value_name = "NAME:VALUE",
        value_delimiter = ',',
        hide_env_values = true,
        help_heading = "Gateways"
    )]
    pub kong_admin_header: Vec<String>,

    /// Token of the Admin API.
    #[arg(
        long,
        env = "CONTROLLER_KONG_ADMIN_TOKEN",
        value_name = "TOKEN",
        hide_env_values = true,
        conflicts_with = "kong_admin_token_file",
        help_heading = "Gateways"
    )]
    pub kong_admin_token: Option<String>,

    /// File that holds the token of the Admin API.
    #[arg(long, env = "CONTROLLER_KONG_ADMIN_TOKEN_FILE", value_name = "FILE", help_heading = "Gateways")]
    pub kong_admin_token_file: Option<PathBuf>,

    /// Enterprise workspace.
    #[arg(
        long,
        env = "CONTROLLER_KONG_WORKSPACE",
        default_value = "",
        hide_default_value = true,
        value_name = "NAME",
        help_heading = "Gateways"
    )]
    pub kong_workspace: String,

    /// Do not check the gateways' certificates.
    #[arg(
        long,
        env = "CONTROLLER_KONG_ADMIN_TLS_SKIP_VERIFY",
        num_args = 0..=1,
        require_equals = true,
        default_value_t = false,
        default_missing_value = "true",
        action = clap::ArgAction::Set,
        help_heading = "Gateways"
    )]
    pub kong_admin_tls_skip_verify: bool,

    /// Name that static gateways' certificates must hold; discovered ones go by pod.SERVICE.NAMESPACE.svc.
    #[arg(long, env = "CONTROLLER_KONG_ADMIN_TLS_SERVER_NAME", value_name = "NAME", help_heading = "Gateways")]
    pub kong_admin_tls_server_name: Option<String>,

    /// Authority that signs the gateways' certificates, as PEM.
    #[arg(
        long,
        env = "CONTROLLER_KONG_ADMIN_CA_CERT",
        value_name = "PEM",
        conflicts_with = "kong_admin_ca_cert_file",
        help_heading = "Gateways"
    )]
    pub kong_admin_ca_cert: Option<String>,

    /// File with the authority that signs the gateways' certificates.
    #[arg(long, env = "CONTROLLER_KONG_ADMIN_CA_CERT_FILE", value_name = "FILE", help_heading = "Gateways")]
    pub kong_admin_ca_cert_file: Option<PathBuf>,

    /// Our certificate towards gateways, as PEM.
    #[arg(
        long,
        env = "CONTROLLER_KONG_ADMIN_TLS_CLIENT_CERT",
        value_name = "PEM",
        conflicts_with = "kong_admin_tls_client_cert_file",
        help_heading = "Gateways"
    )]
    pub kong_admin_tls_client_cert: Option<String>,

    /// File with our certificate towards gateways.
    #[arg(long, env = "CONTROLLER_KONG_ADMIN_TLS_CLIENT_CERT_FILE", value_name = "FILE", help_heading = "Gateways")]
    pub kong_admin_tls_client_cert_file: Option<PathBuf>,

    /// Key of our certificate, as PEM.
    #[arg(
        long,
        env = "CONTROLLER_KONG_ADMIN_TLS_CLIENT_KEY",
        value_name = "PEM",
        hide_env_values = true,
        conflicts_with = "kong_admin_tls_client_key_file",
        help_heading = "Gateways"
    )]
    pub kong_admin_tls_client_key: Option<String>,

    /// File with the key of our certificate.
    #[arg(long, env = "CONTROLLER_KONG_ADMIN_TLS_CLIENT_KEY_FILE", value_name = "FILE", help_heading = "Gateways")]
    pub kong_admin_tls_client_key_file: Option<PathBuf>,
}

/// Flags of the election.
#[derive(Clone, Debug, clap::Args)]
pub struct ElectionArgs {
    /// Name of the Lease; the namespace is appended when --election-namespace is given.
    #[arg(
        long,
        env = "CONTROLLER_ELECTION_ID",
        default_value = silverback_lease::name::DEFAULT_ELECTION_ID,
        value_name = "NAME",
        help_heading = "Election"
    )]
    pub election_id: String,

    /// Namespace of the Lease; the pod's own when it is left out.
    #[arg(long, env = "CONTROLLER_ELECTION_NAMESPACE", value_name = "NAMESPACE", help_heading = "Election")]
    pub election_namespace: Option<String>,

    /// Name of the Lease as it is, instead of the one made from --election-id.
    #[arg(long, env = "CONTROLLER_ELECTION_LEASE_NAME", value_name = "NAME", help_heading = "Election")]
    pub election_lease_name: Option<String>,

    /// How long others wait after they last saw the holder renew.
    #[arg(
        long,
        env = "CONTROLLER_ELECTION_LEASE_DURATION",
        default_value = "15s",
        value_name = "DURATION",
        value_parser = duration,
        help_heading = "Election"
    )]
    pub election_lease_duration: Duration,

    /// How long after its last renewal the holder still pushes.
    #[arg(
        long,
        env = "CONTROLLER_ELECTION_RENEW_DEADLINE",
        default_value = "10s",
        value_name = "DURATION",
        value_parser = duration,
        help_heading = "Election"
    )]
    pub election_renew_deadline: Duration,

    /// How often the holder renews.
    #[arg(
        long,
        env = "CONTROLLER_ELECTION_RETRY_PERIOD",
        default_value = "2s",
        value_name = "DURATION",
        value_parser = duration,
        help_heading = "Election"
    )]
    pub election_retry_period: Duration,

    /// Our name in the Lease, before the random part that tells replicas of one name apart; the host name when it is left
    /// out.
    #[arg(long, env = "CONTROLLER_ELECTION_IDENTITY", value_name = "NAME", help_heading = "Election")]
    pub election_identity: Option<String>,

    /// Elect, or do not, whatever the gateways' addresses suggest.
    #[arg(long, env = "CONTROLLER_FORCE_LEADER_ELECTION", value_name = "WHETHER", help_heading = "Election")]
    pub force_leader_election: Option<Force>,
}

/// Overrides whether there is an election.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Force {
    /// There is one.
    Enabled,
    /// There is none: this replica always pushes.
    Disabled,
}

impl PusherArgs {
    /// How to talk to gateways, from flags and files as they are now.
    ///
    /// # Errors
    /// Names the flag whose value or file cannot be used.
    pub fn client_settings(&self) -> anyhow::Result<ClientSettings> {
        self.gateways.client_settings(self.proxy_timeout_seconds)
    }
}

impl GatewayArgs {
    /// How each gateway is kept configured.
    pub fn rules(&self) -> worker::Settings {
        let verify_every = self.gateway_discovery_readiness_check_interval.max(Duration::from_millis(100));
        worker::Settings { verify_every, ..worker::Settings::default() }
    }

    /// Whether something that may be rotated comes from a file.
    pub fn reads_files(&self) -> bool {
        let files = [
            &self.kong_admin_token_file,
            &self.kong_admin_ca_cert_file,
            &self.kong_admin_tls_client_cert_file,
            &self.kong_admin_tls_client_key_file,
        ];
        files.into_iter().any(Option::is_some)
    }

    /// The static gateways; none with discovery.
    ///
    /// # Errors
    /// Names the url that cannot be used.
    pub fn static_endpoints(&self) -> anyhow::Result<Vec<Endpoint>> {
        let urls = match (&self.kong_admin_svc, self.kong_admin_url.as_slice()) {
            (Some(_), _) => Vec::new(),
            (None, []) => vec!["http://localhost:8001".to_owned()],
            (None, urls) => urls.to_vec(),
        };
        Ok(discovery::from_urls(urls)?)
    }

    /// How to talk to gateways.
    ///
    /// # Errors
    /// Names the flag whose value or file cannot be used.
    pub fn client_settings(&self, push_timeout: Duration) -> anyhow::Result<ClientSettings> {
        let (cert, key) = (&self.kong_admin_tls_client_cert_file, &self.kong_admin_tls_client_key_file);
        let client_cert_pem = one_of(&self.kong_admin_tls_client_cert, "--kong-admin-tls-client-cert-file", cert)?;
        let client_key_pem = one_of(&self.kong_admin_tls_client_key, "--kong-admin-tls-client-key-file", key)?;
        anyhow::ensure!(
            client_cert_pem.is_some() == client_key_pem.is_some(),
            "--kong-admin-tls-client-cert and --kong-admin-tls-client-key (or their -file forms) must be given together"
        );
        let token = one_of(&self.kong_admin_token, "--kong-admin-token-file", &self.kong_admin_token_file)?;
        Ok(ClientSettings {
            ca_pem: one_of(&self.kong_admin_ca_cert, "--kong-admin-ca-cert-file", &self.kong_admin_ca_cert_file)?,
            client_cert_pem,
            client_key_pem,
            skip_verify: self.kong_admin_tls_skip_verify,
            server_name: self.kong_admin_tls_server_name.clone(),
            headers: self.kong_admin_header.clone(),
            token: token.map(|token| token.trim().to_owned()),
            workspace: Some(self.kong_workspace.clone()).filter(|workspace| !workspace.is_empty()),
            timeouts: Timeouts {
                push: push_timeout,
                read: self.gateway_discovery_readiness_check_timeout,
                ..Timeouts::default()
            },
        })
    }
}

fn one_of(inline: &Option<String>, flag: &str, file: &Option<PathBuf>) -> anyhow::Result<Option<String>> {
    match (inline, file) {
        (Some(text), _) => Ok(Some(text.clone())),
        (None, Some(path)) => {
            let text = std::fs::read_to_string(path);
            text.map(Some).with_context(|| format!("{flag} {}: cannot be read", path.display()))
        }
        (None, None) => Ok(None),
    }
}

impl ElectionArgs {
    /// The timing, if its parts fit together.
    ///
    /// # Errors
    /// Names the two flags that contradict each other.
    pub fn timing(&self) -> anyhow::Result<LeaseTiming> {
        let timing = LeaseTiming {
            duration: self.election_lease_duration,
            renew_deadline: self.election_renew_deadline,
            retry_period: self.election_retry_period,
        };
        Ok(timing.validate()?)
    }

    /// Whether there is an election: with discovery, and wherever a gateway is not on this machine.
    pub fn is_on(&self, discovery: bool, endpoints: &[Endpoint]) -> bool {
        match self.force_leader_election {
            Some(Force::Enabled) => true,
            Some(Force::Disabled) => false,
            None => discovery || !endpoints.iter().all(Endpoint::is_loopback),
        }
    }
}
