//! Flags of the Kong Ingress Controller that have no meaning here, so that its command lines and `CONTROLLER_*`
//! variables keep working: each is ignored with a word, or refused with the reason.

use clap::{Arg, ArgAction, ArgMatches, Command};

/// What becomes of a flag that is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// A line in the log says why it does nothing.
    Ignored,
    /// The process does not start.
    Refused,
}

/// A flag of KIC without a meaning here.
#[derive(Clone, Copy, Debug)]
pub struct KicFlag {
    /// Name without the dashes.
    pub name: &'static str,
    /// What becomes of it.
    pub fate: Fate,
    /// Why, and what to do instead.
    pub why: &'static str,
}

const fn ignored(name: &'static str, why: &'static str) -> KicFlag {
    KicFlag { name, fate: Fate::Ignored, why }
}

const fn refused(name: &'static str, why: &'static str) -> KicFlag {
    KicFlag { name, fate: Fate::Refused, why }
}

const NO_KONNECT: &str = "Silverback does not talk to Konnect; leave it out, or keep KIC for that cluster";
const NO_WEBHOOK_YET: &str = "the admission webhook is not built yet; nothing listens";
const NO_DATABASE: &str = "gateways with a database are not supported; it would have no effect";

/// Every such flag. The table in `docs/flags.md` is made from it.
pub const KIC_FLAGS: &[KicFlag] = &[
    ignored("proxy-sync-seconds", "changes are pushed as they happen, there is no interval"),
    ignored(
        "init-cache-sync-duration",
        "nothing is pushed before everything was listed, so there is nothing to wait for",
    ),
    ignored("cache-sync-timeout", "listing is retried for as long as it takes, and readiness names what is missing"),
    ignored("apiserver-qps", "watches cost the API server next to nothing; its own fairness limits what is asked"),
    ignored("apiserver-burst", "watches cost the API server next to nothing; its own fairness limits what is asked"),
    ignored("sync-period", "objects are watched; a watch that goes silent is replaced"),
    ignored("gateway-discovery-dns-strategy", "it has no effect in KIC either"),
    ignored("kong-admin-init-retries", "a gateway that does not answer is tried for as long as it is there"),
    ignored("kong-admin-init-retry-delay", "a gateway that does not answer is tried again with a growing pause"),
    ignored("kong-admin-filter-tag", NO_DATABASE),
    ignored("kong-admin-concurrency", NO_DATABASE),
    ignored("enable-reverse-sync", "a gateway that was altered by hand is always repaired"),
    ignored("use-last-valid-config-for-fallback", "gateways keep their last good configuration by themselves"),
    ignored("update-status-queue-buffer-size", "status updates are merged per object, there is no queue to size"),
    ignored("anonymous-reports", "Silverback reports nothing to anybody"),
    ignored("profiling", "there is no profiling endpoint"),
    ignored("dump-config", "state is looked into over gRPC: `silverback-translator` serves ListEntities and Explain"),
    ignored(
        "dump-sensitive-config",
        "state is looked into over gRPC: `silverback-translator` serves ListEntities and Explain",
    ),
    ignored("diagnostic-server-port", "state is looked into over gRPC"),
    ignored("metrics-access-filter", "metrics are served to whoever reaches the port; use a NetworkPolicy"),
    ignored("term-delay", "a clean stop hands the lease over at once; give the pod a preStop hook to delay it"),
    ignored("admission-webhook-listen", NO_WEBHOOK_YET),
    ignored("admission-webhook-cert", NO_WEBHOOK_YET),
    ignored("admission-webhook-cert-file", NO_WEBHOOK_YET),
    ignored("admission-webhook-key", NO_WEBHOOK_YET),
    ignored("admission-webhook-key-file", NO_WEBHOOK_YET),
    ignored("update-status", "statuses are not written yet"),
    ignored("emit-kubernetes-events", "Events are not written yet"),
    refused("skip-ca-certificates", "it only makes sense with a database; KIC refuses it without one, too"),
    refused("konnect-sync-enabled", NO_KONNECT),
    refused("konnect-control-plane-id", NO_KONNECT),
    refused("konnect-runtime-group-id", NO_KONNECT),
    refused("konnect-address", NO_KONNECT),
    refused("konnect-tls-client-cert", NO_KONNECT),
    refused("konnect-tls-client-cert-file", NO_KONNECT),
    refused("konnect-tls-client-key", NO_KONNECT),
    refused("konnect-tls-client-key-file", NO_KONNECT),
    refused("konnect-upload-config-period", NO_KONNECT),
    refused("konnect-config-sync-concurrency", NO_KONNECT),
    refused("konnect-refresh-node-period", NO_KONNECT),
    refused("konnect-disable-consumers-sync", NO_KONNECT),
    refused("konnect-licensing-enabled", NO_KONNECT),
    refused("konnect-license-storage-enabled", NO_KONNECT),
    refused("konnect-initial-license-polling-period", NO_KONNECT),
    refused("konnect-license-polling-period", NO_KONNECT),
];

/// The flags of [`KIC_FLAGS`] that were given.
#[derive(Clone, Debug, Default)]
pub struct KicFlags(Vec<KicFlag>);

impl KicFlags {
    /// Logs a line for each.
    pub fn warn(&self) {
        for flag in &self.0 {
            tracing::warn!("--{} is ignored: {}", flag.name, flag.why);
        }
    }
}

/// The variable of a flag, as KIC names it.
pub fn variable(flag: &str) -> String {
    format!("CONTROLLER_{}", flag.to_uppercase().replace('-', "_"))
}

impl clap::Args for KicFlags {
    fn augment_args(command: Command) -> Command {
        KIC_FLAGS.iter().fold(command, |command, flag| {
            command.arg(
                Arg::new(flag.name)
                    .long(flag.name)
                    .env(variable(flag.name))
                    .num_args(0..=1)
                    .default_missing_value("true")
                    .action(ArgAction::Append)
                    .hide(true),
            )
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl clap::FromArgMatches for KicFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = |flag: &&KicFlag| {
            // A switch that is off asks for nothing.
            matches.get_many::<String>(flag.name).is_some_and(|values| values.into_iter().any(|value| value != "false"))
        };
        let given: Vec<KicFlag> = KIC_FLAGS.iter().filter(given).copied().collect();
        match given.iter().find(|flag| flag.fate == Fate::Refused) {
            Some(flag) => Err(clap::Error::raw(
                clap::error::ErrorKind::ValueValidation,
                format!("--{} is refused: {}\n", flag.name, flag.why),
            )),
            None => Ok(Self(given)),
        }
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        flags: KicFlags,
    }

    #[test]
    fn ignored_flags_are_taken_in_every_form() {
        let cli = Cli::try_parse_from(["x", "--proxy-sync-seconds", "1", "--profiling", "--term-delay=3s"]).unwrap();
        assert_eq!(cli.flags.0.len(), 3);
        let off = Cli::try_parse_from(["x", "--anonymous-reports=false", "--konnect-sync-enabled=false"]).unwrap();
        assert!(off.flags.0.is_empty());
    }

    #[test]
    fn refused_flags_name_the_reason() {
        let error = Cli::try_parse_from(["x", "--konnect-sync-enabled"]).unwrap_err().to_string();
        assert!(error.contains("--konnect-sync-enabled") && error.contains("Konnect"), "{error}");
    }

    #[test]
    fn no_flag_is_listed_twice() {
        let mut names: Vec<_> = KIC_FLAGS.iter().map(|flag| flag.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), KIC_FLAGS.len());
    }
}
