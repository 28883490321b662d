//! Manual pages: one for `betwixt`, and one for each command with everything beneath it, as people look for it.

use std::io::{self, Write};
use std::path::Path;

use clap::Command;
use clap_mangen::Man;

/// Writes the pages into a directory that exists.
///
/// # Errors
/// What the system says about a file.
pub(crate) fn write(command: Command, directory: &Path) -> io::Result<()> {
    let mut command = command.disable_help_subcommand(true);
    command.build();
    for one in shown(&command) {
        let page = page(one)?;
        std::fs::write(directory.join(Man::new(one.clone()).get_filename()), page)?;
    }
    Man::new(command).generate_to(directory).map(drop)
}

fn shown(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|one| !one.is_hide_set())
}

/// A command's page, with a section for each command beneath it.
fn page(command: &Command) -> io::Result<Vec<u8>> {
    let man = Man::new(command.clone());
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    body(command, &mut page)?;
    beneath(command, &mut page)?;
    Ok(page)
}

fn beneath(command: &Command, page: &mut Vec<u8>) -> io::Result<()> {
    for one in shown(command) {
        let name = one.get_bin_name().unwrap_or_else(|| one.get_name());
        writeln!(page, ".SH \"{}\"", name.to_uppercase())?;
        let mut section = Vec::new();
        body(one, &mut section)?;
        // Its parts are parts of this section.
        for line in section.split_inclusive(|byte| *byte == b'\n') {
            match line.strip_prefix(b".SH ") {
                Some(heading) => page.extend(b".SS ".iter().chain(heading)),
                None => page.extend_from_slice(line),
            }
        }
        beneath(one, page)?;
    }
    Ok(())
}

/// What a command is given, and what it does.
fn body(command: &Command, page: &mut Vec<u8>) -> io::Result<()> {
    let man = Man::new(command.clone());
    man.render_synopsis_section(page)?;
    man.render_description_section(page)?;
    man.render_options_section(page)?;
    if command.get_after_long_help().is_some() || command.get_after_help().is_some() {
        man.render_extra_section(page)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::arguments::Arguments;

    #[test]
    fn every_command_has_a_page_that_names_everything_beneath_it() {
        fn names(command: &Command, found: &mut Vec<String>) {
            for one in shown(command) {
                found.push(one.get_bin_name().expect("is built").to_uppercase());
                names(one, found);
            }
        }
        let directory = tempfile::tempdir().expect("a directory");
        write(Arguments::command(), directory.path()).expect("writes");
        let mut command = Arguments::command().disable_help_subcommand(true);
        command.build();
        let pages = std::fs::read_dir(directory.path()).expect("reads").count();
        assert_eq!(pages, shown(&command).count() + 1);
        for one in shown(&command) {
            let path = directory.path().join(format!("betwixt-{}.1", one.get_name()));
            let page = std::fs::read_to_string(&path).expect("has a page");
            let mut below = Vec::new();
            names(one, &mut below);
            let sections: Vec<&str> =
                page.lines().filter_map(|line| line.strip_prefix(".SH \"")?.strip_suffix('"')).collect();
            assert_eq!(sections, below, "{}", path.display());
        }
    }
}
