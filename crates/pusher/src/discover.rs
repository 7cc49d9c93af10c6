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
use silverback_service::values::NamespacedName;
use tokio::sync::watch;

/// Each watch lasts this many seconds; one that is dead without a word is noticed a little later.
const WATCH_SECONDS: u32 = 30;
/// Pauses between tries to reach the API server.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Follows until dropped. Errors keep what is known: a gateway is gone only if the API server says so.
pub(crate) async fn run(
    client: kube::Client,
    service: NamespacedName,
    port_names: Vec<String>,
    endpoints: watch::Sender<Vec<Endpoint>>,
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
    trouble: String,
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
                let trouble = trouble(&error, service);
                if trouble != self.trouble {
                    tracing::warn!("{trouble}; the gateways known so far are kept");
                }
                self.trouble = trouble;
                return false;
            }
        }
        self.trouble.clear();
        true
    }
}

fn trouble(error: &watcher::Error, service: &NamespacedName) -> String {
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
    format!("--kong-admin-svc {service}: its EndpointSlices cannot be read: {cause}{way_out}")
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
