//! A client of one Kong Admin API: the few requests that keeping a gateway configured needs. Judges answers, and
//! decides nothing: when to ask what is the worker's business.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode, Uri};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_rustls::{FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls_pki_types::ServerName;
use silverback_model::{Digest, Epoch, Generation};
use tokio::sync::Notify;

use crate::body::BodyStream;
use crate::ended::Telling;
use crate::facts::schema_digest;
use crate::{Cause, ConfigBody, ConfigHash, Endpoint, Error, Facts, Rejection, tls};

/// Most bytes read of an answer that is looked at; a rejection of thousands of entities fits.
const LONGEST_ANSWER: usize = 8 << 20;

/// The longest head of an answer, and what is read of one at a time. No less is buffered of a body than one of its frames.
const BUFFER: usize = 16 << 10;

/// How to speak to gateways; the same for all of them. PEM and tokens are texts, read from files by the caller.
#[derive(Clone, Default, PartialEq)]
pub struct Settings {
    /// `--kong-admin-ca-cert`: the authorities to trust; the system's when none.
    pub ca_pem: Option<String>,
    /// `--kong-admin-tls-client-cert`.
    pub client_cert_pem: Option<String>,
    /// `--kong-admin-tls-client-key`.
    pub client_key_pem: Option<String>,
    /// `--kong-admin-tls-skip-verify`.
    pub skip_verify: bool,
    /// `--kong-admin-tls-server-name`: the name to verify where discovery gives none.
    pub server_name: Option<String>,
    /// `--kong-admin-header`, each `name:value`.
    pub headers: Vec<String>,
    /// `--kong-admin-token`.
    pub token: Option<String>,
    /// `--kong-workspace`.
    pub workspace: Option<String>,
    /// How long to wait.
    pub timeouts: Timeouts,
}

/// Says which settings there are, and nothing secret.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("ca", &self.ca_pem.is_some())
            .field("client_cert", &self.client_cert_pem.is_some())
            .field("skip_verify", &self.skip_verify)
            .field("server_name", &self.server_name)
            .field("headers", &self.headers.len())
            .field("token", &self.token.is_some())
            .field("workspace", &self.workspace)
            .field("timeouts", &self.timeouts)
            .finish_non_exhaustive()
    }
}

/// How long to wait for a gateway.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Timeouts {
    /// For a connection.
    pub connect: Duration,
    /// For `GET` requests: `--gateway-discovery-readiness-check-timeout`.
    pub read: Duration,
    /// For `POST /config`, until its whole answer is here: `--proxy-timeout-seconds`.
    pub push: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        let secs = Duration::from_secs;
        Self { connect: secs(5), read: secs(5), push: secs(30) }
    }
}

/// A setting that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{setting} cannot be used: {reason}")]
pub struct SettingsError {
    /// The setting.
    pub setting: String,
    /// Why.
    pub reason: String,
}

impl SettingsError {
    pub(crate) fn new(setting: impl Into<String>, reason: impl fmt::Display) -> Self {
        Self { setting: setting.into(), reason: reason.to_string() }
    }
}

/// Makes clients: settings that were read and checked once.
#[derive(Clone)]
pub struct Connector {
    settings: Arc<Settings>,
    tls: rustls::ClientConfig,
    headers: HeaderMap,
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Connector {
    /// Checks the settings.
    ///
    /// # Errors
    /// Names the setting that cannot be used.
    pub fn new(settings: Settings) -> Result<Self, SettingsError> {
        let tls = tls::config(&settings)?;
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        let agent = concat!("silverback/", env!("CARGO_PKG_VERSION"));
        headers.insert(header::USER_AGENT, HeaderValue::from_static(agent));
        for (at, given) in settings.headers.iter().enumerate() {
            // The value may be a secret, so that an error tells the place only.
            let setting = || format!("--kong-admin-header number {}", at + 1);
            let (name, value) =
                given.split_once(':').ok_or_else(|| SettingsError::new(setting(), "`name:value` is expected"))?;
            let name: HeaderName = name.trim().parse().map_err(|error| SettingsError::new(setting(), error))?;
            headers.append(name, secret(value, setting())?);
        }
        if let Some(token) = &settings.token {
            headers.insert("kong-admin-token", secret(token, "--kong-admin-token".to_owned())?);
        }
        if let Some(workspace) = &settings.workspace
            && !workspace.bytes().all(|c| c.is_ascii_alphanumeric() || b"-._~".contains(&c))
        {
            let reason = "letters, digits, `-`, `.`, `_` and `~` are expected";
            return Err(SettingsError::new(format!("--kong-workspace {workspace}"), reason));
        }
        Ok(Self { settings: Arc::new(settings), tls, headers })
    }

    /// A client for one gateway.
    ///
    /// # Errors
    /// When its URL or server name cannot be used.
    pub fn client(&self, endpoint: &Endpoint) -> Result<Client, SettingsError> {
        let bases: Result<Vec<_>, _> = endpoint.urls().map(|url| self.base(url)).collect();
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(self.settings.timeouts.connect));
        let builder = HttpsConnectorBuilder::new().with_tls_config(self.tls.clone()).https_or_http();
        let builder = match endpoint.server_name.as_ref().or(self.settings.server_name.as_ref()) {
            Some(name) => {
                let name = ServerName::try_from(name.clone())
                    .map_err(|error| SettingsError::new(format!("server name {name} of {}", endpoint.url), error))?;
                builder.with_server_name_resolver(FixedServerNameResolver::new(name))
            }
            None => builder,
        };
        let ended = Arc::new(Notify::new());
        let https = builder.enable_http1().wrap_connector(tcp);
        let http = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_max_idle_per_host(1)
            // Frames are long: they are written as they are, not copied into a buffer that would stay.
            .http1_writev(true)
            .http1_max_buf_size(BUFFER)
            .build(Telling::new(https, Arc::clone(&ended)));
        Ok(Client {
            gateway: endpoint.url.as_str().into(),
            bases: bases?,
            current: AtomicUsize::new(0),
            body_limit: AtomicU64::new(0),
            http,
            ended,
            headers: self.headers.clone(),
            timeouts: self.settings.timeouts,
        })
    }

    fn base(&self, url: &str) -> Result<Base, SettingsError> {
        let uri: Uri = url.parse().map_err(|error| SettingsError::new(format!("gateway URL {url}"), error))?;
        let workspace = self.settings.workspace.as_deref().unwrap_or_default();
        let mut prefix = url.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/').to_owned();
        if !workspace.is_empty() {
            prefix = format!("{prefix}/{workspace}");
        }
        if uri.scheme().is_none() || uri.authority().is_none() {
            return Err(SettingsError::new(
                format!("gateway URL {url}"),
                "http://host:port or https://host:port is expected",
            ));
        }
        Ok(Base { prefix })
    }
}

fn secret(value: &str, setting: String) -> Result<HeaderValue, SettingsError> {
    let mut value: HeaderValue = value.trim().parse().map_err(|error| SettingsError::new(setting, error))?;
    value.set_sensitive(true);
    Ok(value)
}

/// What a push tells about itself in its headers; never in the body, which Kong hashes.
#[derive(Clone, Debug, Default)]
pub struct Headers {
    /// `Silverback-Epoch`: the leadership that pushes.
    pub epoch: Option<Epoch>,
    /// `Silverback-Generation`: the translator's commit.
    pub generation: Option<Generation>,
    /// `traceparent`, as W3C Trace Context has it.
    pub traceparent: Option<String>,
}

/// What a gateway did with a config that it took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// 201: it loaded it.
    Loaded,
    /// 304: it had it already.
    Unchanged,
}

/// What `GET /status` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// `configuration_hash`.
    pub hash: ConfigHash,
}

#[derive(Debug)]
struct Base {
    prefix: String,
}

/// A client of one gateway's Admin API. One request at a time is its user's duty.
#[derive(Debug)]
pub struct Client {
    gateway: Arc<str>,
    /// All the ways to the one gateway.
    bases: Vec<Base>,
    /// The way that is in use; another one after a connection failed.
    current: AtomicUsize,
    /// As the gateway said last; zero when it did not.
    body_limit: AtomicU64,
    http: legacy::Client<Telling<HttpsConnector<HttpConnector>>, BodyStream>,
    /// Told of each connection that ends.
    ended: Arc<Notify>,
    headers: HeaderMap,
    timeouts: Timeouts,
}

impl Client {
    /// The gateway's Admin API, as errors and reports name it.
    pub fn gateway(&self) -> &Arc<str> {
        &self.gateway
    }

    /// Takes over what another client of the same gateway learned of it.
    #[must_use]
    pub fn succeeding(self, other: &Self) -> Self {
        self.body_limit.store(other.body_limit.load(Ordering::Relaxed), Ordering::Relaxed);
        self
    }

    /// Waits until a connection to the gateway ends, or has since this was last waited for.
    pub async fn disconnected(&self) {
        self.ended.notified().await;
    }

    /// `GET /`: what the gateway says about itself, and the schemas that do not follow from it.
    ///
    /// # Errors
    /// Names the gateway and the cause.
    pub async fn root(&self) -> Result<Facts, Error> {
        let body = self.get("/", "GET /").await?;
        let mut facts = Facts::parse(&body).map_err(|error| self.error("GET /", Cause::Answer(error.to_string())))?;
        self.body_limit.store(facts.body_limit.unwrap_or(0), Ordering::Relaxed);
        for (name, digest) in &mut facts.schemas {
            *digest = self.schema(name).await?;
        }
        Ok(facts)
    }

    /// `GET /schemas/plugins/NAME`; none where the gateway will not tell.
    async fn schema(&self, plugin: &str) -> Result<Option<Digest>, Error> {
        if !plugin.bytes().all(|c| c.is_ascii_alphanumeric() || b"-._~".contains(&c)) {
            return Ok(None);
        }
        match self.get(&format!("/schemas/plugins/{plugin}"), "GET /schemas/plugins/…").await {
            Ok(body) => Ok(schema_digest(&body)),
            Err(Error { cause: Cause::Status { status: 404, .. } | Cause::Denied { .. }, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// `GET /status`: which config is loaded.
    ///
    /// # Errors
    /// Names the gateway and the cause.
    pub async fn status(&self) -> Result<Status, Error> {
        const REQUEST: &str = "GET /status";
        let body = self.get("/status", REQUEST).await?;
        let answer: serde_json::Value =
            serde_json::from_slice(&body).map_err(|error| self.error(REQUEST, Cause::Answer(error.to_string())))?;
        let hash = answer.get("configuration_hash").and_then(serde_json::Value::as_str).and_then(ConfigHash::parse);
        let missing = "no configuration_hash in it; only gateways without a database have one";
        hash.map(|hash| Status { hash }).ok_or_else(|| self.error(REQUEST, Cause::Answer(missing.to_owned())))
    }

    /// `POST /config`: gives the gateway a whole config. `flatten` asks for faults by entity; without it Kong also
    /// tells of missing references. Nothing of a good answer is kept: it echoes the config, secrets included.
    ///
    /// # Errors
    /// Names the gateway and the cause. After [`Cause::Timeout`], [`Cause::Cut`] and 5xx answers the config may have
    /// taken effect, or may do so yet.
    pub async fn post_config(&self, body: &ConfigBody, flatten: bool, about: &Headers) -> Result<Accepted, Error> {
        const REQUEST: &str = "POST /config";
        let limit = Some(self.body_limit.load(Ordering::Relaxed)).filter(|limit| *limit > 0);
        if limit.is_some_and(|limit| body.len() > limit) {
            return Err(self.error(REQUEST, Cause::TooLarge { size: body.len(), limit }));
        }
        let query = if flatten { "/config?check_hash=1&flatten_errors=1" } else { "/config?check_hash=1" };
        let mut request = self.request(Method::POST, query, body.stream(), REQUEST)?;
        let headers = request.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/yaml"));
        headers.insert(header::CONTENT_LENGTH, body.len().into());
        about.write(headers);
        let answer = async {
            let mut response = self.send(request).await?;
            match response.status() {
                status if status.is_success() => {
                    while let Some(frame) = response.frame().await {
                        frame.map_err(|error| Cause::of(&error, false))?;
                    }
                    Ok(Accepted::Loaded)
                }
                StatusCode::NOT_MODIFIED => Ok(Accepted::Unchanged),
                _ => Err(refusal(response, body.len(), limit).await),
            }
        };
        let way_out = "if it is only slow, raise --proxy-timeout-seconds";
        let answer = tokio::time::timeout(self.timeouts.push, answer).await;
        let answer = answer.unwrap_or(Err(Cause::Timeout(self.timeouts.push, way_out)));
        answer.map_err(|cause| self.error(REQUEST, cause))
    }

    async fn get(&self, path: &str, what: &'static str) -> Result<Bytes, Error> {
        let request = self.request(Method::GET, path, BodyStream::default(), what)?;
        let answer = async {
            let response = self.send(request).await?;
            if response.status().is_success() { read(response).await } else { Err(refusal(response, 0, None).await) }
        };
        let way_out = "if it is only slow, raise --gateway-discovery-readiness-check-timeout";
        let answer = tokio::time::timeout(self.timeouts.read, answer).await;
        let answer = answer.unwrap_or(Err(Cause::Timeout(self.timeouts.read, way_out)));
        answer.map_err(|cause| self.error(what, cause))
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        body: BodyStream,
        what: &'static str,
    ) -> Result<Request<BodyStream>, Error> {
        let current = self.current.load(Ordering::Relaxed) % self.bases.len().max(1);
        let prefix = self.bases.get(current).map_or("", |base| &base.prefix);
        let request = Request::builder().method(method).uri(format!("{prefix}{path}")).body(body);
        let mut request = request.map_err(|error| self.error(what, Cause::Unreachable(error.to_string())))?;
        request.headers_mut().extend(self.headers.clone());
        Ok(request)
    }

    async fn send(&self, request: Request<BodyStream>) -> Result<Response<Incoming>, Cause> {
        self.http.request(request).await.map_err(|error| {
            if error.is_connect() {
                self.current.fetch_add(1, Ordering::Relaxed);
            }
            Cause::of(&error, error.is_connect())
        })
    }

    fn error(&self, request: &'static str, cause: Cause) -> Error {
        Error { gateway: Arc::clone(&self.gateway), request, cause }
    }
}

impl Headers {
    fn write(&self, headers: &mut HeaderMap) {
        let epoch = self.epoch.as_ref().map(ToString::to_string);
        let generation = self.generation.as_ref().map(ToString::to_string);
        let values = [
            ("silverback-epoch", epoch),
            ("silverback-generation", generation),
            ("traceparent", self.traceparent.clone()),
        ];
        for (name, value) in values {
            if let Some(value) = value.and_then(|value| HeaderValue::try_from(value).ok()) {
                headers.insert(name, value);
            }
        }
    }
}

/// Reads an answer that is looked at.
async fn read(mut response: Response<Incoming>) -> Result<Bytes, Cause> {
    let mut body = Vec::new();
    while let Some(frame) = response.frame().await {
        let frame = frame.map_err(|error| Cause::of(&error, false))?;
        if let Some(data) = frame.data_ref() {
            if body.len() + data.len() > LONGEST_ANSWER {
                return Err(Cause::Answer(format!("it is longer than {LONGEST_ANSWER} bytes")));
            }
            body.extend_from_slice(data);
        }
    }
    Ok(body.into())
}

/// What an answer other than success means.
async fn refusal(response: Response<Incoming>, size: u64, limit: Option<u64>) -> Cause {
    let status = response.status();
    let retry_after = retry_after(response.headers());
    let body = match read(response).await {
        Ok(body) => body,
        // Kong hangs up after 413; the status tells enough.
        Err(_) if status == StatusCode::PAYLOAD_TOO_LARGE => Bytes::new(),
        Err(cause) => return cause,
    };
    let message = || words(&body, status);
    match status.as_u16() {
        400 => Cause::Rejected(Arc::new(Rejection::parse(&body))),
        413 => Cause::TooLarge { size, limit },
        415 => Cause::MediaType,
        429 => Cause::Busy { message: message(), retry_after },
        503 if retry_after.is_some() => Cause::Busy { message: message(), retry_after },
        code @ (401 | 403) => Cause::Denied { status: code, message: message() },
        code => Cause::Status { status: code, message: message() },
    }
}

/// Seconds; the form with a date is left to the usual back-off.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

/// The `message` of a JSON answer; pages for people are left out.
fn words(body: &[u8], status: StatusCode) -> String {
    let answer: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    let message = answer.as_ref().and_then(|answer| answer.get("message")).and_then(serde_json::Value::as_str);
    let message = message.or(status.canonical_reason()).unwrap_or("without a reason");
    message.chars().take(300).collect()
}
