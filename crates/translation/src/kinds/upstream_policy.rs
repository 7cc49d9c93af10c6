//! KongUpstreamPolicy, and what is left of KongIngress: how load is spread over the targets of an upstream, and how
//! sick ones are found. What a policy does not say stays as it is.

use silverback_kong::{
    ActiveChecks, ActiveHealthy, ActiveUnhealthy, Healthchecks, PassiveChecks, PassiveHealthy, PassiveUnhealthy,
    Upstream,
};
use silverback_resources::crds::kong_ingress as old;
use silverback_resources::crds::upstream_policy::{self as policy, HashOn, KongUpstreamPolicySpec};

use crate::settings::KongVersion;

/// The first version that knows sticky sessions.
pub(crate) const STICKY_SESSIONS: KongVersion = KongVersion { major: 3, minor: 11 };

/// Takes a policy into an upstream.
///
/// # Errors
/// What of it these gateways do not know; then nothing of it is taken.
pub(crate) fn apply(spec: &KongUpstreamPolicySpec, upstream: &mut Upstream, kong: KongVersion) -> Result<(), String> {
    if (spec.sticky_sessions.is_some() || spec.algorithm.as_deref() == Some("sticky-sessions"))
        && kong < STICKY_SESSIONS
    {
        return Err("the policy has no effect: sticky sessions need Kong 3.11 or newer (--kong-version)".to_owned());
    }
    set(&mut upstream.algorithm, &spec.algorithm);
    set(&mut upstream.slots, &spec.slots);
    if let Some(hash) = &spec.hash_on {
        set(&mut upstream.hash_on, &hashed(hash));
        set(&mut upstream.hash_on_header, &hash.header);
        set(&mut upstream.hash_on_query_arg, &hash.query_arg);
        set(&mut upstream.hash_on_uri_capture, &hash.uri_capture);
    }
    if let Some(hash) = &spec.hash_on_fallback {
        set(&mut upstream.hash_fallback, &hashed(hash));
        set(&mut upstream.hash_fallback_header, &hash.header);
        set(&mut upstream.hash_fallback_query_arg, &hash.query_arg);
        set(&mut upstream.hash_fallback_uri_capture, &hash.uri_capture);
    }
    // There is one cookie, whichever of the two names it.
    for hash in [&spec.hash_on, &spec.hash_on_fallback].into_iter().flatten() {
        set(&mut upstream.hash_on_cookie, &hash.cookie);
        set(&mut upstream.hash_on_cookie_path, &hash.cookie_path);
    }
    if let Some(sticky) = &spec.sticky_sessions {
        upstream.sticky_sessions_cookie = Some(sticky.cookie.clone());
        upstream.sticky_sessions_cookie_path = Some(sticky.cookie_path.clone().unwrap_or_else(|| "/".into()));
    }
    if let Some(checks) = &spec.healthchecks {
        upstream.healthchecks = Some(Box::new(healthchecks(checks)));
    }
    Ok(())
}

fn set<T: Clone>(field: &mut Option<T>, value: &Option<T>) {
    if value.is_some() {
        field.clone_from(value);
    }
}

fn hashed(hash: &HashOn) -> Option<String> {
    let named = [
        (&hash.input, None),
        (&hash.header, Some("header")),
        (&hash.cookie, Some("cookie")),
        (&hash.query_arg, Some("query_arg")),
        (&hash.uri_capture, Some("uri_capture")),
    ];
    let given = named.into_iter().find_map(|(value, name)| Some((value.as_ref()?, name)));
    given.map(|(value, name)| name.map_or_else(|| value.clone(), str::to_owned))
}

/// Takes what a KongIngress says of upstreams into one.
pub(crate) fn apply_kong_ingress(given: &old::Upstream, upstream: &mut Upstream) {
    let fields = [
        (&mut upstream.host_header, &given.host_header),
        (&mut upstream.algorithm, &given.algorithm),
        (&mut upstream.hash_on, &given.hash_on),
        (&mut upstream.hash_fallback, &given.hash_fallback),
        (&mut upstream.hash_on_header, &given.hash_on_header),
        (&mut upstream.hash_fallback_header, &given.hash_fallback_header),
        (&mut upstream.hash_on_cookie, &given.hash_on_cookie),
        (&mut upstream.hash_on_cookie_path, &given.hash_on_cookie_path),
        (&mut upstream.hash_on_query_arg, &given.hash_on_query_arg),
        (&mut upstream.hash_fallback_query_arg, &given.hash_fallback_query_arg),
        (&mut upstream.hash_on_uri_capture, &given.hash_on_uri_capture),
        (&mut upstream.hash_fallback_uri_capture, &given.hash_fallback_uri_capture),
    ];
    for (field, value) in fields {
        set(field, value);
    }
    set(&mut upstream.slots, &given.slots);
    if let Some(checks) = &given.healthchecks {
        upstream.healthchecks = Some(Box::new(old_healthchecks(checks)));
    }
}

/// Both kinds say it in types of the same shape.
macro_rules! healthchecks_of {
    ($name:ident, $source:ident, $number:expr) => {
        fn $name(checks: &$source::Healthchecks) -> Healthchecks {
            Healthchecks {
                active: checks.active.as_ref().map(|active| ActiveChecks {
                    kind: active.check_type.clone(),
                    concurrency: active.concurrency,
                    http_path: active.http_path.clone(),
                    https_sni: active.https_sni.clone(),
                    https_verify_certificate: active.https_verify_certificate,
                    timeout: active.timeout,
                    headers: active.headers.clone().unwrap_or_default(),
                    healthy: active.healthy.as_ref().map(|healthy| ActiveHealthy {
                        http_statuses: healthy.http_statuses.clone(),
                        interval: healthy.interval,
                        successes: healthy.successes,
                    }),
                    unhealthy: active.unhealthy.as_ref().map(|unhealthy| ActiveUnhealthy {
                        http_failures: unhealthy.http_failures,
                        http_statuses: unhealthy.http_statuses.clone(),
                        interval: unhealthy.interval,
                        tcp_failures: unhealthy.tcp_failures,
                        timeouts: unhealthy.timeouts,
                    }),
                }),
                passive: checks.passive.as_ref().map(|passive| PassiveChecks {
                    kind: passive.check_type.clone(),
                    healthy: passive.healthy.as_ref().map(|healthy| PassiveHealthy {
                        http_statuses: healthy.http_statuses.clone(),
                        successes: healthy.successes,
                    }),
                    unhealthy: passive.unhealthy.as_ref().map(|unhealthy| PassiveUnhealthy {
                        http_failures: unhealthy.http_failures,
                        http_statuses: unhealthy.http_statuses.clone(),
                        tcp_failures: unhealthy.tcp_failures,
                        timeouts: unhealthy.timeouts,
                    }),
                }),
                threshold: checks.threshold.as_ref().and_then($number),
            }
        }
    };
}
healthchecks_of!(healthchecks, policy, |threshold: &i64| Some(*threshold as f64));
healthchecks_of!(old_healthchecks, old, serde_json::Number::as_f64);
