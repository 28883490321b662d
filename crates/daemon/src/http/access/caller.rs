//! Who calls.

use std::sync::Arc;

use betwixt_api::Permission;
use betwixt_model::document::Scope;

use super::Frontend;

/// Who calls, and what they may do.
#[derive(Debug, Clone)]
pub enum Caller {
    /// The home's owner, over the Unix socket: everything.
    Owner,
    /// A frontend that has shown its token.
    Frontend(Arc<Frontend>),
    /// Nobody that is known.
    Anyone,
}

impl Caller {
    /// Whether they may do this.
    pub fn may(&self, permission: Permission) -> bool {
        match self {
            Self::Owner => true,
            Self::Frontend(frontend) => frontend.permissions().has(permission),
            Self::Anyone => false,
        }
    }

    /// What of the home they are shown.
    pub fn sees(&self) -> Sees {
        if self.may(Permission::Private) { Sees::Everything } else { Sees::Shared }
    }
}

/// What of the home somebody is shown. What they do not see is not counted for them and has no name there: to them it is as
/// if it were not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sees {
    /// What is shared, and what is private.
    Everything,
    /// What is shared.
    Shared,
}

impl Sees {
    /// Whether they are shown what belongs to this scope.
    pub fn includes(self, scope: Scope) -> bool {
        scope == Scope::Ours || self == Self::Everything
    }
}
