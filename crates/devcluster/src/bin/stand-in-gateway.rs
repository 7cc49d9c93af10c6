//! One stand-in gateway in a process of its own, whose Admin API listens where the only argument says, e.g.
//! `0.0.0.0:8001`. It runs until it is killed.

use std::error::Error;

use silverback_devcluster::gateway::{Settings, StandInGateway};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).ok_or("give the address to listen at, e.g. 0.0.0.0:8001")?;
    let admin_addr = address.parse().map_err(|error| format!("{address:?} is no address with a port: {error}"))?;
    let gateway = StandInGateway::start(Settings { admin_addr, ..Settings::default() }).await?;
    println!("{}", gateway.admin_url());
    std::future::pending().await
}
