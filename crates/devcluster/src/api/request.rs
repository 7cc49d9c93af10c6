//! What a request asks for: path, query and headers, read. Pure; it never looks at an object.

use std::time::Duration;

use http::{HeaderMap, Method};

use super::failure::{Failure, Outcome};
use crate::query::{Query, decode};

/// A request with its body.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: Query,
    pub(crate) headers: HeaderMap,
    pub(crate) body: bytes::Bytes,
}

impl Request {
    pub(crate) fn header(&self, name: http::header::HeaderName) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Who asks: the bearer token, which is a name and proves nothing here, or else the first word of the user agent.
    pub(crate) fn client(&self) -> String {
        let token = self.header(http::header::AUTHORIZATION).strip_prefix("Bearer ");
        let agent = self.header(http::header::USER_AGENT).split(['/', ' ']).next().unwrap_or_default();
        token.unwrap_or(agent).to_owned()
    }
}

/// What a path leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) plural: String,
    /// Empty for the whole cluster.
    pub(crate) namespace: String,
    /// Empty for the collection.
    pub(crate) name: String,
    /// Empty for the object itself.
    pub(crate) subresource: String,
}

impl Target {
    /// A resource's path below `/api` or `/apis`.
    pub(crate) fn parse(path: &str) -> Option<Self> {
        let parts: Vec<String> = path.trim_matches('/').split('/').map(decode).collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let (group, version, rest) = match parts.as_slice() {
            ["api", version, rest @ ..] => ("", *version, rest),
            ["apis", group, version, rest @ ..] => (*group, *version, rest),
            _ => return None,
        };
        let (namespace, rest) = match rest {
            // The status of a namespace, not a collection inside it.
            ["namespaces", name, "status" | "finalize"] if !name.is_empty() => ("", rest),
            ["namespaces", namespace, inside @ ..] if !inside.is_empty() => (*namespace, inside),
            _ => ("", rest),
        };
        let (plural, name, subresource) = match rest {
            [plural] if !plural.is_empty() => (*plural, "", ""),
            [plural, name] => (*plural, *name, ""),
            [plural, name, subresource] => (*plural, *name, *subresource),
            _ => return None,
        };
        let owned = str::to_owned;
        Some(Self {
            group: owned(group),
            version: owned(version),
            plural: owned(plural),
            namespace: owned(namespace),
            name: owned(name),
            subresource: owned(subresource),
        })
    }
}

/// How an answer is to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Whole objects.
    Plain,
    /// Rows for people.
    Table,
    /// Metadata alone.
    Metadata,
    /// Groups and resources in one document.
    Discovery,
}

impl Form {
    /// The first form of an Accept header that can be had.
    pub(crate) fn wanted(accept: &str) -> Outcome<Self> {
        if accept.trim().is_empty() {
            return Ok(Self::Plain);
        }
        let found = accept.split(',').find_map(|kind| {
            let mut parts = kind.split(';').map(str::trim);
            let media = parts.next()?;
            if !matches!(media, "application/json" | "application/*" | "*/*" | "application/yaml") {
                return None;
            }
            match parts.find_map(|part| part.strip_prefix("as=")) {
                None => Some(Self::Plain),
                Some("Table") => Some(Self::Table),
                Some("PartialObjectMetadata" | "PartialObjectMetadataList") => Some(Self::Metadata),
                Some("APIGroupDiscoveryList") => Some(Self::Discovery),
                Some(_) => None,
            }
        });
        found.ok_or_else(|| Failure::not_acceptable("application/json"))
    }
}

fn number(query: &Query, name: &str) -> Outcome<Option<u64>> {
    match query.get(name) {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(|_| Failure::bad_request(format!("{name} is no number: {text:?}"))),
    }
}

/// The query of a list or watch.
#[derive(Clone, Debug)]
pub(crate) struct Listing {
    pub(crate) limit: usize,
    pub(crate) token: String,
    /// As given; empty for the newest.
    pub(crate) version: Option<u64>,
    pub(crate) exact: bool,
    pub(crate) watch: bool,
    pub(crate) bookmarks: bool,
    pub(crate) initial_events: bool,
    pub(crate) timeout: Option<Duration>,
}

impl Listing {
    pub(crate) fn parse(query: &Query) -> Outcome<Self> {
        let watch = query.is_true("watch");
        let version = match query.get("resourceVersion") {
            "" => None,
            text => Some(text.parse().map_err(|_| {
                let message = format!("resourceVersion: Invalid value: {text:?}: invalid resource version");
                if watch { Failure::unexpected(message) } else { Failure::bad_request(message) }
            })?),
        };
        let matching = query.get("resourceVersionMatch");
        let initial_events = query.is_true("sendInitialEvents");
        let forbidden =
            |why: &str| Err(Failure::invalid("meta.k8s.io", "ListOptions", "", "resourceVersionMatch", why));
        match matching {
            "" if initial_events => {
                return forbidden("Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan");
            }
            "" => {}
            _ if watch && !initial_events => {
                return forbidden(
                    "Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
                );
            }
            "Exact" | "NotOlderThan" if version.is_none() && !watch => {
                return forbidden("Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided");
            }
            "Exact" if version == Some(0) => {
                return forbidden("Forbidden: resourceVersionMatch \"Exact\" is forbidden for resourceVersion \"0\"");
            }
            "Exact" | "NotOlderThan" => {}
            other => {
                return forbidden(&format!(
                    "Unsupported value: {other:?}: supported values: \"Exact\", \"NotOlderThan\""
                ));
            }
        }
        Ok(Self {
            limit: usize::try_from(number(query, "limit")?.unwrap_or_default()).unwrap_or(usize::MAX),
            token: query.get("continue").to_owned(),
            version,
            exact: matching == "Exact",
            watch,
            bookmarks: query.is_true("allowWatchBookmarks"),
            initial_events,
            timeout: number(query, "timeoutSeconds")?.filter(|seconds| *seconds > 0).map(Duration::from_secs),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_to_collections_objects_and_subresources() {
        let read = |path: &str| {
            let target = Target::parse(path)?;
            Some([target.group, target.version, target.namespace, target.plural, target.name, target.subresource])
        };
        let is = |parts: [&str; 6]| Some(parts.map(str::to_owned));
        assert_eq!(read("/api/v1/namespaces"), is(["", "v1", "", "namespaces", "", ""]));
        assert_eq!(read("/api/v1/namespaces/a"), is(["", "v1", "", "namespaces", "a", ""]));
        assert_eq!(read("/api/v1/namespaces/a/status"), is(["", "v1", "", "namespaces", "a", "status"]));
        assert_eq!(read("/api/v1/namespaces/a/secrets"), is(["", "v1", "a", "secrets", "", ""]));
        assert_eq!(read("/api/v1/namespaces/a/secrets/b%2Fc"), is(["", "v1", "a", "secrets", "b/c", ""]));
        assert_eq!(read("/apis/g.io/v2/things/x/status"), is(["g.io", "v2", "", "things", "x", "status"]));
        assert_eq!(read("/apis/g.io/v2/namespaces/n/things"), is(["g.io", "v2", "n", "things", "", ""]));
        for nowhere in ["/", "/api", "/api/v1", "/apis/g.io/v2", "/version", "/api/v1/a/b/c/d"] {
            assert_eq!(read(nowhere), None, "{nowhere}");
        }
    }

    #[test]
    fn forms_are_taken_in_the_order_of_the_header() {
        let table = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json";
        assert_eq!(Form::wanted(table), Ok(Form::Table));
        assert_eq!(Form::wanted("application/vnd.kubernetes.protobuf, application/json"), Ok(Form::Plain));
        assert_eq!(Form::wanted("*/*"), Ok(Form::Plain));
        assert_eq!(Form::wanted(""), Ok(Form::Plain));
        assert!(Form::wanted("application/vnd.kubernetes.protobuf").is_err());
    }
}
