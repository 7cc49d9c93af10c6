//! Discovery: follows the EndpointSlices of the gateways' admin Service.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::Api;
use kube::runtime::utils::Backoff;
use kube::runtime::{WatchStreamExt, watcher};
use silverback_gateway::{Endpoint, discovery};
use silverback_model::ObjectKey;
use silverback_service::Readiness;
use silverback_service::values::NamespacedName;
use tokio::sync::watch;

/// As readiness names it.
const WHAT: &str = "discovery";
/// Each watch lasts this many seconds; one that is dead without a word is noticed a little later.
const WATCH_SECONDS: u32 = 30;
/// Pauses between tries to reach the API server.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Follows until dropped. Errors keep what is known: a gateway is gone only if the API server says so. Readiness names
/// what somebody has to set right.
pub(crate) async fn run(
    client: kube::Client,
    service: NamespacedName,
    port_names: Vec<String>,
    endpoints: watch::Sender<Vec<Endpoint>>,
    readiness: Readiness,
) {
    let api: Api<EndpointSlice> = Api::namespaced(client, &service.namespace);
    let label = format!("{}={}", discovery::SERVICE_LABEL, service.name);
    let config = watcher::Config::default().labels(&label).timeout(WATCH_SECONDS);
    let mut events = watcher(api, config).backoff(Pauses(FIRST_PAUSE)).boxed();
    let mut slices = Slices::default();
    while let Some(event) = events.next().await {
        if slices.take(event, &service) {
            publish(&service, &port_names, &slices.known, &endpoints);
        }
        match &slices.trouble {
            Some(trouble) if trouble.needs_people => readiness.block(WHAT, trouble.text.clone()),
            _ => readiness.clear(WHAT),
        }
    }
}

/// Pauses that double up to the longest; kube's own go up to half a minute.
struct Pauses(Duration);

impl Iterator for Pauses {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let pause = self.0;
        self.0 = (pause * 2).min(LONGEST_PAUSE);
        Some(pause)
    }
}

impl Backoff for Pauses {
    fn reset(&mut self) {
        self.0 = FIRST_PAUSE;
    }
}

/// The slices of the Service, and of the list that is coming in.
#[derive(Default)]
struct Slices {
    known: BTreeMap<String, EndpointSlice>,
    listing: BTreeMap<String, EndpointSlice>,
    trouble: Option<Trouble>,
}

/// Why slices cannot be read.
#[derive(PartialEq, Eq)]
struct Trouble {
    text: String,
    /// It does not pass by itself.
    needs_people: bool,
}

impl Slices {
    /// Whether something is known anew.
    fn take(&mut self, event: watcher::Result<watcher::Event<EndpointSlice>>, service: &NamespacedName) -> bool {
        match event {
            // Half a list says nothing.
            Ok(watcher::Event::Init) => {
                self.listing.clear();
                return false;
            }
            Ok(watcher::Event::InitApply(slice)) => {
                insert(&mut self.listing, slice);
                return false;
            }
            Ok(watcher::Event::InitDone) => self.known = std::mem::take(&mut self.listing),
            Ok(watcher::Event::Apply(slice)) => insert(&mut self.known, slice),
            Ok(watcher::Event::Delete(slice)) => {
                self.known.remove(slice.metadata.name.as_deref().unwrap_or_default());
            }
            Err(error) => {
                let trouble = Some(trouble(&error, service));
                if let Some(Trouble { text, .. }) = trouble.as_ref().filter(|_| trouble != self.trouble) {
                    tracing::warn!("{text}; the gateways known so far are kept");
                }
                self.trouble = trouble;
                return false;
            }
        }
        self.trouble = None;
        true
    }
}

fn trouble(error: &watcher::Error, service: &NamespacedName) -> Trouble {
    let (code, cause) = match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => match error {
            kube::Error::Api(status) => (status.code, silverback_cluster::in_words(error)),
            error => (0, silverback_cluster::in_words(error)),
        },
        watcher::Error::WatchError(status) => (status.code, status.message.clone()),
        error @ watcher::Error::NoResourceVersion => (0, error.to_string()),
    };
    let way_out = match code {
        403 => format!(
            ": grant get, list and watch on endpointslices.discovery.k8s.io in namespace `{}` to the pusher's service account",
            service.namespace
        ),
        _ => String::new(),
    };
    let text = format!("--kong-admin-svc {service}: its EndpointSlices cannot be read: {cause}{way_out}");
    Trouble { text, needs_people: matches!(code, 401 | 403) }
}

fn insert(slices: &mut BTreeMap<String, EndpointSlice>, slice: EndpointSlice) {
    slices.insert(slice.metadata.name.clone().unwrap_or_default(), slice);
}

fn publish(
    service: &NamespacedName,
    port_names: &[String],
    slices: &BTreeMap<String, EndpointSlice>,
    endpoints: &watch::Sender<Vec<Endpoint>>,
) {
    let found = discovery::from_slices(&ObjectKey::new(&service.namespace, &service.name), port_names, slices.values());
    let news = endpoints.send_if_modified(|held| {
        let news = *held != found.endpoints;
        held.clone_from(&found.endpoints);
        news
    });
    if news {
        tracing::info!(%service, gateways = found.endpoints.len(), "discovered");
        for skipped in found.skipped {
            tracing::warn!(slice = %skipped.slice, what = skipped.what, "no gateway: {}", skipped.reason);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::core::Status;

    fn slice(name: &str) -> EndpointSlice {
        let mut slice = EndpointSlice::default();
        slice.metadata.name = Some(name.to_owned());
        slice
    }

    fn service() -> NamespacedName {
        NamespacedName { namespace: "kong".into(), name: "admin".into() }
    }

    fn refused(code: u16) -> watcher::Result<watcher::Event<EndpointSlice>> {
        Err(watcher::Error::InitialListFailed(kube::Error::Api(Status::failure("no", "No").with_code(code).boxed())))
    }

    #[test]
    fn a_list_counts_when_it_is_whole_and_errors_take_nothing_away() {
        use watcher::Event::{Apply, Delete, Init, InitApply, InitDone};
        let mut slices = Slices::default();
        let mut take =
            |event| (slices.take(event, &service()), slices.known.keys().cloned().collect::<Vec<_>>().join(","));
        assert_eq!(take(Ok(Init)), (false, String::new()));
        assert_eq!(take(Ok(InitApply(slice("a")))), (false, String::new()));
        assert_eq!(take(Ok(InitApply(slice("b")))), (false, String::new()));
        assert_eq!(take(Ok(InitDone)), (true, "a,b".into()));
        assert_eq!(take(Ok(Apply(slice("c")))), (true, "a,b,c".into()));
        assert_eq!(take(Ok(Delete(slice("a")))), (true, "b,c".into()));
        assert_eq!(take(refused(500)), (false, "b,c".into()));
        assert_eq!(take(Ok(Init)), (false, "b,c".into()));
        assert_eq!(take(Ok(InitApply(slice("d")))), (false, "b,c".into()), "half a list says nothing");
        assert_eq!(take(Ok(InitDone)), (true, "d".into()));
    }

    #[test]
    fn missing_rights_are_named_and_all_else_is_waited_out() {
        let trouble = |code| trouble(&refused(code).unwrap_err(), &service());
        let forbidden = trouble(403);
        assert!(forbidden.needs_people);
        for part in ["--kong-admin-svc kong/admin", "endpointslices.discovery.k8s.io", "namespace `kong`", "grant"] {
            assert!(forbidden.text.contains(part), "{part:?} is not in {:?}", forbidden.text);
        }
        assert!(!trouble(500).needs_people && !trouble(500).text.contains("grant"));
    }
}
