//! Where everything of the demo listens: one block of ports, free as a whole and claimed, so that two demos that start at
//! once take different ones.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use anyhow::ensure;

/// Gateways of the demo.
pub(super) const GATEWAYS: u16 = 3;
/// First port of the block, which holds `silverback run`'s own three.
const FIRST: u16 = 7_600;
const BLOCK: u16 = 50;

/// One of the two replicas of each service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Replica {
    A,
    B,
}

impl Replica {
    pub(super) const BOTH: [Self; 2] = [Self::A, Self::B];

    pub(super) fn letter(self) -> char {
        match self {
            Self::A => 'a',
            Self::B => 'b',
        }
    }
}

/// A service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Service {
    Watcher,
    Translator,
    Pusher,
}

impl Service {
    pub(super) const ALL: [Self; 3] = [Self::Watcher, Self::Translator, Self::Pusher];

    /// As its subcommand is called.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Watcher => "watcher",
            Self::Translator => "translator",
            Self::Pusher => "pusher",
        }
    }
}

/// The block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    first: u16,
}

/// Keeps other demos out of a block while it lasts.
pub(super) struct Claim {
    _last_port: TcpListener,
}

impl Plan {
    /// The block at an offset, or the first free one.
    ///
    /// # Errors
    /// Names the port that is taken, or says that there is no free block.
    pub(super) fn choose(offset: Option<u16>) -> anyhow::Result<(Self, Claim)> {
        if let Some(offset) = offset {
            let last = offset.checked_add(FIRST + BLOCK);
            ensure!(last.is_some(), "--port-offset {offset}: ports up to {} follow, which is too far", FIRST + BLOCK);
            let plan = Self { first: FIRST + offset };
            let claim = plan.claim().map_err(|taken| {
                anyhow::anyhow!(
                    "--port-offset {offset}: port {taken} is taken; leave the flag out to have free ones found"
                )
            })?;
            return Ok((plan, claim));
        }
        let mut blocks = (0..500).map(|block| Self { first: FIRST + block * BLOCK });
        let free = blocks.find_map(|plan| Some((plan, plan.claim().ok()?)));
        free.ok_or_else(|| {
            anyhow::anyhow!("no {BLOCK} free ports in a row from {FIRST} on; choose them with --port-offset")
        })
    }

    /// The claim, or the port that is taken.
    fn claim(self) -> Result<Claim, u16> {
        let bind = |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(|_| port);
        let last = self.first + BLOCK - 1;
        let claim = Claim { _last_port: bind(last)? };
        (self.first..last).try_for_each(|port| bind(port).map(drop))?;
        Ok(claim)
    }

    fn at(self, place: u16) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.first + place))
    }

    pub(super) fn api(self) -> SocketAddr {
        self.at(0)
    }

    /// Where faults are ordered.
    pub(super) fn control(self) -> SocketAddr {
        self.at(40)
    }

    /// gRPC of a service.
    pub(super) fn grpc(self, service: Service, replica: Replica) -> SocketAddr {
        self.at(1 + Self::place(service, replica))
    }

    /// `/readyz` of a service.
    pub(super) fn health(self, service: Service, replica: Replica) -> SocketAddr {
        self.at(4 + Self::place(service, replica))
    }

    /// `/metrics` of a service.
    pub(super) fn metrics(self, service: Service, replica: Replica) -> SocketAddr {
        self.at(7 + Self::place(service, replica))
    }

    fn place(service: Service, replica: Replica) -> u16 {
        service as u16 + 10 * (replica as u16)
    }

    /// Admin API of a gateway, from 1.
    pub(super) fn admin(self, gateway: u16) -> SocketAddr {
        self.at(20 + gateway)
    }

    /// Status listener of a gateway, from 1.
    pub(super) fn status(self, gateway: u16) -> SocketAddr {
        self.at(30 + gateway)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn nobody_shares_a_port() {
        let plan = Plan { first: FIRST };
        let mut all = vec![plan.api(), plan.control()];
        for gateway in 1..=GATEWAYS {
            all.extend([plan.admin(gateway), plan.status(gateway)]);
        }
        for (service, replica) in Service::ALL.into_iter().flat_map(|it| Replica::BOTH.map(|replica| (it, replica))) {
            all.extend([plan.grpc(service, replica), plan.health(service, replica), plan.metrics(service, replica)]);
        }
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
        assert!(all.iter().all(|address| (FIRST..FIRST + BLOCK).contains(&address.port())));
    }

    #[test]
    fn a_port_that_is_taken_is_named_or_gone_around() {
        let (plan, _claim) = Plan::choose(None).unwrap();
        let (other, _other) = Plan::choose(None).unwrap();
        assert_ne!(plan.first, other.first, "a claimed block is given out");
        let refused = Plan::choose(Some(plan.first - FIRST)).err().unwrap().to_string();
        assert!(refused.contains(&format!("port {} is taken", plan.first + BLOCK - 1)), "{refused}");
        assert!(Plan::choose(Some(65_000)).is_err());
    }
}
