//! What the gateway tells of itself: `GET /`, `GET /status`, readiness, metrics.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::answer::Answer;
use super::entities::PLUGIN_NAMES;
use super::state::Shared;

/// `GET /`. Of Kong's own configuration it has what clients read, not all of it.
pub(crate) fn root(shared: &Shared) -> Value {
    let settings = &shared.settings;
    let current = shared.current();
    let plugins = current.entities().get("plugins").into_iter().flatten();
    let in_use: BTreeSet<&str> = plugins.filter_map(|(_, plugin)| plugin.get("name")?.as_str()).collect();
    let bundled = PLUGIN_NAMES.iter().map(|(name, priority)| (*name, *priority, settings.version.as_str()));
    let own = settings.own_plugins.keys().map(|name| (name.as_str(), 1_000, "0.1.0"));
    let installed = || bundled.clone().chain(own.clone());
    let available = installed()
        .map(|(name, priority, version)| (name.to_owned(), json!({ "version": version, "priority": priority })));
    json!({
        "tagline": "Welcome to kong",
        "version": settings.version,
        "edition": settings.edition,
        "hostname": "stand-in",
        "node_id": shared.node_id,
        "lua_version": "LuaJIT 2.1.0-20231117",
        "pids": { "master": std::process::id(), "workers": [std::process::id()] },
        "timers": { "running": 1, "pending": 0 },
        "plugins": {
            "available_on_server": available.collect::<Map<_, _>>(),
            "enabled_in_cluster": in_use,
        },
        "configuration": {
            "database": "off",
            "role": "traditional",
            "router_flavor": settings.router_flavor.as_str(),
            "plugins": ["bundled"],
            "loaded_plugins": installed().map(|(name, ..)| (name.to_owned(), true.into())).collect::<Map<_, _>>(),
            "vaults": ["bundled"],
            "loaded_vaults": { "env": true },
            "wasm": false,
            "nginx_admin_client_max_body_size": format!("{}m", settings.body_limit >> 20),
            "admin_ssl_enabled": settings.tls.is_some(),
            "worker_consistency": "eventual",
            "kic": false,
        },
    })
}

/// `GET /status`.
pub(crate) fn status(shared: &Shared) -> Value {
    let dict = |capacity: &str| json!({ "capacity": capacity, "allocated_slabs": "0.04 MiB" });
    json!({
        "server": {
            "connections_accepted": 1,
            "connections_active": 1,
            "connections_handled": 1,
            "connections_reading": 0,
            "connections_waiting": 0,
            "connections_writing": 1,
            "total_requests": 1,
        },
        "memory": {
            "workers_lua_vms": [{ "http_allocated_gc": "49.15 MiB", "pid": std::process::id() }],
            "lua_shared_dicts": {
                "kong": dict("5.00 MiB"),
                "kong_cluster_events": dict("5.00 MiB"),
                "kong_core_db_cache": dict("128.00 MiB"),
                "kong_core_db_cache_miss": dict("12.00 MiB"),
                "kong_db_cache": dict("128.00 MiB"),
                "kong_db_cache_miss": dict("12.00 MiB"),
                "kong_healthchecks": dict("5.00 MiB"),
                "kong_locks": dict("8.00 MiB"),
                "kong_rate_limiting_counters": dict("12.00 MiB"),
                "kong_secrets": dict("5.00 MiB"),
                "prometheus_metrics": dict("5.00 MiB"),
            },
        },
        "configuration_hash": shared.current().hash,
    })
}

/// `GET /status/ready`.
pub(crate) fn ready(shared: &Shared) -> Answer {
    if shared.draining.load(Ordering::Relaxed) {
        Answer::message(StatusCode::SERVICE_UNAVAILABLE, "draining")
    } else if shared.is_empty() {
        let message = "no configuration available (empty configuration present)";
        Answer::message(StatusCode::SERVICE_UNAVAILABLE, message)
    } else {
        Answer::message(StatusCode::OK, "ready")
    }
}

/// `GET /metrics`: no traffic passes here, so there is little to tell.
pub(crate) fn metrics(shared: &Shared) -> Answer {
    Answer::plain(format!(
        "# HELP kong_datastore_reachable Datastore reachable from Kong, 0 is unreachable\n\
         # TYPE kong_datastore_reachable gauge\n\
         kong_datastore_reachable 1\n\
         # HELP kong_node_info Kong Node metadata information\n\
         # TYPE kong_node_info gauge\n\
         kong_node_info{{node_id=\"{}\",version=\"{}\"}} 1\n",
        shared.node_id, shared.settings.version
    ))
}
