//! What the real encoders write, as first inputs: a fuzzer that begins with these need not guess a format.

mod api;
mod said;
mod stored;
mod wire;

/// A name, and the bytes.
pub type Seed = (String, Vec<u8>);

/// The first inputs of a target, the same on every machine; none for a target that there is not.
pub fn of(target: &str) -> Vec<Seed> {
    match target {
        "adverts" => wire::adverts(),
        "api_requests" => api::requests(),
        "archives" => stored::archives(),
        "bridge" => wire::bridge(),
        "carry" => wire::carried(),
        "changes" => wire::changes(),
        "datagrams" => wire::datagrams(),
        "documents" => wire::documents(),
        "fact_lives" => said::lives(),
        "facts" => said::facts(),
        "gate" => wire::gate(),
        "keys_files" => stored::keys_files(),
        "pairing" => wire::pairing(),
        "pairing_frames" => wire::pairing_frames(),
        "pairing_proven" => wire::pairing_proven(),
        "presents" => wire::presents(),
        "prose" => said::prose(),
        "roster" => said::roster(),
        "schedules" => said::schedules(),
        "session" => wire::session(),
        "sync_messages" => wire::sync_messages(),
        "wire_frames" => wire::frames(),
        _ => Vec::new(),
    }
}

fn named(name: &str, bytes: impl Into<Vec<u8>>) -> Seed {
    (name.to_owned(), bytes.into())
}

/// Seeds that are numbered.
fn numbered(name: &str, all: impl IntoIterator<Item = Vec<u8>>) -> Vec<Seed> {
    all.into_iter().enumerate().map(|(number, bytes)| (format!("{name}-{number}"), bytes)).collect()
}
