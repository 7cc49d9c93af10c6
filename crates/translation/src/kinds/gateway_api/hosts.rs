//! Hosts that routes and listeners have in common.

/// The hosts that a route and a listener have in common; `None`: there is none. An empty list means every host.
pub(super) fn meet(hostnames: &[String], listener: &str) -> Option<Vec<String>> {
    if hostnames.is_empty() {
        return Some(if listener.is_empty() { Vec::new() } else { vec![listener.to_owned()] });
    }
    if listener.is_empty() {
        return Some(hostnames.to_vec());
    }
    let common: Vec<String> = hostnames.iter().filter_map(|host| narrower(host, listener)).collect();
    (!common.is_empty()).then_some(common)
}

/// The domains that a host is below of, the nearest first: of `a.b.c` and of `*.b.c` they are `b.c` and `c`.
pub(super) fn domains(host: &str) -> impl Iterator<Item = &str> {
    host.match_indices('.').map(|(at, _)| &host[at + 1..])
}

/// The hosts that take all that a host takes, the most specific first and without itself; an empty one is every host.
pub(crate) fn covering(host: &str) -> impl Iterator<Item = String> {
    let own = usize::from(host.starts_with('*'));
    let wild = domains(host).skip(own).map(|domain| format!("*.{domain}"));
    wild.chain((!host.is_empty()).then(String::new))
}

/// The more specific of two hosts that have something in common. `*.a.b` stands for whatever ends with `.a.b`.
pub(super) fn narrower(a: &str, b: &str) -> Option<String> {
    let covers = |wide: &str, host: &str| {
        wide.strip_prefix('*').is_some_and(|end| host.len() > end.len() && host.trim_start_matches('*').ends_with(end))
    };
    if a == b || covers(b, a) { Some(a.to_owned()) } else { covers(a, b).then(|| b.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_meet_at_the_more_specific() {
        let hosts = |all: &[&str]| all.iter().map(|it| it.to_string()).collect::<Vec<_>>();
        assert_eq!(meet(&hosts(&["a.test", "b.other"]), "*.test"), Some(hosts(&["a.test"])));
        assert_eq!(meet(&hosts(&["*.test"]), "a.b.test"), Some(hosts(&["a.b.test"])));
        assert_eq!(meet(&hosts(&["*.a.test"]), "*.test"), Some(hosts(&["*.a.test"])));
        assert_eq!(meet(&hosts(&["test"]), "*.test"), None, "a wildcard needs a label");
        assert_eq!(meet(&[], "a.test"), Some(hosts(&["a.test"])));
        assert_eq!(meet(&hosts(&["a"]), ""), Some(hosts(&["a"])));
    }

    #[test]
    fn hosts_are_covered_by_wildcards_around_them_and_by_every_host() {
        let all = |host: &str| covering(host).collect::<Vec<_>>();
        assert_eq!(all("a.b.c"), ["*.b.c", "*.c", ""]);
        assert_eq!(all("*.b.c"), ["*.c", ""]);
        assert_eq!(all(""), [""; 0]);
        for (host, wide) in
            ["a.b.c", "*.b.c"].into_iter().flat_map(|host| all(host).into_iter().map(move |it| (host, it)))
        {
            assert!(wide.is_empty() || narrower(host, &wide).as_deref() == Some(host), "{host} {wide}");
        }
    }
}
