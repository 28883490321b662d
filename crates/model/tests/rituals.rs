//! Rituals as a couple lives them: two people with a schedule, marks made apart, clocks that change.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use betwixt_model::ids::{ItemId, PartnerId};
use betwixt_model::ritual::{Calendar, Irregular, Occurrence, Schedule, Status, Window, calendar};
use betwixt_model::schema;
use betwixt_model::view::{self, State};
use jiff::civil::Date;
use serde_json::{Value, json};
use support::partner;
use support::replica::Replica;

fn day(text: &str) -> Date {
    text.parse().unwrap()
}

fn weekly() -> Value {
    json!({ "start": "2027-01-03T19:00", "zone": "Europe/Berlin", "rule": "FREQ=WEEKLY;BYDAY=SU", "minutes": 90 })
}

fn partners() -> [PartnerId; 2] {
    [partner(false), partner(true)]
}

/// Both have agreed to the cadence.
fn with_cadence(cadence: &Value) -> (Replica, Replica, ItemId) {
    let (mut one, mut other) = Replica::couple();
    let ritual = one.say(None, "ritual", "title", json!("Sunday talk"));
    one.say(Some(ritual), "ritual", "cadence", cadence.clone());
    one.meet(&mut other);
    other.say(Some(ritual), "ritual", "cadence", cadence.clone());
    one.meet(&mut other);
    (one, other, ritual)
}

fn look(replica: &Replica, ritual: &ItemId, from: &str, to: &str) -> Calendar {
    let window = Window { from: day(from), to: day(to), zone: None, today: day(from) };
    let ritual = replica.view(ritual).unwrap();
    calendar(&replica.rows, &replica.reader(), &partners(), &ritual, &window).unwrap().unwrap()
}

fn dates(calendar: &Calendar) -> Vec<String> {
    calendar.occurrences.iter().map(|occurrence| occurrence.date.to_string()).collect()
}

fn one_of<'a>(calendar: &'a Calendar, date: &str) -> &'a Occurrence {
    calendar.occurrences.iter().find(|occurrence| occurrence.date == day(date)).unwrap()
}

fn mark(ritual: &ItemId, date: &str, is: &str) -> Value {
    json!({ "ritual": ritual, "date": date, "is": is })
}

fn moved(ritual: &ItemId, date: &str, to: &str) -> Value {
    json!({ "ritual": ritual, "date": date, "to": to })
}

fn skip(ritual: &ItemId, date: &str, is: bool) -> Value {
    json!({ "ritual": ritual, "date": date, "is": is })
}

/// What both see is the same, apart from whose words come first.
fn both(one: &Replica, other: &Replica, ritual: &ItemId, from: &str, to: &str) -> Calendar {
    let (mine, theirs) = (look(one, ritual, from, to), look(other, ritual, from, to));
    let plain = |calendar: &Calendar| -> Vec<_> {
        let each = |occurrence: &Occurrence| {
            (
                occurrence.date,
                occurrence.status,
                occurrence.when.clone(),
                occurrence.leads,
                occurrence.skip.seen.clone(),
            )
        };
        calendar.occurrences.iter().map(each).collect()
    };
    assert_eq!(plain(&mine), plain(&theirs), "symmetric");
    assert_eq!(mine.next, theirs.next);
    mine
}

#[test]
fn the_agreed_cadence_drives_and_a_proposed_one_waits() {
    let (mut one, mut other) = Replica::couple();
    let ritual = one.say(None, "ritual", "title", json!("Sunday talk"));
    one.say(Some(ritual), "ritual", "cadence", weekly());
    one.meet(&mut other);
    assert!(both(&one, &other, &ritual, "2027-01-01", "2027-01-31").occurrences.is_empty(), "one word is a proposal");
    other.say(Some(ritual), "ritual", "cadence", weekly());
    one.meet(&mut other);
    let january = both(&one, &other, &ritual, "2027-01-01", "2027-01-31");
    assert_eq!(dates(&january), ["2027-01-03", "2027-01-10", "2027-01-17", "2027-01-24", "2027-01-31"]);
    let when = &january.occurrences[0].when[0];
    assert_eq!((when.time.as_deref(), when.at.unwrap().to_string().as_str()), (Some("19:00"), "2027-01-03T18:00:00Z"));
    assert_eq!(january.next.as_ref().unwrap().date, day("2027-01-03"));

    let fortnightly = json!({ "start": "2027-01-04", "zone": "Europe/Berlin", "rule": "FREQ=WEEKLY;INTERVAL=2" });
    one.say(Some(ritual), "ritual", "cadence", fortnightly.clone());
    one.meet(&mut other);
    assert_eq!(
        dates(&both(&one, &other, &ritual, "2027-01-01", "2027-01-31")).len(),
        5,
        "a proposal takes nothing away"
    );
    other.say(Some(ritual), "ritual", "cadence", fortnightly);
    one.meet(&mut other);
    assert_eq!(dates(&both(&one, &other, &ritual, "2027-01-01", "2027-01-31")), ["2027-01-04", "2027-01-18"]);
    one.say(Some(ritual), "ritual", "cadence", Value::Null);
    one.meet(&mut other);
    assert!(both(&one, &other, &ritual, "2027-01-01", "2027-01-31").occurrences.is_empty(), "no longer agreed");
}

#[test]
fn what_was_said_of_an_occurrence_stays_when_the_cadence_changes() {
    let (mut one, mut other, ritual) = with_cadence(&weekly());
    one.say(None, "occurrence", "mark", mark(&ritual, "2027-01-10", "done"));
    let daily = json!({ "start": "2027-01-11", "zone": "Europe/Berlin", "rule": "FREQ=DAILY;COUNT=2" });
    for replica in [&mut one, &mut other] {
        replica.say(Some(ritual), "ritual", "cadence", daily.clone());
    }
    one.meet(&mut other);
    // Said by both while apart, each knowing of the agreement before.
    let january = both(&one, &other, &ritual, "2027-01-01", "2027-01-31");
    let kept = one_of(&january, "2027-01-10");
    assert_eq!((kept.scheduled, kept.status), (false, Status::Held));
    assert!(january.occurrences.iter().any(|occurrence| occurrence.date == day("2027-01-11") && occurrence.scheduled));
}

/// Both mark the same evening apart: one evening with two marks.
#[test]
fn the_same_occurrence_is_marked_by_both() {
    let (mut one, mut other, ritual) = with_cadence(&weekly());
    one.say(None, "occurrence", "mark", mark(&ritual, "2027-01-03", "done"));
    other.say(None, "occurrence", "mark", mark(&ritual, "2027-01-03", "done"));
    one.meet(&mut other);
    let week = both(&one, &other, &ritual, "2027-01-01", "2027-01-07");
    assert_eq!((week.occurrences.len(), week.occurrences[0].status), (1, Status::Held));
    assert_eq!(week.occurrences[0].mark.slots.len(), 2);
    assert!(view::differences(&one.rows, &one.reader()).unwrap().is_empty(), "nothing to settle");

    // One says it took place, the other that it did not: each their own word, and it took place.
    one.say(None, "occurrence", "mark", mark(&ritual, "2027-01-10", "done"));
    other.say(None, "occurrence", "mark", mark(&ritual, "2027-01-10", "missed"));
    one.meet(&mut other);
    let week = both(&one, &other, &ritual, "2027-01-08", "2027-01-14");
    assert_eq!((week.occurrences[0].status, week.occurrences[0].mark.slots.len()), (Status::Held, 2));
}

#[test]
fn no_silent_winner_skipped_by_one_while_done_by_the_other() {
    let (mut one, mut other, ritual) = with_cadence(&weekly());
    one.say(None, "occurrence", "skip", skip(&ritual, "2027-01-03", true));
    other.say(None, "occurrence", "mark", mark(&ritual, "2027-01-03", "done"));
    one.meet(&mut other);
    let week = both(&one, &other, &ritual, "2027-01-01", "2027-01-07");
    let occurrence = &week.occurrences[0];
    assert_eq!(occurrence.status, Status::Unclear);
    assert_eq!(occurrence.skip.reading.value.as_ref().unwrap()["is"], true);
    assert_eq!(occurrence.mark.slots[0].reading.value.as_ref().unwrap()["is"], "done");
    // The one who skipped sees that it took place, and takes the skip back.
    let item = occurrence.item;
    one.say(Some(item), "occurrence", "skip", skip(&ritual, "2027-01-03", false));
    one.meet(&mut other);
    assert_eq!(both(&one, &other, &ritual, "2027-01-01", "2027-01-07").occurrences[0].status, Status::Held);

    // Skipped, and nobody says otherwise.
    other.say(None, "occurrence", "skip", skip(&ritual, "2027-01-10", true));
    one.meet(&mut other);
    assert_eq!(both(&one, &other, &ritual, "2027-01-08", "2027-01-14").occurrences[0].status, Status::Skipped);
}

#[test]
fn no_silent_winner_moved_to_different_dates_by_both() {
    let (mut one, mut other, ritual) = with_cadence(&weekly());
    one.say(None, "occurrence", "moved", moved(&ritual, "2027-01-03", "2027-01-05"));
    other.say(None, "occurrence", "moved", moved(&ritual, "2027-01-03", "2027-01-20T20:30"));
    one.meet(&mut other);
    let january = both(&one, &other, &ritual, "2027-01-01", "2027-01-31");
    let occurrence = one_of(&january, "2027-01-03");
    assert_eq!(occurrence.moved.reading.state, State::Differing);
    let times: Vec<String> =
        occurrence.when.iter().map(|when| format!("{} {}", when.date, when.time.as_deref().unwrap())).collect();
    assert_eq!(times, ["2027-01-05 19:00", "2027-01-20 20:30"]);
    assert_eq!(view::differences(&one.rows, &one.reader()).unwrap().len(), 1, "listed to settle");
    // Each day on which it may take place shows it, and so does the day it was moved from.
    for (from, to) in [("2027-01-05", "2027-01-05"), ("2027-01-20", "2027-01-20"), ("2027-01-03", "2027-01-03")] {
        assert_eq!(dates(&both(&one, &other, &ritual, from, to)), ["2027-01-03"], "{from}");
    }
    // One takes the other's.
    one.say(Some(occurrence.item), "occurrence", "moved", moved(&ritual, "2027-01-03", "2027-01-20T20:30"));
    one.meet(&mut other);
    assert_eq!(one_of(&both(&one, &other, &ritual, "2027-01-01", "2027-01-31"), "2027-01-03").when.len(), 1);
}

#[test]
fn turns_alternate_after_what_was_held_and_no_skip_takes_one() {
    let (mut one, mut other, ritual) = with_cadence(&weekly());
    let [first, second] = partners();
    one.say(Some(ritual), "ritual", "turns", json!({ "first": second }));
    one.meet(&mut other);
    let next = |one: &Replica, other: &Replica, from: &str| {
        both(one, other, &ritual, from, "2027-02-28").next.map(|next| (next.date.to_string(), next.leads.unwrap()))
    };
    assert_eq!(next(&one, &other, "2027-01-01"), Some(("2027-01-03".into(), second)));
    // Both mark the first one apart: it was one evening, so one turn.
    one.say(None, "occurrence", "mark", mark(&ritual, "2027-01-03", "done"));
    other.say(None, "occurrence", "mark", mark(&ritual, "2027-01-03", "done"));
    one.say(None, "occurrence", "skip", skip(&ritual, "2027-01-10", true));
    one.say(None, "occurrence", "mark", mark(&ritual, "2027-01-17", "missed"));
    one.meet(&mut other);
    assert_eq!(next(&one, &other, "2027-01-10"), Some(("2027-01-24".into(), first)));
    // A mark that comes late moves the turn for both alike.
    other.say(
        Some(one_of(&look(&other, &ritual, "2027-01-17", "2027-01-17"), "2027-01-17").item),
        "occurrence",
        "mark",
        mark(&ritual, "2027-01-17", "done"),
    );
    one.meet(&mut other);
    assert_eq!(next(&one, &other, "2027-01-18"), Some(("2027-01-24".into(), second)));
    let january = both(&one, &other, &ritual, "2027-01-01", "2027-01-31");
    let led: Vec<_> = january.occurrences.iter().map(|occurrence| occurrence.leads).collect();
    assert_eq!(led, [Some(second), None, Some(first), Some(second), None], "what was held, and the next one");
    // From a date on, somebody else begins; what was before is not counted again.
    one.say(Some(ritual), "ritual", "turns", json!({ "first": first, "from": "2027-01-24" }));
    one.meet(&mut other);
    assert_eq!(next(&one, &other, "2027-01-18"), Some(("2027-01-24".into(), first)));
    // Said differently by both: nobody is told to lead.
    one.say(Some(ritual), "ritual", "turns", json!({ "first": second, "from": "2027-01-24" }));
    other.say(Some(ritual), "ritual", "turns", Value::Null);
    one.meet(&mut other);
    assert_eq!(both(&one, &other, &ritual, "2027-01-18", "2027-01-31").next.unwrap().leads, None);
}

#[test]
fn a_pause_holds_what_falls_into_it() {
    let (mut one, mut other, ritual) = with_cadence(&weekly());
    one.say(Some(ritual), "ritual", "paused", json!({ "from": "2027-01-05", "until": "2027-01-17" }));
    one.say(None, "occurrence", "mark", mark(&ritual, "2027-01-17", "done"));
    one.meet(&mut other);
    let status = |one: &Replica, other: &Replica| -> Vec<Status> {
        let january = both(one, other, &ritual, "2027-01-01", "2027-01-31");
        january.occurrences.iter().map(|occurrence| occurrence.status).collect()
    };
    assert_eq!(status(&one, &other), [Status::Open, Status::Paused, Status::Held, Status::Open, Status::Open]);
    assert_eq!(both(&one, &other, &ritual, "2027-01-10", "2027-01-12").next.unwrap().date, day("2027-01-24"));
    // Paused for longer by one, resumed by the other, apart.
    one.say(Some(ritual), "ritual", "paused", json!({ "from": "2027-01-05" }));
    other.say(Some(ritual), "ritual", "paused", Value::Null);
    one.meet(&mut other);
    assert_eq!(status(&one, &other)[1], Status::Unclear);
    assert_eq!(both(&one, &other, &ritual, "2027-01-10", "2027-01-12").next.unwrap().date, day("2027-01-10"));
}

/// The clocks of the zone decide, as RFC 5545 has it; the evening keeps its local time.
#[test]
fn local_times_that_clocks_show_twice_or_never() {
    let night = |start: &str| {
        let cadence = json!({ "start": start, "zone": "Europe/Berlin", "rule": "FREQ=DAILY" });
        Schedule::read(&cadence).unwrap()
    };
    let spring = night("2027-03-01T02:30").when(day("2027-03-28"));
    assert_eq!((spring.time.as_deref(), spring.irregular), (Some("03:30"), Some(Irregular::Never)));
    assert_eq!(spring.at.unwrap().to_string(), "2027-03-28T01:30:00Z");
    let autumn = night("2027-03-01T02:30").when(day("2027-10-31"));
    assert_eq!((autumn.time.as_deref(), autumn.irregular), (Some("02:30"), Some(Irregular::Twice)));
    assert_eq!(autumn.at.unwrap().to_string(), "2027-10-31T00:30:00Z", "the first of the two");
    let (winter, summer) =
        (night("2027-03-01T19:00").when(day("2027-03-27")), night("2027-03-01T19:00").when(day("2027-03-28")));
    assert_eq!((winter.time.as_deref(), summer.time.as_deref()), (Some("19:00"), Some("19:00")));
    assert_eq!(winter.at.unwrap().to_string(), "2027-03-27T18:00:00Z");
    assert_eq!(summer.at.unwrap().to_string(), "2027-03-28T17:00:00Z");
    // A day that a country left out when it changed sides of the date line.
    let apia = json!({ "start": "2011-12-01T10:00", "zone": "Pacific/Apia", "rule": "FREQ=DAILY" });
    let left_out = Schedule::read(&apia).unwrap().when(day("2011-12-30"));
    assert_eq!((left_out.date, left_out.irregular), (day("2011-12-31"), Some(Irregular::Never)));
}

/// Kept in Auckland, looked at in Honolulu: the days are the reader's, the names are the rule's.
#[test]
fn a_window_of_the_readers_days_reaches_across_the_date_line() {
    let cadence = json!({ "start": "2027-01-03T08:00", "zone": "Pacific/Auckland", "rule": "FREQ=WEEKLY" });
    let (one, _, ritual) = with_cadence(&cadence);
    let zone = betwixt_model::ritual::zone("Pacific/Honolulu");
    let ask = |date: &str| {
        let window = Window { from: day(date), to: day(date), zone: zone.clone(), today: day(date) };
        let view = one.view(&ritual).unwrap();
        dates(&calendar(&one.rows, &one.reader(), &partners(), &view, &window).unwrap().unwrap())
    };
    assert_eq!(ask("2027-01-02"), ["2027-01-03"]);
    assert_eq!(ask("2027-01-09"), ["2027-01-10"]);
    assert!(ask("2027-01-08").is_empty());
}

#[test]
fn leap_days_and_ends() {
    let given = |rule: &str, start: &str, from: &str, to: &str| -> Vec<String> {
        let cadence = json!({ "start": start, "zone": "Europe/Berlin", "rule": rule });
        let schedule = Schedule::read(&cadence).unwrap();
        schedule.dates(day(from), day(to)).unwrap().iter().map(ToString::to_string).collect()
    };
    assert_eq!(
        given("FREQ=YEARLY", "2024-02-29", "2024-01-01", "2033-01-01"),
        ["2024-02-29", "2028-02-29", "2032-02-29"]
    );
    assert_eq!(
        given("FREQ=YEARLY", "2096-02-29", "2096-01-01", "2105-01-01"),
        ["2096-02-29", "2104-02-29"],
        "2100 has none"
    );
    assert_eq!(
        given("FREQ=MONTHLY", "2027-01-31", "2027-01-01", "2027-06-01"),
        ["2027-01-31", "2027-03-31", "2027-05-31"]
    );
    assert_eq!(
        given("FREQ=MONTHLY;BYMONTHDAY=-1", "2027-01-31", "2027-02-01", "2027-03-31"),
        ["2027-02-28", "2027-03-31"]
    );
    assert_eq!(
        given("FREQ=MONTHLY;BYDAY=1FR", "2027-01-01", "2027-01-01", "2027-03-31"),
        ["2027-01-01", "2027-02-05", "2027-03-05"]
    );
    assert_eq!(given("FREQ=DAILY;COUNT=3", "2027-01-01", "2027-01-02", "2027-03-31"), ["2027-01-02", "2027-01-03"]);
    assert_eq!(
        given("FREQ=DAILY;UNTIL=20270103", "2027-01-02", "2027-01-01", "2027-03-31"),
        ["2027-01-02", "2027-01-03"]
    );
    // 18:30 in Berlin is before 19:00: the evening of that day is beyond the end.
    assert_eq!(
        given("FREQ=DAILY;UNTIL=20270103T173000Z", "2027-01-02T19:00", "2027-01-01", "2027-03-31"),
        ["2027-01-02"]
    );
    assert_eq!(given("FREQ=DAILY;UNTIL=20270103T180000Z", "2027-01-02T19:00", "2027-01-01", "2027-03-31").len(), 2);
    assert_eq!(
        given("FREQ=WEEKLY;WKST=SU;INTERVAL=2;BYDAY=TU,SU", "1997-08-05", "1997-08-01", "1997-08-31"),
        ["1997-08-05", "1997-08-17", "1997-08-19", "1997-08-31"],
        "as in RFC 5545"
    );
    assert_eq!(
        given("FREQ=WEEKLY;WKST=MO;INTERVAL=2;BYDAY=TU,SU", "1997-08-05", "1997-08-01", "1997-08-31"),
        ["1997-08-05", "1997-08-10", "1997-08-19", "1997-08-24"],
        "as in RFC 5545"
    );
}

/// HostileInputIsAnError: refused where it is said; where it arrives, bounded work and a plain word.
#[test]
fn hostile_input_is_an_error_rules_that_never_end_or_never_match() {
    let refused = |start: &str, zone: &str, rule: &str| {
        let value = json!({ "start": start, "zone": zone, "rule": rule });
        schema::check_value("ritual", "cadence", &value).expect_err(rule).to_string()
    };
    for rule in [
        "FREQ=SECONDLY",
        "FREQ=HOURLY",
        "FREQ=DAILY;BYHOUR=1,2,3",
        "FREQ=DAILY;BYSECOND=1",
        "FREQ=DAILY;COUNT=4294967295",
        "FREQ=DAILY;COUNT=0",
        "FREQ=DAILY;INTERVAL=0",
        "FREQ=DAILY;INTERVAL=65535",
        "FREQ=DAILY;INTERVAL=99999999999",
        "FREQ=DAILY;COUNT=2;UNTIL=20280101",
        "FREQ=DAILY;FREQ=DAILY",
        "INTERVAL=2",
        "",
        ";",
        "FREQ=",
        "FREQ=DAILY;",
        "freq=daily",
        "FREQ=DAILY;X-A=1",
        "FREQ=DAILY;UNTIL=20279999",
        "FREQ=DAILY;UNTIL=2027",
        "FREQ=DAILY;UNTIL=20270101T99",
        "FREQ=MONTHLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=MONTHLY;BYMONTH=13",
        "FREQ=WEEKLY;BYMONTHDAY=1",
        "FREQ=YEARLY;BYWEEKNO=53;BYMONTH=6",
        "FREQ=DAILY;BYDAY=MO;BYSETPOS=2",
        "FREQ=YEARLY;BYDAY=99MO",
        "FREQ=DAILY\nRDATE:1",
        "FREQ=YEARLY;BYEASTER=1",
        "FREQ=DAILY;UNTIL=19000101",
        "FREQ=WEEKLY;BYDAY=é",
    ] {
        refused("2027-01-01T19:00", "Europe/Berlin", rule);
    }
    refused("2027-01-01", "Mars/Olympus", "FREQ=DAILY");
    refused("2027-01-01", "../../etc/passwd", "FREQ=DAILY");
    refused("9999-01-01", "Europe/Berlin", "FREQ=DAILY");
    refused("2027-02-29", "Europe/Berlin", "FREQ=DAILY");
    refused("2027-02-28T19:00:00", "Europe/Berlin", "FREQ=DAILY");

    // A patched partner says it all the same: both said it, so it stands, and cannot be followed.
    let (mut one, mut other) = Replica::couple();
    let ritual = one.say(None, "ritual", "title", json!("Sunday talk"));
    one.meet(&mut other);
    for rule in ["FREQ=SECONDLY", "FREQ=MONTHLY;BYMONTH=2;BYMONTHDAY=30"] {
        let bad = json!({ "start": "1900-01-01", "zone": "Europe/Berlin", "rule": rule });
        for replica in [&mut one, &mut other] {
            let seen: Vec<_> = replica.view(&ritual).unwrap().fields["cadence"].seen.facts().to_vec();
            replica.device.last = betwixt_model::index::tip(&replica.rows, &replica.device.id).unwrap();
            let signed = replica.device.says(Some(ritual), "ritual", "cadence", bad.clone(), &seen);
            betwixt_model::index::ingest(
                &mut replica.rows,
                &support::HOUSEHOLD,
                &replica.membership,
                vec![signed.clone()],
            )
            .unwrap();
            replica.said.push(signed);
        }
        one.meet(&mut other);
        let calendar = look(&one, &ritual, "2027-01-01", "2027-12-31");
        assert!(calendar.occurrences.is_empty() && calendar.next.is_none());
        assert_eq!(calendar.problems.len(), usize::from(rule == "FREQ=SECONDLY"), "{:?}", calendar.problems);
    }
    // Nor is a window without end looked through.
    let view = one.view(&ritual).unwrap();
    for (from, to) in [("2027-01-01", "2029-01-01"), ("2027-01-02", "2027-01-01"), ("0001-01-01", "0001-01-02")] {
        let window = Window { from: day(from), to: day(to), zone: None, today: day("2027-01-01") };
        assert!(calendar(&one.rows, &one.reader(), &partners(), &view, &window).unwrap().is_err());
    }
}

/// A private ritual has nobody to agree with: its owner's word drives it.
#[test]
fn a_private_ritual_follows_its_owners_word() {
    let (mut one, _) = Replica::couple();
    let ritual = one.say(None, "ritual", "title", json!("Morning pages"));
    one.say(Some(ritual), "ritual", "cadence", weekly());
    let window = Window { from: day("2027-01-01"), to: day("2027-01-31"), zone: None, today: day("2027-01-01") };
    let view = one.view(&ritual).unwrap();
    let alone = calendar(&one.rows, &one.reader(), &[one.device.partner], &view, &window).unwrap().unwrap();
    assert_eq!(alone.occurrences.len(), 5);
}
