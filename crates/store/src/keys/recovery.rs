//! The recovery code: 130 random bits in a form for paper.
//!
//! 26 characters of Crockford's base 32 and two check characters, in seven groups of four. Case, hyphens and spaces do
//! not matter, O reads as 0, I and L as 1. A slip of the pen is told before anything is tried with the code.

use rand_core::CryptoRngCore;
use zeroize::{Zeroize, Zeroizing};

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const SECRET: usize = 26;
const CHECK: usize = 2;

/// A recovery code. Show it once; it is kept nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct RecoveryCode {
    /// Five bits each.
    symbols: Zeroizing<[u8; SECRET]>,
}

impl std::fmt::Debug for RecoveryCode {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("RecoveryCode(..)")
    }
}

/// A text that is no recovery code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseRecoveryCodeError {
    /// A wrong number of characters.
    #[error("a recovery code has 28 letters and digits; this has {0}")]
    Length(usize),
    /// A character that does not occur in codes.
    #[error("{0:?} does not occur in recovery codes")]
    Character(char),
    /// A character is wrong somewhere, or two were swapped.
    #[error("the recovery code has a slip somewhere: compare it with what you wrote down, group by group")]
    Check,
}

impl RecoveryCode {
    /// A new code.
    pub fn random(rng: &mut impl CryptoRngCore) -> Self {
        let mut symbols = Zeroizing::new([0; SECRET]);
        rng.fill_bytes(symbols.as_mut());
        symbols.iter_mut().for_each(|symbol| *symbol &= 31);
        Self { symbols }
    }

    /// The code's text, as seven groups of four: for the person's eyes only.
    pub fn reveal(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(SECRET + CHECK + 6));
        let symbols = self.symbols.iter().copied().chain(check(&self.symbols));
        for (position, symbol) in symbols.enumerate() {
            if position > 0 && position % 4 == 0 {
                text.push('-');
            }
            text.push(char::from(ALPHABET[usize::from(symbol)]));
        }
        text
    }

    /// Reads what a person typed.
    ///
    /// # Errors
    /// [`ParseRecoveryCodeError`].
    pub fn parse(text: &str) -> Result<Self, ParseRecoveryCodeError> {
        let mut all = Zeroizing::new(Vec::with_capacity(SECRET + CHECK));
        for character in text.chars().filter(|character| !character.is_whitespace() && *character != '-') {
            let normal = match character.to_ascii_uppercase() {
                'O' => '0',
                'I' | 'L' => '1',
                other => other,
            };
            let symbol = ALPHABET.iter().position(|known| char::from(*known) == normal);
            let symbol = symbol.ok_or(ParseRecoveryCodeError::Character(character))?;
            all.push(symbol as u8);
            if all.len() > 4 * (SECRET + CHECK) {
                break;
            }
        }
        let (Some(secret), SECRET_AND_CHECK) = (all.first_chunk::<SECRET>(), all.len()) else {
            return Err(ParseRecoveryCodeError::Length(all.len()));
        };
        let mut secret = *secret;
        let code = Self { symbols: Zeroizing::new(secret) };
        secret.zeroize();
        if check(&code.symbols) == all[SECRET..] { Ok(code) } else { Err(ParseRecoveryCodeError::Check) }
    }

    /// The seed of a signing key (Ed25519) that whoever has the code has, and that tells nothing about the code: for saying
    /// who one is after every device was lost.
    pub fn signing_seed(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(blake3::derive_key("betwixt 1 recovery code signing key", self.secret()))
    }

    pub(crate) fn secret(&self) -> &[u8] {
        self.symbols.as_ref()
    }
}

const SECRET_AND_CHECK: usize = SECRET + CHECK;

fn check(symbols: &[u8; SECRET]) -> [u8; CHECK] {
    let hash = blake3::derive_key("betwixt 1 recovery code check", symbols);
    [hash[0] & 31, hash[1] & 31]
}

#[cfg(test)]
mod tests {
    use rand_core::OsRng;

    use super::*;

    #[test]
    fn a_code_is_read_as_people_write_it() {
        let code = RecoveryCode::random(&mut OsRng);
        let text = code.reveal();
        assert_eq!(text.len(), 34);
        assert_eq!(text.split('-').count(), 7);
        let sloppy = text.to_lowercase().replace('-', " ").replace('0', "o").replace('1', "l");
        for form in [text.as_str(), &sloppy, &text.replace('-', "")] {
            assert_eq!(RecoveryCode::parse(form), Ok(code.clone()));
        }
        assert_eq!(RecoveryCode::parse(&text[1..]), Err(ParseRecoveryCodeError::Length(27)));
        assert_eq!(RecoveryCode::parse("U"), Err(ParseRecoveryCodeError::Character('U')));
        assert!(!format!("{code:?}").contains(&text[..4]));
    }

    #[test]
    fn slips_are_noticed() {
        let mut missed = 0;
        let mut tried = 0;
        for _ in 0..20 {
            let text = RecoveryCode::random(&mut OsRng).reveal().replace('-', "");
            for position in 0..text.len() {
                for replacement in ["7", "K"] {
                    let mut slip = text.clone();
                    slip.replace_range(position..=position, replacement);
                    if slip != text {
                        tried += 1;
                        missed += usize::from(RecoveryCode::parse(&slip).is_ok());
                    }
                }
            }
        }
        // Ten bits of check: one in 1024 on average passes.
        assert!(tried > 1000 && missed <= 8, "{missed} of {tried} slips passed");
    }
}
