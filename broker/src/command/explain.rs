//! `doorward explain`.

use std::{io::stdout, net::IpAddr, process::ExitCode};

use clap::Args;
use doorward::audit::Text;
use doorward_policy::Question;

use crate::{
    document::{expansion, load},
    tell::{Paint, fail},
};

/// The policy denies it.
const DENIED: u8 = 1;

/// What `explain` takes.
#[derive(Debug, Args)]
#[command(
    after_help = "OPERATION is open, stat, write, create, delete, device, exec, spawn, connect or unix, or another \
operation of the audit log, such as mkdir or unlink. ARGS are a name, for spawn also the program's \
arguments, for connect `tcp:ADDRESS:PORT`, for unix a path or `@NAME`.\n\n\
The words in `explain` of an audit record can be given as they are.\n\n\
Exit status: 0 allowed, 1 denied, 125 the question or the policy cannot be read."
)]
pub(crate) struct Explain {
    /// A policy file, or `builtin:NAME`.
    #[arg(value_name = "FILE|builtin:NAME")]
    policy: String,
    /// What would be done.
    #[arg(value_name = "OPERATION")]
    operation: String,
    /// What it would be done to.
    #[arg(
        required = true,
        value_name = "ARGS",
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    about: Vec<String>,
}

impl Explain {
    pub(crate) fn perform(&self) -> ExitCode {
        let loaded = match load(&self.policy) {
            Ok(loaded) => loaded,
            Err(errors) => return fail(&errors.to_string()),
        };
        let word = asked(&self.operation);
        let about: Vec<&str> = self.about.iter().map(String::as_str).collect();
        let question = match Question::parse(word, &about, &expansion()) {
            Ok(question) => question,
            Err(text) => return fail(&text),
        };
        let explanation = loaded.policy.explain(&question, &own_addresses());
        let paint = Paint::for_stream(&stdout());
        let allowed = explanation.verdict.is_allow();
        let verdict = if allowed {
            paint.good("allow")
        } else {
            paint.bad("deny")
        };
        let shown = |text: &str| Text::from(text.as_bytes()).shown();
        println!("{verdict}: {word} {}", shown(&about.join(" ")));
        println!("  reason: {}", explanation.reason);
        if let Some(rule) = &explanation.rule {
            println!(
                "  rule: {} = \"{}\" ({}:{}:{})",
                rule.key,
                shown(&rule.text),
                rule.document,
                rule.line,
                rule.column
            );
        }
        println!("  to change it: {}", shown(&explanation.change));
        ExitCode::from(if allowed { 0 } else { DENIED })
    }
}

/// The word of a question that an operation of the audit log asks.
fn asked(operation: &str) -> &str {
    match operation {
        "readlink" | "watch" => "open",
        "access" | "chdir" | "statfs" => "stat",
        "mkdir" | "link" | "symlink" => "create",
        "rmdir" | "unlink" => "delete",
        "chmod" | "chown" | "utimens" | "truncate" | "lock" => "write",
        other => other,
    }
}

/// The addresses of this machine, which only a rule that names one reaches.
fn own_addresses() -> Vec<IpAddr> {
    let Ok(interfaces) = nix::ifaddrs::getifaddrs() else {
        return Vec::new();
    };
    interfaces
        .filter_map(|interface| {
            let address = interface.address?;
            let four = address.as_sockaddr_in().map(|four| IpAddr::V4(four.ip()));
            four.or_else(|| address.as_sockaddr_in6().map(|six| IpAddr::V6(six.ip())))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use doorward_policy::{Expansion, Question};

    use super::asked;

    #[test]
    fn operations_of_the_audit_log_are_questions() {
        for operation in ["readlink", "mkdir", "unlink", "chmod", "statfs", "open"] {
            let word = asked(operation);
            assert!(Question::parse(word, &["/x"], &Expansion::default()).is_ok());
        }
        assert_eq!(asked("fly"), "fly");
    }
}
