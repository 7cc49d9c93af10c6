//! What Kong 3.9 refuses in how an upstream spreads load and finds sick targets. What it would refuse is taken out, so
//! that its own default applies.

use std::ops::RangeInclusive;

use crate::limits::{Refused, is_header_name, path_problem};
use crate::{ActiveChecks, Healthchecks, PassiveChecks, Upstream};

const ALGORITHMS: [&str; 5] = ["consistent-hashing", "latency", "least-connections", "round-robin", "sticky-sessions"];
const HASHED: [&str; 8] = ["none", "consumer", "ip", "header", "cookie", "path", "query_arg", "uri_capture"];
const CHECKS: [&str; 5] = ["tcp", "http", "https", "grpc", "grpcs"];
const COUNTS: RangeInclusive<i64> = 0..=255;
const SECONDS: RangeInclusive<i64> = 0..=65535;
const STATUSES: RangeInclusive<i64> = 100..=999;

/// Takes out of an upstream what Kong refuses of its balancing.
pub(crate) fn limit(upstream: &mut Upstream) -> Vec<Refused> {
    let mut refused = Vec::new();
    one_of(&mut refused, "algorithm", &mut upstream.algorithm, &ALGORITHMS, "a balancing algorithm of Kong's");
    if let Some(problem) = hashing(upstream) {
        let value = upstream.hash_on.clone().unwrap_or_default();
        refused.push(Refused { field: "hash_on", value, wants: problem });
        unset_hashing(upstream);
    }
    if let Some(checks) = &mut upstream.healthchecks {
        healthchecks(checks, &mut refused);
    }
    refused
}

fn one_of(
    refused: &mut Vec<Refused>,
    field: &'static str,
    value: &mut Option<String>,
    choices: &[&str],
    wants: &'static str,
) {
    if let Some(value) = value.take_if(|value| !choices.contains(&value.as_str())) {
        refused.push(Refused { field, value, wants });
    }
}

/// What is wrong with what is hashed, as a whole.
fn hashing(upstream: &Upstream) -> Option<&'static str> {
    let on = upstream.hash_on.as_deref().unwrap_or("none");
    let fallback = upstream.hash_fallback.as_deref().unwrap_or("none");
    let named = |value: &Option<String>| value.as_ref().is_some_and(|it| !it.is_empty());
    let needs = [
        (on, "header", named(&upstream.hash_on_header)),
        (fallback, "header", named(&upstream.hash_fallback_header)),
        (on, "cookie", named(&upstream.hash_on_cookie)),
        (fallback, "cookie", named(&upstream.hash_on_cookie)),
        (on, "query_arg", named(&upstream.hash_on_query_arg)),
        (fallback, "query_arg", named(&upstream.hash_fallback_query_arg)),
        (on, "uri_capture", named(&upstream.hash_on_uri_capture)),
        (fallback, "uri_capture", named(&upstream.hash_fallback_uri_capture)),
    ];
    let twice = |a: &Option<String>, b: &Option<String>| a.is_some() && a == b;
    let simple = matches!(on, "consumer" | "ip" | "path");
    if !HASHED.contains(&on) || !HASHED.contains(&fallback) {
        Some("one of none, consumer, ip, header, cookie, path, query_arg, uri_capture")
    } else if needs.iter().any(|(given, kind, named)| given == kind && !named) {
        Some("the name of what is hashed")
    } else if matches!(on, "none" | "cookie") && fallback != "none" {
        Some("no fallback where nothing, or a cookie, is hashed")
    } else if (simple && on == fallback)
        || twice(&upstream.hash_on_header, &upstream.hash_fallback_header)
        || twice(&upstream.hash_on_query_arg, &upstream.hash_fallback_query_arg)
        || twice(&upstream.hash_on_uri_capture, &upstream.hash_fallback_uri_capture)
    {
        Some("a fallback other than what is hashed first")
    } else if upstream.hash_on_cookie_path.as_deref().is_some_and(|path| path_problem(path).is_some()) {
        Some("a cookie's path that starts with /, without empty segments and odd characters")
    } else if [&upstream.hash_on_header, &upstream.hash_fallback_header, &upstream.hash_on_cookie]
        .into_iter()
        .flatten()
        .any(|name| !is_header_name(name))
    {
        Some("names of letters, digits, - and _")
    } else {
        None
    }
}

fn unset_hashing(upstream: &mut Upstream) {
    let fields = [
        &mut upstream.hash_on,
        &mut upstream.hash_fallback,
        &mut upstream.hash_on_header,
        &mut upstream.hash_fallback_header,
        &mut upstream.hash_on_cookie,
        &mut upstream.hash_on_cookie_path,
        &mut upstream.hash_on_query_arg,
        &mut upstream.hash_fallback_query_arg,
        &mut upstream.hash_on_uri_capture,
        &mut upstream.hash_fallback_uri_capture,
    ];
    fields.into_iter().for_each(|field| *field = None);
}

fn healthchecks(checks: &mut Healthchecks, refused: &mut Vec<Refused>) {
    if let Some(threshold) = checks.threshold.take_if(|threshold| !(0.0..=100.0).contains(threshold)) {
        refused.push(Refused { field: "healthchecks.threshold", value: threshold.to_string(), wants: "0 to 100" });
    }
    let mut bounded = Bounded::default();
    if let Some(active) = &mut checks.active {
        active_texts(active, refused);
        bounded.of_active(active);
    }
    if let Some(passive) = &mut checks.passive {
        one_of(refused, "healthchecks.passive.type", &mut passive.kind, &CHECKS, "tcp, http, https, grpc or grpcs");
        bounded.of_passive(passive);
    }
    bounded.limit(refused);
}

fn active_texts(active: &mut ActiveChecks, refused: &mut Vec<Refused>) {
    one_of(refused, "healthchecks.active.type", &mut active.kind, &CHECKS, "tcp, http, https, grpc or grpcs");
    if let Some(path) = active.http_path.take_if(|path| path_problem(path).is_some()) {
        let wants = path_problem(&path).unwrap_or_default();
        refused.push(Refused { field: "healthchecks.active.http_path", value: path, wants });
    }
    if let Some(name) = active.https_sni.take_if(|name| !crate::limits::is_host_name(name)) {
        refused.push(Refused { field: "healthchecks.active.https_sni", value: name, wants: "a host name" });
    }
    active.headers.retain(|name, _| {
        let fine = is_header_name(name);
        if !fine {
            let wants = "names of headers of letters, digits, - and _";
            refused.push(Refused { field: "healthchecks.active.headers", value: name.clone(), wants });
        }
        fine
    });
}

/// Numbers of health checks, each with what Kong takes.
#[derive(Default)]
struct Bounded<'a> {
    numbers: Vec<(&'static str, &'a mut Option<i64>, RangeInclusive<i64>)>,
    statuses: Vec<&'a mut Option<Vec<i64>>>,
}

impl<'a> Bounded<'a> {
    fn of_active(&mut self, checks: &'a mut ActiveChecks) {
        let numbers = &mut self.numbers;
        numbers.push(("healthchecks.active.concurrency", &mut checks.concurrency, 1..=2_147_483_648));
        numbers.push(("healthchecks.active.timeout", &mut checks.timeout, SECONDS));
        if let Some(healthy) = &mut checks.healthy {
            numbers.push(("healthchecks.active.healthy.interval", &mut healthy.interval, SECONDS));
            numbers.push(("healthchecks.active.healthy.successes", &mut healthy.successes, COUNTS));
            self.statuses.push(&mut healthy.http_statuses);
        }
        if let Some(unhealthy) = &mut checks.unhealthy {
            numbers.push(("healthchecks.active.unhealthy.interval", &mut unhealthy.interval, SECONDS));
            numbers.push(("healthchecks.active.unhealthy.http_failures", &mut unhealthy.http_failures, COUNTS));
            numbers.push(("healthchecks.active.unhealthy.tcp_failures", &mut unhealthy.tcp_failures, COUNTS));
            numbers.push(("healthchecks.active.unhealthy.timeouts", &mut unhealthy.timeouts, COUNTS));
            self.statuses.push(&mut unhealthy.http_statuses);
        }
    }

    fn of_passive(&mut self, checks: &'a mut PassiveChecks) {
        let numbers = &mut self.numbers;
        if let Some(healthy) = &mut checks.healthy {
            numbers.push(("healthchecks.passive.healthy.successes", &mut healthy.successes, COUNTS));
            self.statuses.push(&mut healthy.http_statuses);
        }
        if let Some(unhealthy) = &mut checks.unhealthy {
            numbers.push(("healthchecks.passive.unhealthy.http_failures", &mut unhealthy.http_failures, COUNTS));
            numbers.push(("healthchecks.passive.unhealthy.tcp_failures", &mut unhealthy.tcp_failures, COUNTS));
            numbers.push(("healthchecks.passive.unhealthy.timeouts", &mut unhealthy.timeouts, COUNTS));
            self.statuses.push(&mut unhealthy.http_statuses);
        }
    }

    /// Takes out what Kong does not take.
    fn limit(self, refused: &mut Vec<Refused>) {
        for (field, number, range) in self.numbers {
            if let Some(number) = number.take_if(|number| !range.contains(number)) {
                let wants = "a number within Kong's bounds";
                refused.push(Refused { field, value: number.to_string(), wants });
            }
        }
        for statuses in self.statuses.into_iter().flatten() {
            if let Some(status) = statuses.iter().find(|status| !STATUSES.contains(status)) {
                let field = "healthchecks.http_statuses";
                refused.push(Refused { field, value: status.to_string(), wants: "100 to 999" });
                statuses.retain(|status| STATUSES.contains(status));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ActiveHealthy;

    fn hashed(on: &str, fallback: Option<&str>) -> Upstream {
        let fallback = fallback.map(str::to_owned);
        Upstream { hash_on: Some(on.into()), hash_fallback: fallback, ..Upstream::default() }
    }

    #[test]
    fn what_is_hashed_must_make_sense() {
        for fine in [hashed("ip", None), hashed("ip", Some("path")), hashed("none", None)] {
            let mut upstream = fine.clone();
            assert!(limit(&mut upstream).is_empty());
            assert_eq!(upstream, fine);
        }
        for bad in [hashed("header", None), hashed("cookie", Some("ip")), hashed("ip", Some("ip")), hashed("x", None)] {
            let mut upstream = bad;
            assert_eq!(limit(&mut upstream).len(), 1);
            assert_eq!(upstream, Upstream::default());
        }
    }

    #[test]
    fn checks_stay_within_bounds() {
        let healthy = ActiveHealthy { http_statuses: Some(vec![200, 7]), interval: Some(70_000), successes: Some(1) };
        let active = ActiveChecks { healthy: Some(healthy), http_path: Some("x".into()), ..ActiveChecks::default() };
        let checks = Healthchecks { active: Some(active), threshold: Some(101.0), ..Healthchecks::default() };
        let mut upstream = Upstream { healthchecks: Some(Box::new(checks)), ..Upstream::default() };
        assert_eq!(limit(&mut upstream).len(), 4);
        let healthy = upstream.healthchecks.unwrap().active.unwrap().healthy.unwrap();
        let wanted = ActiveHealthy { http_statuses: Some(vec![200]), interval: None, successes: Some(1) };
        assert_eq!(healthy, wanted);
    }
}
