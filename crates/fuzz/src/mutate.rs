//! Seeded alterations of inputs. libFuzzer, which sees what an input reaches, does this better; this needs nothing but a
//! seed, and gives the same on every machine.

use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};

/// Bytes and lengths at which readers go wrong.
const EDGES: [u8; 8] = [0, 1, 0x7f, 0x80, 0xff, b'"', b'{', b'\n'];

/// One of these inputs, altered a few times; the same for the same seed. Never longer than `longest`.
pub fn altered(inputs: &[Vec<u8>], seed: u64, longest: usize) -> Vec<u8> {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let Some(first) = inputs.get(below(&mut rng, inputs.len())) else {
        let mut bytes = vec![0; below(&mut rng, longest.min(256) + 1)];
        rng.fill_bytes(&mut bytes);
        return bytes;
    };
    let mut bytes = first.clone();
    for _ in 0..=below(&mut rng, 4) {
        alter(&mut bytes, inputs, &mut rng);
    }
    bytes.truncate(longest);
    bytes
}

fn alter(bytes: &mut Vec<u8>, inputs: &[Vec<u8>], rng: &mut ChaCha20Rng) {
    let at = below(rng, bytes.len() + 1);
    let some = at + below(rng, (bytes.len() - at).min(32) + 1);
    match below(rng, 9) {
        0 => bytes.truncate(at),
        1 => drop(bytes.drain(at..some)),
        2 => {
            let again = bytes[at..some].to_vec();
            drop(bytes.splice(at..at, again));
        }
        3 => {
            let mut drawn = vec![0; below(rng, 9)];
            rng.fill_bytes(&mut drawn);
            drop(bytes.splice(at..at, drawn));
        }
        4 => {
            let other = &inputs[below(rng, inputs.len())];
            let from = below(rng, other.len() + 1);
            let part = other[from..from + below(rng, (other.len() - from).min(256) + 1)].to_vec();
            drop(bytes.splice(at..some, part));
        }
        5 => {
            let edge = EDGES[below(rng, EDGES.len())];
            bytes.get_mut(at).into_iter().for_each(|byte| *byte = edge);
        }
        6 => {
            // A length, or the most of one.
            let number = rng.next_u32().checked_shr(rng.next_u32() % 40).unwrap_or(u32::MAX);
            number.to_le_bytes().iter().zip(bytes.iter_mut().skip(at)).for_each(|(from, to)| *to = *from);
        }
        7 => bytes.get_mut(at).into_iter().for_each(|byte| *byte = byte.wrapping_add(1)),
        _ => bytes.get_mut(at).into_iter().for_each(|byte| *byte ^= 1 << (rng.next_u32() % 8)),
    }
}

/// A number from 0 up to and without `count`; 0 where there is none.
fn below(rng: &mut ChaCha20Rng, count: usize) -> usize {
    usize::try_from(rng.next_u64() % (count.max(1) as u64)).expect("it is less than a usize")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_alters_the_same_and_another_otherwise() {
        let inputs = [b"something".to_vec(), b"another thing".to_vec()];
        let some: Vec<_> = (0..100).map(|seed| altered(&inputs, seed, 20)).collect();
        assert_eq!(some, (0..100).map(|seed| altered(&inputs, seed, 20)).collect::<Vec<_>>());
        assert!(some.iter().all(|bytes| bytes.len() <= 20));
        let unlike = some.iter().filter(|bytes| !inputs.contains(bytes)).count();
        assert!(unlike > 80, "{unlike}");
        assert!(altered(&[], 1, 20).len() <= 20);
    }
}
