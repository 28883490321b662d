//! How a home is, its devices, and where they may be.

use std::path::Path;

use betwixt_api::{self as api, Phase, Problem};
use betwixt_model::document::Scope;
use betwixt_model::fact;
use betwixt_model::ids::{DeviceId, PartnerId};
use betwixt_model::index::{self, Counts, FieldKey, PARTS};
use betwixt_model::schema::Kind;
use betwixt_store::{Reader, StoreError};
use betwixt_sync::wire::VERSIONS;
use jiff::Zoned;

use crate::answer::healing;
use crate::answer::problem::storage_problem;
use crate::answer::settle;
use crate::engine::days;
use crate::http::Sees;
use crate::open::{Open, PeerNames, names_setting};

/// How a home is of which nothing can be read.
pub(crate) fn closed(home: &Path, phase: Phase) -> api::Status {
    api::Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        process: std::process::id(),
        home: home.display().to_string(),
        phase,
        private_locked: true,
        private_locks_after: None,
        me: None,
        partner: None,
        paired: false,
        paused: false,
        peers: Vec::new(),
        port: None,
        http: None,
        addresses: Vec::new(),
        documents: Vec::new(),
        rebuilding: None,
        indexing: None,
        receiving: None,
        carrying: None,
        differences: 0,
        arriving: 0,
        protocol: (VERSIONS.oldest..=VERSIONS.newest).collect(),
        format: fact::FORMAT,
        troubles: Vec::new(),
    }
}

impl Open {
    /// How it is, for somebody who sees so much of it.
    pub(crate) fn status(&self, home: &Path, sees: Sees) -> Result<api::Status, Problem> {
        self.read_status(home, sees).map_err(|error| storage_problem(&error))
    }

    fn read_status(&self, home: &Path, sees: Sees) -> Result<api::Status, StoreError> {
        let replica = &self.house.replica;
        let identity = replica.identity();
        let mut status = closed(home, Phase::Open);
        let view = replica.read()?;
        let reader = view.reader();
        status.private_locked = !sees.includes(Scope::Mine) || !self.house.store.mine_is_open();
        if sees.includes(Scope::Mine) {
            status.private_locks_after = self.idle.seconds();
        }
        status.me = Some(api::Partner { id: identity.partner().to_string(), name: identity.name().to_owned() });
        status.paired = replica.space(Scope::Ours).is_some();
        status.paused = self.paused;
        for device in self.devices()? {
            if device.this || device.removed {
                continue;
            }
            if !device.own && status.partner.is_none() {
                let id = replica.roster().other_partner().map(|partner| partner.to_string()).unwrap_or_default();
                status.partner = Some(api::Partner { id, name: device.partner.clone() });
            }
            let in_step =
                self.peers().iter().any(|peer| peer.to_string() == device.id && self.engine.is_in_step_with(peer));
            status.peers.push(api::PeerStatus {
                device: device.id,
                name: device.name,
                own: device.own,
                connected: device.connected,
                in_step,
                last_met_days: device.last_met_days,
            });
        }
        status.port = Some(self.net.port());
        status.addresses = self.net.addresses().iter().map(ToString::to_string).collect();
        let scopes = [Scope::Ours, Scope::Mine].into_iter().filter(|scope| sees.includes(*scope));
        for scope in scopes.clone() {
            let Some(reading) = replica.reader(scope) else { continue };
            let counts = index::counts(&reader.rows(scope)).unwrap_or_else(|error| {
                tracing::error!(%error, "the index cannot be read");
                Counts::default()
            });
            status.arriving += counts.arriving;
            for (id, state) in reader.documents(scope)? {
                status.documents.push(api::DocumentStatus {
                    id: id.to_string(),
                    facts: counts.facts.get(&id.year).copied().unwrap_or(0),
                    bytes: state.snapshot_bytes + state.appended_bytes,
                });
            }
            let (rows, today) = (replica.shown_rows(&reader, scope), Zoned::now().date());
            match self.waiting.of(scope, today, || settle::waiting(&rows, &reading, scope, today)) {
                Ok(waiting) => status.differences += waiting,
                Err(error) => tracing::error!(%error, "the index cannot be read"),
            }
        }
        for scope in scopes.clone() {
            if replica.space(scope).is_none() {
                continue;
            }
            let Some(state) = reader.search_state(scope)? else { continue };
            let building = status.indexing.get_or_insert(api::Rebuilding { done: 0, of: 0 });
            building.done += u64::from(state.parts.min(PARTS));
            building.of += u64::from(PARTS);
        }
        status.receiving = scopes
            .clone()
            .filter_map(|scope| self.receiving(scope))
            .reduce(|one, other| api::Rebuilding { done: one.done + other.done, of: one.of + other.of });
        status.indexing = status.indexing.filter(|building| building.done < building.of);
        status.troubles.clone_from(&self.troubles);
        for scope in scopes {
            status.troubles.extend(healing::troubles(&replica.health(scope)?));
        }
        if self.engine.attachments_rest() {
            status.troubles.push(
                "There is too little room on the disk for photos and files that the other device has: free some space. They come \
                 by themselves then; everything else goes on."
                    .into(),
            );
        }
        if let Some(refused) = self.engine.refused() {
            status.troubles.push(format!(
                "What was last to be written did not go onto the disk ({refused}). What came from another device comes again by itself."
            ));
        }
        if self.engine.is_recovering() {
            status
                .troubles
                .push("The disk is in the way: nothing can be said until it is mended. See `betwixt doctor`.".into());
        }
        Ok(status)
    }

    /// How many years of a scope are whole, while several are coming: one that differs is an ordinary day's.
    fn receiving(&self, scope: Scope) -> Option<api::Rebuilding> {
        let progress = self.engine.receiving(scope)?;
        let shows = self.house.replica.present_from(scope).is_some();
        (shows || progress.in_step + 1 < progress.of)
            .then_some(api::Rebuilding { done: progress.in_step as u64, of: progress.of as u64 })
    }

    /// What a device and its person are called.
    fn names(&self, reader: &Reader<'_>, device: &DeviceId) -> Result<PeerNames, StoreError> {
        let replica = &self.house.replica;
        let (identity, roster) = (replica.identity(), replica.roster());
        let known = roster.device(device);
        let met: Option<PeerNames> = reader.setting(Scope::Ours, &names_setting(device))?;
        let (met_name, met_device) = met.map(|names| (names.name, names.device)).unzip();
        let named = known.and_then(|known| known.name.clone());
        let name = match known.map(|known| known.partner) {
            Some(partner) if partner == identity.partner() => Some(identity.name().to_owned()),
            Some(partner) => self.said_name(reader, &partner),
            None => None,
        };
        Ok(PeerNames {
            name: name.or(met_name).unwrap_or_else(|| "your partner".into()),
            device: named.or(met_device).unwrap_or_else(|| "a device".into()),
        })
    }

    /// What a person says they are called.
    fn said_name(&self, reader: &Reader<'_>, partner: &PartnerId) -> Option<String> {
        let household = self.house.replica.space(Scope::Ours)?;
        let item = Kind::named("member")?.natural_item(&household, partner)?;
        let key = FieldKey { item, kind: "member".into(), field: "name".into() };
        let rows = reader.rows(Scope::Ours);
        let live = index::field(&rows, &key).ok()?.live().map(|entry| entry.id).min()?;
        let said = index::fact(&rows, &live).ok()??;
        said.fact().value()?.as_str().map(str::to_owned)
    }

    /// Every device of the household.
    pub(crate) fn devices(&self) -> Result<Vec<api::Device>, StoreError> {
        let (own, today) = (self.house.replica.identity(), days(Zoned::now().date()));
        let view = self.house.store.read()?;
        let reader = view.reader();
        let records = reader.peers()?;
        let mut devices = Vec::new();
        for (id, entry) in self.house.replica.roster().devices() {
            let names = self.names(&reader, id)?;
            let met = records.get(id).and_then(|record| record.met);
            let connected = self.engine.talks().any(|talk| talk.peer() == *id && talk.is_met());
            devices.push(api::Device {
                id: id.to_string(),
                name: names.device,
                partner: names.name,
                own: entry.partner == own.partner(),
                this: *id == own.device(),
                connected,
                last_met_days: met.map(|met| u32::try_from(today - met).unwrap_or(0)),
                removed: entry.removed,
            });
        }
        Ok(devices)
    }

    /// Where devices of the household may be.
    pub(crate) fn addresses(&self) -> Result<Vec<api::Address>, Problem> {
        let records = self.house.store.read().and_then(|view| view.reader().peers());
        let records = records.map_err(|error| storage_problem(&error))?;
        let mut addresses: Vec<api::Address> = Vec::new();
        for peer in self.peers() {
            let Some(record) = records.get(&peer) else { continue };
            for address in &record.by_hand {
                let met = record.addresses.iter().any(|met| met.address == *address).then(|| peer.to_string());
                addresses.push(api::Address { address: address.to_string(), by_hand: true, device: met });
            }
            let met = record.addresses.iter().map(|met| met.address);
            for address in met.filter(|address| !record.by_hand.contains(address)) {
                addresses.push(api::Address {
                    address: address.to_string(),
                    by_hand: false,
                    device: Some(peer.to_string()),
                });
            }
        }
        Ok(addresses)
    }

    /// What came of trying to meet everybody.
    pub(crate) fn sync_report(&self) -> Result<api::SyncReport, StoreError> {
        let view = self.house.store.read()?;
        let mut peers = Vec::new();
        for peer in self.peers() {
            let reached = self.engine.talks().any(|talk| talk.peer() == peer && talk.is_met());
            let in_step = self.engine.is_in_step_with(&peer);
            let reason = match (reached, in_step) {
                (_, true) => None,
                (true, false) => Some("It was reached, and has not got everything yet; it goes on by itself.".to_owned()),
                (false, false) => Some(
                    "It could not be found on this network. Is it on, unlocked, and in the same Wi-Fi? `betwixt doctor` tells more."
                        .to_owned(),
                ),
            };
            peers.push(api::SyncedPeer {
                device: peer.to_string(),
                name: self.names(&view.reader(), &peer)?.device,
                reached,
                in_step,
                reason,
            });
        }
        Ok(api::SyncReport { peers })
    }
}
