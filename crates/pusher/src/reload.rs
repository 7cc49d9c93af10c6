//! Reads again what the way to gateways needs from files (authorities, certificates, keys, the token), so that
//! rotating them takes no restart. Files are compared by content: a mounted Secret is swapped through links, and what
//! cannot be used yet, such as a new certificate whose key is still to come, is looked at again.

use std::time::Duration;

use silverback_gateway::{ClientSettings, Connector};
use tokio::sync::watch;

/// How often the files are read.
pub(crate) const EVERY: Duration = Duration::from_secs(2);

/// Follows the files until dropped. `read` gives the settings as they are now.
pub(crate) async fn run(
    every: Duration,
    read: impl Fn() -> anyhow::Result<ClientSettings>,
    connectors: watch::Sender<Connector>,
) {
    let mut held = read().ok();
    let mut trouble = String::new();
    loop {
        tokio::time::sleep(every).await;
        let next = read().and_then(|settings| {
            let connector = (held.as_ref() != Some(&settings)).then(|| Connector::new(settings.clone())).transpose()?;
            Ok((settings, connector))
        });
        match next {
            Ok((settings, Some(connector))) => {
                tracing::info!("the certificates or the token for gateways changed; requests go by the new ones");
                held = Some(settings);
                connectors.send_replace(connector);
                trouble.clear();
            }
            Ok((_, None)) => trouble.clear(),
            Err(error) => {
                let error = format!("{error:#}");
                if error != trouble {
                    tracing::warn!("{error}; what was read before stays in use");
                }
                trouble = error;
            }
        }
    }
}
