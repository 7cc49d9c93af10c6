//! What a person with a gRPC client finds: every service says what it offers and whether it serves.

use std::collections::BTreeSet;

use anyhow::{Context as _, ensure};
use prost::Message as _;
use prost_types::FileDescriptorProto;
use silverback_test_support::eventually;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

use crate::story::{Gateways, Ports, SOON, Service, channel};

#[tokio::test]
async fn services_describe_themselves_and_their_health() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let (gateways, ports) = (Gateways::start(1).await?, Ports::choose()?);
    let _watcher = Service::watcher(ports, &["--from", &folder.path().display().to_string()])?;
    let _translator = Service::translator(ports, &[])?;
    let _pusher = Service::pusher(ports, &gateways, &[])?;
    for (port, service, methods) in [
        (ports.watcher, "silverback.v1.State", vec!["Watch", "GetHead", "List", "Get", "ListKinds"]),
        (ports.translator, "silverback.v1.Config", vec!["Watch", "GetHead", "GetEntity", "ListEntities", "Explain"]),
        (
            ports.pusher,
            "silverback.v1.Gateways",
            vec!["ListGateways", "WatchGateways", "GetLeader", "GetIsolation", "GetProgress"],
        ),
    ] {
        let channel = channel(port)?;
        serves(&channel, service).await?;
        describes(&channel, service, &methods).await.with_context(|| service.to_owned())?;
    }
    Ok(())
}

async fn serves(channel: &Channel, service: &str) -> anyhow::Result<()> {
    let mut client = HealthClient::new(channel.clone());
    for name in [service, ""] {
        eventually(&format!("health of {name:?} is SERVING"), SOON, async || {
            let answer = client.check(HealthCheckRequest { service: name.to_owned() }).await;
            match answer.map_err(|status| status.to_string())?.into_inner().status() {
                ServingStatus::Serving => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await?;
    }
    Ok(())
}

/// A client that knows nothing but the port can list the service, and resolve every type that it uses.
async fn describes(channel: &Channel, service: &str, methods: &[&str]) -> anyhow::Result<()> {
    let MessageResponse::ListServicesResponse(listed) =
        ask(channel, MessageRequest::ListServices(String::new())).await?
    else {
        anyhow::bail!("no list of services");
    };
    let listed: BTreeSet<String> = listed.service.into_iter().map(|service| service.name).collect();
    for expected in [service, "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection"] {
        ensure!(listed.contains(expected), "{expected} is not among {listed:?}");
    }
    ensure!(listed.iter().filter(|name| name.starts_with("silverback.")).count() == 1, "more is offered: {listed:?}");

    let mut files = resolve(channel, MessageRequest::FileContainingSymbol(service.to_owned())).await?;
    let (package, name) = service.rsplit_once('.').context("no package")?;
    let described = files.iter().filter(|file| file.package() == package).flat_map(|file| &file.service);
    let described =
        described.filter(|s| s.name() == name).flat_map(|s| &s.method).map(|method| method.name().to_owned());
    let described: BTreeSet<String> = described.collect();
    let expected: BTreeSet<String> = methods.iter().copied().map(str::to_owned).collect();
    ensure!(described == expected, "methods {described:?}, not {expected:?}");

    let mut known: BTreeSet<String> = files.iter().map(|file| file.name().to_owned()).collect();
    while let Some(file) = files.pop() {
        for import in file.dependency {
            if known.insert(import.clone()) {
                files.extend(resolve(channel, MessageRequest::FileByFilename(import)).await?);
            }
        }
    }
    Ok(())
}

async fn resolve(channel: &Channel, request: MessageRequest) -> anyhow::Result<Vec<FileDescriptorProto>> {
    let wanted = format!("{request:?}");
    let MessageResponse::FileDescriptorResponse(files) = ask(channel, request).await? else {
        anyhow::bail!("{wanted} cannot be resolved");
    };
    let files = files.file_descriptor_proto.iter().map(|bytes| Ok(FileDescriptorProto::decode(bytes.as_slice())?));
    files.collect()
}

async fn ask(channel: &Channel, request: MessageRequest) -> anyhow::Result<MessageResponse> {
    let request = ServerReflectionRequest { host: String::new(), message_request: Some(request) };
    let mut client = ServerReflectionClient::new(channel.clone());
    let mut answers = client.server_reflection_info(tokio_stream::once(request)).await?.into_inner();
    let answer = answers.message().await?.context("no answer")?;
    answer.message_response.context("an empty answer")
}
