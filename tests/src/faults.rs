//! What tests of faults do over and over: say things and keep what was acknowledged, look for all of it at the end, and put a
//! bad network between two homes.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use betwixt_api::{AddressRequest, ClientError, Collection, NewAttachment, NewItem, VerifyReport};
use betwixt_testkit::proxy::{Conditions, Proxy};
use betwixt_testkit::survived::{Ground, Survived, record};
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};
use serde_json::json;
use tokio::sync::mpsc;

use crate::home::{Home, in_step, pair, shared};

/// The seed of a run: `BETWIXT_SEED`, or 1.
pub fn seed() -> u64 {
    std::env::var(betwixt_testkit::seeds::SEED).map_or(1, |text| text.parse().unwrap())
}

/// What was acknowledged by any device: it may never be lost.
#[derive(Debug, Default)]
pub struct Told {
    thanks: Vec<(String, String)>,
    asked: u64,
}

impl Told {
    /// Says something shared, and keeps it if it is acknowledged.
    ///
    /// # Errors
    /// As the client's.
    pub async fn thank(&mut self, home: &Home, text: &str) -> Result<(), ClientError> {
        self.asked += 1;
        let item = NewItem { scope: None, fields: [("what".to_owned(), json!(text))].into() };
        // The beginning of a text is its own; a whole one may be too long for a key.
        let key: String = text.chars().filter(char::is_ascii_alphanumeric).take(60).collect();
        let item = home.client().create(Collection::Thanks, &key, &item).await?;
        self.thanks.push((item.id, text.to_owned()));
        Ok(())
    }

    /// Says this often something of about so many characters. No other call may be given the same `what`.
    ///
    /// # Errors
    /// As the client's, at the first that is refused.
    pub async fn thank_often(
        &mut self,
        home: &Home,
        what: &str,
        times: usize,
        characters: usize,
    ) -> Result<(), ClientError> {
        for number in 0..times {
            let mut text = format!("{what}, for the {number}th time. ");
            // Words that no two times have in common: what repeats goes over the wire once.
            let mut rng = ChaCha20Rng::seed_from_u64(number as u64);
            while text.len() < characters {
                text.push_str(&format!("good {:x}. ", rng.next_u64()));
            }
            self.thank(home, text.trim_end()).await?;
        }
        Ok(())
    }

    /// Takes over what another has kept.
    pub fn merge(&mut self, other: Self) {
        self.thanks.extend(other.thanks);
        self.asked += other.asked;
    }

    /// How much was acknowledged.
    pub fn len(&self) -> usize {
        self.thanks.len()
    }

    /// Whether nothing was.
    pub fn is_empty(&self) -> bool {
        self.thanks.is_empty()
    }

    /// How much of it a home does not show as it was said.
    pub async fn missing(&self, home: &Home) -> usize {
        let items = home.client().items(Collection::Thanks, None).await.unwrap();
        let shown: std::collections::BTreeMap<&str, _> =
            items.iter().map(|item| (item.id.as_str(), item.fields["what"].held())).collect();
        let kept = |(id, text): &&(String, String)| shown.get(id.as_str()).copied().flatten() != Some(&json!(text));
        self.thanks.iter().filter(kept).count()
    }

    /// Brings both into step, which may take `patience`; then both show the same, everything that was acknowledged is on both,
    /// and nothing on their disks is damaged. Says what was survived, with these faults.
    ///
    /// # Panics
    /// When any of that does not hold.
    pub async fn survived(&self, first: &Home, second: &Home, patience: Duration, faults: &[(&str, u64)]) {
        in_step(first, second, patience).await.unwrap();
        let missing = self.missing(first).await + self.missing(second).await;
        let mut survived = Survived::one(self.asked, 2 * self.thanks.len() as u64);
        survived.lost = missing as u64;
        for (fault, count) in faults {
            survived = survived.with(fault, *count);
        }
        record(Ground::Processes, &survived);
        assert_eq!(missing, 0, "of {} acknowledged values on two devices", self.thanks.len());
        assert_eq!(shared(first).await.unwrap(), shared(second).await.unwrap());
        for home in [first, second] {
            let VerifyReport { damaged, .. } = home.client().verify().await.unwrap();
            assert!(damaged.is_empty(), "{damaged:?}");
            assert!(!home.printed().contains("panicked"), "{}", home.printed());
        }
    }
}

/// Two homes on loopback that reach each other through proxies alone.
#[derive(Debug)]
pub struct Apart {
    /// Whose page is Robin's.
    pub first: Home,
    /// Kim's.
    pub second: Home,
    /// Before the first, and before the second.
    pub proxies: [Proxy; 2],
}

impl Apart {
    /// A couple, paired and in step, with a network between that works well for now.
    ///
    /// # Panics
    /// When any step of that fails.
    pub async fn couple(seed: u64) -> Self {
        let (mut first, mut second) = (Home::on_loopback().unwrap(), Home::on_loopback().unwrap());
        first.found("Robin").await.unwrap();
        second.found("Kim").await.unwrap();
        pair(&first, &second, true).await.unwrap();
        let proxy = |home: &Home, seed| {
            let server = SocketAddr::from((Ipv4Addr::LOCALHOST, home.port().unwrap()));
            Proxy::before(server, seed, Conditions::GOOD).unwrap()
        };
        let proxies = [proxy(&first, seed), proxy(&second, seed ^ 0xff)];
        for (home, proxy) in [(&first, &proxies[1]), (&second, &proxies[0])] {
            let address = proxy.address().to_string();
            home.client().address_add(&AddressRequest { address }).await.unwrap();
        }
        in_step(&first, &second, Duration::from_secs(60)).await.unwrap();
        let couple = Self { first, second, proxies };
        assert!(couple.passed(|passed| passed.passed) > 0, "they meet past the proxies");
        couple
    }

    /// How the network is from now on.
    pub fn set_conditions(&self, conditions: Conditions) {
        self.proxies.iter().for_each(|proxy| proxy.set_conditions(conditions));
    }

    /// Takes the network between them down or up.
    pub fn set_down(&self, down: bool) {
        self.proxies.iter().for_each(|proxy| proxy.set_down(down));
    }

    /// A figure of both proxies together.
    pub fn passed(&self, figure: impl Fn(betwixt_testkit::proxy::Passed) -> u64) -> u64 {
        self.proxies.iter().map(|proxy| figure(proxy.passed())).sum()
    }
}

/// Attaches a file of so many bytes that are nothing in particular. Answers its item and its bytes.
///
/// # Panics
/// When it is refused.
pub async fn attach(home: &Home, key: &str, bytes: usize) -> (String, Vec<u8>) {
    let mut content = vec![0; bytes];
    ChaCha20Rng::seed_from_u64(bytes as u64).fill_bytes(&mut content);
    let (sender, pieces) = mpsc::channel(4);
    let send = async {
        for piece in content.chunks(50_000) {
            if sender.send(piece.to_vec().into()).await.is_err() {
                return;
            }
        }
        drop(sender);
    };
    let new = NewAttachment { title: Some(key.to_owned()), ..NewAttachment::default() };
    let attach = home.client().attach(key, &new, "application/x-film", bytes as u64, pieces);
    let (added, ()) = tokio::join!(attach, send);
    (added.unwrap().attachment.id, content)
}

/// Whether a home has a file, to its last byte.
pub async fn has_file(home: &Home, id: &str, content: &[u8]) -> bool {
    let Ok(mut download) = home.client().attachment_content(id).await else { return false };
    let mut read = Vec::new();
    while let Ok(Some(piece)) = download.next().await {
        read.extend_from_slice(&piece);
    }
    read == content
}

/// Waits until a home has a file. Does something over and over meanwhile.
///
/// # Panics
/// When it takes longer than `patience`.
pub async fn until_file(home: &Home, id: &str, content: &[u8], patience: Duration, mut meanwhile: impl AsyncFnMut()) {
    let begun = Instant::now();
    while !has_file(home, id, content).await {
        assert!(begun.elapsed() < patience, "the file does not arrive");
        meanwhile().await;
    }
}
