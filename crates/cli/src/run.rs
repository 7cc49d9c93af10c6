//! `silverback run`: the three services in one process, connected as they would be across processes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;

use clap::ArgMatches;
use clap::parser::ValueSource;
use silverback_cluster::ClusterArgs;
use silverback_devcluster::gateway::{GatewayHandle, Settings, StandInGateway};
use silverback_pusher::PusherArgs;
use silverback_service::values::Listen;
use silverback_service::{CommonArgs, Context};
use silverback_translator::TranslatorArgs;
use silverback_watcher::WatcherArgs;

/// Flags of `silverback run`: those of the three services.
#[derive(clap::Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    common: CommonArgs,
    #[command(flatten)]
    cluster: ClusterArgs,
    #[command(flatten)]
    watcher: WatcherArgs,
    #[command(flatten)]
    translator: TranslatorArgs,
    #[command(flatten)]
    pusher: PusherArgs,

    /// Start this many stand-in gateways, which answer as Kong's Admin API does and proxy nothing, and push to them.
    #[arg(
        long,
        env = "CONTROLLER_STAND_IN_GATEWAYS",
        value_name = "N",
        conflicts_with_all = ["kong_admin_url", "kong_admin_svc"],
        help_heading = "Gateways"
    )]
    stand_in_gateways: Option<u8>,
}

/// Runs until a signal.
pub(crate) fn run(mut args: RunArgs, given: &ArgMatches) -> ExitCode {
    let is_default = |id: &str| given.value_source(id) == Some(ValueSource::DefaultValue);
    let (own_watcher, own_translator) = (is_default("watcher_url"), is_default("translator_url"));
    silverback_service::run(args.common.clone(), move |context| async move {
        if own_watcher {
            args.translator.watchers.watcher_url = vec![own_url(args.watcher.watcher_bind_address, &context)?];
        }
        if own_translator {
            args.pusher.translators.translator_url = vec![own_url(args.translator.translator_bind_address, &context)?];
        }
        let gateways = stand_ins(args.stand_in_gateways.unwrap_or(0)).await?;
        if !gateways.is_empty() {
            args.pusher.gateways.kong_admin_url = gateways.iter().map(GatewayHandle::admin_url).collect();
        }
        services(args, &context).await
    })
}

async fn services(args: RunArgs, context: &Context) -> anyhow::Result<()> {
    let RunArgs { cluster, watcher, translator, pusher, .. } = args;
    // When one ends, for whatever reason, all end: a process with a part missing helps nobody.
    let ended = |result: anyhow::Result<()>| {
        context.shutdown.cancel();
        result
    };
    let (watched, translated, pushed) = tokio::join!(
        async { ended(silverback_watcher::run(cluster.clone(), watcher, context.clone()).await) },
        async { ended(silverback_translator::run(translator, context.clone()).await) },
        async { ended(silverback_pusher::run(cluster.clone(), pusher, context.clone()).await) },
    );
    watched.and(translated).and(pushed)
}

/// Where this process itself listens, as seen from within.
fn own_url<U: std::str::FromStr>(listen: Listen, context: &Context) -> anyhow::Result<U>
where
    U::Err: std::error::Error + Send + Sync + 'static,
{
    let address = listen.shifted(context.port_offset)?;
    anyhow::ensure!(address.port() != 0, "in one process the services must know each other's ports: 0 cannot be used");
    let ip = match address.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) | IpAddr::V6(Ipv6Addr::UNSPECIFIED) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        ip => ip,
    };
    let scheme = if context.hops.are_secure() { "https" } else { "http" };
    Ok(format!("{scheme}://{}", SocketAddr::new(ip, address.port())).parse()?)
}

async fn stand_ins(count: u8) -> anyhow::Result<Vec<GatewayHandle>> {
    let mut gateways = Vec::new();
    for _ in 0..count {
        let gateway = StandInGateway::start(Settings::default()).await?;
        tracing::info!(admin = gateway.admin_url(), "a stand-in gateway listens");
        gateways.push(gateway);
    }
    Ok(gateways)
}
