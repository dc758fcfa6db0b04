//! `doorward man`: one page with all its commands.

use std::{
    io::{self, Write, stdout},
    process::ExitCode,
};

use clap::Command;
use clap_mangen::Man;

use crate::tell::fail;

pub(crate) fn perform(command: Command) -> ExitCode {
    match page(command).and_then(|page| stdout().write_all(&page)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&format!("cannot write the manual page: {error}")),
    }
}

fn page(command: Command) -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    let whole = Man::new(command.clone());
    whole.render_title(&mut page)?;
    whole.render_name_section(&mut page)?;
    whole.render_synopsis_section(&mut page)?;
    whole.render_description_section(&mut page)?;
    for one in command.get_subcommands().filter(|one| !one.is_hide_set()) {
        let name = format!("doorward {}", one.get_name());
        writeln!(page, ".SH {}", name.to_uppercase())?;
        let more = one.get_after_help().is_some();
        let one = Man::new(one.clone().bin_name(name));
        one.render_synopsis_section(&mut page)?;
        one.render_description_section(&mut page)?;
        one.render_options_section(&mut page)?;
        if more {
            one.render_extra_section(&mut page)?;
        }
    }
    whole.render_version_section(&mut page)?;
    Ok(page)
}
