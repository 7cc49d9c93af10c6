//! Gateways that the pusher finds by the EndpointSlices of their admin Service at a real API server.
//!
//! An API server takes no loopback address in a slice, so the stand-ins listen at an address that this machine has
//! besides; what is sent there never leaves it.

use std::net::{IpAddr, SocketAddr, UdpSocket};

use anyhow::ensure;
use serde_json::{Value, json};
use silverback_devcluster::gateway::{GatewayHandle, Settings, StandInGateway};

use silverback_proto::v1;
use silverback_proto::v1::gateways_client::GatewaysClient;
use silverback_test_support::eventually;

use crate::story::{
    Backend, Cluster, Folder, Ports, SOON, Service, backend, channel, endpoints, ingress, routes_to, service,
};

/// The name that gateways' admin port has in these slices.
const PORT: &str = "config";

/// An address of this machine that is not loopback, on the way to `target`; nothing is sent there.
fn own_address(any: &str, target: &str) -> Option<IpAddr> {
    let socket = UdpSocket::bind(any).ok()?;
    socket.connect(target).ok()?;
    Some(socket.local_addr().ok()?.ip()).filter(|ip| !ip.is_loopback() && !ip.is_unspecified())
}

fn own_addresses() -> Vec<IpAddr> {
    let four = own_address("0.0.0.0:0", "192.0.2.1:9");
    let six = own_address("[::]:0", "[2001:db8::1]:9");
    four.into_iter().chain(six).collect()
}

async fn gateway(ip: IpAddr) -> anyhow::Result<GatewayHandle> {
    let admin_addr = SocketAddr::new(ip, 0);
    Ok(StandInGateway::start(Settings { admin_addr, ..Settings::default() }).await?)
}

/// A slice of a pod, under these conditions; another port comes first.
fn slice(name: &str, pod: &str, gateway: &GatewayHandle, conditions: &Value) -> Value {
    let address = gateway.admin_addr();
    let port = |name: &str, port| json!({"name": name, "port": port, "protocol": "TCP", "appProtocol": "http"});
    json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {"name": name, "labels": {"kubernetes.io/service-name": "admin"}},
        "addressType": if address.is_ipv4() { "IPv4" } else { "IPv6" },
        "ports": [port("proxy", 9), port(PORT, address.port())],
        "endpoints": [{
            "addresses": [address.ip().to_string()], "conditions": conditions,
            "targetRef": {"kind": "Pod", "name": pod, "uid": format!("uid-of-{pod}")},
        }],
    })
}

/// Waits until the pusher knows that many gateways, each in sync.
async fn knows(ports: Ports, count: usize) -> anyhow::Result<()> {
    let mut client = GatewaysClient::new(channel(ports.pusher)?);
    eventually(&format!("{count} gateways in sync"), SOON, async || {
        let listed = client.list_gateways(v1::ListGatewaysRequest {}).await.map_err(|status| status.to_string())?;
        let gateways = listed.into_inner().gateways;
        let in_sync = gateways.iter().all(|gateway| gateway.state() == v1::gateway::State::InSync);
        if gateways.len() == count && in_sync { Ok(()) } else { Err(format!("{gateways:?}")) }
    })
    .await
}

fn shop(address: &str) -> [Backend; 1] {
    [backend("default", "shop", "/shop", &[address])]
}

fn change(folder: &Folder, address: &str) -> anyhow::Result<[Backend; 1]> {
    folder.write("shop.yaml", &[service("shop"), endpoints("shop", &[address]), ingress("kong", "shop", "/shop")])?;
    Ok(shop(address))
}

#[tokio::test]
async fn gateways_are_found_by_slices_whether_ready_or_not_and_go_from_none_to_three_to_none_to_ten()
-> anyhow::Result<()> {
    let Some(cluster) = Cluster::shared("discovery").await? else { return Ok(()) };
    let addresses = own_addresses();
    if addresses.is_empty() {
        eprintln!("skipped: this machine has no address but loopback, which no EndpointSlice may hold");
        return Ok(());
    }
    let mut next = addresses.iter().copied().cycle();
    let (folder, ports) = (Folder::shop(&["10.1.0.1"])?, Ports::choose()?);
    let _watcher = Service::watcher(ports, &["--from", &folder.path()])?;
    let _translator = Service::translator(ports, &[])?;
    let (admin, port_names) =
        (format!("--kong-admin-svc={}/admin", cluster.namespace), format!("--kong-admin-svc-port-names={PORT}"));
    let kubeconfig = cluster.admin();
    let args = ["--kubeconfig", &kubeconfig, &admin, &port_names, "--election-namespace", &cluster.namespace];
    let pusher = Service::discovering_pusher(ports, &args)?;
    pusher.is_ready().await?;

    let mut three = Vec::new();
    for ip in next.by_ref().take(3) {
        three.push(gateway(ip).await?);
    }
    let (ready, waiting) = (json!({"ready": true}), json!({"ready": false, "serving": false}));
    let leaving = json!({"ready": false, "serving": true, "terminating": true});
    let slices = [
        slice("three-0", "kong-0", &three[0], &ready),
        // Another slice may list the same pod.
        slice("three-0-again", "kong-0", &three[0], &ready),
        slice("three-1", "kong-1", &three[1], &waiting),
        slice("three-2", "kong-2", &three[2], &leaving),
    ];
    cluster.put_all(slices.clone()).await?;
    let first = shop("10.1.0.1");
    for found in &three[..2] {
        routes_to(found, &first).await?;
    }
    knows(ports, 2).await?;
    for slice in slices {
        cluster.delete(slice).await?;
    }
    knows(ports, 0).await?;
    let second = change(&folder, "10.1.0.2")?;

    let mut ten = Vec::new();
    for (n, ip) in next.take(10).enumerate() {
        let gateway = gateway(ip).await?;
        cluster.put(slice(&format!("ten-{n}"), &format!("kong-1{n}"), &gateway, &waiting)).await?;
        ten.push(gateway);
    }
    for found in &ten {
        routes_to(found, &second).await?;
    }
    // One of them goes: it is left alone before its slice is gone.
    cluster.put(slice("ten-0", "kong-10", &ten[0], &leaving)).await?;
    knows(ports, 9).await?;
    let third = change(&folder, "10.1.0.3")?;
    for found in &ten[1..] {
        routes_to(found, &third).await?;
    }
    // Nobody wrote to those that had gone, nor to the one that was never there to stay.
    for (gone, had) in [(&three[0], &first), (&three[1], &first), (&ten[0], &second)] {
        routes_to(gone, had).await?;
    }
    ensure!(three[2].posts().is_empty(), "a gateway that terminates was pushed to");
    Ok(())
}
