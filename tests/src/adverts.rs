//! Adverts that strangers send.

/// A DNS response (RFC 1035) with PTR, SRV, TXT and A records of an instance of our service, which nobody has: each number is
/// another one.
///
/// # Panics
/// Never: what is written is short.
pub fn forged_advert(number: u32) -> Vec<u8> {
    fn name(labels: &[&str]) -> Vec<u8> {
        let mut name = Vec::new();
        for label in labels {
            name.push(u8::try_from(label.len()).expect("short"));
            name.extend_from_slice(label.as_bytes());
        }
        name.push(0);
        name
    }
    fn record(out: &mut Vec<u8>, owner: &[u8], kind: u16, data: &[u8]) {
        out.extend_from_slice(owner);
        out.extend_from_slice(&kind.to_be_bytes());
        out.extend_from_slice(&[0, 1]);
        out.extend_from_slice(&4500_u32.to_be_bytes());
        out.extend_from_slice(&u16::try_from(data.len()).expect("short").to_be_bytes());
        out.extend_from_slice(data);
    }
    let label = format!("flood{number}");
    let service = name(&["_betwixt", "_udp", "local"]);
    let instance = name(&[&label, "_betwixt", "_udp", "local"]);
    let host = name(&[&label, "local"]);
    let mut out = vec![0, 0, 0x84, 0, 0, 0, 0, 4, 0, 0, 0, 0];
    record(&mut out, &service, 12, &instance);
    record(&mut out, &instance, 33, &[&[0, 0, 0, 0, 0x10, 0][..], &host].concat());
    record(&mut out, &instance, 16, &[&[147, b'a', b'='][..], &[7; 145]].concat());
    record(&mut out, &host, 1, &[192, 0, 2, 9]);
    out
}
