//! What is the same on every network because the protocols say so: the closed list of the capture test.
//!
//! QUIC adds nothing to it. All that its packets show in the clear are six bytes (a flag byte, the version and a length)
//! before connection ids that are random or a knock; everything else is encrypted, the first packet under keys that come
//! from its connection id. What is left is multicast DNS (RFC 6762), in the order in which the library writes it.

/// A byte that is part of the structure and may have any value: a count, an offset, a lifetime.
const ANY: Option<u16> = None;

/// Bytes that may recur, and why.
#[derive(Debug)]
pub struct Constant {
    /// Why it is the same everywhere.
    pub why: &'static str,
    bytes: Vec<Option<u16>>,
}

impl Constant {
    /// Whether these bytes stand somewhere in it.
    fn covers(&self, run: &[u8]) -> bool {
        let fits = |(known, byte): (&Option<u16>, &u8)| known.is_none_or(|known| known == u16::from(*byte));
        self.bytes.windows(run.len()).any(|window| window.iter().zip(run).all(fits))
    }
}

fn constant(why: &'static str, parts: &[&[Option<u16>]]) -> Constant {
    Constant { why, bytes: parts.concat() }
}

fn known(bytes: &[u8]) -> Vec<Option<u16>> {
    bytes.iter().map(|byte| Some(u16::from(*byte))).collect()
}

/// The list.
pub fn constants() -> Vec<Constant> {
    // Id 0 and flags; then four counts of less than 256 (RFC 6762, section 18).
    let counts =
        [known(&[0]), vec![ANY], known(&[0]), vec![ANY], known(&[0]), vec![ANY], known(&[0]), vec![ANY]].concat();
    let query = [known(&[0, 0, 0, 0]), counts.clone()].concat();
    let answer = [known(&[0, 0, 0x84, 0]), counts].concat();
    // The service's type says that somebody here has Betwixt, which the threat model admits, and nothing else.
    let service = known(b"\x08_betwixt\x04_udp\x05local\x00");
    // A name that stood before, as an offset in this message (RFC 1035, section 4.1.4).
    let pointer = [known(&[0xc0]), vec![ANY]].concat();
    let lifetime = [known(&[0, 0]), vec![ANY, ANY]].concat();
    let record = |kind: u8, class: [u8; 2], length: u8| {
        [known(&[0, kind, class[0], class[1]]), lifetime.clone(), known(&[0, length])].concat()
    };
    const SHARED: [u8; 2] = [0, 1];
    // With the bit that says: nobody else has this name (RFC 6762, section 10.2).
    const UNIQUE: [u8; 2] = [0x80, 1];
    // 19 bytes: a label of 16 random letters with its length, and a pointer.
    let instance = [record(12, SHARED, 19), known(&[16])].concat();
    vec![
        constant(
            "a question for the service, and one who is known already",
            &[&query, &service, &known(&[0, 12, 0, 1]), &pointer, &instance],
        ),
        constant("an advert's first record: the service has an instance", &[&answer, &service, &instance]),
        constant("the next instance that is known already", &[&pointer, &pointer, &instance]),
        // 25 bytes: priority and weight 0; the port and the random host name come after them.
        constant(
            "where an instance is, up to its port",
            &[&pointer, &pointer, &record(33, UNIQUE, 25), &known(&[0; 4])],
        ),
        // 147 bytes: one text of 146; the advert's bytes come after the name of their key.
        constant(
            "an instance's text, up to the advert in it",
            &[&pointer, &pointer, &record(16, UNIQUE, 147), &known(b"\x92a=")],
        ),
        constant("an IPv4 address, up to it", &[&pointer, &record(1, UNIQUE, 4)]),
        // RFC 4291, section 2.5.6: what follows is the interface's and not ours.
        constant(
            "an IPv6 address, up to what is its own in a link-local one",
            &[&pointer, &record(28, UNIQUE, 16), &known(&[0xfe, 0x80, 0, 0, 0, 0, 0, 0])],
        ),
    ]
}

/// The longest runs of at least `shortest` bytes of datagrams on one network that stand in a datagram on the other, too,
/// and are not, in each of their stretches of `shortest` bytes, part of a constant.
pub fn recurring(one: &[Vec<u8>], other: &[Vec<u8>], shortest: usize) -> std::collections::BTreeSet<Vec<u8>> {
    let constants = constants();
    let seen: std::collections::BTreeSet<&[u8]> = one.iter().flat_map(|datagram| datagram.windows(shortest)).collect();
    // One or two bytes beside a constant are equal by chance (a random name has 32 letters); a port and what follows are three.
    let is_constant = |window: &[u8]| {
        let covered = |part: &[u8]| constants.iter().any(|constant| constant.covers(part));
        (0..=2).any(|spare| covered(&window[..shortest - spare]) || covered(&window[spare..]))
    };
    let recurs = |window: &[u8]| seen.contains(window) && !is_constant(window);
    let mut runs = std::collections::BTreeSet::new();
    for datagram in other {
        let mut begun = None;
        for (at, window) in datagram.windows(shortest).chain([&[][..]]).enumerate() {
            match (recurs(window), begun) {
                (true, None) => begun = Some(at),
                (false, Some(from)) => {
                    runs.insert(datagram[from..at + shortest - 1].to_vec());
                    begun = None;
                }
                _ => {}
            }
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An advert's SRV record, as the library writes it.
    fn advert(port: u16, host: &[u8; 16]) -> Vec<u8> {
        let mut bytes = b"\xc0\x0c\xc0\x2b\x00\x21\x80\x01\x00\x00\x00\x78\x00\x19\x00\x00\x00\x00".to_vec();
        bytes.extend_from_slice(&port.to_be_bytes());
        bytes.push(16);
        bytes.extend_from_slice(host);
        bytes
    }

    #[test]
    fn structure_may_recur_and_a_port_a_name_or_an_id_may_not() {
        let home = advert(40_000, b"abcdefghijklmnop");
        let found = |elsewhere: Vec<u8>| recurring(std::slice::from_ref(&home), &[elsewhere], 8);
        assert!(found(advert(50_000, b"qrstuvwxyzabcdef")).is_empty());
        // The same port: the two bytes and the six before them.
        assert_eq!(found(advert(40_000, b"qrstuvwxyzabcdef")).len(), 1);
        assert_eq!(found(advert(50_000, b"abcdefghijklmnop")), [b"\x10abcdefghijklmnop".to_vec()].into());
        // At a datagram's end, and in another place than before.
        assert_eq!(found(b"_abcdefgh".to_vec()), [b"abcdefgh".to_vec()].into());
        assert!(found(b"_abcdefg".to_vec()).is_empty(), "seven bytes are too few to mean something");
        assert!(found(Vec::new()).is_empty());
    }
}
