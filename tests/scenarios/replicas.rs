//! Several watchers and translators: what a consumer holds outlives the one it follows, and nothing is ever set back.

use anyhow::{Context as _, ensure};
use rcgen::generate_simple_self_signed;
use serde_json::{Value, json};
use silverback_test_support::{Signal, eventually};

use crate::story::{Chronicle, Cluster, Gateways, Ports, SOON, Service, endpoints, ingress, routes_to, service};

const SHOP: &str = "shop";
const REFUSED: &str = "silverback_pusher_commits_refused_total";

/// The endpoint of a shop that was altered so often.
fn address(change: u16) -> String {
    format!("10.1.{}.{}", change / 200, change % 200 + 1)
}

/// How often the shop was altered, as a config shows it.
fn change_in(config: &Value) -> anyhow::Result<u16> {
    let target = config["upstreams"][0]["targets"][0]["target"].as_str().context("no target")?;
    let parts: Vec<u16> = target.split(['.', ':']).filter_map(|part| part.parse().ok()).collect();
    Ok(parts[2] * 200 + parts[3] - 1)
}

/// A watcher and a translator that follows it.
struct Side {
    ports: Ports,
    watcher: Service,
    translator: Option<Service>,
}

impl Side {
    fn start(cluster: &Cluster) -> anyhow::Result<Self> {
        let ports = Ports::choose()?;
        let watcher = Service::watcher(ports, &["--kubeconfig", &cluster.admin()])?;
        let mut side = Self { ports, watcher, translator: None };
        side.start_translator(&cluster.namespace)?;
        Ok(side)
    }

    fn start_translator(&mut self, class: &str) -> anyhow::Result<()> {
        self.translator = Some(Service::translator(self.ports, &["--ingress-class", class])?);
        Ok(())
    }

    fn translator_is_named_in(&self, line: &str) -> bool {
        line.contains(&format!("127.0.0.1:{}", self.ports.translator))
    }
}

/// Which side the pusher follows now.
fn followed(pusher: &Service, sides: &[Side; 2]) -> anyhow::Result<usize> {
    let lines = pusher.process.lines();
    let line = lines.iter().rev().find(|line| line.contains("following a translator")).context("it follows nobody")?;
    sides.iter().position(|side| side.translator_is_named_in(line)).context("an unknown translator")
}

/// How often the pusher fails over. The soak command asks for more.
fn failovers() -> u16 {
    std::env::var("SILVERBACK_FAILOVERS").ok().and_then(|failovers| failovers.parse().ok()).unwrap_or(3)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pusher_between_two_translators_sets_no_gateway_back() -> anyhow::Result<()> {
    let Some(cluster) = Cluster::shared("replicas").await? else { return Ok(()) };
    let gateways = Gateways::start(2).await?;
    let class = cluster.namespace.as_str();
    cluster.put_all([service(SHOP), endpoints(SHOP, &[&address(0)]), ingress(class, SHOP, "/shop")]).await?;
    let mut sides = [Side::start(&cluster)?, Side::start(&cluster)?];
    let other = format!("--translator-url=http://127.0.0.1:{}", sides[1].ports.translator);
    let chronicles: Vec<_> = gateways.0.iter().map(Chronicle::of).collect();
    let pusher = Service::pusher(sides[0].ports, &gateways, &[&other])?;
    pusher.is_ready().await?;
    pusher.process.wait_for_line("following a translator", SOON).await?;

    let mut change = 0;
    for round in 0..failovers() {
        let leading = followed(&pusher, &sides)?;
        let lagging = 1 - leading;
        sides[lagging].translator.as_ref().context("no translator")?.is_ready().await?;
        let refused = pusher.counts(REFUSED).await?;
        // One side stops hearing of changes; the other does, and dies.
        sides[lagging].watcher.process.signal(Signal::STOP)?;
        if round == 1 {
            cluster.put_all(secured(class)?).await?;
            shows(&gateways, "a certificate", |config| config["certificates"][0].is_object()).await?;
        }
        for _ in 0..3 {
            change += 1;
            cluster.put(endpoints(SHOP, &[&address(change)])).await?;
        }
        shows(&gateways, "the last change", |config| change_in(config).is_ok_and(|shown| shown == change)).await?;
        sides[leading].translator = None;
        eventually("the pusher follows the other translator", SOON, async || {
            let now = followed(&pusher, &sides).map_err(|error| error.to_string())?;
            if now == lagging { Ok(()) } else { Err("it follows the one that died".to_owned()) }
        })
        .await?;
        eventually("the pusher refuses what lags behind", SOON, async || {
            let now = pusher.counts(REFUSED).await.map_err(|error| error.to_string())?;
            if now > refused { Ok(()) } else { Err("it did not".to_owned()) }
        })
        .await?;
        // It catches up, and only then is anything pushed again.
        sides[lagging].watcher.process.signal(Signal::CONT)?;
        change += 1;
        cluster.put(endpoints(SHOP, &[&address(change)])).await?;
        shows(&gateways, "a change", |config| change_in(config).is_ok_and(|shown| shown == change)).await?;
        sides[leading].start_translator(class)?;
    }
    for chronicle in &chronicles {
        let (mut newest, mut secured) = (0, false);
        let configs = chronicle.judge(|config| {
            let shown = change_in(config)?;
            ensure!(shown >= newest, "set back from change {newest} to {shown}");
            newest = shown;
            let has_certificate = config["certificates"][0].is_object();
            ensure!(has_certificate || !secured, "a Secret that was not seen yet was taken for missing");
            secured = has_certificate;
            Ok(())
        })?;
        eprintln!("{configs} configs at a gateway, none older than the one before");
    }
    Ok(())
}

/// A Secret with a certificate, and an Ingress that names it.
fn secured(class: &str) -> anyhow::Result<[Value; 2]> {
    let pair = generate_simple_self_signed(["secure.example.com".to_owned()])?;
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "cert" }, "type": "kubernetes.io/tls",
        "stringData": { "tls.crt": pair.cert.pem(), "tls.key": pair.signing_key.serialize_pem() },
    });
    let mut ingress = ingress(class, SHOP, "/shop");
    ingress["spec"]["tls"] = json!([{ "hosts": ["secure.example.com"], "secretName": "cert" }]);
    Ok([secret, ingress])
}

async fn shows(gateways: &Gateways, what: &str, shown: impl Fn(&Value) -> bool) -> anyhow::Result<()> {
    for gateway in &gateways.0 {
        let found = gateway.wait_for(SOON, |accepted| shown(&accepted.config())).await;
        found.with_context(|| format!("{what} was not shown; the gateway holds {}", gateway.config()))?;
    }
    Ok(())
}

#[tokio::test]
async fn a_killed_watcher_costs_a_delta() -> anyhow::Result<()> {
    const OBJECTS: usize = 100;
    let Some(cluster) = Cluster::shared("handover").await? else { return Ok(()) };
    let gateways = Gateways::start(1).await?;
    let class = cluster.namespace.as_str();
    cluster.put_all((0..OBJECTS).map(|n| service(&format!("app-{n}")))).await?;
    cluster.put_all([service(SHOP), endpoints(SHOP, &["10.1.0.1"]), ingress(class, SHOP, "/shop")]).await?;
    let ports = [Ports::choose()?, Ports::choose()?];
    let admin = cluster.admin();
    let mut watchers = Vec::new();
    for ports in ports {
        let watcher = Service::watcher(ports, &["--kubeconfig", &admin])?;
        watcher.is_ready().await?;
        watchers.push((ports.watcher, watcher));
    }
    let other = format!("--watcher-url=http://127.0.0.1:{}", ports[1].watcher);
    let translator = Service::translator(ports[0], &["--ingress-class", class, &other])?;
    let _pusher = Service::pusher(ports[0], &gateways, &[])?;
    let shop = |address: &str| crate::story::backend(class, SHOP, "/shop", &[address]);
    routes_to(&gateways.0[0], &[shop("10.1.0.1")]).await?;

    let counted = async |what: &str| translator.counts(&format!("silverback_translator_stream_{what}")).await;
    let (items, whole) = (counted("items_total").await?, counted("views_total{view=\"snapshot\"}").await?);
    ensure!(items > OBJECTS as f64, "the first watcher sent {items} objects");
    let line = translator.process.wait_for_line("following a watcher", SOON).await?;
    watchers.retain(|(port, _)| !line.contains(&format!("127.0.0.1:{port}")));
    ensure!(watchers.len() == 1, "which watcher is followed? {line}");

    cluster.put(endpoints(SHOP, &["10.1.0.2"])).await?;
    routes_to(&gateways.0[0], &[shop("10.1.0.2")]).await?;
    ensure!(counted("views_total{view=\"snapshot\"}").await? == whole, "the other watcher sent everything again");
    let resent = counted("items_total").await? - items;
    // The shared API server has other scenarios, whose objects change meanwhile.
    ensure!((1.0..OBJECTS as f64 / 2.0).contains(&resent), "the other watcher sent {resent} objects");
    Ok(())
}
