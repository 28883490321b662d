//! Two sessions, real documents and the real gate; and between them somebody who alters, adds, repeats and holds back.

mod end;

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use arbitrary::Unstructured;
use betwixt_sync::session::Role;
use betwixt_sync::wire::{Frame, GoodbyeReason, StreamKey, caps};

use crate::household::{Home, couple, shared};
use crate::reached::here;
use crate::repair;
use end::End;

/// The most operations of one input.
const OPERATIONS: usize = 96;

/// Both homes and the connection between them.
struct Scene {
    now: Instant,
    homes: [Home; 2],
    ends: [End; 2],
    /// Whether anything came otherwise than it was sent.
    tampered: bool,
}

/// Homes that met, with a year that both have, and each with something that the other lacks.
fn homes() -> &'static [Home; 2] {
    static HOMES: OnceLock<[Home; 2]> = OnceLock::new();
    HOMES.get_or_init(|| {
        let [mut one, mut other] = couple();
        one.say(2026, "the beginning");
        other.documents.insert(shared(2026), one.documents[&shared(2026)].clone());
        one.say(2026, "first");
        other.say(2026, "second");
        other.say(2025, "older");
        [one, other]
    })
}

/// Simulated time begins at some instant, and only the operations move it.
fn beginning() -> Instant {
    static BEGINNING: OnceLock<Instant> = OnceLock::new();
    *BEGINNING.get_or_init(Instant::now)
}

pub(super) fn operations(bytes: &[u8]) {
    let mut input = Unstructured::new(bytes);
    let homes = homes().clone();
    let ends =
        [End::new(beginning(), &homes[0], Role::Dialling, 1), End::new(beginning(), &homes[1], Role::Accepting, 1)];
    let mut scene = Scene { now: beginning(), homes, ends, tampered: false };
    scene.settle();
    for _ in 0..OPERATIONS {
        if input.is_empty() || scene.operate(&mut input).is_err() {
            break;
        }
    }
    scene.check();
    scene.meet_again();
}

impl Scene {
    fn settle(&mut self) {
        for (end, home) in self.ends.iter_mut().zip(&mut self.homes) {
            end.settle(self.now, home);
        }
    }

    fn hand(&mut self, to: usize, stream: u64, frame: &[u8]) {
        self.ends[to].hear(self.now, stream, frame);
        self.settle();
    }

    fn operate(&mut self, input: &mut Unstructured<'_>) -> arbitrary::Result<()> {
        let (operation, side) = (input.arbitrary::<u8>()? % 16, usize::from(input.arbitrary::<bool>()?));
        let other = 1 - side;
        match operation {
            0..=4 => {
                if let Some((stream, frame)) = self.ends[side].next(input.arbitrary()?) {
                    self.hand(other, stream, &frame);
                }
            }
            5 | 6 => {
                if let Some((stream, mut frame)) = self.ends[side].next(input.arbitrary()?) {
                    alter(&mut frame, input)?;
                    self.tampered = true;
                    self.hand(other, stream, &frame);
                }
            }
            7 => {
                let (stream, length) = (input.arbitrary::<u8>()?, input.arbitrary::<u16>()?);
                let frame = input.bytes(usize::from(length).min(input.len()))?.to_vec();
                self.tampered = true;
                self.hand(other, u64::from(stream), &frame);
            }
            8 | 9 => {
                let frame = self.forged(side, input)?;
                self.tampered = true;
                let stream = end::number(StreamKey::Document(shared(2026)));
                self.hand(other, stream, &frame);
            }
            10 | 11 => {
                let year = 2025 + i16::from(input.arbitrary::<u8>()? % 3);
                self.homes[side].say(year, "something new");
                self.ends[side].session.handle_local_change(self.now, shared(year));
                self.settle();
            }
            12 => {
                self.now += Duration::from_secs(input.arbitrary::<u8>()?.into());
                self.ends[side].session.handle_timeout(self.now);
                self.settle();
            }
            13 => self.connect_again(),
            14 => {
                let mut roster = end::roster();
                roster.heads.push([input.arbitrary()?; 32]);
                self.ends[side].session.handle_roster_changed(self.now, roster);
                self.settle();
            }
            _ => {
                // Ends most of what could still come, so it is rare.
                if input.arbitrary::<u8>()? < 16 {
                    self.ends[side].session.close(self.now, GoodbyeReason::Down);
                    self.settle();
                }
            }
        }
        Ok(())
    }

    /// A sync message or a saved document of this side's, altered under a checksum that is right.
    fn forged(&self, side: usize, input: &mut Unstructured<'_>) -> arbitrary::Result<Vec<u8>> {
        let document = &self.homes[side].documents[&shared(2026)];
        let choice: u8 = input.arbitrary()?;
        if choice >= 0xc0 {
            let mut saved = document.save();
            alter(&mut saved, input)?;
            let saved = repair::chunk(&saved);
            return Ok(Frame::Whole { last: true, bytes: saved[..saved.len().min(caps::PART)].to_vec() }.encode());
        }
        let all = document.changes_since(&[]);
        let mut change = all[usize::from(choice) % all.len()].raw_bytes().to_vec();
        alter(&mut change, input)?;
        let message = repair::sync_message(&[0x42, 0, 0, 0], &[&change]);
        Ok(Frame::Sync { last: true, bytes: message }.encode())
    }

    /// The connection breaks, and another is made.
    fn connect_again(&mut self) {
        let counter = self.ends[0].counter + 1;
        let roles = [Role::Dialling, Role::Accepting];
        for (side, role) in roles.into_iter().enumerate() {
            self.ends[side] = End::new(self.now, &self.homes[side], role, counter);
        }
        self.settle();
    }

    /// What holds whatever came.
    fn check(&self) {
        for (end, home) in self.ends.iter().zip(&self.homes) {
            end.check();
            for document in home.documents.values() {
                let loaded = betwixt_model::document::Document::load(document.id(), &document.save());
                assert_eq!(loaded.expect("what was saved loads").heads(), document.heads());
            }
            // What each had said before is there.
            let side = usize::from(home.device() == homes()[1].device());
            let before = &homes()[side].documents;
            for (id, document) in before {
                let now = home.documents.get(id).expect("a document does not go");
                assert!(document.heads().iter().all(|head| now.holds(head)), "what was said is there");
            }
        }
    }

    /// Nothing is lost by any of it: honest devices that nobody has forged for are in step after the next meeting.
    fn meet_again(&mut self) {
        if self.ends.iter().any(|end| end.closed.is_some()) {
            here("closed");
        }
        if self.tampered {
            here("forged");
            return;
        }
        self.connect_again();
        for _ in 0..10_000 {
            let next = (0..2).find_map(|side| self.ends[side].next(0).map(|found| (side, found)));
            let Some((side, (stream, frame))) = next else { break };
            self.hand(1 - side, stream, &frame);
        }
        for end in &self.ends {
            assert_eq!(end.closed, None, "honest devices end no session");
            assert!(end.session.is_in_step());
            here("in step");
        }
        let heads =
            |home: &Home| home.documents.iter().map(|(id, document)| (*id, document.heads())).collect::<Vec<_>>();
        assert_eq!(heads(&self.homes[0]), heads(&self.homes[1]));
    }
}

fn alter(bytes: &mut Vec<u8>, input: &mut Unstructured<'_>) -> arbitrary::Result<()> {
    let (at, how, value) = (input.arbitrary::<u16>()?, input.arbitrary::<u8>()?, input.arbitrary::<u8>()?);
    if bytes.is_empty() {
        return Ok(());
    }
    let at = usize::from(at) % bytes.len();
    match how % 5 {
        0 => bytes[at] = value,
        1 => bytes[at] ^= 1 << (value % 8),
        2 => bytes.insert(at, value),
        3 => bytes.truncate(at),
        _ => drop(bytes.remove(at)),
    }
    Ok(())
}
