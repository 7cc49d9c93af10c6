//! `silverback demo`: a cluster, a shop, gateways and two replicas of each service on this machine, and what becomes of
//! them when things break.

mod events;
mod folder;
mod plan;
mod screen;
mod services;
mod story;
mod world;

use std::fmt::Display;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use silverback_devcluster::control::Control;
use silverback_service::{CancellationToken, shutdown, values};

use plan::{Plan, Replica, Service};
use screen::{Screen, Tone};
use services::Running;
use story::Story;
use world::World;

/// Flags of `silverback demo`.
#[derive(clap::Args)]
pub(crate) struct DemoArgs {
    /// Listen on this many ports above the usual ones, instead of on the first that are free.
    #[arg(long, value_name = "N")]
    port_offset: Option<u16>,

    /// Stay up only this long after everything was shown.
    #[arg(long, value_name = "DURATION", value_parser = values::duration)]
    exit_after: Option<Duration>,
}

/// Runs until it is stopped.
pub(crate) fn run(args: &DemoArgs) -> ExitCode {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let result = runtime.map_err(anyhow::Error::from).and_then(|runtime| runtime.block_on(demo(args)));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn demo(args: &DemoArgs) -> anyhow::Result<()> {
    let stop = shutdown::on_signal()?;
    let screen = Arc::new(Screen::new());
    let (plan, _claim) = Plan::choose(args.port_offset)?;
    let world = World::start(plan).await?;
    let control = Control::start(plan.control(), Arc::clone(&world.api), Arc::clone(&world.gateways)).await?;
    screen.heading("A cluster and gateways, on this machine");
    screen.say(Tone::Step, "cluster", &format!("a Kubernetes API in memory at {}", world.api.url()));
    for (place, gateway) in world.gateways.iter().enumerate() {
        let text = format!("a stand-in for Kong, empty, Admin API at {}", gateway.admin_url());
        screen.say(Tone::Step, &events::gateway_name(place), &text);
    }
    let events = events::Told::begin(&screen, &world.api, &world.gateways);
    let mut services = Vec::new();
    let story = Story { screen: &screen, told: &events, world: &world, plan, services: &mut services };
    let told = story.tell(&stop).await;
    if told.is_ok() && !stop.is_cancelled() {
        stay(args, &screen, &world, plan, &control, &stop).await?;
    }
    drop(events);
    stop_all(&screen, &mut services).await;
    told
}

async fn stay(
    args: &DemoArgs,
    screen: &Screen,
    world: &World,
    plan: Plan,
    control: &Control,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let (environment, shop) = (world.environment(plan)?, world.manifests()?);
    screen.commands(&invitation(&environment.display(), &shop.display(), plan, &control.url()));
    match args.exit_after {
        None => stop.cancelled().await,
        Some(time) => {
            let _ = tokio::time::timeout(time, stop.cancelled()).await;
        }
    }
    Ok(())
}

async fn stop_all(screen: &Screen, services: &mut [Running]) {
    screen.say(Tone::Step, "demo", "stopping");
    screen.waiting("the services to stop", services::stop_all(services)).await;
    screen.say(Tone::Step, "demo", "everything is stopped");
}

/// What people can do with it.
fn invitation(environment: &dyn Display, shop: &dyn Display, plan: Plan, control: &str) -> String {
    let grpc = |service| plan.grpc(service, Replica::A);
    let (translator, pusher) = (grpc(Service::Translator), grpc(Service::Pusher));
    let gateway = plan.admin(1);
    format!(
        "
Everything stays up until Ctrl-C. Try, in another terminal, and see here what comes of it:

  . {environment}
  silverback status
  silverback explain Ingress/shop/cart
  kubectl get ingresses,httproutes,kongplugins,leases -A
  kubectl -n shop annotate ingress cart konghq.com/strip-path=true
  kubectl -n shop delete ingress cart
  kubectl apply --validate=false -f {shop}     as it was, or as you edit it there

  curl http://{gateway}/routes
  grpcurl -plaintext {translator} silverback.v1.Config/ListEntities
  grpcurl -plaintext {pusher} silverback.v1.Gateways/ListGateways

  curl {control}     lists what can be broken, e.g.
  curl -X POST {control}/gateways/1/hang

The Lease is shorter here than in production, so that a hand-over shows in seconds. Logs are beside the first file.
"
    )
}
