//! Discovery: follows the EndpointSlices of the gateways' admin Service.

use std::collections::BTreeMap;

use futures::StreamExt;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::Api;
use kube::runtime::{WatchStreamExt, watcher};
use silverback_gateway::{Endpoint, discovery};
use silverback_model::ObjectKey;
use silverback_service::values::NamespacedName;
use tokio::sync::watch;

/// Follows until dropped. Errors keep what is known: a gateway is gone only if the API server says so.
pub(crate) async fn run(
    client: kube::Client,
    service: NamespacedName,
    port_names: Vec<String>,
    endpoints: watch::Sender<Vec<Endpoint>>,
) {
    let api: Api<EndpointSlice> = Api::namespaced(client, &service.namespace);
    let config = watcher::Config::default().labels(&format!("{}={}", discovery::SERVICE_LABEL, service.name));
    let mut events = watcher(api, config).default_backoff().boxed();
    let key = ObjectKey::new(&service.namespace, &service.name);
    let mut slices: BTreeMap<String, EndpointSlice> = BTreeMap::new();
    let mut listing = BTreeMap::new();
    let mut trouble = String::new();
    while let Some(event) = events.next().await {
        match event {
            // Half a list says nothing.
            Ok(watcher::Event::Init) => {
                listing.clear();
                continue;
            }
            Ok(watcher::Event::InitApply(slice)) => {
                insert(&mut listing, slice);
                continue;
            }
            Ok(watcher::Event::InitDone) => slices = std::mem::take(&mut listing),
            Ok(watcher::Event::Apply(slice)) => insert(&mut slices, slice),
            Ok(watcher::Event::Delete(slice)) => {
                slices.remove(slice.metadata.name.as_deref().unwrap_or_default());
            }
            Err(error) => {
                let error = error.to_string();
                if error != trouble {
                    tracing::warn!(
                        "--kong-admin-svc {service}: its EndpointSlices cannot be read: {error}; grant get, list and watch on \
                         endpointslices.discovery.k8s.io in namespace `{}`; the gateways known so far are kept",
                        service.namespace
                    );
                }
                trouble = error;
                continue;
            }
        }
        trouble.clear();
        publish(&key, &port_names, &slices, &endpoints);
    }
}

fn insert(slices: &mut BTreeMap<String, EndpointSlice>, slice: EndpointSlice) {
    slices.insert(slice.metadata.name.clone().unwrap_or_default(), slice);
}

fn publish(
    service: &ObjectKey,
    port_names: &[String],
    slices: &BTreeMap<String, EndpointSlice>,
    endpoints: &watch::Sender<Vec<Endpoint>>,
) {
    let found = discovery::from_slices(service, port_names, slices.values());
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
