//! `doorward doctor`.

use std::{fmt::Write, io::stdout, process::ExitCode};

use clap::Args;
use doorward::layers::{Diagnosis, diagnose};

use crate::{
    self_test,
    tell::{Paint, fail},
};

/// Programs cannot be run here.
const UNUSABLE: u8 = 1;

/// What `doctor` takes.
#[derive(Debug, Args)]
#[command(
    after_help = "Each layer is tried in a child process of its own; nothing is judged by version.\n\n\
Exit status: 0 programs can be run here, 1 a layer that doorward cannot do without is missing; \
with --self-test 0 every attempt was held, 1 one was not."
)]
pub(crate) struct Doctor {
    /// Tell it as JSON.
    #[arg(long)]
    json: bool,
    /// Attack sandboxes on this machine, and look from outside whether they hold.
    #[arg(long)]
    self_test: bool,
}

impl Doctor {
    pub(crate) fn perform(&self) -> ExitCode {
        if self.self_test {
            return self_test::perform(self.json);
        }
        let found = diagnose();
        if self.json {
            match serde_json::to_string_pretty(&found) {
                Ok(text) => println!("{text}"),
                Err(error) => return fail(&format!("cannot write JSON: {error}")),
            }
        } else {
            print!("{}", told(&found, Paint::for_stream(&stdout())));
        }
        ExitCode::from(if found.usable { 0 } else { UNUSABLE })
    }
}

fn told(found: &Diagnosis, paint: Paint) -> String {
    let mut text = String::new();
    let _never = writeln!(
        text,
        "doorward {} on Linux {}, level {}\n\nlayers",
        found.version, found.kernel, found.level
    );
    for layer in &found.layers {
        let mark = if layer.held {
            paint.good("yes")
        } else {
            paint.bad("no ")
        };
        let found = layer.found.as_deref().unwrap_or_default();
        let line = format!("  {mark}  {:<20}{found}", layer.name);
        let _never = writeln!(text, "{}", line.trim_end());
        for (word, told) in [("needs", &layer.needs), ("lost", &layer.lost)] {
            if let Some(told) = told {
                let _never = writeln!(text, "         {word}: {told}");
            }
        }
    }
    let _never = writeln!(text, "\nlimits");
    for limit in &found.limits {
        let mark = if limit.exact {
            paint.good("exact")
        } else {
            paint.notice("loose")
        };
        let _never = writeln!(text, "  {mark}  {:<20}{}", limit.name, limit.by);
    }
    let verdict = if found.usable {
        paint.good("programs can be run here")
    } else {
        paint.bad("programs cannot be run here: see the layers marked no")
    };
    let _never = writeln!(text, "\n{verdict}");
    text
}
