//! Host names and addresses as Kong tells them apart and judges them. The messages are Kong's.

/// What a text that names a host turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Host {
    pub(crate) is_name: bool,
    pub(crate) has_port: bool,
}

/// Why a text names no host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BadHost {
    Port,
    Name,
}

/// Reads `name`, `name:port`, an IPv4 or an IPv6 address, these too with a port.
pub(crate) fn parse(address: &str) -> Result<Host, BadHost> {
    let colons = address.bytes().filter(|byte| *byte == b':').count();
    let digits = |byte: u8| byte.is_ascii_digit() || byte == b'.' || byte == b':';
    if colons > 1 {
        ipv6(address)
    } else if !address.is_empty() && address != ":" && address.bytes().all(digits) {
        ipv4(address)
    } else {
        name(address)
    }
}

fn ipv4(address: &str) -> Result<Host, BadHost> {
    let (ip, port) = match address.split_once(':') {
        Some((ip, port)) => (ip, Some(port)),
        None => (address, None),
    };
    let parts: Vec<&str> = ip.split('.').collect();
    let is_byte = |part: &&str| part.len() <= 3 && part.parse::<u16>().is_ok_and(|number| number <= 255);
    if parts.len() != 4 || !parts.iter().all(is_byte) || port == Some("") {
        return Err(BadHost::Name);
    }
    with_port(port, false)
}

fn ipv6(address: &str) -> Result<Host, BadHost> {
    let (ip, port) = match address.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((ip, "")) => (ip, None),
        Some((ip, rest)) => (ip, Some(rest.strip_prefix(':').ok_or(BadHost::Name)?)),
        None => (address, None),
    };
    ip.parse::<std::net::Ipv6Addr>().map_err(|_| BadHost::Name)?;
    with_port(port, false)
}

fn name(address: &str) -> Result<Host, BadHost> {
    let is_port = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let (name, port) = match address.rsplit_once(':') {
        Some((name, port)) if is_port(port) => (name, Some(port)),
        _ => (address, None),
    };
    let host = with_port(port, true)?;
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    let segments: Vec<&str> = name.split('.').collect();
    let last = segments.len() - 1;
    let bad = |(at, segment): (usize, &&str)| segment.ends_with('-') || (segment.is_empty() && at != last);
    if name.is_empty() || !name.bytes().all(allowed) || segments.iter().enumerate().any(bad) {
        return Err(BadHost::Name);
    }
    Ok(host)
}

fn with_port(port: Option<&str>, is_name: bool) -> Result<Host, BadHost> {
    match port.map(str::parse::<u32>) {
        None => Ok(Host { is_name, has_port: false }),
        Some(Ok(number)) if number <= 65535 => Ok(Host { is_name, has_port: true }),
        Some(_) => Err(BadHost::Port),
    }
}

/// A host without a port.
pub(crate) fn bare(host: &str) -> Result<(), String> {
    match parse(host) {
        Err(BadHost::Name) => Err(format!("invalid value: {host}")),
        Err(BadHost::Port) | Ok(Host { has_port: true, .. }) => Err("must not have a port".to_owned()),
        Ok(_) => Ok(()),
    }
}

/// A host, perhaps with a port.
pub(crate) fn with_optional_port(host: &str) -> Result<(), String> {
    parse(host).map(drop).map_err(|bad| match bad {
        BadHost::Port => "invalid port number".to_owned(),
        BadHost::Name => format!("invalid hostname: {host}"),
    })
}

/// A name without a port.
pub(crate) fn server_name(host: &str) -> Result<(), String> {
    match parse(host) {
        Ok(Host { is_name: false, .. }) => Err("must not be an IP".to_owned()),
        _ => bare(host),
    }
}

/// A name without a port, the first or last label of which may be `*`.
pub(crate) fn wildcard(host: &str) -> Result<(), String> {
    let Some(at) = host.find('*') else { return server_name(host) };
    if at != 0 && at + 1 != host.len() {
        return Err("wildcard must be leftmost or rightmost character".to_owned());
    }
    if host.matches('*').count() > 1 {
        return Err("only one wildcard must be specified".to_owned());
    }
    server_name(&host.replace('*', "wildcard"))
}

/// The name of an upstream.
pub(crate) fn upstream(name: &str) -> Result<(), String> {
    let reason = match parse(name) {
        Err(_) => "must be a valid hostname",
        Ok(Host { is_name: false, .. }) => "no ip addresses allowed",
        Ok(Host { has_port: true, .. }) => "no port allowed",
        Ok(_) => return Ok(()),
    };
    Err(format!("Invalid name ('{name}'); {reason}"))
}

/// The target of an upstream.
pub(crate) fn target(target: &str) -> Result<(), String> {
    let message = |_| format!("Invalid target ('{target}'); not a valid hostname or ip address");
    parse(target).map(drop).map_err(message)
}

/// An address or a range of them.
pub(crate) fn ip_or_range(text: &str) -> Result<(), String> {
    let is_ip = |ip: &str| ip.parse::<std::net::IpAddr>().ok();
    let good = match text.split_once('/') {
        None => is_ip(text).is_some(),
        Some((ip, prefix)) => is_ip(ip)
            .zip(prefix.parse::<u8>().ok())
            .is_some_and(|(ip, prefix)| prefix <= if ip.is_ipv4() { 32 } else { 128 }),
    };
    if good { Ok(()) } else { Err(format!("invalid ip or cidr range: '{text}'")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_names_from_addresses_and_ports() {
        let name = |has_port| Ok(Host { is_name: true, has_port });
        let ip = |has_port| Ok(Host { is_name: false, has_port });
        assert_eq!(parse("a.example"), name(false));
        assert_eq!(parse("a.example."), name(false));
        assert_eq!(parse("svc.ns.80.svc:8080"), name(true));
        assert_eq!(parse("10.0.0.1"), ip(false));
        assert_eq!(parse("10.0.0.1:80"), ip(true));
        assert_eq!(parse("[::1]:80"), ip(true));
        assert_eq!(parse("::1"), ip(false));
        assert_eq!(parse("1.2.3.4:99999"), Err(BadHost::Port));
        for bad in ["exa mple", "a..b", "a-.b", "", "300.1.1.1", "1.2.3", "::g"] {
            assert_eq!(parse(bad), Err(BadHost::Name), "{bad}");
        }
    }

    #[test]
    fn allows_one_wildcard_at_an_end() {
        for good in ["*.example.com", "example.*", "example.com"] {
            assert_eq!(wildcard(good), Ok(()), "{good}");
        }
        assert_eq!(wildcard("a.*.com"), Err("wildcard must be leftmost or rightmost character".to_owned()));
        assert_eq!(wildcard("*.*"), Err("only one wildcard must be specified".to_owned()));
        assert_eq!(wildcard("10.0.0.1"), Err("must not be an IP".to_owned()));
    }

    #[test]
    fn knows_ranges() {
        assert!(ip_or_range("10.0.0.0/8").is_ok() && ip_or_range("::/0").is_ok() && ip_or_range("1.1.1.1").is_ok());
        assert!(ip_or_range("10.0.0.0/33").is_err() && ip_or_range("x").is_err());
    }
}
