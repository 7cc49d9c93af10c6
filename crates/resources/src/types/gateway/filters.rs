//! gateway.networking.k8s.io: what is done to requests and responses on their way.

use serde::Deserialize;

use super::super::meta::null_as_default;
use super::routes::{BackendTarget, NameValue};

/// An object of the route's namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ExtensionRef {
    /// API group.
    pub group: String,
    /// Kind.
    pub kind: String,
    /// Name.
    pub name: String,
}

/// What is done to requests and responses.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct HttpFilter {
    /// Which of these it is.
    #[serde(rename = "type")]
    pub kind: String,
    /// Headers of requests.
    pub request_header_modifier: Option<HeaderModifier>,
    /// Headers of responses.
    pub response_header_modifier: Option<HeaderModifier>,
    /// A copy of requests to another backend.
    pub request_mirror: Option<Mirror>,
    /// An answer that sends clients elsewhere.
    pub request_redirect: Option<Redirect>,
    /// Another host or path for the backend.
    pub url_rewrite: Option<UrlRewrite>,
    /// Which sites may make scripts call.
    pub cors: Option<Cors>,
    /// Something of the implementation's own.
    pub extension_ref: Option<ExtensionRef>,
}

/// Changes of headers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct HeaderModifier {
    /// These are the only values.
    #[serde(deserialize_with = "null_as_default")]
    pub set: Vec<NameValue>,
    /// These are added.
    #[serde(deserialize_with = "null_as_default")]
    pub add: Vec<NameValue>,
    /// These go.
    #[serde(deserialize_with = "null_as_default")]
    pub remove: Vec<String>,
}

/// An answer that sends clients elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Redirect {
    /// Scheme.
    pub scheme: Option<String>,
    /// Host.
    pub hostname: Option<String>,
    /// Path.
    pub path: Option<PathModifier>,
    /// Port.
    pub port: Option<u16>,
    /// Status; 302 where none is given.
    pub status_code: Option<u16>,
}

/// Another path.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PathModifier {
    /// ReplaceFullPath or ReplacePrefixMatch.
    #[serde(rename = "type")]
    pub kind: String,
    /// The whole path.
    pub replace_full_path: Option<String>,
    /// What takes the place of the prefix that matched.
    pub replace_prefix_match: Option<String>,
}

/// Another host or path for the backend.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct UrlRewrite {
    /// Host.
    pub hostname: Option<String>,
    /// Path.
    pub path: Option<PathModifier>,
}

/// A copy of requests to another backend.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Mirror {
    /// Where the copies go.
    pub backend_ref: Option<Box<BackendTarget>>,
}

/// Which sites may make scripts call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Cors {
    /// Sites: scheme and host, with a leading `*` label perhaps, or `*`.
    #[serde(deserialize_with = "null_as_default")]
    pub allow_origins: Vec<String>,
    /// Whether browsers may send what they know of the user.
    pub allow_credentials: Option<bool>,
    /// Methods, or `*`.
    #[serde(deserialize_with = "null_as_default")]
    pub allow_methods: Vec<String>,
    /// Headers of requests, or `*`.
    #[serde(deserialize_with = "null_as_default")]
    pub allow_headers: Vec<String>,
    /// Headers of responses that scripts may read, or `*`.
    #[serde(deserialize_with = "null_as_default")]
    pub expose_headers: Vec<String>,
    /// For how many seconds browsers may keep the answer.
    pub max_age: Option<i64>,
}

/// What is tried again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Retry {
    /// Statuses of backends that lead to another attempt.
    #[serde(deserialize_with = "null_as_default")]
    pub codes: Vec<u16>,
    /// How often.
    pub attempts: Option<i64>,
    /// Shortest time between attempts.
    pub backoff: Option<String>,
}

/// How clients stay with their backend. Old bundles have `sessionName` and `cookieConfig` where new ones have `cookie`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct SessionPersistence {
    /// Name of the cookie or header.
    pub session_name: Option<String>,
    /// How long at most.
    pub absolute_timeout: Option<String>,
    /// How long without a request.
    pub idle_timeout: Option<String>,
    /// Cookie or Header; Cookie where none is given.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// The cookie.
    #[serde(alias = "cookieConfig")]
    pub cookie: Option<SessionCookie>,
}

/// The cookie that tells a client's backend.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct SessionCookie {
    /// Its name.
    pub name: Option<String>,
    /// Its path; `/` where none is given.
    pub path: Option<String>,
    /// Session or Permanent; Session where none is given.
    pub lifetime_type: Option<String>,
}
