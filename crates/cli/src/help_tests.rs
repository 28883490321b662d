//! The help of every verb, as a newcomer reads it.

use clap::CommandFactory;

use crate::arguments::Arguments;

/// The help of the command that these words name.
fn help(words: &[&str]) -> String {
    let mut command = Arguments::command().term_width(100);
    command.build();
    let found = words.iter().fold(&mut command, |command, word| command.find_subcommand_mut(word).expect("a verb"));
    let text = found.render_long_help().to_string();
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines.join("\n")
}

#[test]
fn every_verb_has_its_help_here() {
    fn count(command: &clap::Command) -> usize {
        command.get_subcommands().map(|verb| 1 + count(verb)).sum()
    }
    let here = include_str!("help_tests.rs").matches("assert_snapshot!(help(").count();
    // This line and the command itself are counted, too.
    assert_eq!(here - 2, count(&Arguments::command()), "a verb came or went: its help belongs here");
}

#[test]
fn no_office_language_and_nothing_that_shames() {
    fn all(command: &mut clap::Command, texts: &mut Vec<String>) {
        texts.push(command.render_long_help().to_string().to_lowercase());
        for verb in command.get_subcommands_mut() {
            all(verb, texts);
        }
    }
    let mut texts = Vec::new();
    all(&mut Arguments::command(), &mut texts);
    for word in ["overdue", "failed", "conflict", "score", "streak", "stakeholder", "deliverable", "task", "missed"] {
        assert!(!texts.iter().any(|text| text.contains(word)), "the help says {word:?}");
    }
}

#[test]
fn betwixt() {
    insta::assert_snapshot!(help(&[]), @r"
    Betwixt keeps what two people build together (a vision, values, goals, reflections) on both their
    devices.

    Each device holds everything and works alone. When both are on the same network they find each other
    and merge; there is no server and no account. What you each wrote apart stands side by side until
    you settle it together: nobody's words win by themselves.

    Begin with `betwixt init`, write something, and pair with your partner's device when you like. Or
    look at `betwixt demo` first: it plays through all of it in a minute.

    Usage: betwixt [OPTIONS] <COMMAND>

    Commands:
      init         Make a home on this device
      up           Start Betwixt in this terminal, or in the background
      down         Stop Betwixt on this device. Nothing is lost; the other device sees you as offline
      status       Show how things are: whose home it is, which devices are connected, what waits
      unlock       Open the home with its passphrase
      lock         Close the home: its keys are forgotten until the next `betwixt unlock`
      pause        Go quiet: close all connections and make none, until `betwixt resume`. It looks like
                   being offline
      resume       End a pause
      pair         Pair with your partner's device, or with another device of your own. Be in the same
                   room
      devices      List every device that holds what you share
      peer         Say where the other device is, where it is not found by itself
      here         Be found on this network for ten minutes, when away from home
      sync         Meet the other devices now, and say what came of it
      doctor       Look for what keeps things from working, and say how to mend it
      vision       The vision that you share: a compass to come back to, not a contract
      value        What matters to you both, and what it means
      goal         Goals, why each of you wants them, and milestones on the way
      reflect      Write a reflection
      thanks       Say thanks for something
      journal      Write in your journal. It is private: it never leaves your own devices
      bring        Bring what you wrote in private over to what you share
      differences  Show where you said different things, and what waits for an answer
      settle       Settle a difference: take the other's version, or say a new one
      history      Show everything that was ever said about something
      verify       Read and check everything on disk
      backup       Write a backup. It is encrypted as the home is, and opens with its passphrase
      restore      Put a backup in place of what the home holds now, which is kept aside
      demo         Play through it: two homes, edits apart, meeting, and settling a difference
      help         Print this message or the help of the given subcommand(s)

    Options:
          --json
              Print JSON for programs instead of text for people

      -h, --help
              Print help (see a summary with '-h')

      -V, --version
              Print version

    Exit codes (stable):
      0  done                             6  a value was not accepted
      1  something else went wrong        7  the disk refused, or holds something damaged
      2  the command was not understood   8  the daemon cannot be reached or started
      3  locked, or another passphrase    9  no home or partner yet, or one already
      4  nothing, or not one, by that id  10 pairing did not happen
      5  it was changed meanwhile         11 a check found something

    BETWIXT_HOME sets the directory in which everything is kept.
    ");
}

#[test]
fn init() {
    insta::assert_snapshot!(help(&["init"]), @r#"
    Make a home on this device.

    Asks for your name and a passphrase. Everything is encrypted with it on this device; it is never
    sent anywhere.

    Usage: betwixt init [OPTIONS]

    Options:
          --json
              Print JSON for programs instead of text for people

          --name <NAME>
              The name that you go by; your partner will see it

          --device <DEVICE>
              What to call this device, such as "Robin's laptop"

          --passphrase-file <PATH>
              Read the passphrase from this file's first line instead of asking

      -h, --help
              Print help (see a summary with '-h')

    Example:
      betwixt init --name Robin
    "#);
}

#[test]
fn up() {
    insta::assert_snapshot!(help(&["up"]), @r"
    Start Betwixt in this terminal, or in the background.

    Other commands start it by themselves when they need it.

    Usage: betwixt up [OPTIONS]

    Options:
          --detach
              Go to the background once it answers

          --json
              Print JSON for programs instead of text for people

          --listen <ADDRESS>
              Listen at this address and port only, such as 192.168.1.20:4711 (port 0: any free one)

          --no-discovery
              Neither look for other devices on the network nor be found; addresses set by hand still
              work

      -h, --help
              Print help (see a summary with '-h')

    Examples:
      betwixt up            stay in this terminal until Ctrl-C
      betwixt up --detach   go to the background
    ");
}

#[test]
fn down() {
    insta::assert_snapshot!(help(&["down"]), @r"
    Stop Betwixt on this device. Nothing is lost; the other device sees you as offline

    Usage: betwixt down [OPTIONS]

    Options:
          --json
              Print JSON for programs instead of text for people

      -h, --help
              Print help
    ");
}

#[test]
fn status() {
    insta::assert_snapshot!(help(&["status"]), @r"
    Show how things are: whose home it is, which devices are connected, what waits

    Usage: betwixt status [OPTIONS]

    Options:
          --json
              Print JSON for programs instead of text for people

      -h, --help
              Print help
    ");
}

#[test]
fn unlock() {
    insta::assert_snapshot!(help(&["unlock"]), @r"
    Open the home with its passphrase

    Usage: betwixt unlock [OPTIONS]

    Options:
          --json
              Print JSON for programs instead of text for people

          --passphrase-file <PATH>
              Read the passphrase from this file's first line instead of asking

      -h, --help
              Print help
    ");
}

#[test]
fn lock() {
    insta::assert_snapshot!(help(&["lock"]), @r"
    Close the home: its keys are forgotten until the next `betwixt unlock`

    Usage: betwixt lock [OPTIONS]

    Options:
          --json
              Print JSON for programs instead of text for people

      -h, --help
              Print help
    ");
}

#[test]
fn pause() {
    insta::assert_snapshot!(help(&["pause"]), @r"
    Go quiet: close all connections and make none, until `betwixt resume`. It looks like being offline

    Usage: betwixt pause [OPTIONS]

    Options:
          --json
              Print JSON for programs instead of text for people

      -h, --help
              Print help
    ");
}

#[test]
fn resume() {
    insta::assert_snapshot!(help(&["resume"]), @r"
    End a pause

    Usage: betwixt resume [OPTIONS]

    Options:
          --json
              Print JSON for programs instead of text for people

      -h, --help
              Print help
    ");
}

#[test]
fn pair() {
    insta::assert_snapshot!(help(&["pair"]), @r"
    Pair with your partner's device, or with another device of your own. Be in the same room.

    One of you runs `betwixt pair`, which shows a code. The other runs `betwixt pair --enter` and types
    it. Both are asked whether it is right. What you wrote before stays private until you bring it over.

    Usage: betwixt pair [OPTIONS]

    Options:
          --enter
              Type the code that the other device shows

          --json
              Print JSON for programs instead of text for people

          --own-device
              The other device is your own: it will hold your private pages, too

          --at <ADDRESS>
              Where the other device is, where it is not found by itself

          --passphrase-file <PATH>
              Read the passphrase from this file's first line instead of asking

      -h, --help
              Print help (see a summary with '-h')

    Examples:
      betwixt pair           show a code
      betwixt pair --enter   type the code that the other device shows
    ");
}

#[test]
fn devices() {
    insta::assert_snapshot!(help(&["devices"]), @r"
    List every device that holds what you share

    Usage: betwixt devices [OPTIONS]

    Options:
          --json
              Print JSON for programs instead of text for people

      -h, --help
              Print help
    ");
}

#[test]
fn peer() {
    insta::assert_snapshot!(help(&["peer"]), @r"
    Say where the other device is, where it is not found by itself

    Usage: betwixt peer [OPTIONS] <COMMAND>

    Commands:
      add     Add an address: numbers and a port, such as 192.168.1.20:4711
      list    List the addresses that are known
      remove  Forget an address
      help    Print this message or the help of the given subcommand(s)

    Options:
          --json
              Print JSON for programs instead of text for people

      -h, --help
              Print help
    ");
}

#[test]
fn peer_add() {
    insta::assert_snapshot!(help(&["peer", "add"]), @r"
    Add an address: numbers and a port, such as 192.168.1.20:4711

    Usage: betwixt peer add [OPTIONS] <ADDRESS>

    Arguments:
      <ADDRESS>
              As `betwixt status` on the other device shows it

    Options:
          --json
              Print JSON for programs instead of text for people

      -h, --help
              Print help
    ");
}

#[test]
fn peer_list() {
    insta::assert_snapshot!(help(&["peer", "list"]), @r"
    List the addresses that are known

    Usage: betwixt peer list [OPTIONS]

    Options:
          --json
              Print JSON for programs instead of text for people

      -h, --help
              Print help
    ");
}

#[test]
fn peer_remove() {
    insta::assert_snapshot!(help(&["peer", "remove"]), @r"
    Forget an address

    Usage: betwixt peer remove [OPTIONS] <ADDRESS>

    Arguments:
      <ADDRESS>
              As listed

    Options:
          --json
              Print JSON for programs instead of text for people

      -h, --help
              Print help
    ");
}

#[test]
fn here() {
    insta::assert_snapshot!(help(&["here"]), @r"
    Be found on this network for ten minutes, when away from home

    Usage: betwixt here [OPTIONS]

    Options:
          --json
              Print JSON for programs instead of text for people

      -h, --help
              Print help
    ");
}

#[test]
fn sync() {
    insta::assert_snapshot!(help(&["sync"]), @r"
    Meet the other devices now, and say what came of it

    Usage: betwixt sync [OPTIONS]

    Options:
          --json
              Print JSON for programs instead of text for people

      -h, --help
              Print help
    ");
}

#[test]
fn doctor() {
    insta::assert_snapshot!(help(&["doctor"]), @r"
    Look for what keeps things from working, and say how to mend it

    Usage: betwixt doctor [OPTIONS]

    Options:
          --json
              Print JSON for programs instead of text for people

      -h, --help
              Print help
    ");
}

#[test]
fn vision() {
    insta::assert_snapshot!(help(&["vision"]), @r"
    The vision that you share: a compass to come back to, not a contract

    Usage: betwixt vision [OPTIONS] <COMMAND>

    Commands:
      show     Show the draft, and the wording that you each stand by
      edit     Work on the draft
      propose  Propose the draft, as it is now, as the wording to agree on
      agree    Agree to the wording that your partner proposed
      help     Print this message or the help of the given subcommand(s)

    Options:
          --json
              Print JSON for programs instead of text for people

      -h, --help
              Print help
    ");
}

#[test]
fn vision_show() {
    insta::assert_snapshot!(help(&["vision", "show"]), @r"
    Show the draft, and the wording that you each stand by

    Usage: betwixt vision show [OPTIONS]

    Options:
          --json
              Print JSON for programs instead of text for people

          --mine
              The private one, also when there is a shared one

      -h, --help
              Print help
    ");
}

#[test]
fn vision_edit() {
    insta::assert_snapshot!(help(&["vision", "edit"]), @r"
    Work on the draft

    Usage: betwixt vision edit [OPTIONS] [TEXT]

    Arguments:
      [TEXT]
              The text; `-` reads it from standard input; without it your editor opens

    Options:
          --json
              Print JSON for programs instead of text for people

          --mine
              The private one, also when there is a shared one

      -h, --help
              Print help
    ");
}

#[test]
fn vision_propose() {
    insta::assert_snapshot!(help(&["vision", "propose"]), @r"
    Propose the draft, as it is now, as the wording to agree on

    Usage: betwixt vision propose [OPTIONS]

    Options:
          --json
              Print JSON for programs instead of text for people

      -h, --help
              Print help
    ");
}

#[test]
fn vision_agree() {
    insta::assert_snapshot!(help(&["vision", "agree"]), @r"
    Agree to the wording that your partner proposed

    Usage: betwixt vision agree [OPTIONS]

    Options:
          --json
              Print JSON for programs instead of text for people

      -h, --help
              Print help
    ");
}

#[test]
fn value() {
    insta::assert_snapshot!(help(&["value"]), @r"
    What matters to you both, and what it means

    Usage: betwixt value [OPTIONS] <COMMAND>

    Commands:
      add      Name a value
      list     List the values
      show     Show a value
      set      Change a field of a value, such as its title
      draft    Work on the draft of what it means
      propose  Propose the draft, as it is now, as the wording to agree on
      agree    Agree to the wording that your partner proposed
      help     Print this message or the help of the given subcommand(s)

    Options:
          --json
              Print JSON for programs instead of text for people

      -h, --help
              Print help
    ");
}

#[test]
fn value_add() {
    insta::assert_snapshot!(help(&["value", "add"]), @r#"
    Name a value

    Usage: betwixt value add [OPTIONS] <TITLE>

    Arguments:
      <TITLE>
              Its name, such as "Patience"

    Options:
          --json
              Print JSON for programs instead of text for people

          --mine
              Keep it private for now

      -h, --help
              Print help
    "#);
}

#[test]
fn value_list() {
    insta::assert_snapshot!(help(&["value", "list"]), @r"
    List the values

    Usage: betwixt value list [OPTIONS]

    Options:
          --json
              Print JSON for programs instead of text for people

      -h, --help
              Print help
    ");
}

#[test]
fn value_show() {
    insta::assert_snapshot!(help(&["value", "show"]), @r"
    Show a value

    Usage: betwixt value show [OPTIONS] <ID>

    Arguments:
      <ID>
              The beginning of its id

    Options:
          --json
              Print JSON for programs instead of text for people

      -h, --help
              Print help
    ");
}

#[test]
fn value_set() {
    insta::assert_snapshot!(help(&["value", "set"]), @r"
    Change a field of a value, such as its title

    Usage: betwixt value set [OPTIONS] <ID> <FIELD> [TEXT]

    Arguments:
      <ID>
              The beginning of its id

      <FIELD>
              The field

      [TEXT]
              The text; `-` reads it from standard input; without it your editor opens

    Options:
          --json
              Print JSON for programs instead of text for people

      -h, --help
              Print help
    ");
}

#[test]
fn value_draft() {
    insta::assert_snapshot!(help(&["value", "draft"]), @r"
    Work on the draft of what it means

    Usage: betwixt value draft [OPTIONS] <ID> [TEXT]

    Arguments:
      <ID>
              The beginning of its id

      [TEXT]
              The text; `-` reads it from standard input; without it your editor opens

    Options:
          --json
              Print JSON for programs instead of text for people

      -h, --help
              Print help
    ");
}

#[test]
fn value_propose() {
    insta::assert_snapshot!(help(&["value", "propose"]), @r"
    Propose the draft, as it is now, as the wording to agree on

    Usage: betwixt value propose [OPTIONS] <ID>

    Arguments:
      <ID>
              The beginning of its id

    Options:
          --json
              Print JSON for programs instead of text for people

      -h, --help
              Print help
    ");
}

#[test]
fn value_agree() {
    insta::assert_snapshot!(help(&["value", "agree"]), @r"
    Agree to the wording that your partner proposed

    Usage: betwixt value agree [OPTIONS] <ID>

    Arguments:
      <ID>
              The beginning of its id

    Options:
          --json
              Print JSON for programs instead of text for people

      -h, --help
              Print help
    ");
}

#[test]
fn goal() {
    insta::assert_snapshot!(help(&["goal"]), @r"
    Goals, why each of you wants them, and milestones on the way

    Usage: betwixt goal [OPTIONS] <COMMAND>

    Commands:
      add        Name a goal
      list       List the goals
      show       Show a goal with its milestones
      set        Change a field: title, why, area, state, from, until, draft
      propose    Propose the goal's draft, as it is now, as the wording to agree on
      agree      Agree to the wording that your partner proposed
      milestone  Add a milestone: something done, something counted, or a sum
      log        Add to a milestone. What you each add apart is summed
      help       Print this message or the help of the given subcommand(s)

    Options:
          --json
              Print JSON for programs instead of text for people

      -h, --help
              Print help
    ");
}

#[test]
fn goal_add() {
    insta::assert_snapshot!(help(&["goal", "add"]), @r#"
    Name a goal

    Usage: betwixt goal add [OPTIONS] <TITLE>

    Arguments:
      <TITLE>
              Its title

    Options:
          --json
              Print JSON for programs instead of text for people

          --why <WHY>
              Why you want it. Your partner has a why of their own

          --area <AREA>
              The part of life that it belongs to, such as "home"

          --from <DATE>
              The first day of its time, YYYY-MM-DD. Leave it open if you like

          --until <DATE>
              The last day of its time, YYYY-MM-DD

          --mine
              Keep it private for now

      -h, --help
              Print help

    Example:
      betwixt goal add "Cycle along the coast" --why "To be outside together" --until 2027-09-01
    "#);
}

#[test]
fn goal_list() {
    insta::assert_snapshot!(help(&["goal", "list"]), @r"
    List the goals

    Usage: betwixt goal list [OPTIONS]

    Options:
          --json
              Print JSON for programs instead of text for people

      -h, --help
              Print help
    ");
}

#[test]
fn goal_show() {
    insta::assert_snapshot!(help(&["goal", "show"]), @r"
    Show a goal with its milestones

    Usage: betwixt goal show [OPTIONS] <ID>

    Arguments:
      <ID>
              The beginning of its id

    Options:
          --json
              Print JSON for programs instead of text for people

      -h, --help
              Print help
    ");
}

#[test]
fn goal_set() {
    insta::assert_snapshot!(help(&["goal", "set"]), @r"
    Change a field: title, why, area, state, from, until, draft

    Usage: betwixt goal set [OPTIONS] <ID> <FIELD> [TEXT]

    Arguments:
      <ID>
              The beginning of its id

      <FIELD>
              The field

      [TEXT]
              The text; `-` reads it from standard input; without it your editor opens

    Options:
          --json
              Print JSON for programs instead of text for people

      -h, --help
              Print help

    Examples:
      betwixt goal set k3j4 until 2027-09-01
      betwixt goal set k3j4 state agreed
      betwixt goal set k3j4 why        write it in your editor
    ");
}

#[test]
fn goal_propose() {
    insta::assert_snapshot!(help(&["goal", "propose"]), @r"
    Propose the goal's draft, as it is now, as the wording to agree on

    Usage: betwixt goal propose [OPTIONS] <ID>

    Arguments:
      <ID>
              The beginning of its id

    Options:
          --json
              Print JSON for programs instead of text for people

      -h, --help
              Print help
    ");
}

#[test]
fn goal_agree() {
    insta::assert_snapshot!(help(&["goal", "agree"]), @r"
    Agree to the wording that your partner proposed

    Usage: betwixt goal agree [OPTIONS] <ID>

    Arguments:
      <ID>
              The beginning of its id

    Options:
          --json
              Print JSON for programs instead of text for people

      -h, --help
              Print help
    ");
}

#[test]
fn goal_milestone() {
    insta::assert_snapshot!(help(&["goal", "milestone"]), @r#"
    Add a milestone: something done, something counted, or a sum

    Usage: betwixt goal milestone [OPTIONS] <GOAL> <TITLE>

    Arguments:
      <GOAL>
              The beginning of the goal's id

      <TITLE>
              Its title

    Options:
          --count <NUMBER>
              How many, for something counted

          --json
              Print JSON for programs instead of text for people

          --amount <AMOUNT>
              How much, for a sum, with as many decimals as are to be kept

          --unit <UNIT>
              What is counted, or the currency

      -h, --help
              Print help

    Examples:
      betwixt goal milestone k3j4 "Book the ferry"
      betwixt goal milestone k3j4 "Train together" --count 12 --unit rides
      betwixt goal milestone k3j4 "Travel money" --amount 800.00 --unit EUR
    "#);
}

#[test]
fn goal_log() {
    insta::assert_snapshot!(help(&["goal", "log"]), @r#"
    Add to a milestone. What you each add apart is summed

    Usage: betwixt goal log [OPTIONS] <MILESTONE> [AMOUNT]

    Arguments:
      <MILESTONE>
              The beginning of the milestone's id, as `betwixt goal show` lists it

      [AMOUNT]
              How much; below zero takes back

    Options:
          --json
              Print JSON for programs instead of text for people

          --note <NOTE>
              A word about it

      -h, --help
              Print help

    Examples:
      betwixt goal log m7d2              it is done
      betwixt goal log m7d2 2            two more
      betwixt goal log m7d2 20.50 --note "sold the old tent"
    "#);
}

#[test]
fn reflect() {
    insta::assert_snapshot!(help(&["reflect"]), @r#"
    Write a reflection

    Usage: betwixt reflect [OPTIONS] [TEXT]

    Arguments:
      [TEXT]
              The text; `-` reads it from standard input; without it your editor opens

    Options:
          --json
              Print JSON for programs instead of text for people

          --prompt <PROMPT>
              The question that it answers

          --mine
              Keep it private for now

          --list
              Read what there is instead

      -h, --help
              Print help

    Examples:
      betwixt reflect                        write in your editor
      betwixt reflect "A good week"          say it here
      betwixt reflect --prompt "What gave you energy this month?"
      betwixt reflect --list                 read what there is
    "#);
}

#[test]
fn thanks() {
    insta::assert_snapshot!(help(&["thanks"]), @r#"
    Say thanks for something

    Usage: betwixt thanks [OPTIONS] [TEXT]

    Arguments:
      [TEXT]
              The text; `-` reads it from standard input; without it your editor opens

    Options:
          --json
              Print JSON for programs instead of text for people

          --showed <SHOWED>
              What it showed

          --value <ID>
              The beginning of the id of the value that it lives

          --list
              Read what there is instead

      -h, --help
              Print help

    Examples:
      betwixt thanks "You made tea when I came home late"
      betwixt thanks --list
    "#);
}

#[test]
fn journal() {
    insta::assert_snapshot!(help(&["journal"]), @r#"
    Write in your journal. It is private: it never leaves your own devices

    Usage: betwixt journal [OPTIONS] [TEXT]

    Arguments:
      [TEXT]
              The text; `-` reads it from standard input; without it your editor opens

    Options:
          --json
              Print JSON for programs instead of text for people

          --title <TITLE>
              A title

          --list
              Read what there is instead

      -h, --help
              Print help

    Examples:
      betwixt journal "Slept badly, and yet a good day"
      betwixt journal --list
    "#);
}

#[test]
fn bring() {
    insta::assert_snapshot!(help(&["bring"]), @r"
    Bring what you wrote in private over to what you share.

    Without anything said, lists what could be brought. Bringing twice is harmless.

    Usage: betwixt bring [OPTIONS] [ITEMS]...

    Arguments:
      [ITEMS]...
              What to bring: beginnings of ids

    Options:
          --all
              Everything but the journal

          --json
              Print JSON for programs instead of text for people

      -h, --help
              Print help (see a summary with '-h')

    Examples:
      betwixt bring            see what there is
      betwixt bring k3j4 x9p2   bring these
      betwixt bring --all      bring everything but the journal
    ");
}

#[test]
fn differences() {
    insta::assert_snapshot!(help(&["differences"]), @r"
    Show where you said different things, and what waits for an answer

    Usage: betwixt differences [OPTIONS]

    Options:
          --json
              Print JSON for programs instead of text for people

      -h, --help
              Print help
    ");
}

#[test]
fn settle() {
    insta::assert_snapshot!(help(&["settle"]), @r"
    Settle a difference: take the other's version, or say a new one.

    It is settled when you both say the same. Nothing that was said is lost: it stays in the item's
    history.

    Usage: betwixt settle [OPTIONS] <--take [<NUMBER>]|--say <TEXT>> <ITEM> <FIELD>

    Arguments:
      <ITEM>
              The beginning of the item's id, or `vision`

      <FIELD>
              The field, as `betwixt differences` names it

    Options:
          --json
              Print JSON for programs instead of text for people

          --take [<NUMBER>]
              Take the other's version; where there are several, the one of this number in `betwixt
              differences`

          --say <TEXT>
              Say a version of your own; `-` reads it from standard input

      -h, --help
              Print help (see a summary with '-h')

    Examples:
      betwixt settle vision draft --take
      betwixt settle k3j4 until --say 2027-07-01
      betwixt settle k3j4 title --say -   read it from standard input
    ");
}

#[test]
fn history() {
    insta::assert_snapshot!(help(&["history"]), @r"
    Show everything that was ever said about something

    Usage: betwixt history [OPTIONS] <ITEM>

    Arguments:
      <ITEM>
              The beginning of its id, or `vision`

    Options:
          --json
              Print JSON for programs instead of text for people

      -h, --help
              Print help

    Examples:
      betwixt history vision
      betwixt history k3j4
    ");
}

#[test]
fn verify() {
    insta::assert_snapshot!(help(&["verify"]), @r"
    Read and check everything on disk

    Usage: betwixt verify [OPTIONS]

    Options:
          --json
              Print JSON for programs instead of text for people

      -h, --help
              Print help
    ");
}

#[test]
fn backup() {
    insta::assert_snapshot!(help(&["backup"]), @r"
    Write a backup. It is encrypted as the home is, and opens with its passphrase

    Usage: betwixt backup [OPTIONS] [PATH]

    Arguments:
      [PATH]
              A file that does not exist yet; without one the backup goes into the home

    Options:
          --json
              Print JSON for programs instead of text for people

          --list
              List the backups in the home instead

      -h, --help
              Print help
    ");
}

#[test]
fn restore() {
    insta::assert_snapshot!(help(&["restore"]), @r"
    Put a backup in place of what the home holds now, which is kept aside

    Usage: betwixt restore [OPTIONS] <PATH>

    Arguments:
      <PATH>
              The backup

    Options:
          --json
              Print JSON for programs instead of text for people

      -h, --help
              Print help
    ");
}

#[test]
fn demo() {
    insta::assert_snapshot!(help(&["demo"]), @r"
    Play through it: two homes, edits apart, meeting, and settling a difference.

    Runs two daemons on this machine with homes in a temporary directory, which stay usable until
    Ctrl-C.

    Usage: betwixt demo [OPTIONS]

    Options:
          --exit
              End at once, with an exit code that says whether all went as it should

          --json
              Print JSON for programs instead of text for people

      -h, --help
              Print help (see a summary with '-h')
    ");
}
