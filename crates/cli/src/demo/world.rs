//! What Silverback works for in the demo: an API server that holds the shop, and gateways. It never knows Silverback's
//! services.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::Context as _;
use serde_json::{Value, json};
use silverback_devcluster::api::{ApiHandle, ApiServer, Settings};
use silverback_devcluster::gateway::{self, GatewayHandle, StandInGateway};
use silverback_lease::name::name_of;
use silverback_resources::registry::{self, Kind, Origin, Scope};
use silverback_resources::{crds, manifest};

use super::folder::Folder;
use super::plan::{GATEWAYS, Plan, Replica, Service};

/// The shop, as it lies in examples/shop.
const SHOP: [(&str, &str); 8] = [
    ("namespace.yaml", include_str!("../../../../examples/shop/namespace.yaml")),
    ("tls.yaml", include_str!("../../../../examples/shop/tls.yaml")),
    ("front.yaml", include_str!("../../../../examples/shop/front.yaml")),
    ("catalog.yaml", include_str!("../../../../examples/shop/catalog.yaml")),
    ("cart.yaml", include_str!("../../../../examples/shop/cart.yaml")),
    ("partners.yaml", include_str!("../../../../examples/shop/partners.yaml")),
    ("payments.yaml", include_str!("../../../../examples/shop/payments.yaml")),
    ("platform.yaml", include_str!("../../../../examples/shop/platform.yaml")),
];

/// The API server and the gateways, all in this process.
pub(super) struct World {
    pub(super) api: std::sync::Arc<ApiHandle>,
    pub(super) gateways: std::sync::Arc<Vec<GatewayHandle>>,
    folder: Folder,
}

impl World {
    pub(super) async fn start(plan: Plan) -> anyhow::Result<Self> {
        let settings = Settings {
            addr: plan.api(),
            definitions: definitions(),
            bookmark_period: std::time::Duration::from_secs(10),
            ..Settings::default()
        };
        let api = ApiServer::start(settings).await?;
        let mut gateways = Vec::new();
        for number in 1..=GATEWAYS {
            let settings = gateway::Settings {
                admin_addr: plan.admin(number),
                status_addr: plan.status(number),
                ..gateway::Settings::default()
            };
            gateways.push(StandInGateway::start(settings).await?);
        }
        let folder = Folder::make().context("a folder for the kubeconfigs")?;
        Ok(Self { api: api.into(), gateways: gateways.into(), folder })
    }

    /// Writes a kubeconfig whose user is `client`, so that faults can be ordered for it alone.
    pub(super) fn kubeconfig(&self, client: &str) -> anyhow::Result<PathBuf> {
        let path = self.folder.path().join(format!("{client}.kubeconfig"));
        std::fs::write(&path, self.api.kubeconfig(client)).with_context(|| path.display().to_string())?;
        Ok(path)
    }

    /// Writes what a shell sources to try things: where everything is, and this program as `silverback`.
    pub(super) fn environment(&self, plan: Plan) -> anyhow::Result<PathBuf> {
        let urls = |service| Replica::BOTH.map(|replica| format!("http://{}", plan.grpc(service, replica))).join(",");
        let program = std::env::current_exe().context("finding this program")?;
        let mut text = format!("export KUBECONFIG='{}'\n", self.kubeconfig("you")?.display());
        for service in Service::ALL {
            let _ = writeln!(text, "export CONTROLLER_{}_URL='{}'", service.name().to_uppercase(), urls(service));
        }
        let _ = writeln!(text, "silverback() {{ '{}' \"$@\"; }}", program.display());
        let path = self.folder.path().join("env");
        std::fs::write(&path, text).with_context(|| path.display().to_string())?;
        Ok(path)
    }

    /// Writes the shop's manifests, to be edited and applied.
    pub(super) fn manifests(&self) -> anyhow::Result<PathBuf> {
        let folder = self.folder.path().join("shop");
        std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        for (file, text) in SHOP {
            std::fs::write(folder.join(file), text).with_context(|| folder.join(file).display().to_string())?;
        }
        Ok(folder)
    }

    /// Puts the shop into the cluster. Gives how many objects there are of each kind.
    pub(super) fn open_shop(&self) -> anyhow::Result<Vec<(String, usize)>> {
        let mut counts: Vec<(String, usize)> = Vec::new();
        for (file, text) in SHOP {
            for entry in manifest::parse(file, text) {
                let object = entry.object?;
                let kind = object["kind"].as_str().unwrap_or_default().to_owned();
                self.api.put(object).map_err(|error| anyhow::anyhow!("examples/shop/{file}: {error}"))?;
                match counts.iter_mut().find(|(counted, _)| *counted == kind) {
                    Some((_, count)) => *count += 1,
                    None => counts.push((kind, 1)),
                }
            }
        }
        Ok(counts)
    }

    /// Moves an endpoint of the cart to an address where it never was. Gives the target that gateways must get.
    pub(super) fn move_cart(&self, times: u8) -> anyhow::Result<String> {
        let address = format!("10.0.2.{}", 100 + times);
        let slice = json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": { "name": "cart-1", "namespace": "shop", "labels": { "kubernetes.io/service-name": "cart" } },
            "addressType": "IPv4",
            "ports": [{ "name": "http", "port": 8080, "protocol": "TCP" }],
            "endpoints": [
                { "addresses": ["10.0.2.21"], "conditions": { "ready": true } },
                { "addresses": [address], "conditions": { "ready": true } },
            ],
        });
        self.api.put(slice).map_err(anyhow::Error::msg)?;
        Ok(format!("{address}:8080"))
    }

    /// Name of who holds a Lease; empty when nobody does.
    pub(super) fn holder(&self, namespace: &str, lease: &str) -> String {
        let lease = self.api.object("leases.coordination.k8s.io", namespace, lease);
        let holder = lease.as_deref().and_then(|lease| lease.pointer("/spec/holderIdentity")?.as_str());
        holder.map_or("", name_of).to_owned()
    }
}

/// Kong's own definitions, and open ones for the other kinds that Silverback reads.
fn definitions() -> Vec<Value> {
    let ours = crds::all();
    let named = |kind: &&Kind| !ours.iter().any(|crd| crd["metadata"]["name"].as_str() == kind.crd_name().as_deref());
    let others = registry::KINDS.iter().filter(|kind| kind.origin == Origin::Crd).filter(named).map(open_definition);
    let others: Vec<Value> = others.collect();
    ours.into_iter().chain(others).collect()
}

/// A definition that takes any content.
fn open_definition(kind: &Kind) -> Value {
    let schema = json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
    let versions = kind.versions.iter().enumerate().map(|(place, name)| {
        json!({
            "name": name, "served": true, "storage": place == 0, "schema": { "openAPIV3Schema": schema },
            "subresources": { "status": {} },
        })
    });
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": { "name": kind.crd_name() },
        "spec": {
            "group": kind.group,
            "scope": if kind.scope == Scope::Namespaced { "Namespaced" } else { "Cluster" },
            "names": { "kind": kind.kind, "plural": kind.plural, "singular": kind.kind.to_lowercase() },
            "versions": versions.collect::<Vec<_>>(),
        },
    })
}
