//! Which statements count. The answer depends on the set of statements alone, never on the order of their arrival.
//!
//! A statement is *made in good standing* when, in its own past, its author had been granted membership and not been
//! removed. That looks at the past only, so it is well-founded. Removals in good standing count, concurrent ones too:
//! two devices that remove each other are both out. A removal *voids* whatever its target signed and it had not before it:
//! a grant so voided grants nothing, nor does anything granted by devices that came in by it.

use std::collections::{BTreeMap, BTreeSet};

use betwixt_model::ids::{DeviceId, EpochId, FactId, HouseholdId, PartnerId};

use super::statement::{SignedStatement, Statement, StatementId};
use crate::keys::AgreementKey;

/// What a set of statements amounts to.
#[derive(Debug, Clone, Default)]
pub(super) struct Standings {
    /// Every device that was ever granted membership in good standing.
    pub(super) devices: BTreeMap<DeviceId, Device>,
    /// Keys of recovery codes that may add and remove devices now, and whose.
    pub(super) recovery_keys: BTreeMap<DeviceId, PartnerId>,
    /// Every founding made in good standing.
    pub(super) foundings: BTreeMap<HouseholdId, Founding>,
    /// The statements in good standing that nothing in good standing by the same partner builds on.
    pub(super) heads: BTreeMap<PartnerId, BTreeSet<StatementId>>,
    /// Statements in good standing, and whose.
    pub(super) counted: BTreeMap<StatementId, PartnerId>,
}

/// A device's standing.
#[derive(Debug, Clone)]
pub(super) struct Device {
    pub(super) partner: PartnerId,
    pub(super) agreement: AgreementKey,
    pub(super) epochs: Vec<EpochId>,
    /// Not voided: what it said before it was removed may count.
    pub(super) granted: bool,
    pub(super) removal: Option<Removal>,
    /// What it is called, if anybody has said.
    pub(super) name: Option<String>,
}

/// What counts of a removed device's facts.
#[derive(Debug, Clone)]
pub(super) struct Removal {
    pub(super) ours: Option<FactId>,
    pub(super) mine: Option<FactId>,
}

/// A founding.
#[derive(Debug, Clone)]
pub(super) struct Founding {
    pub(super) partners: [PartnerId; 2],
    pub(super) signers: [DeviceId; 2],
    /// A removed device signed it behind the back of whoever removed it.
    pub(super) voided: bool,
}

/// Some statements' pasts, as bits.
struct Graph<'a> {
    statements: Vec<&'a SignedStatement>,
    places: BTreeMap<StatementId, usize>,
    pasts: Vec<Vec<u64>>,
}

impl<'a> Graph<'a> {
    /// Statements whose past is complete, each after its past.
    fn new(all: &'a BTreeMap<StatementId, SignedStatement>) -> Self {
        let mut waits: BTreeMap<StatementId, usize> = BTreeMap::new();
        let mut followers: BTreeMap<StatementId, Vec<StatementId>> = BTreeMap::new();
        let mut ready: Vec<StatementId> = Vec::new();
        for (id, statement) in all {
            waits.insert(*id, statement.after().len());
            for before in statement.after() {
                followers.entry(*before).or_default().push(*id);
            }
            if statement.after().is_empty() {
                ready.push(*id);
            }
        }
        let words = all.len().div_ceil(64);
        let mut graph = Self { statements: Vec::new(), places: BTreeMap::new(), pasts: Vec::new() };
        while let Some(id) = ready.pop() {
            let Some(statement) = all.get(&id) else { continue };
            let place = graph.statements.len();
            let mut past = vec![0_u64; words];
            for before in statement.after() {
                let Some(&before) = graph.places.get(before) else { continue };
                past[before / 64] |= 1 << (before % 64);
                for (word, theirs) in past.iter_mut().zip(&graph.pasts[before]) {
                    *word |= theirs;
                }
            }
            graph.statements.push(statement);
            graph.places.insert(id, place);
            graph.pasts.push(past);
            for follower in followers.get(&id).into_iter().flatten() {
                if let Some(count) = waits.get_mut(follower) {
                    *count -= 1;
                    if *count == 0 {
                        ready.push(*follower);
                    }
                }
            }
        }
        graph
    }

    /// Whether `before` is in the past of `place`.
    fn is_past(&self, before: usize, place: usize) -> bool {
        self.pasts[place][before / 64] >> (before % 64) & 1 == 1
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Device(AgreementKey),
    Recovery,
}

/// Membership that was granted in good standing.
struct Grant {
    place: usize,
    partner: PartnerId,
    role: Role,
    /// `None` for a beginning.
    by: Option<DeviceId>,
}

#[derive(Default)]
struct Found {
    grants: BTreeMap<DeviceId, Vec<Grant>>,
    removals: BTreeMap<DeviceId, Vec<usize>>,
    epochs: BTreeMap<DeviceId, BTreeSet<(u32, EpochId)>>,
    private: BTreeMap<StatementId, BTreeSet<(StatementId, Option<FactId>)>>,
    names: BTreeMap<DeviceId, Vec<(usize, String)>>,
    foundings: Vec<(usize, [PartnerId; 2])>,
    counted: BTreeMap<usize, PartnerId>,
}

impl Found {
    /// For whom `device` could speak in the past of `place`.
    fn standing(&self, graph: &Graph<'_>, device: &DeviceId, place: usize) -> Option<(PartnerId, Role)> {
        let removals = self.removals.get(device).map_or(&[][..], Vec::as_slice);
        if removals.iter().any(|removal| graph.is_past(*removal, place)) {
            return None;
        }
        self.granted(graph, device, place)
    }

    /// For whom `device` had spoken in the past of `place`, removed or not. A key that two partners' chains grant speaks
    /// for the one that it began, or else for the lesser.
    fn granted(&self, graph: &Graph<'_>, device: &DeviceId, place: usize) -> Option<(PartnerId, Role)> {
        let grants = self.grants.get(device)?.iter().filter(|grant| graph.is_past(grant.place, place));
        grants.min_by_key(|grant| (grant.by.is_some(), grant.partner)).map(|grant| (grant.partner, grant.role))
    }

    fn read(&mut self, graph: &Graph<'_>, place: usize) {
        let signed = graph.statements[place];
        let author = signed.author();
        let other = signed.signers().get(1).copied();
        if let Statement::Beginning { agreement } = signed.statement() {
            let partner = PartnerId::founded_by(&author);
            let grant = Grant { place, partner, role: Role::Device(*agreement), by: None };
            self.grants.entry(author).or_default().push(grant);
            self.counted.insert(place, partner);
            return;
        }
        if let Statement::Epoch { epoch, number } = signed.statement() {
            // Removed or not: documents hold changes of removed devices, and whoever carries them must know the actors.
            if let Some((partner, Role::Device(_))) = self.granted(graph, &author, place) {
                self.epochs.entry(author).or_default().insert((*number, *epoch));
                self.counted.insert(place, partner);
            }
            return;
        }
        let Some((partner, role)) = self.standing(graph, &author, place) else { return };
        let is_device = matches!(role, Role::Device(_));
        let counts = match signed.statement() {
            Statement::Founding { partners, .. } => {
                let along = other.and_then(|other| self.standing(graph, &other, place));
                let both = is_device
                    && partner == partners[0]
                    && matches!(along, Some((along, Role::Device(_))) if along == partners[1]);
                if both {
                    self.foundings.push((place, *partners));
                    self.counted.insert(place, partner);
                }
                return;
            }
            Statement::AddDevice { agreement } => other.is_some_and(|device| {
                let grant = Grant { place, partner, role: Role::Device(*agreement), by: Some(author) };
                self.grants.entry(device).or_default().push(grant);
                true
            }),
            Statement::AddRecoveryKey => other.filter(|_| is_device).is_some_and(|key| {
                let grant = Grant { place, partner, role: Role::Recovery, by: Some(author) };
                self.grants.entry(key).or_default().push(grant);
                true
            }),
            Statement::RemoveDevice { device, .. } => {
                let theirs = self.granted(graph, device, place).is_some_and(|(of, _)| of == partner);
                if theirs {
                    self.removals.entry(*device).or_default().push(place);
                }
                theirs
            }
            Statement::AcceptPrivate { fact } => {
                let removal = signed.after().first().and_then(|id| graph.places.get(id));
                let fits = removal.is_some_and(|removal| {
                    let removal = graph.statements[*removal];
                    signed.after().len() == 1
                        && removal.author() == author
                        && matches!(removal.statement(), Statement::RemoveDevice { .. })
                });
                if fits {
                    self.private.entry(signed.after()[0]).or_default().insert((signed.id(), *fact));
                }
                fits
            }
            Statement::Name { device, name } => {
                let theirs = self.granted(graph, device, place).is_some_and(|(of, _)| of == partner);
                if theirs {
                    self.names.entry(*device).or_default().push((place, name.clone()));
                }
                theirs
            }
            Statement::Unknown(_) => true,
            Statement::Beginning { .. } | Statement::Epoch { .. } => false,
        };
        if counts {
            self.counted.insert(place, partner);
        }
    }

    /// What a device is called: as was said last, and of what was said apart the least statement.
    fn name(&self, graph: &Graph<'_>, device: &DeviceId) -> Option<String> {
        let names = self.names.get(device)?;
        let is_last = |place: usize| !names.iter().any(|(later, _)| graph.is_past(place, *later));
        let last = names.iter().filter(|(place, _)| is_last(*place));
        last.min_by_key(|(place, _)| graph.statements[*place].id()).map(|(_, name)| name.clone())
    }

    /// Whether a removal of `author` had not before it what they signed at `place`.
    fn voided(&self, graph: &Graph<'_>, author: &DeviceId, place: usize) -> bool {
        let removals = self.removals.get(author).map_or(&[][..], Vec::as_slice);
        removals.iter().any(|removal| *removal != place && !graph.is_past(place, *removal))
    }

    /// The places of grants that nobody's removal undid, and whose authors came in by such.
    fn firm_grants(&self, graph: &Graph<'_>) -> BTreeSet<usize> {
        let mut grants: Vec<&Grant> = self.grants.values().flatten().collect();
        grants.sort_unstable_by_key(|grant| grant.place);
        let mut firm = BTreeSet::new();
        for grant in grants {
            let holds = grant.by.is_none_or(|by| {
                let theirs = self.grants.get(&by).into_iter().flatten();
                let mut theirs = theirs.filter(|grant_of| graph.is_past(grant_of.place, grant.place));
                !self.voided(graph, &by, grant.place) && theirs.any(|grant_of| firm.contains(&grant_of.place))
            });
            if holds {
                firm.insert(grant.place);
            }
        }
        firm
    }

    /// The removal whose acceptance counts: by a device whose removal nothing voids and that is not the removed one, before
    /// any other, so that a removed device cannot widen what is accepted of it; later before earlier ones; the least id.
    fn acceptance(&self, graph: &Graph<'_>, firm: &BTreeSet<usize>, device: &DeviceId) -> Option<Removal> {
        let removals = self.removals.get(device)?;
        let rank = |place: &usize| {
            let signed = graph.statements[*place];
            let author = signed.author();
            let superseded = removals.iter().any(|other| graph.is_past(*place, *other));
            let is_firm = self.grants.get(&author).into_iter().flatten().any(|grant| firm.contains(&grant.place));
            let doubtful = !is_firm || self.voided(graph, &author, *place);
            (author == *device, doubtful, superseded, signed.id())
        };
        let chosen = graph.statements[*removals.iter().min_by_key(|place| rank(place))?];
        let Statement::RemoveDevice { accepts, .. } = chosen.statement() else { return None };
        let private = self.private.get(&chosen.id()).and_then(BTreeSet::first);
        Some(Removal { ours: *accepts, mine: private.and_then(|(_, fact)| *fact) })
    }
}

impl Standings {
    pub(super) fn of(all: &BTreeMap<StatementId, SignedStatement>) -> Self {
        let graph = Graph::new(all);
        let mut found = Found::default();
        for place in 0..graph.statements.len() {
            found.read(&graph, place);
        }
        let firm = found.firm_grants(&graph);
        let mut standings = Self::default();
        for (device, grants) in &found.grants {
            let recovers = grants.iter().find(|grant| grant.role == Role::Recovery && firm.contains(&grant.place));
            if let Some(grant) = recovers.filter(|_| !found.removals.contains_key(device)) {
                standings.recovery_keys.insert(*device, grant.partner);
            }
            let speaks = grants.iter().filter(|grant| matches!(grant.role, Role::Device(_)));
            // A grant that holds counts before one that does not; see also `granted`.
            let best = speaks.min_by_key(|grant| {
                (!firm.contains(&grant.place), grant.by.is_some(), grant.partner, graph.statements[grant.place].id())
            });
            let Some(Grant { place, partner, role: Role::Device(agreement), .. }) = best else { continue };
            let epochs = found.epochs.get(device).into_iter().flatten().map(|(_, epoch)| *epoch).collect();
            let standing = Device {
                partner: *partner,
                agreement: *agreement,
                epochs,
                granted: firm.contains(place),
                removal: found.acceptance(&graph, &firm, device),
                name: found.name(&graph, device),
            };
            standings.devices.insert(*device, standing);
        }
        for (place, partners) in &found.foundings {
            let signed = graph.statements[*place];
            let (Some(household), [first, second]) = (signed.founds(), signed.signers()) else { continue };
            let voided = [first, second].iter().any(|signer| {
                let mut grants = found.grants.get(signer).into_iter().flatten();
                found.voided(&graph, signer, *place) || !grants.any(|grant| firm.contains(&grant.place))
            });
            let founding = Founding { partners: *partners, signers: [*first, *second], voided };
            standings.foundings.insert(household, founding);
        }
        standings.enter_heads(&graph, &found);
        standings
    }

    fn enter_heads(&mut self, graph: &Graph<'_>, found: &Found) {
        let founded: BTreeMap<usize, [PartnerId; 2]> = found.foundings.iter().copied().collect();
        let partners = |place: usize| match founded.get(&place) {
            Some(both) => both.to_vec(),
            None => found.counted.get(&place).copied().into_iter().collect(),
        };
        for (place, partner) in &found.counted {
            let signed = graph.statements[*place];
            self.counted.insert(signed.id(), *partner);
            // Public statements never build on private ones, whose ids would tell that they exist.
            if signed.is_private() {
                continue;
            }
            for partner in partners(*place) {
                let heads = self.heads.entry(partner).or_default();
                // Places grow with causality, so what this one builds on stands there already.
                heads.retain(|head| graph.places.get(head).is_none_or(|head| !graph.is_past(*head, *place)));
                heads.insert(signed.id());
            }
        }
    }
}
