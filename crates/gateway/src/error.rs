//! What can go wrong between us and one gateway, said with its way out. Carries nothing of a config.

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use silverback_model::with_causes;

use crate::Rejection;

/// A request to a gateway that did not do what it should.
#[derive(Clone, Debug, thiserror::Error)]
#[error("gateway {gateway}: {request}: {cause}")]
pub struct Error {
    /// The gateway's Admin API.
    pub gateway: Arc<str>,
    /// What was asked, e.g. `POST /config`.
    pub request: &'static str,
    /// Why it failed.
    pub cause: Cause,
}

/// Why a request failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Cause {
    /// No connection: nothing was sent.
    #[error("no connection: {0}")]
    Unreachable(String),
    /// No trust: nothing was sent.
    #[error("no trusted connection: {message}; {way_out}")]
    Tls {
        /// The TLS library's words.
        message: String,
        /// What to do about it.
        way_out: &'static str,
    },
    /// No answer in time. What was sent may still take effect.
    #[error("no answer within {0:?}; {1}")]
    Timeout(Duration, &'static str),
    /// The connection broke on the way. What was sent may have taken effect.
    #[error("the connection broke before the answer was complete: {0}")]
    Cut(String),
    /// 400: the gateway refuses this very content.
    #[error("the config was refused: {0}")]
    Rejected(Arc<Rejection>),
    /// 413, or known beforehand.
    #[error(
        "the config is too large for this gateway: {size} bytes, it takes {}; raise its \
         nginx_admin_client_max_body_size (KONG_NGINX_ADMIN_CLIENT_MAX_BODY_SIZE), and \
         nginx_admin_client_body_buffer_size with it", limit_text(*limit)
    )]
    TooLarge {
        /// Bytes of the config.
        size: u64,
        /// The most it takes, if known.
        limit: Option<u64>,
    },
    /// 415.
    #[error("it does not take the content type text/yaml; is this Kong's Admin API, without a proxy before it?")]
    MediaType,
    /// 429, or 503 with a `Retry-After`.
    #[error("it is busy: {message}")]
    Busy {
        /// The gateway's words.
        message: String,
        /// Its `Retry-After`.
        retry_after: Option<Duration>,
    },
    /// 401 or 403.
    #[error(
        "it does not let us in ({status}): {message}; check --kong-admin-token, --kong-admin-header and the role behind them"
    )]
    Denied {
        /// 401 or 403.
        status: u16,
        /// The gateway's words.
        message: String,
    },
    /// Any other status.
    #[error("it answered {status}: {message}")]
    Status {
        /// The status.
        status: u16,
        /// The gateway's words.
        message: String,
    },
    /// An answer that makes no sense.
    #[error("its answer is not understood: {0}")]
    Answer(String),
}

fn limit_text(limit: Option<u64>) -> String {
    limit.map_or_else(|| "less".to_owned(), |limit| format!("{limit} at most"))
}

impl Cause {
    /// Whether the gateway, or what answers in its place, was not reached or went away.
    pub fn is_connection(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::Tls { .. } | Self::Timeout(..) | Self::Cut(_))
    }

    /// One word for it, for metrics.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "unreachable",
            Self::Tls { .. } => "tls",
            Self::Timeout(..) => "timeout",
            Self::Cut(_) => "cut",
            Self::Rejected(_) => "rejected",
            Self::TooLarge { .. } => "too_large",
            Self::MediaType => "media_type",
            Self::Busy { .. } => "busy",
            Self::Denied { .. } => "denied",
            Self::Status { .. } => "status",
            Self::Answer(_) => "answer",
        }
    }

    /// When the gateway wants to be asked again.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Busy { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// What a failure of the HTTP client means; `connecting` when nothing was sent.
    pub(crate) fn of(error: &(dyn StdError + 'static), connecting: bool) -> Self {
        let tls = find_tls(error);
        match tls {
            Some(tls) => Self::Tls { message: tls.to_string(), way_out: way_out(tls) },
            None if connecting => Self::Unreachable(with_causes(error)),
            None => Self::Cut(with_causes(error)),
        }
    }
}

fn way_out(error: &rustls::Error) -> &'static str {
    use rustls::CertificateError as Fault;
    match error {
        rustls::Error::InvalidCertificate(Fault::NotValidForName | Fault::NotValidForNameContext { .. }) => {
            "give its Admin API a certificate for that name, or set --kong-admin-tls-server-name to a name it has"
        }
        // A bad signature is that of another authority of the same name.
        rustls::Error::InvalidCertificate(Fault::UnknownIssuer | Fault::BadSignature) => {
            "set --kong-admin-ca-cert to the authority that signed its Admin API's certificate"
        }
        rustls::Error::InvalidCertificate(_) => "renew its Admin API's certificate",
        rustls::Error::AlertReceived(_) => {
            "it wants another client certificate: set --kong-admin-tls-client-cert and --kong-admin-tls-client-key to \
             one that it accepts"
        }
        _ => "check that its Admin API speaks TLS on this port",
    }
}

/// The TLS error among the causes; I/O errors hide theirs.
fn find_tls<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a rustls::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<rustls::Error>() {
            return Some(found);
        }
        next = match error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}
