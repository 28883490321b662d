//! The control stream: Hello, roster, digest, the list of what differs.

use std::collections::BTreeMap;
use std::time::Instant;

use automerge::ChangeHash;
use betwixt_model::document::Scope;

use super::exchange::Exchange;
use super::{CloseReason, Event, Output, Phase, ProtocolViolation, Role, Session};
use crate::wire::{DocumentName, Frame, Hello, ListedDocument, StreamKey, caps};

impl Session {
    pub(super) fn meet(&mut self, now: Instant, hello: &Hello) -> Result<(), ProtocolViolation> {
        let (ours, theirs) = (self.config.versions, hello.versions);
        let Some(version) = ours.common(theirs) else {
            self.event(if theirs.oldest > ours.newest {
                Event::PeerNewerProtocol { theirs }
            } else {
                Event::PeerOlderProtocol { theirs }
            });
            return Err(ProtocolViolation::Version { ours, theirs });
        };
        if hello.household != self.config.household {
            return Err(ProtocolViolation::ForeignHousehold(hello.household));
        }
        if !self.config.peer_counters.admits(hello.counter) {
            return Err(ProtocolViolation::RepeatedCounter(hello.counter));
        }
        self.version = version;
        self.event(Event::Met { version, counter: hello.counter });
        // Compared with what this side's Hello said, as the peer does, so that both come to the same answer.
        let differ = hello.roster_heads != self.config.roster.heads;
        if differ || self.roster_changed {
            self.send_roster();
        }
        if differ {
            self.phase = Phase::Rosters { until: Some(now + caps::ANSWER_WITHIN) };
        } else {
            self.compare(now);
        }
        Ok(())
    }

    pub(super) fn receive_control(&mut self, now: Instant, frame: Frame) -> Result<(), ProtocolViolation> {
        let name = frame.name();
        match (self.phase, frame) {
            (_, Frame::Roster(statements)) => self.receive_roster(statements),
            (phase, Frame::RosterDone) => {
                if matches!(phase, Phase::Rosters { .. }) {
                    self.phase = Phase::Rosters { until: None };
                }
                let statements = std::mem::take(&mut self.roster);
                self.outputs.push_back(Output::Roster { statements });
                Ok(())
            }
            (Phase::Exchanging { .. }, Frame::AskPresent) => self.receive_ask_present(),
            (_, Frame::Goodbye(reason)) => {
                self.end(None, CloseReason::ByPeer(reason));
                Ok(())
            }
            (Phase::AwaitingDigest { .. }, Frame::Digest(digest)) => {
                self.answer_digest(now, digest);
                Ok(())
            }
            (Phase::Rosters { until: None }, Frame::Digest(digest))
                if self.config.role == Role::Accepting && self.held_digest.is_none() =>
            {
                self.held_digest = Some(digest);
                Ok(())
            }
            (Phase::DigestSent { .. }, Frame::InStep) => self.begin_exchanges(now, None),
            (Phase::DigestSent { .. }, Frame::Documents(theirs)) => self.answer_documents(now, theirs),
            (Phase::AwaitingDocuments { .. }, Frame::Documents(theirs)) => {
                let mut heads = self.claimed();
                heads.extend(theirs.into_iter().map(|document| (document.id, document.heads)));
                self.begin_exchanges(now, Some(heads))
            }
            _ => Err(ProtocolViolation::OutOfOrder(name)),
        }
    }

    fn receive_roster(&mut self, statements: Vec<Vec<u8>>) -> Result<(), ProtocolViolation> {
        self.roster.extend(statements);
        let bytes: usize = self.roster.iter().map(Vec::len).sum();
        if self.roster.len() > caps::ROSTER_STATEMENTS || bytes > caps::ROSTER_BYTES {
            return Err(ProtocolViolation::RosterTooLong);
        }
        Ok(())
    }

    pub(super) fn send_roster(&mut self) {
        self.roster_changed = false;
        let mut part = Vec::new();
        let mut bytes = 0;
        if self.config.roster.statements.iter().any(|statement| statement.len() > caps::STATEMENT) {
            return self.end(None, CloseReason::TooLarge("a statement of the roster"));
        }
        for statement in self.config.roster.statements.clone() {
            if bytes + statement.len() > caps::ROSTER_FRAME && !part.is_empty() {
                self.send(StreamKey::Control, &Frame::Roster(std::mem::take(&mut part)));
                bytes = 0;
            }
            bytes += statement.len();
            part.push(statement);
        }
        if !part.is_empty() {
            self.send(StreamKey::Control, &Frame::Roster(part));
        }
        self.send(StreamKey::Control, &Frame::RosterDone);
    }

    /// Rosters are settled: the digests are compared.
    pub(super) fn compare(&mut self, now: Instant) {
        let until = now + caps::ANSWER_WITHIN;
        match (self.config.role, self.held_digest.take()) {
            (Role::Dialling, _) => {
                self.phase = Phase::DigestSent { until };
                let digest = self.digest();
                self.send(StreamKey::Control, &Frame::Digest(digest));
            }
            (Role::Accepting, None) => self.phase = Phase::AwaitingDigest { until },
            (Role::Accepting, Some(digest)) => self.answer_digest(now, digest),
        }
    }

    fn answer_digest(&mut self, now: Instant, digest: [u8; 32]) {
        if digest == self.digest() {
            self.send(StreamKey::Control, &Frame::InStep);
            // Nothing is listed, so nothing can be over the caps.
            let _ = self.begin_exchanges(now, None);
        } else {
            let all = self.claimed().into_iter().map(|(id, heads)| ListedDocument { id, heads }).collect();
            self.phase = Phase::AwaitingDocuments { until: now + caps::ANSWER_WITHIN };
            self.send(StreamKey::Control, &Frame::Documents(all));
        }
    }

    fn answer_documents(&mut self, now: Instant, theirs: Vec<ListedDocument>) -> Result<(), ProtocolViolation> {
        let mut theirs: BTreeMap<_, _> = theirs.into_iter().map(|document| (document.id, document.heads)).collect();
        let mut ours = self.claimed();
        for id in theirs.keys() {
            ours.entry(*id).or_default();
        }
        if ours.len() > caps::DOCUMENTS {
            return Err(ProtocolViolation::TooManyDocuments);
        }
        for id in ours.keys() {
            theirs.entry(*id).or_default();
        }
        let differing = ours.into_iter().filter(|(id, heads)| theirs.get(id) != Some(heads));
        let differing = differing.map(|(id, heads)| ListedDocument { id, heads }).collect();
        self.send(StreamKey::Control, &Frame::Documents(differing));
        self.begin_exchanges(now, Some(theirs))
    }

    /// Both sides know what differs. `theirs` are the peer's heads of every document that it has; `None` means that they
    /// are the same as this side's.
    fn begin_exchanges(
        &mut self,
        now: Instant,
        theirs: Option<BTreeMap<DocumentName, Vec<ChangeHash>>>,
    ) -> Result<(), ProtocolViolation> {
        let named: Vec<_> = theirs.iter().flat_map(BTreeMap::keys).copied().collect();
        // The newest first, so that no older one is entered.
        for id in named.into_iter().rev() {
            if !self.is_superseded(id) {
                self.exchanges.entry(id).or_default();
            }
        }
        if self.exchanges.len() > caps::DOCUMENTS {
            return Err(ProtocolViolation::TooManyDocuments);
        }
        for (id, exchange) in &mut self.exchanges {
            let heads = match &theirs {
                Some(theirs) => theirs.get(id).cloned().unwrap_or_default(),
                None => exchange.claimed.clone(),
            };
            exchange.begin(heads);
        }
        self.phase = Phase::Exchanging { until: None };
        self.ask_present();
        self.start_catching_up();
        let documents: Vec<_> = self.exchanges.keys().rev().copied().collect();
        for document in documents {
            self.ask(document);
            self.take_next(document)?;
        }
        self.progressed(now);
        Ok(())
    }

    /// The heads that this side has told or is about to tell, of the documents that it has.
    fn claimed(&self) -> BTreeMap<DocumentName, Vec<ChangeHash>> {
        let held = self.exchanges.iter().filter(|(_, exchange)| !exchange.claimed.is_empty());
        held.map(|(id, exchange): (_, &Exchange)| (*id, exchange.claimed.clone())).collect()
    }

    /// One hash over all documents of the scope and their heads.
    fn digest(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key(match self.scope() {
            Scope::Ours => "betwixt 1 digest of shared documents",
            Scope::Mine => "betwixt 1 digest of private documents",
        });
        hasher.update(self.config.household.as_bytes());
        for (id, heads) in self.claimed() {
            let mut name = Vec::new();
            id.write(&mut name);
            hasher.update(&name);
            hasher.update(&(heads.len() as u64).to_le_bytes());
            for head in heads {
                hasher.update(&head.0);
            }
        }
        *hasher.finalize().as_bytes()
    }
}
