//! Pairing: two devices in the same room, one of which shows a code that the other enters.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::home::Partner;
use crate::secret::Secret;

/// Whose the other device is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// The partner's: founds the household.
    #[default]
    Partner,
    /// One's own: it will hold one's private pages, too.
    OwnDevice,
    /// The partner's, where one of the two has lost all devices: the one that shows the code gives back what is shared to the one
    /// that enters it, which is new and has the recovery code.
    GiveBack,
}

/// Shows a code: `POST /v1/pairing`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StartPairing {
    /// Whose the other device is.
    #[serde(default)]
    pub purpose: Purpose,
}

/// Enters the code that the other device shows: `POST /v1/pairing/code`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EnterCode {
    /// The code as typed, or the text of the QR code.
    pub code: Secret,
    /// Whose the other device is.
    #[serde(default)]
    pub purpose: Purpose,
    /// Where it is, `host:port`, when it is not to be found by itself. A QR code brings addresses along.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<String>,
    /// For [`Purpose::GiveBack`]: the recovery code of a device that was lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery_code: Option<Secret>,
}

/// Answers the question of [`Pairing::Asking`]: `POST /v1/pairing/confirm`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConfirmPairing {
    /// Whether it is so.
    pub yes: bool,
    /// The home's passphrase, which adding one's own device asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passphrase: Option<Secret>,
}

/// How far pairing is: `GET /v1/pairing`, to be asked again a few times a second.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Pairing {
    /// No pairing goes on.
    Idle,
    /// A code shows here.
    Offering {
        /// To be typed on the other device.
        code: Secret,
        /// The text of the QR code: a longer secret, and addresses.
        qr: Secret,
        /// Where this device waits, `host:port`.
        addresses: Vec<String>,
        /// Seconds until a new code is needed.
        expires_in: u64,
        /// Something to be told, such as that somebody tries codes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        notice: Option<String>,
    },
    /// A code was entered here, and the device that shows it is being looked for.
    Searching {
        /// Something to be told, such as that the code was another.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        notice: Option<String>,
    },
    /// Both proved that they know the code; this device asks whether it is right.
    Asking {
        /// The name that the other goes by.
        name: String,
        /// What the other's device is called.
        device: String,
        /// Whose it is.
        purpose: Purpose,
        /// What is granted, in words.
        question: String,
    },
    /// Answered here, not there yet.
    AwaitingOther,
    /// Done.
    Paired {
        /// Whose device it is.
        partner: Partner,
        /// Its id.
        device: String,
        /// What it is called.
        device_name: String,
    },
    /// It did not happen; nothing was exchanged but what the state before shows.
    Failed {
        /// Why, and what to do, in words.
        reason: String,
    },
}
