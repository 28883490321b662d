//! Who calls.

use betwixt_api::{Permission, Permissions};

/// Who calls, and what they may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// The home's owner, over the Unix socket: everything.
    Owner,
    /// A frontend with a token.
    Frontend {
        /// What it may do.
        permissions: Permissions,
    },
    /// Nobody that is known.
    Anyone,
}

impl Caller {
    /// Whether they may do this.
    pub fn may(&self, permission: Permission) -> bool {
        match self {
            Self::Owner => true,
            Self::Frontend { permissions, .. } => permissions.has(permission),
            Self::Anyone => false,
        }
    }
}
