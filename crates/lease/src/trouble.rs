//! What stands in the way of an election, said with its way out; and a log that does not repeat itself.

use std::time::Duration;

use kube::core::Status;
use kube::runtime::watcher;
use silverback_model::{InvalidVersion, with_causes};

use crate::LeaseName;

/// Why the Lease cannot be read, watched or written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// 403.
    #[error(
        "not allowed to {verb} the election's Lease {lease}: grant the pusher's service account get, list, watch, create \
         and update on leases.coordination.k8s.io in namespace `{namespace}` with a Role and a RoleBinding there \
         (the API server says: {message})", namespace = lease.namespace
    )]
    Forbidden {
        /// The verb that was refused.
        verb: &'static str,
        /// The Lease.
        lease: LeaseName,
        /// The API server's words.
        message: String,
    },
    /// 401.
    #[error(
        "the API server does not know us, so the election's Lease {lease} is out of reach: check the service \
             account's token or the kubeconfig (the API server says: {message})"
    )]
    Unauthorized {
        /// The Lease.
        lease: LeaseName,
        /// The API server's words.
        message: String,
    },
    /// 404 to a creation.
    #[error("the election's Lease {lease} cannot be created: namespace `{namespace}` does not exist; create it, or set \
             --election-namespace to one that does", namespace = lease.namespace)]
    NoNamespace {
        /// The Lease.
        lease: LeaseName,
    },
    /// No answer in time.
    #[error("the API server did not answer to {verb} of the election's Lease {lease} within {within:?}; trying again")]
    Timeout {
        /// What was asked.
        verb: &'static str,
        /// The Lease.
        lease: LeaseName,
        /// Longest time waited.
        within: Duration,
    },
    /// A resourceVersion without order.
    #[error("the election's Lease {lease} has an unusable version: {source}")]
    Version {
        /// The Lease.
        lease: LeaseName,
        /// What is wrong with it.
        source: InvalidVersion,
    },
    /// Anything else.
    #[error("cannot {verb} the election's Lease {lease}: {message}; trying again")]
    Other {
        /// What was asked.
        verb: &'static str,
        /// The Lease.
        lease: LeaseName,
        /// What came instead.
        message: String,
    },
}

impl Trouble {
    /// Whether somebody has to set something right; all else passes by itself.
    pub fn needs_people(&self) -> bool {
        matches!(self, Self::Forbidden { .. } | Self::Unauthorized { .. } | Self::NoNamespace { .. })
    }

    /// What a failed request means.
    pub(crate) fn of(error: &kube::Error, verb: &'static str, lease: &LeaseName) -> Self {
        match error {
            kube::Error::Api(status) => Self::of_status(status, verb, lease),
            other => Self::Other { verb, lease: lease.clone(), message: with_causes(other) },
        }
    }

    /// What a failed watch means.
    pub(crate) fn of_watch(error: &watcher::Error, lease: &LeaseName) -> Self {
        match error {
            watcher::Error::InitialListFailed(error) => Self::of(error, "list", lease),
            watcher::Error::WatchStartFailed(error) | watcher::Error::WatchFailed(error) => {
                Self::of(error, "watch", lease)
            }
            watcher::Error::WatchError(status) => Self::of_status(status, "watch", lease),
            watcher::Error::NoResourceVersion => {
                Self::Other { verb: "watch", lease: lease.clone(), message: error.to_string() }
            }
        }
    }

    fn of_status(status: &Status, verb: &'static str, lease: &LeaseName) -> Self {
        let (lease, message) = (lease.clone(), status.message.clone());
        match status.code {
            403 => Self::Forbidden { verb, lease, message },
            401 => Self::Unauthorized { lease, message },
            404 if verb == "create" => Self::NoNamespace { lease },
            code => Self::Other { verb, lease, message: format!("{message} ({code} {})", status.reason) },
        }
    }
}

/// Logs a trouble when it begins or changes, and its end; not its repetitions.
#[derive(Debug)]
pub(crate) struct Log {
    what: &'static str,
    last: Option<Trouble>,
}

impl Log {
    pub(crate) fn new(what: &'static str) -> Self {
        Self { what, last: None }
    }

    pub(crate) fn trouble(&mut self, trouble: Trouble) {
        if self.last.as_ref() != Some(&trouble) {
            tracing::warn!(error = %trouble, "{} is in trouble", self.what);
            self.last = Some(trouble);
        }
    }

    pub(crate) fn fine(&mut self) {
        if self.last.take().is_some() {
            tracing::info!("{} works again", self.what);
        }
    }

    pub(crate) fn last(&self) -> Option<&Trouble> {
        self.last.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(code: u16, verb: &'static str) -> String {
        let lease = LeaseName { namespace: "kong".into(), name: "leader".into() };
        let status = Status::failure("no", "Reason").with_code(code).boxed();
        Trouble::of(&kube::Error::Api(status), verb, &lease).to_string()
    }

    #[test]
    fn names_object_cause_and_way_out() {
        let forbidden = said(403, "update");
        for part in ["update", "kong/leader", "leases.coordination.k8s.io", "namespace `kong`", "grant", "Role"] {
            assert!(forbidden.contains(part), "{part:?} is not in {forbidden:?}");
        }
        assert!(said(404, "create").contains("namespace `kong` does not exist"));
        assert!(said(401, "get").contains("token"));
        assert!(said(500, "get").contains("500"));
    }
}
