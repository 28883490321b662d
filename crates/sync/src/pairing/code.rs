//! The secrets that two people carry from one screen to the other: a code to type, or a ticket to scan.

use std::fmt;
use std::net::SocketAddr;

use betwixt_model::ids::{decode_base32, encode_base32};
use rand_core::CryptoRngCore;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// The characters of a code (Crockford's base 32): none is easily taken for another.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// How many characters of a code are secret: 30 bits.
const SECRET: usize = 6;

/// How many characters a code has: two digits, the secret, one that checks.
const LENGTH: usize = 2 + SECRET + 1;

/// The longest text that is looked at.
const MAX_TEXT: usize = 1024;

/// The most addresses that a ticket holds.
pub const MAX_TICKET_ADDRESSES: usize = 8;

const TICKET_PREFIX: &str = "betwixt:1.";

/// The code that one person reads out and the other types, like `47-K7R-M2XQ`: two digits to find the offer by, six
/// characters of secret (30 bits), and one that checks all of them: it catches every single mistyped character and every
/// two that changed places.
///
/// Wiped when dropped, and never in `Debug`. The digits are drawn apart from the secret: an advert carries them.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct PairingCode {
    /// Values of the characters but the last.
    symbols: [u8; LENGTH - 1],
}

/// What a QR code holds: a secret of 128 bits, and where the offer listens, so that nothing has to be found.
///
/// Wiped when dropped, and never in `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Ticket {
    secret: Zeroizing<[u8; 16]>,
    addresses: Vec<SocketAddr>,
}

/// What a person entered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entered {
    /// A code, typed.
    Code(PairingCode),
    /// A ticket, scanned or pasted.
    Ticket(Ticket),
}

/// A text that is neither code nor ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseCodeError {
    /// Too short, too long, or with a character that no code has.
    #[error("a code has nine characters, like 47-K7R-M2XQ")]
    Malformed,
    /// The check character says that something was mistyped.
    #[error("there is a mistake in the code; compare it with the one that is shown")]
    Mistyped,
    /// A ticket that is damaged, or of a newer version.
    #[error("this is not the text of a pairing QR code, or it is of a newer version; scan it again or type the code")]
    Ticket,
}

/// Multiplies in GF(2^5) by the generator x (modulus x^5 + x^2 + 1).
const fn times_x(value: u8) -> u8 {
    let shifted = value << 1;
    if shifted & 0x20 == 0 { shifted } else { shifted ^ 0x25 }
}

/// The weighted sum over GF(2^5) with weights x, x^2, ... by Horner's rule. As the weights, and the 1 of the check itself,
/// are distinct and not 0, no single change and no exchange of two characters leaves it right.
fn check(symbols: &[u8; LENGTH - 1]) -> u8 {
    symbols.iter().fold(0, |sum, symbol| times_x(sum ^ symbol))
}

impl PairingCode {
    /// Draws a code.
    pub(super) fn draw(rng: &mut impl CryptoRngCore) -> Self {
        let mut symbols = [0; LENGTH - 1];
        let find = u8::try_from(rng.next_u64() % 100).expect("less than 100");
        symbols[0] = find / 10;
        symbols[1] = find % 10;
        let mut secret = Zeroizing::new([0; SECRET]);
        rng.fill_bytes(&mut *secret);
        for (symbol, byte) in symbols[2..].iter_mut().zip(secret.iter()) {
            *symbol = byte & 31;
        }
        Self { symbols }
    }

    /// The two digits that the offer's advert carries, 0 to 99.
    pub fn find(&self) -> u8 {
        self.symbols[0] * 10 + self.symbols[1]
    }

    /// The code as it is shown, like `47-K7R-M2XQ`.
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(LENGTH + 2));
        for (place, symbol) in self.symbols.iter().chain([&check(&self.symbols)]).enumerate() {
            if place == 2 || place == 5 {
                text.push('-');
            }
            text.push(char::from(ALPHABET[usize::from(*symbol)]));
        }
        text
    }

    fn parse(text: &str) -> Result<Self, ParseCodeError> {
        let mut symbols = Zeroizing::new([0; LENGTH]);
        let mut place = 0;
        for character in text.chars() {
            if character.is_whitespace() || matches!(character, '-' | '_' | '.' | '\u{2010}'..='\u{2015}' | '\u{2212}')
            {
                continue;
            }
            let character = match character.to_ascii_uppercase() {
                'O' => '0',
                'I' | 'L' => '1',
                'U' => 'V',
                other => other,
            };
            let value = ALPHABET.iter().position(|known| char::from(*known) == character);
            let value = value.and_then(|value| u8::try_from(value).ok()).ok_or(ParseCodeError::Malformed)?;
            *symbols.get_mut(place).ok_or(ParseCodeError::Malformed)? = value;
            place += 1;
        }
        if place != LENGTH {
            return Err(ParseCodeError::Malformed);
        }
        let (code, last) = symbols.split_first_chunk().expect("the check character follows");
        if check(code) != last[0] || code[0] > 9 || code[1] > 9 {
            return Err(ParseCodeError::Mistyped);
        }
        Ok(Self { symbols: *code })
    }

    pub(super) fn password(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(blake3::derive_key("betwixt 1 pairing code", &self.symbols))
    }
}

impl fmt::Debug for PairingCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("PairingCode(..)")
    }
}

impl Ticket {
    pub(super) fn new(secret: &[u8; 16], addresses: &[SocketAddr]) -> Self {
        let addresses = addresses.iter().copied().filter(is_dialable).take(MAX_TICKET_ADDRESSES).collect();
        Self { secret: Zeroizing::new(*secret), addresses }
    }

    /// The text of the QR code: `betwixt:1.`, the secret, and each address after a slash.
    pub fn to_text(&self) -> Zeroizing<String> {
        let secret = Zeroizing::new(encode_base32(&*self.secret));
        let mut text = Zeroizing::new(String::with_capacity(64 + 64 * self.addresses.len()));
        text.push_str(TICKET_PREFIX);
        text.push_str(&secret);
        for address in &self.addresses {
            text.push('/');
            text.push_str(&address.to_string());
        }
        text
    }

    /// Where the offer listens, at most [`MAX_TICKET_ADDRESSES`].
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    fn parse(text: &str) -> Result<Self, ParseCodeError> {
        let text = Zeroizing::new(text.to_ascii_lowercase());
        let rest = text.strip_prefix(TICKET_PREFIX).ok_or(ParseCodeError::Ticket)?;
        let mut parts = rest.split('/');
        let secret = decode_base32(parts.next().unwrap_or_default()).map_err(|_| ParseCodeError::Ticket)?;
        let secret = Zeroizing::new(secret);
        let secret = <&[u8; 16]>::try_from(secret.as_slice()).map_err(|_| ParseCodeError::Ticket)?;
        let mut addresses = Vec::new();
        for part in parts {
            let address = part.parse().ok().filter(is_dialable).ok_or(ParseCodeError::Ticket)?;
            if addresses.len() == MAX_TICKET_ADDRESSES {
                return Err(ParseCodeError::Ticket);
            }
            addresses.push(address);
        }
        Ok(Self { secret: Zeroizing::new(*secret), addresses })
    }

    pub(super) fn password(&self) -> Zeroizing<[u8; 32]> {
        ticket_password(&self.secret)
    }
}

pub(super) fn ticket_password(secret: &[u8; 16]) -> Zeroizing<[u8; 32]> {
    Zeroizing::new(blake3::derive_key("betwixt 1 pairing ticket", secret))
}

impl fmt::Debug for Ticket {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Ticket(.., {} addresses)", self.addresses.len())
    }
}

fn is_dialable(address: &SocketAddr) -> bool {
    address.port() != 0 && !address.ip().is_unspecified() && !address.ip().is_multicast()
}

impl Entered {
    /// Reads what was typed or scanned. In a code, case, spaces and dashes do not matter, nor O for 0, I and L for 1, U for V.
    ///
    /// # Errors
    /// [`ParseCodeError`], which says whether it is no code at all or one with a mistake in it.
    pub fn parse(text: &str) -> Result<Self, ParseCodeError> {
        let text = text.trim();
        if text.len() > MAX_TEXT {
            return Err(ParseCodeError::Malformed);
        }
        let is_ticket = text.get(..8).is_some_and(|scheme| scheme.eq_ignore_ascii_case("betwixt:"));
        if is_ticket { Ticket::parse(text).map(Self::Ticket) } else { PairingCode::parse(text).map(Self::Code) }
    }

    pub(super) fn password(&self) -> Zeroizing<[u8; 32]> {
        match self {
            Self::Code(code) => code.password(),
            Self::Ticket(ticket) => ticket.password(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;

    fn code(seed: u64) -> PairingCode {
        PairingCode::draw(&mut ChaCha20Rng::seed_from_u64(seed))
    }

    #[test]
    fn codes_are_read_back_however_they_are_typed() {
        for seed in 0..500 {
            let code = code(seed);
            let text = code.to_text();
            assert_eq!(text.len(), 11);
            assert!(text[..2].bytes().all(|digit| digit.is_ascii_digit()));
            let spaced: String = text.replace('-', "").chars().flat_map(|character| [character, ' ']).collect();
            let confused = text.replace('0', "o").replace('1', "l").replace('-', "\u{2013}").to_lowercase();
            for typed in [text.as_str(), &spaced, &confused] {
                assert_eq!(Entered::parse(typed), Ok(Entered::Code(code.clone())), "{typed}");
            }
        }
    }

    #[test]
    fn every_single_mistake_and_every_exchange_is_caught() {
        for seed in 0..20 {
            let text = code(seed).to_text().replace('-', "");
            for place in 0..LENGTH {
                for other in ALPHABET {
                    let mut typed = text.clone().into_bytes();
                    typed[place] = *other;
                    let typed = String::from_utf8(typed).unwrap();
                    if typed != text {
                        assert_eq!(Entered::parse(&typed), Err(ParseCodeError::Mistyped));
                    }
                }
                for second in 0..place {
                    let mut typed = text.clone().into_bytes();
                    typed.swap(place, second);
                    let typed = String::from_utf8(typed).unwrap();
                    if typed != text {
                        assert_eq!(Entered::parse(&typed), Err(ParseCodeError::Mistyped));
                    }
                }
            }
        }
    }

    #[test]
    fn every_secret_character_is_drawn() {
        let seen: std::collections::BTreeSet<u8> = (0..400).flat_map(|seed| code(seed).symbols[2..].to_vec()).collect();
        assert_eq!(seen.len(), 32);
        let found: std::collections::BTreeSet<u8> = (0..2000).map(|seed| code(seed).find()).collect();
        assert_eq!(found.len(), 100);
    }

    #[test]
    fn tickets_are_read_back() {
        let addresses = ["192.168.1.5:4433".parse().unwrap(), "[fd00::5]:4433".parse().unwrap()];
        let ticket = Ticket::new(&[7; 16], &addresses);
        let text = ticket.to_text();
        insta::assert_snapshot!(text.as_str());
        assert_eq!(Entered::parse(&text), Ok(Entered::Ticket(ticket.clone())));
        assert_eq!(Entered::parse(&text.to_uppercase()), Ok(Entered::Ticket(ticket)));
    }

    #[test]
    fn what_is_no_code_says_so() {
        for text in ["", "47-K7R-M2X", "47-K7R-M2XQQ", "47-K7R-M2X!", "\u{0130}7-K7R-M2XQ", &"4".repeat(2000)] {
            assert_eq!(Entered::parse(text), Err(ParseCodeError::Malformed), "{text}");
        }
        let secret = encode_base32(&[7; 16]);
        let many = "/192.168.1.5:1".repeat(9);
        for text in [
            "betwixt:".to_owned(),
            format!("betwixt:2.{secret}"),
            format!("betwixt:1.{}", &secret[1..]),
            format!("betwixt:1.{secret}/"),
            format!("betwixt:1.{secret}/0.0.0.0:4433"),
            format!("betwixt:1.{secret}/192.168.1.5:0"),
            format!("betwixt:1.{secret}/localhost:4433"),
            format!("betwixt:1.{secret}{many}"),
        ] {
            assert_eq!(Entered::parse(&text), Err(ParseCodeError::Ticket), "{text}");
        }
    }

    #[test]
    fn secrets_are_not_in_debug() {
        let code = code(1);
        let ticket = Ticket::new(&[7; 16], &[]);
        let text = format!("{code:?} {ticket:?} {:?}", Entered::Code(code.clone()));
        assert_eq!(text, "PairingCode(..) Ticket(.., 0 addresses) Code(PairingCode(..))");
    }

    proptest! {
        #[test]
        fn hostile_input_is_an_error_for_codes(text in "\\PC{0,40}|(?i:betwixt:1\\.)[a-z2-7]{20,30}[/0-9.:\\[\\]]{0,30}") {
            let _ = Entered::parse(&text);
        }
    }
}
