//! The switches `--enable-controller-…`: which kinds of the registry are watched. Each is on unless it says `false`.

use clap::{Arg, ArgAction, ArgMatches, Command};
use silverback_resources::registry::{self, Kind};
use silverback_service::kic_flags::variable;

/// The kinds that are switched off, as flags.
#[derive(Clone, Debug, Default)]
pub struct KindSwitches {
    off: Vec<String>,
}

impl KindSwitches {
    /// The kinds that are watched.
    pub fn kinds(&self) -> Vec<&'static Kind> {
        let on = |kind: &&Kind| !kind.switches.iter().any(|switch| self.off.iter().any(|off| off == switch));
        registry::KINDS.iter().filter(on).collect()
    }
}

fn flags() -> Vec<&'static str> {
    let mut flags: Vec<_> = registry::KINDS.iter().flat_map(|kind| kind.switches).copied().collect();
    flags.sort_unstable();
    flags.dedup();
    flags
}

impl clap::Args for KindSwitches {
    fn augment_args(command: Command) -> Command {
        flags().into_iter().fold(command, |command, flag| {
            command.arg(
                Arg::new(flag)
                    .long(flag)
                    .env(variable(flag))
                    .value_parser(clap::value_parser!(bool))
                    .num_args(0..=1)
                    .require_equals(true)
                    .default_value("true")
                    .default_missing_value("true")
                    .action(ArgAction::Set)
                    .hide(true),
            )
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl clap::FromArgMatches for KindSwitches {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let off = |flag: &&str| matches.get_one::<bool>(flag) == Some(&false);
        Ok(Self { off: flags().into_iter().filter(off).map(str::to_owned).collect() })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
