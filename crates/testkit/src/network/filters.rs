//! Filters of what somebody has that take more of what is missing for had than they should.
//!
//! Automerge's sync protocol says what a side has by a Bloom filter, which takes one change in a hundred for had that is not. What
//! follows when that one is what many others build on happens in one meeting of a hundred, too seldom for small runs. So bits of the
//! filters are set on their way: every such filter is one that chance could have made. Those of messages that bring changes arrive as they
//! are, since these are packed; the first of a session, by which the two find out what is missing, brings none.

use automerge::sync::{BloomFilter, Message};
use betwixt_sync::wire::Frame;
use rand_core::RngCore;

use super::{Network, draw};

impl Network {
    /// The frame, with bits set in whatever filters are in it, [`super::Weather::set_in_filters`] of a hundred.
    pub(super) fn with_bits_set(&mut self, bytes: Vec<u8>) -> Vec<u8> {
        if self.weather.set_in_filters == 0 {
            return bytes;
        }
        let Ok(Frame::Sync { last: true, bytes: whole }) = Frame::decode(&bytes) else { return bytes };
        let Ok(mut message) = Message::decode(&whole) else { return bytes };
        for have in &mut message.have {
            let mut filter = have.bloom.to_bytes();
            set_bits(&mut filter, self.weather.set_in_filters, &mut self.rng);
            if let Ok(fuller) = BloomFilter::try_from(filter.as_slice())
                && fuller != have.bloom
            {
                self.survived.fault("filter that hides what is missing");
                have.bloom = fuller;
            }
        }
        Frame::Sync { last: true, bytes: message.encode() }.encode()
    }
}

/// Sets this many of a hundred bits of an encoded filter, behind the three numbers (LEB128) that come first.
fn set_bits(filter: &mut [u8], of_a_hundred: u32, rng: &mut impl RngCore) {
    let numbers = filter.iter().enumerate().filter(|(_, byte)| **byte < 0x80);
    let Some((third, _)) = numbers.take(3).nth(2) else { return };
    for byte in &mut filter[third + 1..] {
        for bit in 0..8 {
            if draw(rng, 100) < of_a_hundred {
                *byte |= 1 << bit;
            }
        }
    }
}
