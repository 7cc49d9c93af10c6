//! What a change costs, and a translation from nothing. `cargo bench -p silverback-translation`.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use divan::Bencher;
use serde_json::{Value, json};
use silverback_translation::{ObjectChange, RouterFlavor, Settings, Translator, upsert};

fn main() {
    memory();
    divan::main();
}

fn meta(kind: &str, at: usize) -> Value {
    json!({"name": format!("app{at}"), "namespace": format!("n{}", at % 100), "uid": format!("{kind}-{at}"), "resourceVersion": "1"})
}

fn service(at: usize) -> Value {
    json!({"apiVersion": "v1", "kind": "Service", "metadata": meta("s", at), "spec": {"ports": [{"name": "http", "port": 80}]}})
}

fn slice(at: usize, endpoints: usize, salt: usize) -> Value {
    let mut metadata = meta("e", at);
    metadata["labels"] = json!({"kubernetes.io/service-name": format!("app{at}")});
    let address =
        |e: usize| json!({"addresses": [format!("10.{}.{}.{e}", salt % 256, at % 256)], "conditions": {"ready": true}});
    json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": metadata,
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
        "endpoints": (0..endpoints).map(address).collect::<Vec<_>>(),
    })
}

fn ingress(at: usize, path: &str, plugin: Option<&str>) -> Value {
    let mut metadata = meta("i", at);
    metadata["namespace"] = format!("n{}", at % 100).into();
    if let Some(plugin) = plugin {
        metadata["annotations"] = json!({"konghq.com/plugins": plugin});
    }
    let backend = json!({"service": {"name": format!("app{at}"), "port": {"number": 80}}});
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata,
        "spec": {"ingressClassName": "kong", "rules": [{
            "host": format!("h{at}.test"), "http": {"paths": [{"path": path, "pathType": "Prefix", "backend": backend}]},
        }]},
    })
}

fn plugin(minute: usize) -> Value {
    json!({
        "apiVersion": "configuration.konghq.com/v1", "kind": "KongClusterPlugin",
        "metadata": {"name": "limit", "uid": "p", "resourceVersion": "1"},
        "plugin": "rate-limiting", "config": {"minute": minute},
    })
}

fn objects(numbers: Range<usize>, endpoints: usize, plugin: Option<&str>) -> Vec<ObjectChange> {
    numbers
        .flat_map(|at| [service(at), slice(at, endpoints, 0), ingress(at, &format!("/p{at}"), plugin)])
        .map(|it| upsert(&it))
        .collect()
}

fn cluster(count: usize, plugin_name: Option<&str>) -> Translator {
    let mut translator = Translator::new(Settings::default());
    translator.apply(vec![upsert(&plugin(1))]);
    // In pieces, so that what is measured is what is held, not what comes in.
    for from in (0..count).step_by(1_000) {
        translator.apply(objects(from..count.min(from + 1_000), 5, plugin_name));
    }
    translator
}

static COUNTER: AtomicUsize = AtomicUsize::new(1);

fn change(bencher: Bencher<'_, '_>, mut translator: Translator, make: impl Fn(usize) -> Value) {
    bencher
        .with_inputs(|| vec![upsert(&make(COUNTER.fetch_add(1, Ordering::Relaxed)))])
        .bench_local_values(|changes| translator.apply(changes));
}

#[divan::bench(args = [1_000, 50_000], sample_count = 1000)]
fn one_endpoint_slice(bencher: Bencher<'_, '_>, services: usize) {
    change(bencher, cluster(services, None), |n| slice(7, 5, n));
}

#[divan::bench(args = [1_000, 50_000], sample_count = 1000)]
fn one_ingress(bencher: Bencher<'_, '_>, services: usize) {
    change(bencher, cluster(services, None), |n| ingress(7, &format!("/p{n}"), None));
}

#[divan::bench(sample_count = 50)]
fn one_plugin_of_1000_routes(bencher: Bencher<'_, '_>) {
    change(bencher, cluster(1_000, Some("limit")), |n| plugin(n + 1));
}

#[divan::bench(sample_count = 10)]
fn all_of_10000_ingresses_and_50000_endpoints(bencher: Bencher<'_, '_>) {
    bencher.with_inputs(|| objects(0..10_000, 5, None)).bench_local_values(|changes| {
        let mut translator = Translator::new(Settings::default());
        translator.apply(changes);
        translator
    });
}

fn gateway() -> Vec<ObjectChange> {
    let class = json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "GatewayClass", "metadata": {"name": "kong"},
        "spec": {"controllerName": "konghq.com/kic-gateway-controller"},
    });
    let allowed = json!({"namespaces": {"from": "All"}});
    let listener = json!({"name": "web", "port": 80, "protocol": "HTTP", "allowedRoutes": allowed});
    let gateway = json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway",
        "metadata": {"name": "main", "namespace": "gateways", "uid": "g", "resourceVersion": "1"},
        "spec": {"gatewayClassName": "kong", "listeners": [listener]},
    });
    vec![upsert(&class), upsert(&gateway)]
}

/// Paths have a hundred lengths, so that about a hundred routes have equal priority but for their age.
fn http_route(at: usize, salt: usize) -> Value {
    let path = json!({"type": "PathPrefix", "value": format!("/{}", "p".repeat(1 + at % 100))});
    let header = json!({"name": "x-salt", "value": salt.to_string()});
    let backend = json!({"group": "", "kind": "Service", "name": format!("app{at}"), "port": 80, "weight": 1});
    json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": meta("r", at),
        "spec": {
            "parentRefs": [{"name": "main", "namespace": "gateways"}], "hostnames": [format!("h{at}.test")],
            "rules": [{"matches": [{"path": path, "headers": [header]}], "backendRefs": [backend]}],
        },
    })
}

fn http_routes(count: usize) -> Vec<ObjectChange> {
    let each = (0..count).flat_map(|at| [service(at), slice(at, 5, 0), http_route(at, 0)]);
    gateway().into_iter().chain(each.map(|it| upsert(&it))).collect()
}

fn flavoured(router_flavor: RouterFlavor) -> Translator {
    Translator::new(Settings { router_flavor, ..Settings::default() })
}

const FLAVOURS: [RouterFlavor; 2] = [RouterFlavor::Traditional, RouterFlavor::Expressions];

#[divan::bench(args = FLAVOURS, sample_count = 1000)]
fn one_http_route_of_10000(bencher: Bencher<'_, '_>, flavour: RouterFlavor) {
    let mut translator = flavoured(flavour);
    translator.apply(http_routes(10_000));
    change(bencher, translator, |n| http_route(1_234, n));
}

#[divan::bench(args = FLAVOURS, sample_count = 10)]
fn all_of_10000_http_routes_and_50000_endpoints(bencher: Bencher<'_, '_>, flavour: RouterFlavor) {
    bencher.with_inputs(|| http_routes(10_000)).bench_local_values(|changes| {
        let mut translator = flavoured(flavour);
        translator.apply(changes);
        translator
    });
}

/// What a service with its Ingress and five endpoints holds in memory, objects, derivations and text together.
fn memory() {
    const COUNT: usize = 20_000;
    let before = resident();
    let translator = cluster(COUNT, None);
    let held = resident().saturating_sub(before);
    println!("memory per service with an Ingress and 5 endpoints: {} KiB", held / COUNT as u64 / 1024);
    drop(translator);
}

/// Resident memory of this process, in bytes; 0 where the system does not tell.
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    text.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or_default() * 4096
}
