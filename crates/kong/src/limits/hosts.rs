//! What Kong takes as hosts: of services and targets, of routes, of TLS handshakes.

/// Whether Kong takes this as a host: a DNS name or an address, with a port or not.
pub fn is_host(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') || name.ends_with(']') => {
            if port.parse::<u16>().is_err() {
                return false;
            }
            name
        }
        _ => host,
    };
    if let Some(address) = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return address.parse::<std::net::Ipv6Addr>().is_ok();
    }
    is_host_name(name) || name.parse::<std::net::IpAddr>().is_ok()
}

/// Whether this is a name as Kong takes it: labels of letters, digits, `-` and `_`. Names of upstreams may be longer than
/// DNS allows.
pub fn is_host_name(name: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    // What has digits and dots alone is taken for an address.
    let address = name.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    !address && name.strip_suffix('.').unwrap_or(name).split('.').all(label)
}

/// Whether Kong takes this as the host of a route: a DNS name, with one `*` label at either end or none.
pub fn is_route_host(host: &str) -> bool {
    match (host.strip_prefix("*."), host.strip_suffix(".*")) {
        (Some(rest), _) | (None, Some(rest)) => is_host_name(rest),
        (None, None) => is_host_name(host),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_dns_names_with_a_star_at_an_end() {
        for host in ["a", "a.b", "*.a.b", "a.*", "under_score.io", "a.b."] {
            assert!(is_route_host(host), "{host}");
        }
        for host in ["", "*", "a..b", "*.a.*", "a.*.b", "-a", "a b", "ü.io"] {
            assert!(!is_route_host(host), "{host}");
        }
        for host in ["a:80", "10.0.0.1", "[::1]:80", "::1"] {
            assert!(is_host(host), "{host}");
        }
        for host in ["a:b", "a:99999", "[x]:1", ""] {
            assert!(!is_host(host), "{host}");
        }
    }
}
