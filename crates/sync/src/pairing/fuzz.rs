//! What fuzzing reaches of pairing's insides: its frames, and what follows for a peer that knows the code.

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use super::accord::{Accord, Progress};
use super::exchange::{Role, RunKeys};
use super::frame::{Answer, Frame, METHOD_CODE, Message, Start, VERSIONS};
use super::{Channel, Failure, Local, Output, Purpose};
use crate::dialer::ConnectionId;

/// Reads a frame, and answers how it is written again.
pub fn read_frame(bytes: &[u8]) -> Option<Vec<u8>> {
    Frame::parse(bytes).map(|frame| frame.to_bytes())
}

/// Reads what is sealed in frames, and answers how it is written again.
pub fn read_message(bytes: &[u8]) -> Option<Vec<u8>> {
    Message::parse(bytes).map(|message| message.to_bytes())
}

/// What the side that shows the code makes of these messages, from a peer that has proven it. The person says yes, and what
/// is to be stored is stored. Answers what was to be done, and what it came to where it ended.
pub fn after_proof(local: Local, purpose: Purpose, messages: &[&[u8]]) -> (Vec<Output>, Option<Result<(), Failure>>) {
    let channel = |own_key, peer_key| Channel { own_key, peer_key, exporter: [3; 32] };
    let start = Start { versions: VERSIONS, purpose: 1, method: METHOD_CODE, nonce: [4; 16], share: vec![5] };
    let answer = Answer { version: VERSIONS.1, versions: VERSIONS, nonce: [6; 16], share: vec![7] };
    let keys =
        |role, channel: Channel| RunKeys::derive(b"what both would have in common", role, &channel, &start, &answer);
    let connection = ConnectionId(1);
    let mut hostile = keys(Role::Join, channel([2; 32], [1; 32])).seal(Role::Join);
    let mut accord = Accord::new(Role::Offer, purpose, local);
    let seal = keys(Role::Offer, channel([1; 32], [2; 32])).seal(Role::Offer);
    accord.begin(connection, seal, &mut ChaCha20Rng::seed_from_u64(8));
    let mut done = Vec::new();
    for message in messages {
        let mut outcome = accord.handle_sealed(&hostile.seal(message));
        while let (Ok(_), Some(output)) = (&outcome, accord.outputs.pop_front()) {
            outcome = match &output {
                Output::AskConfirm { peer, .. } => accord.handle_confirm(&peer.device, true),
                Output::Paired { .. } => accord.handle_stored(),
                _ => outcome,
            };
            done.push(output);
        }
        done.extend(accord.outputs.drain(..));
        match outcome {
            Ok(Progress::Open) => {}
            Ok(Progress::Complete) => return (done, Some(Ok(()))),
            Err(failure) => return (done, Some(Err(failure))),
        }
    }
    (done, None)
}

/// The messages with which an honest peer would pair with [`after_proof`]'s side, as far as they depend on nothing that it
/// answers: who it is, and that its person says yes.
pub fn messages(local: &Local) -> Vec<Vec<u8>> {
    let statements = local.statements.iter().map(|statement| statement.to_bytes()).collect();
    let identity = super::frame::Identity {
        partner: local.partner,
        device: local.keys.device(),
        name: local.name.clone(),
        device_name: local.device_name.clone(),
        statements,
        nonce: [9; 16],
    };
    let signature = Message::Signature(vec![0; 64]);
    [Message::Identity(identity), Message::Confirm, signature, Message::Done].map(|one| one.to_bytes()).into()
}
