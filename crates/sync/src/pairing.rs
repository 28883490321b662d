//! Pairing: two people in one room, one code, and then each other's keys.
//!
//! The side that shows a code runs [`PairingOffer`], the side that enters it [`PairingJoin`]. Both are given connections
//! of an endpoint of their own, open only while a code shows, with TLS keys made for this one pairing.
//!
//! 1. SPAKE2 turns the code into a key; whoever does not know the code learns whether one guess is right, and has 32.
//! 2. Each side proves the key, the one who enters first. The key depends on everything said so far and on the TLS
//!    connection, so nobody can stand between the two.
//! 3. Under that key, who they are: long-term keys, the partner's devices, names.
//! 4. Both people confirm in words.
//! 5. Both devices sign: two partners' devices the founding of their household; two devices of one person that the second,
//!    which enters the code, is one of theirs. That one is then handed where the private documents are. Who has lost all
//!    devices signs with the key of their recovery code that a new one is theirs, and the partner's device, which shows the
//!    code, takes it in.
//!
//! No document is touched. Secrets are wiped where the crates beneath allow it, and are in no `Debug`.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use betwixt_model::ids::{DeviceId, HouseholdId, PartnerId};
use ed25519_dalek::SigningKey;

use crate::dialer::ConnectionId;
use crate::keys::DeviceKeys;
use crate::roster::SignedStatement;

mod accord;
mod code;
mod exchange;
mod frame;
#[cfg(feature = "fuzz")]
pub mod fuzz;
mod join;
mod offer;
mod terms;
#[cfg(test)]
mod tests;

pub use code::{Entered, MAX_TICKET_ADDRESSES, PairingCode, ParseCodeError, Ticket};
pub use frame::{MAX_FRAME, MAX_UNPROVEN_FRAME, VERSIONS};
pub use join::PairingJoin;
pub use offer::PairingOffer;

/// The label of the TLS exporter (RFC 5705, RFC 8446 section 7.5) for [`Channel::exporter`]; the context is empty.
pub const EXPORTER_LABEL: &[u8] = b"EXPORTER-betwixt-pairing-1";

/// How long a code holds.
pub const LIFETIME: Duration = Duration::from_secs(5 * 60);

/// How many runs with a wrong code use an offer up.
pub const ATTEMPTS: u32 = 32;

/// How far apart an offer lets runs begin.
pub const ATTEMPT_INTERVAL: Duration = Duration::from_secs(1);

/// How many runs may fail with a code as it was entered, so that a false offer gets as many guesses.
pub const RUNS: u32 = 5;

/// How long the other side may take for each step until it has proven the code.
pub const STEP_TIME: Duration = Duration::from_secs(10);

/// How long both people may take to confirm.
pub const CONFIRM_TIME: Duration = Duration::from_secs(5 * 60);

/// How many connections an offer holds that have not begun yet.
pub const MAX_WAITING: usize = 4;

/// The longest name of a person or device, in characters.
pub const MAX_NAME: usize = 64;

/// What TLS says of a connection: pairing holds only between these two ends of this one connection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Channel {
    /// This end's raw public key, made for this pairing (Ed25519).
    pub own_key: [u8; 32],
    /// The other end's.
    pub peer_key: [u8; 32],
    /// 32 bytes of the exporter under [`EXPORTER_LABEL`].
    pub exporter: [u8; 32],
}

impl fmt::Debug for Channel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Channel(..)")
    }
}

/// What a pairing makes of the two. Each purpose has a byte on the wire and is part of what both prove.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Purpose {
    /// Two partners found a household: each lets the other's devices hold everything that is shared.
    Partner,
    /// A person adds a device: the one that shows the code lets the one that enters it, which belongs to nobody yet, hold
    /// everything of theirs, the private documents included.
    OwnDevice,
    /// Somebody who has lost all devices gets back what is shared: the one that shows the code is a device of their partner's,
    /// the one that enters it belongs to nobody yet and has the key of their recovery code. It gets nothing private, for there is
    /// nothing private of theirs on that device.
    GiveBack,
}

impl Purpose {
    const fn byte(self) -> u8 {
        match self {
            Self::Partner => 1,
            Self::OwnDevice => 2,
            Self::GiveBack => 3,
        }
    }
}

/// This side of a pairing.
pub struct Local {
    /// This device's keys.
    pub keys: Arc<DeviceKeys>,
    /// The partner whose device this is.
    pub partner: PartnerId,
    /// What to call this person, shown to the other before they confirm: 1 to [`MAX_NAME`] characters that print.
    pub name: String,
    /// What to call this device, likewise.
    pub device_name: String,
    /// The roster: [`crate::roster::Roster::statements`].
    pub statements: Vec<SignedStatement>,
    /// The household, if there is one already: then only the pairing that founded it can be finished, if it was cut off.
    pub household: Option<HouseholdId>,
    /// Where the private documents are: to be handed to a device of one's own that is added, and to nobody else. On a device
    /// that gets back what is shared, where its own will be.
    pub private_space: Option<HouseholdId>,
    /// The key of the recovery code, for getting back what is shared.
    pub recovery: Option<SigningKey>,
}

impl fmt::Debug for Local {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Local({:?}, ..)", self.keys)
    }
}

/// Why this side cannot pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LocalError {
    /// Empty, too long, or with characters that do not print.
    #[error("names have 1 to {MAX_NAME} characters, none of them control characters")]
    Name,
    /// The roster does not know this device, or not this household.
    #[error("this device does not belong to the roster that it would bring")]
    NotAMember,
    /// A device cannot be added while the private part is locked.
    #[error("your private pages are locked, and a new device of yours is to have them: unlock first")]
    Locked,
    /// Only a device that belongs to nobody can become another one of somebody's.
    #[error(
        "this device belongs to a home that has other devices or a partner; found a new home on the device to be added"
    )]
    NotFresh,
    /// Only a device that shares a household can give back what is shared.
    #[error("nothing is shared on this device: show the code on a device of your partner's")]
    NothingToGiveBack,
    /// Getting back what is shared takes the recovery code.
    #[error("getting back what you share takes your recovery code")]
    NoRecoveryCode,
    /// The roster is too large for pairing.
    #[error("the roster has more statements than pairing can carry")]
    TooManyStatements,
}

/// Who is at the other end, which has proven to know the code. That their keys are theirs shows in their signature.
#[derive(Clone, PartialEq, Eq)]
pub struct PeerIdentity {
    /// The person.
    pub partner: PartnerId,
    /// The device that is paired with.
    pub device: DeviceId,
    /// What the person is called.
    pub name: String,
    /// What the device is called.
    pub device_name: String,
    /// All the person's devices, which would all hold what is shared.
    pub devices: Vec<DeviceId>,
}

impl fmt::Debug for PeerIdentity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PeerIdentity({:?}, {:?}, ..)", self.partner, self.device)
    }
}

/// What is to be done, from both machines.
#[derive(Clone, PartialEq, Eq)]
pub enum Output {
    /// Send a frame (at most [`MAX_FRAME`] bytes) on a connection's one stream, with its length before it.
    Send(ConnectionId, Vec<u8>),
    /// Close a connection once what was sent on it has gone out.
    Close(ConnectionId),
    /// Ask the person; answer with `handle_confirm` and the peer's device.
    AskConfirm {
        /// Who it is.
        peer: Box<PeerIdentity>,
        /// What is granted.
        purpose: Purpose,
    },
    /// Paired. Store this and answer with `handle_stored`; the other side is told only then. May come again for what is
    /// stored already, when a pairing that was cut off is finished.
    Paired {
        /// Who with.
        peer: Box<PeerIdentity>,
        /// What came of it.
        outcome: Outcome,
    },
    /// Something to tell the person; the machine goes on.
    Event(Event),
    /// The end, and the last output: close the endpoint. `Ok` only after [`Output::Paired`].
    Finished(Result<(), Failure>),
}

impl fmt::Debug for Output {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Send(connection, frame) => write!(formatter, "Send({connection:?}, {} bytes)", frame.len()),
            Self::Close(connection) => write!(formatter, "Close({connection:?})"),
            Self::AskConfirm { peer, purpose } => write!(formatter, "AskConfirm({peer:?}, {purpose:?})"),
            Self::Paired { peer, outcome } => write!(formatter, "Paired({peer:?}, {outcome:?})"),
            Self::Event(event) => write!(formatter, "Event({event:?})"),
            Self::Finished(outcome) => write!(formatter, "Finished({outcome:?})"),
        }
    }
}

/// What a pairing came to, to be stored.
#[derive(Clone, PartialEq, Eq)]
pub enum Outcome {
    /// A household was founded.
    Founded {
        /// To be persisted as the one that the roster is anchored in.
        household: HouseholdId,
        /// The whole roster: the own one, the other's, and the founding.
        statements: Vec<SignedStatement>,
    },
    /// The other device is one of the own partner's now; or, where what is shared was given back, one of the other partner's.
    Added {
        /// The whole roster.
        statements: Vec<SignedStatement>,
    },
    /// This device is another one of a person who had lost all of theirs, and no longer what it began as.
    Returned {
        /// Who that is: the other's partner.
        partner: PartnerId,
        /// The household.
        household: HouseholdId,
        /// Where their private documents will be.
        space: HouseholdId,
        /// Their whole roster.
        statements: Vec<SignedStatement>,
    },
    /// This device is one of the other's partner's now, and no longer what it began as.
    Joined {
        /// Their household, if there is one.
        household: Option<HouseholdId>,
        /// Where their private documents are.
        space: HouseholdId,
        /// Their whole roster.
        statements: Vec<SignedStatement>,
    },
}

impl fmt::Debug for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Founded { household, .. } => write!(formatter, "Founded({household:?}, ..)"),
            Self::Added { .. } => formatter.write_str("Added(..)"),
            Self::Returned { household, .. } => write!(formatter, "Returned({household:?}, ..)"),
            Self::Joined { .. } => formatter.write_str("Joined(..)"),
        }
    }
}

/// Something to tell the person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A run with a wrong code. On the joining side: typed wrongly, or somebody else's offer was found.
    WrongCode {
        /// How many more there may be.
        left: u32,
    },
    /// The connection was lost, or the other side took too long. On the joining side, dial again.
    Interrupted,
    /// The offer is busy with somebody else: dial again after [`ATTEMPT_INTERVAL`].
    Busy,
    /// The other side speaks no version in common; these are the ones that it speaks.
    VersionMismatch(u16, u16),
    /// The other side is about another purpose.
    PurposeMismatch,
    /// What is at the other end speaks something else, or was cut short.
    Malformed,
    /// Both sides have proven the code.
    Proven,
    /// This person confirmed, the other has yet to.
    WaitingForPeer,
}

/// Why a pairing came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// [`RUNS`] tries with this code were wrong.
    #[error("the code was wrong; compare it with the one that is shown and enter it again")]
    WrongCode,
    /// [`LIFETIME`] is over, or [`CONFIRM_TIME`].
    #[error("the code has expired; show a new one")]
    Expired,
    /// [`ATTEMPTS`] runs with wrong codes.
    #[error("somebody interferes: wrong codes were tried until this one was used up; a new one has to be shown")]
    Interfered,
    /// One of the two people said no.
    #[error("pairing was declined")]
    Declined {
        /// Whether the other one did.
        by_peer: bool,
    },
    /// A side that has proven the code broke the protocol.
    #[error("the other device sent something that is no part of pairing; update both")]
    Malformed,
    /// One of the two shares a household already.
    #[error("one of the two devices belongs to a household already")]
    AlreadyPaired,
    /// Both devices are of the same person.
    #[error("this is a device of your own, not a partner's")]
    SamePartner,
    /// The device that is to be added belongs to somebody.
    #[error(
        "the device to be added has a home of its own, with other devices or a partner; found a new home on it for this"
    )]
    NotFresh,
    /// The device that is to be added was added before.
    #[error("this is a device of yours already")]
    AlreadyYours,
    /// The device that is to be added was removed.
    #[error("this device was removed, and removed keys never return; found a new home on it and add that")]
    Removed,
    /// The recovery code that was given is none of the person's.
    #[error(
        "this recovery code brings nobody back: no device of yours ever told it to your partner's, or a newer code took its place"
    )]
    UnknownRecoveryCode,
    /// The device that shows the code shares nothing with anybody.
    #[error("the device that shows the code has no household: nothing was shared there")]
    NothingToGiveBack,
}

/// Whether a name can be shown: bounded, and without characters that steer terminals or turn text around.
pub fn is_name(name: &str) -> bool {
    let steers = |character: char| {
        character.is_control() || matches!(character, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    (1..=MAX_NAME).contains(&name.chars().count()) && name.trim() == name && !name.chars().any(steers)
}
