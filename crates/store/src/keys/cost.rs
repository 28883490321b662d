//! What deriving a key from a passphrase costs (Argon2id, RFC 9106).

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// Parameters of Argon2id. Those read from a keys file are held against [`Cost::FLOOR`] and [`Cost::CEILING`] before
/// anything is allocated, so that a file that somebody altered can neither weaken a passphrase nor demand 100 GB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// Memory, in KiB.
    pub memory: u32,
    /// Passes over the memory.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

/// Parameters outside of what is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("deriving the key would take {} KiB, {} passes and {} lanes, which is outside of what is allowed", .0.memory, .0.passes, .0.lanes)]
pub struct CostRefused(pub Cost);

impl Default for Cost {
    fn default() -> Self {
        Self { memory: 64 * 1024, passes: 3, lanes: 1 }
    }
}

impl Cost {
    /// The least that is accepted: OWASP's recommendation for Argon2id of 19 MiB and 2 passes. Tests use it.
    pub const FLOOR: Self = Self { memory: 19 * 1024, passes: 2, lanes: 1 };

    /// The most that is accepted: 1 GiB, 16 passes, 4 lanes.
    pub const CEILING: Self = Self { memory: 1024 * 1024, passes: 16, lanes: 4 };

    /// # Errors
    /// [`CostRefused`] for parameters below the floor or above the ceiling.
    pub fn check(self) -> Result<Self, CostRefused> {
        let within = |value, floor, ceiling| (floor..=ceiling).contains(&value);
        let allowed = within(self.memory, Self::FLOOR.memory, Self::CEILING.memory)
            && within(self.passes, Self::FLOOR.passes, Self::CEILING.passes)
            && within(self.lanes, Self::FLOOR.lanes, Self::CEILING.lanes);
        if allowed { Ok(self) } else { Err(CostRefused(self)) }
    }

    pub(crate) fn derive(self, passphrase: &[u8], salt: &[u8; 32]) -> Result<Zeroizing<[u8; 32]>, CostRefused> {
        let refused = |_| CostRefused(self);
        self.check()?;
        let parameters = argon2::Params::new(self.memory, self.passes, self.lanes, Some(32)).map_err(refused)?;
        let argon2 = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, parameters);
        let mut key = Zeroizing::new([0; 32]);
        argon2.hash_password_into(passphrase, salt, key.as_mut()).map_err(refused)?;
        Ok(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_input_is_an_error_parameters_outside_the_bounds_derive_nothing() {
        let floor = Cost::FLOOR;
        for cost in [
            Cost { memory: 100 << 20, ..floor },
            Cost { memory: 8, ..floor },
            Cost { passes: 1, ..floor },
            Cost { passes: u32::MAX, ..floor },
            Cost { lanes: 0, ..floor },
            Cost { lanes: 1 << 20, ..floor },
        ] {
            assert_eq!(cost.derive(b"passphrase", &[1; 32]), Err(CostRefused(cost)));
        }
        assert!(Cost::default().check().is_ok());
        let key = floor.derive(b"passphrase", &[1; 32]).unwrap();
        assert_eq!(key, floor.derive(b"passphrase", &[1; 32]).unwrap());
        assert_ne!(key, floor.derive(b"passphrase", &[2; 32]).unwrap());
        assert_ne!(key, floor.derive(b"Passphrase", &[1; 32]).unwrap());
    }
}
