//! Names: of the Lease, so that every replica (and, where wanted, another controller) finds the same one, and of a
//! candidate. Reads no environment: what was found there is passed in.

use std::fmt;

use uuid::Uuid;

/// Default of `--election-id`, the Kong Ingress Controller's own.
pub const DEFAULT_ELECTION_ID: &str = "5b374a9e.konghq.com";

/// Where a Lease is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LeaseName {
    /// Namespace of the Lease.
    pub namespace: String,
    /// Name of the Lease.
    pub name: String,
}

impl fmt::Display for LeaseName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// What decides the name of a Lease.
#[derive(Clone, Debug, Default)]
pub struct Naming {
    /// `--election-id`; empty counts as [`DEFAULT_ELECTION_ID`].
    pub id: String,
    /// `--election-namespace`, if given.
    pub namespace: Option<String>,
    /// `--election-lease-name`, if given: the name as it is.
    pub lease_name: Option<String>,
    /// Namespace of the own pod (`POD_NAMESPACE`, or the service account's `namespace` file), if known.
    pub pod_namespace: Option<String>,
}

/// A Lease that cannot be named.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// No namespace is known.
    #[error("no namespace for the election's Lease: set --election-namespace, or POD_NAMESPACE to the pod's own")]
    NoNamespace,
    /// The API server would refuse the name.
    #[error(
        "`{text}` cannot be {what} ({setting}): lower-case letters, digits, `-` and `.` are expected, at most {longest} \
         of them, beginning and ending with a letter or digit"
    )]
    Invalid {
        /// The text in question.
        text: String,
        /// What it was meant for.
        what: &'static str,
        /// The settings it came from.
        setting: &'static str,
        /// Longest text allowed.
        longest: usize,
    },
}

impl Naming {
    /// `<id>-<namespace>` when a namespace is given, unless the id ends in it already; else the id. In the namespace
    /// given, else the pod's own. An explicit name overrides the first rule.
    ///
    /// # Errors
    /// When no namespace is known, or the API server would refuse a name.
    pub fn resolve(&self) -> Result<LeaseName, NameError> {
        let given = self.namespace.as_deref().filter(|text| !text.is_empty());
        let pod = self.pod_namespace.as_deref().filter(|text| !text.is_empty());
        let namespace = given.or(pod).ok_or(NameError::NoNamespace)?;
        let id = if self.id.is_empty() { DEFAULT_ELECTION_ID } else { &self.id };
        let name = match (self.lease_name.as_deref().filter(|text| !text.is_empty()), given) {
            (Some(name), _) => name.to_owned(),
            (None, Some(given)) if !id.ends_with(&format!("-{given}")) => format!("{id}-{given}"),
            _ => id.to_owned(),
        };
        check(namespace, "a namespace", "--election-namespace", 63, false)?;
        check(&name, "the name of a Lease", "--election-id, --election-lease-name", 253, true)?;
        Ok(LeaseName { namespace: namespace.to_owned(), name })
    }
}

fn check(text: &str, what: &'static str, setting: &'static str, longest: usize, dots: bool) -> Result<(), NameError> {
    let edge = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
    let label = |label: &str| {
        let bytes = label.as_bytes();
        bytes.iter().all(|c| edge(*c) || *c == b'-')
            && bytes.first().is_some_and(|c| edge(*c))
            && bytes.last().is_some_and(|c| edge(*c))
    };
    let fits = text.len() <= longest && if dots { text.split('.').all(label) } else { label(text) };
    if fits {
        Ok(())
    } else {
        Err(NameError::Invalid { text: text.chars().take(300).collect(), what, setting, longest })
    }
}

/// A candidate's name in the Lease: a name for people, underscore, random UUID, as client-go's users have it.
///
/// The random part is no choice of anybody's. Candidates know their own leadership by this name, so two of one name would
/// both lead: replicas of a Deployment, which are all given the same flags, or a process and its restarted self.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity(String);

impl Identity {
    /// Another one at each call.
    pub fn of(name: &str) -> Self {
        Self(format!("{name}_{}", Uuid::new_v4()))
    }

    /// As it stands in the Lease.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name for people in a holder's identity; all of it where it has no random part.
pub fn name_of(holder: &str) -> &str {
    match holder.rsplit_once('_') {
        Some((name, random)) if Uuid::try_parse(random).is_ok() => name,
        _ => holder,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(id: &str, namespace: &str, lease_name: &str, pod: &str) -> Result<String, NameError> {
        let some = |text: &str| Some(text.to_owned());
        Naming { id: id.into(), namespace: some(namespace), lease_name: some(lease_name), pod_namespace: some(pod) }
            .resolve()
            .map(|name| name.to_string())
    }

    #[test]
    fn follows_the_rules() {
        assert_eq!(name("", "", "", "kong").unwrap(), "kong/5b374a9e.konghq.com");
        assert_eq!(name("a", "", "", "kong").unwrap(), "kong/a");
        assert_eq!(name("a", "ns", "", "kong").unwrap(), "ns/a-ns");
        let chart = "kong-ingress-controller-leader-kong";
        assert_eq!(name(chart, "kong", "", "").unwrap(), format!("kong/{chart}"));
        assert_eq!(name("a", "ns", "exact", "kong").unwrap(), "ns/exact");
        assert_eq!(name("a", "", "exact", "kong").unwrap(), "kong/exact");
    }

    #[test]
    fn refuses_what_the_api_server_would() {
        assert_eq!(name("a", "", "", ""), Err(NameError::NoNamespace));
        for (id, namespace) in [("A", "ns"), ("a_b", "ns"), ("a..b", "ns"), ("-a", "ns"), ("a", "n.s"), ("a", "ns-")] {
            let error = name(id, namespace, "", "").unwrap_err();
            assert!(error.to_string().contains("--election-"), "{error}");
        }
        assert!(name(&"a".repeat(300), "", "", "ns").is_err());
    }

    #[test]
    fn identities_are_unique_and_say_where_they_run() {
        let (a, b) = (Identity::of("host_1"), Identity::of("host_1"));
        assert_ne!(a, b);
        for identity in [a, b] {
            assert_eq!(name_of(identity.as_str()), "host_1");
        }
        for other in ["host_1", "host", "", "_"] {
            assert_eq!(name_of(other), other);
        }
    }
}
