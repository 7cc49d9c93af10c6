//! The table of the Kong Ingress Controller's flags, made from the flags themselves, so that it cannot be wrong.

use std::fmt::Write as _;

use clap::Command;
use silverback_service::kic_flags::{Fate, KIC_FLAGS, variable};

/// The table as Markdown.
pub(crate) fn markdown(cli: &Command) -> String {
    let mut rows: Vec<(String, &str, String)> = KIC_FLAGS
        .iter()
        .map(|flag| {
            let fate = match flag.fate {
                Fate::Ignored => "ignored, with a line in the log",
                Fate::Refused => "refused",
            };
            (flag.name.to_owned(), fate, flag.why.to_owned())
        })
        .collect();
    let run = cli.find_subcommand("run");
    for argument in run.into_iter().flat_map(Command::get_arguments) {
        let (Some(name), Some(env)) = (argument.get_long(), argument.get_env()) else { continue };
        let env = env.to_string_lossy();
        if env != variable(name).as_str() || KIC_FLAGS.iter().any(|flag| flag.name == name) {
            continue;
        }
        let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
        rows.push((name.to_owned(), "has its meaning", help));
    }
    rows.sort();
    let mut text = String::from(
        "# Flags\n\nEvery flag of `silverback run` and of the Kong Ingress Controller, each with the variable that sets it\n\
         (`--log-level` is `CONTROLLER_LOG_LEVEL`). A flag on the command line wins over its variable.\n\
         This page is made by `silverback kic-flags`; a test keeps it true.\n\n| Flag | Here | |\n|---|---|---|\n",
    );
    for (name, fate, why) in rows {
        let _ = writeln!(text, "| `--{name}` | {fate} | {} |", why.replace('|', "\\|").replace('\n', " "));
    }
    text
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    /// Bless with `BLESS=1`.
    #[test]
    fn the_committed_table_is_true() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/flags.md");
        let now = super::markdown(&crate::Cli::command());
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(path, &now).unwrap();
        }
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(committed == now, "docs/flags.md is out of date: run `silverback kic-flags > docs/flags.md`");
    }

    #[test]
    fn every_flag_has_its_variable() {
        let cli = crate::Cli::command();
        let shown = cli.find_subcommand("run").unwrap().get_arguments().filter(|argument| !argument.is_hide_set());
        for argument in shown {
            let Some(name) = argument.get_long().filter(|name| *name != "help") else { continue };
            let env = argument.get_env().unwrap_or_else(|| panic!("--{name} has no variable"));
            let expected = silverback_service::kic_flags::variable(name);
            assert!(env == expected.as_str() || name == "otlp-endpoint", "--{name} has {env:?}");
        }
    }
}
