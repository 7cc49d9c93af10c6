//! One change is followed as one trace, from the event that told of it to the hash that a gateway reports.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, ensure};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use silverback_devcluster::gateway::{GatewayHandle, On};
use silverback_test_support::{Authority, Pair, eventually, free_port};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status};

use crate::story::{Folder, Gateways, Ports, SOON, Service, backend, endpoints, ingress, listen, routes_to, service};

/// A span, and the service it came from.
#[derive(Clone, Debug, PartialEq)]
struct Span {
    service: String,
    name: String,
    trace: Vec<u8>,
    id: Vec<u8>,
    parent: Vec<u8>,
    /// Traces that it is linked to.
    links: Vec<Vec<u8>>,
    notes: Vec<(String, String)>,
}

impl Span {
    fn note(&self, key: &str) -> &str {
        self.notes.iter().find(|(name, _)| name == key).map_or("", |(_, value)| value)
    }
}

/// Takes in what services export.
#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Vec<Span>>>);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for resource in request.into_inner().resource_spans {
            let attributes = resource.resource.map(|resource| resource.attributes).unwrap_or_default();
            let service = notes(&attributes).into_iter().find(|(key, _)| key == "service.name");
            let service = service.map(|(_, name)| name).unwrap_or_default();
            for span in resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                all.push(Span {
                    service: service.clone(),
                    name: span.name,
                    trace: span.trace_id,
                    id: span.span_id,
                    parent: span.parent_span_id,
                    links: span.links.into_iter().map(|link| link.trace_id).collect(),
                    notes: notes(&span.attributes),
                });
            }
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

fn notes(attributes: &[KeyValue]) -> Vec<(String, String)> {
    let text = |value: &Option<AnyValue>| match value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        other => format!("{other:?}"),
    };
    attributes.iter().map(|attribute| (attribute.key.clone(), text(&attribute.value))).collect()
}

impl Collector {
    /// Starts one, and gives where it listens.
    async fn start(mut server: Server) -> anyhow::Result<(Self, SocketAddr)> {
        let collector = Self::default();
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let server = server.add_service(TraceServiceServer::new(collector.clone()));
        tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        Ok((collector, address))
    }

    /// The spans of a trace.
    fn trace(&self, trace: &[u8]) -> Vec<Span> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().filter(|span| span.trace == trace).cloned().collect()
    }

    fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

/// Trace and span of a `traceparent`.
fn parse(traceparent: &str) -> anyhow::Result<(Vec<u8>, Vec<u8>)> {
    let parts: Vec<&str> = traceparent.split('-').collect();
    let [_, trace, span, _] = parts.as_slice() else { anyhow::bail!("{traceparent:?} is no traceparent") };
    let bytes = |text: &str| (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16)).collect();
    let bytes = |text: &str| -> Result<Vec<u8>, std::num::ParseIntError> { bytes(text) };
    Ok((bytes(trace)?, bytes(span)?))
}

#[tokio::test]
async fn a_change_is_one_trace_from_the_event_to_the_gateways_hash() -> anyhow::Result<()> {
    let (folder, gateways, ports) = (Folder::shop(&["10.1.0.1"])?, Gateways::start(2).await?, Ports::choose()?);
    let (collector, address) = Collector::start(Server::builder()).await?;
    let start = |name: &str, port: u16, more: Vec<String>| {
        let args = [vec![listen(name, port), format!("--otlp-endpoint=http://{address}")], more].concat();
        Service::with_env(name, &args, &[("OTEL_BSP_SCHEDULE_DELAY", "50")])
    };
    let _watcher = start("watcher", ports.watcher, vec![format!("--from={}", folder.path())])?;
    let to_watcher = format!("--watcher-url=http://127.0.0.1:{}", ports.watcher);
    let _translator = start("translator", ports.translator, vec![to_watcher])?;
    let to_translator = format!("--translator-url=http://127.0.0.1:{}", ports.translator);
    let to_gateways = format!("--kong-admin-url={}", gateways.urls());
    let _pusher = start("pusher", ports.pusher, vec![to_translator, to_gateways])?;
    gateways.route_to(&[backend("default", "shop", "/shop", &["10.1.0.1"])]).await?;

    folder
        .write("shop.yaml", &[service("shop"), endpoints("shop", &["10.1.0.2"]), ingress("kong", "shop", "/shop")])?;
    gateways.route_to(&[backend("default", "shop", "/shop", &["10.1.0.2"])]).await?;

    for gateway in &gateways.0 {
        let (trace, pushed) = last_push(gateway)?;
        let hash = gateway.hash();
        eventually("every stage of the change is in its trace", SOON, async || {
            follow(&collector.trace(&trace), &pushed, &hash).map_err(|error| format!("{error:#}"))
        })
        .await?;
    }
    ensure!(collector.len() >= 8, "only {} spans", collector.len());

    // What one gateway takes change by change while another hangs, comes to that one in one push, which names them all.
    let (slow, quick) = (&gateways.0[0], &gateways.0[1]);
    slow.faults().hang(On::Posts);
    let mut changes = BTreeSet::new();
    for address in ["10.1.0.3", "10.1.0.4", "10.1.0.5"] {
        folder
            .write("shop.yaml", &[service("shop"), endpoints("shop", &[address]), ingress("kong", "shop", "/shop")])?;
        routes_to(quick, &[backend("default", "shop", "/shop", &[address])]).await?;
        changes.insert(last_push(quick)?.0);
    }
    slow.faults().release();
    routes_to(slow, &[backend("default", "shop", "/shop", &["10.1.0.5"])]).await?;
    let (trace, pushed) = last_push(slow)?;
    let push = eventually("the push of many changes is told of", SOON, async || {
        let spans = collector.trace(&trace);
        spans.into_iter().find(|span| span.id == pushed).ok_or_else(|| "not yet".to_owned())
    })
    .await?;
    let told: BTreeSet<_> = push.links.iter().cloned().chain([trace]).collect();
    // The first may have been in flight, and taken by itself.
    let missing = changes.difference(&told).count();
    ensure!(missing <= 1 && told.len() >= 2, "{push:?} does not name all of {changes:?}");
    ensure!(push.note("http.request.method") == "POST", "{push:?} is no call");
    Ok(())
}

/// Trace and span of what a gateway was sent last.
fn last_push(gateway: &GatewayHandle) -> anyhow::Result<(Vec<u8>, Vec<u8>)> {
    let post = gateway.posts().last().cloned().context("nothing was pushed")?;
    parse(post.headers.get("traceparent").context("the push has no traceparent")?.to_str()?)
}

/// Follows a trace back from the hash that proved a push to the event it began with.
fn follow(spans: &[Span], pushed: &[u8], hash: &str) -> anyhow::Result<()> {
    let verify = spans.iter().find(|span| span.name == "verify" && span.parent == pushed);
    let verify = verify.with_context(|| format!("no hash proved the push: {spans:#?}"))?;
    ensure!(verify.note("silverback.hash") == hash, "{verify:?} is not of {hash}");
    let mut at = verify;
    for (name, service) in [
        ("push", "silverback-pusher"),
        ("commit", "silverback-translator"),
        ("translate", "silverback-translator"),
        ("publish", "silverback-watcher"),
        ("watch event", "silverback-watcher"),
    ] {
        let parent = spans.iter().find(|span| span.id == at.parent);
        at = parent.with_context(|| format!("{} has no parent: {spans:#?}", at.name))?;
        ensure!(
            (at.name.as_str(), at.service.as_str()) == (name, service),
            "{name} of {service} is awaited, not {at:?}"
        );
    }
    ensure!(at.parent.is_empty(), "the event is caused by something else: {at:?}");
    Ok(())
}

#[tokio::test]
async fn traces_are_sent_to_a_collector_that_a_named_authority_signed() -> anyhow::Result<()> {
    let (folder, keys, authority) = (Folder::shop(&["10.1.0.1"])?, tempfile::tempdir()?, Authority::new()?);
    let pair = authority.service("127.0.0.1")?;
    let tls = ServerTlsConfig::new().identity(Identity::from_pem(&pair.certificate, &pair.key));
    let (collector, address) = Collector::start(Server::builder().tls_config(tls)?).await?;
    let file = keys.path().join("ca.crt").display().to_string();
    std::fs::write(&file, &authority.certificate)?;
    // The one is of OpenTelemetry, the other says what the system's authorities are.
    for variable in ["OTEL_EXPORTER_OTLP_CERTIFICATE", "SSL_CERT_FILE"] {
        let before = collector.len();
        let port = free_port()?;
        let args = [
            listen("watcher", port),
            format!("--from={}", folder.path()),
            format!("--otlp-endpoint=https://{address}"),
        ];
        let watcher = Service::with_env("watcher", &args, &[("OTEL_BSP_SCHEDULE_DELAY", "50"), (variable, &file)])?;
        eventually(&format!("spans arrive by {variable}"), SOON, async || {
            if collector.len() > before { Ok(()) } else { Err(watcher.process.lines().join("\n")) }
        })
        .await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_collector_may_want_a_certificate_and_is_missed_where_there_is_none() -> anyhow::Result<()> {
    let (folder, authority) = (Folder::shop(&["10.1.0.1"])?, Authority::new()?);
    let Pair { certificate, key } = authority.service("127.0.0.1")?;
    let clients = Certificate::from_pem(&authority.certificate);
    let tls = ServerTlsConfig::new().identity(Identity::from_pem(certificate, key)).client_ca_root(clients);
    let (collector, address) = Collector::start(Server::builder().tls_config(tls)?).await?;
    let files = tempfile::tempdir()?;
    let Pair { certificate, key } = authority.service("a watcher")?;
    let file = |name: &str, text: &str| -> anyhow::Result<String> {
        let path = files.path().join(name);
        std::fs::write(&path, text)?;
        Ok(path.display().to_string())
    };
    let [ca, cert, key] =
        [file("ca.crt", &authority.certificate)?, file("tls.crt", &certificate)?, file("tls.key", &key)?];
    let args = |port| {
        [listen("watcher", port), format!("--from={}", folder.path()), format!("--otlp-endpoint=https://{address}")]
            .to_vec()
    };
    let soon = ("OTEL_BSP_SCHEDULE_DELAY", "50");
    let trusted = ("OTEL_EXPORTER_OTLP_CERTIFICATE", ca.as_str());
    let identity =
        [("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", cert.as_str()), ("OTEL_EXPORTER_OTLP_CLIENT_KEY", key.as_str())];

    let _certified = Service::with_env("watcher", &args(free_port()?), &[&[soon, trusted][..], &identity].concat())?;
    eventually("the watcher's spans come over TLS", SOON, async || match collector.len() {
        0 => Err("none came".to_owned()),
        _ => Ok(()),
    })
    .await?;

    // Without a certificate it works on, and says what is missing.
    let stranger = Service::with_env("watcher", &args(free_port()?), &[soon, trusted])?;
    stranger.process.wait_for_line("traces cannot be sent", SOON).await?;
    stranger.is_ready().await
}
