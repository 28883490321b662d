//! Pairing: two people in one room, one code, and then each other's keys.
//!
//! The side that shows a code runs [`PairingOffer`], the side that enters it [`PairingJoin`]. Both are given connections
//! of an endpoint of their own, open only while a code shows, with TLS keys made for this one pairing.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use betwixt_model::ids::{DeviceId, HouseholdId, PartnerId};
use rand_core::CryptoRngCore;

use crate::dialer::ConnectionId;
use crate::keys::DeviceKeys;
use crate::roster::SignedStatement;

/// The label of the TLS exporter (RFC 5705, RFC 8446 section 7.5) for [`Channel::exporter`]; the context is empty.
pub const EXPORTER_LABEL: &[u8] = b"EXPORTER-betwixt-pairing-1";

/// What TLS says of a connection: pairing holds only between these two ends of this one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Channel {
    /// This end's raw public key, made for this pairing (Ed25519).
    pub own_key: [u8; 32],
    /// The other end's.
    pub peer_key: [u8; 32],
    /// 32 bytes of the exporter under [`EXPORTER_LABEL`].
    pub exporter: [u8; 32],
}

/// What a pairing makes of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Purpose {
    /// Two partners found a household.
    Partner,
}

/// The code that one person reads out and the other types: two digits to find the offer by, six characters of secret, a
/// check character.
pub struct PairingCode {}

/// What a QR code holds: a secret of 128 bits and where the offer listens.
pub struct Ticket {}

/// This side of a pairing.
pub struct Local {
    /// This device's keys.
    pub keys: Arc<DeviceKeys>,
    /// What to call this person, shown to the other before they confirm. At most 64 characters.
    pub name: String,
    /// What to call this device. At most 64 characters.
    pub device_name: String,
    /// The whole roster of the own partner, and the founding of the household if there is one already.
    pub statements: Vec<SignedStatement>,
    /// The household, if there is one already: pairing is then only possible with a device that founded it, to finish
    /// what was cut off.
    pub household: Option<HouseholdId>,
}

/// Who is at the other end. Proven to know the code; their keys are theirs.
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

/// What comes out of both machines.
pub enum Output {
    /// Send a frame on a connection's one stream, with its length before it.
    Send(ConnectionId, Vec<u8>),
    /// Close a connection once what was sent on it has gone out.
    Close(ConnectionId),
    /// Ask the person; answer with `handle_confirm`.
    AskConfirm {
        /// Who it is.
        peer: Box<PeerIdentity>,
        /// What is granted.
        purpose: Purpose,
    },
    /// Paired. The statements have to be durable before the endpoint closes.
    Paired {
        /// Who with.
        peer: Box<PeerIdentity>,
        /// The household.
        household: HouseholdId,
        /// All statements of the other's roster, and the founding.
        statements: Vec<SignedStatement>,
    },
    /// Something to tell the person; the machine goes on.
    Event(Event),
    /// The end: close the endpoint. `Ok` after [`Output::Paired`].
    Finished(Result<(), Failure>),
}

/// Something to tell the person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A run with a wrong code. On the joining side: typed wrongly, or found somebody else's offer.
    WrongCode {
        /// How many tries are left.
        left: u32,
    },
    /// The connection was lost before the end; on the joining side, dial again.
    Interrupted,
    /// The offer is with somebody else, or was asked too often: dial again after a second.
    Busy,
    /// Proven on both sides: waiting for both people.
    Proven,
    /// This side confirmed, waiting for the other.
    WaitingForPeer,
}

/// Why a pairing came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// All tries with this code were wrong: type it again.
    #[error("the code was wrong; look at it again and type it once more")]
    WrongCode,
    /// Five minutes are over.
    #[error("the code has expired; ask for a new one")]
    Expired,
    /// Somebody tried wrong codes until the offer was used up.
    #[error("somebody tried wrong codes: this one no longer counts, a new one has to be shown")]
    Interfered,
    /// The other side speaks no version that this one speaks.
    #[error("the other device has a version of Betwixt that does not fit; update the older one")]
    VersionMismatch,
    /// One of the two people said no.
    #[error("pairing was declined")]
    Declined {
        /// Whether the other one did.
        by_peer: bool,
    },
    /// The other side broke the protocol.
    #[error("the other device sent something that is no part of pairing")]
    Malformed,
    /// One of the two already shares a household with somebody else.
    #[error("one of the two devices is already paired with another partner")]
    AlreadyPaired,
    /// Both devices are of the same person.
    #[error("this is a device of your own")]
    SamePartner,
}

macro_rules! machine {
    ($name:ident) => {
        #[allow(unused_variables, clippy::todo, reason = "the bodies follow")]
        impl $name {
            /// A connection to the pairing endpoint stands.
            pub fn handle_connected(
                &mut self,
                connection: ConnectionId,
                channel: Channel,
                now: Instant,
                rng: &mut impl CryptoRngCore,
            ) {
                todo!()
            }

            /// A frame arrived.
            pub fn handle_frame(
                &mut self,
                connection: ConnectionId,
                frame: &[u8],
                now: Instant,
                rng: &mut impl CryptoRngCore,
            ) {
                todo!()
            }

            /// A connection is gone.
            pub fn handle_lost(&mut self, connection: ConnectionId, now: Instant) {
                todo!()
            }

            /// What the person says to [`Output::AskConfirm`].
            pub fn handle_confirm(&mut self, yes: bool, now: Instant) {
                todo!()
            }

            /// A time that `poll_timeout` named has come.
            pub fn handle_timeout(&mut self, now: Instant) {
                todo!()
            }

            /// The next thing to do.
            pub fn poll_output(&mut self) -> Option<Output> {
                todo!()
            }

            /// When `handle_timeout` is to be called next.
            pub fn poll_timeout(&self) -> Option<Instant> {
                todo!()
            }
        }
    };
}

/// The side that shows a code.
pub struct PairingOffer {}

/// The side that enters it.
pub struct PairingJoin {}

machine!(PairingOffer);
machine!(PairingJoin);

#[expect(unused_variables, clippy::todo, reason = "the bodies follow")]
impl PairingOffer {
    /// Draws a code that holds for five minutes.
    pub fn new(local: Local, purpose: Purpose, now: Instant, rng: &mut impl CryptoRngCore) -> Self {
        todo!()
    }

    /// What to show.
    pub fn code(&self) -> &PairingCode {
        todo!()
    }

    /// What to show as a QR code.
    pub fn ticket(&self, addresses: &[SocketAddr]) -> Ticket {
        todo!()
    }
}

/// What a person entered: a code, or the text of a QR code.
pub enum Entered {
    /// A code.
    Code(PairingCode),
    /// A scanned QR code.
    Ticket(Ticket),
}

/// A text that is no code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseCodeError {
    /// Too short, too long, or a character that no code has.
    #[error("a code has nine characters, like 47-K7R-M2XQ")]
    Malformed,
    /// The check character says that something was mistyped.
    #[error("there is a mistake in the code; compare it with the one that is shown")]
    Mistyped,
}

#[expect(clippy::todo, reason = "the bodies follow")]
impl PairingCode {
    /// The two digits that the offer's advert carries, 0 to 99.
    pub fn find(&self) -> u8 {
        todo!()
    }

    /// The code as it is shown, like `47-K7R-M2XQ`.
    pub fn to_text(&self) -> zeroize::Zeroizing<String> {
        todo!()
    }
}

#[expect(clippy::todo, reason = "the bodies follow")]
impl Ticket {
    /// The text of the QR code: `betwixt:...`.
    pub fn to_text(&self) -> zeroize::Zeroizing<String> {
        todo!()
    }

    /// Where the offer listens.
    pub fn addresses(&self) -> &[SocketAddr] {
        todo!()
    }
}

#[expect(unused_variables, clippy::todo, reason = "the bodies follow")]
impl Entered {
    /// Reads what was typed or scanned: case, spaces and dashes do not matter, nor O for 0, I and L for 1.
    pub fn parse(text: &str) -> Result<Self, ParseCodeError> {
        todo!()
    }
}

#[expect(unused_variables, clippy::todo, reason = "the bodies follow")]
impl PairingJoin {
    /// Begins to use what was entered. Dial the offers found by its digits or addresses, one after the other.
    pub fn new(local: Local, entered: Entered, purpose: Purpose, now: Instant) -> Self {
        todo!()
    }
}
