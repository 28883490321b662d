//! TLS 1.3 with raw public keys (RFC 7250) in both directions, pinned, and nothing that lives longer than a connection:
//! no certificates that expire, no tickets (a resumed session's key is not verified again), no 0-RTT.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use betwixt_model::ids::DeviceId;
use ed25519_dalek::Signer as _;
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{AlwaysResolvesClientRawPublicKeys, Resumption};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{AlwaysResolvesServerRawPublicKeys, NoServerSessionStorage};
use rustls::sign::{CertifiedKey, Signer, SigningKey};
use rustls::{
    CertificateError, CipherSuite, DigitallySignedStruct, DistinguishedName, Error, NamedGroup, SignatureAlgorithm,
    SignatureScheme,
};

/// What the sync endpoint speaks; a partner with another major version of the transport gets no further than TLS.
pub(crate) const SYNC_PROTOCOL: &[u8] = b"betwixt/1";
/// What the pairing endpoint speaks, so that neither endpoint can be taken for the other.
pub(crate) const PAIRING_PROTOCOL: &[u8] = b"betwixt-pair/1";
/// The same for everybody and never sent (SNI is off): names on the wire would be readable by the whole network.
pub(crate) const SERVER_NAME: &str = "betwixt.invalid";

/// The DER of an Ed25519 SubjectPublicKeyInfo up to the key's 32 bytes (RFC 8410).
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

fn spki(key: &[u8; 32]) -> Vec<u8> {
    [&SPKI_PREFIX[..], key].concat()
}

/// The Ed25519 key in a SubjectPublicKeyInfo; `None` for anything else.
pub(crate) fn key_of_spki(der: &[u8]) -> Option<[u8; 32]> {
    der.strip_prefix(&SPKI_PREFIX)?.try_into().ok()
}

/// The key that the other end of a connection proved in the handshake.
pub(crate) fn proven_key(connection: &quinn::Connection) -> Option<[u8; 32]> {
    let identity = connection.peer_identity()?;
    let certificates = identity.downcast_ref::<Vec<CertificateDer<'static>>>()?;
    key_of_spki(certificates.first()?)
}

/// Ed25519 signing for rustls, so that the secret is never copied into another form.
struct Ed25519(Arc<ed25519_dalek::SigningKey>);

impl std::fmt::Debug for Ed25519 {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Ed25519(..)")
    }
}

impl SigningKey for Ed25519 {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        offered.contains(&SignatureScheme::ED25519).then(|| Box::new(Self(self.0.clone())) as Box<dyn Signer>)
    }

    fn public_key(&self) -> Option<SubjectPublicKeyInfoDer<'_>> {
        Some(spki(self.0.verifying_key().as_bytes()).into())
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ED25519
    }
}

impl Signer for Ed25519 {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        Ok(self.0.sign(message).to_bytes().to_vec())
    }

    fn scheme(&self) -> SignatureScheme {
        SignatureScheme::ED25519
    }
}

/// Which key the other end must have.
#[derive(Debug, Clone)]
pub(crate) enum Pin {
    /// This device's.
    Device(DeviceId),
    /// Any: the pairing endpoint, where the code proves who it is, over this very connection.
    AnyKey,
}

/// Checks that the other end presents the pinned key, and its signature with it.
#[derive(Debug)]
struct Verifier {
    pin: Pin,
    algorithms: WebPkiSupportedAlgorithms,
    mismatch: Arc<AtomicBool>,
}

impl Verifier {
    fn check_key(&self, presented: &CertificateDer<'_>, others: &[CertificateDer<'_>]) -> Result<(), Error> {
        let key = key_of_spki(presented).ok_or(Error::InvalidCertificate(CertificateError::BadEncoding))?;
        let right = match &self.pin {
            Pin::Device(device) => device.as_bytes() == &key,
            Pin::AnyKey => true,
        };
        if right && others.is_empty() {
            return Ok(());
        }
        self.mismatch.store(true, Ordering::Relaxed);
        Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
    }
}

/// How signatures are checked, which rustls asks of either side's verifier by a trait of its own.
macro_rules! signature_checks {
    () => {
        fn verify_tls12_signature(
            &self,
            _message: &[u8],
            _cert: &CertificateDer<'_>,
            _dss: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Err(Error::General("TLS 1.2 is not spoken".to_owned()))
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            cert: &CertificateDer<'_>,
            dss: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            let key = SubjectPublicKeyInfoDer::from(cert.as_ref());
            verify_tls13_signature_with_raw_key(message, &key, dss, &self.algorithms)
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            vec![SignatureScheme::ED25519]
        }

        fn requires_raw_public_keys(&self) -> bool {
            true
        }
    };
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.check_key(end_entity, intermediates).map(|()| ServerCertVerified::assertion())
    }

    signature_checks!();
}

impl ClientCertVerifier for Verifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.check_key(end_entity, intermediates).map(|()| ClientCertVerified::assertion())
    }

    signature_checks!();
}

/// A key to prove in handshakes, and the configurations made with it.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    key: Arc<CertifiedKey>,
    provider: Arc<CryptoProvider>,
    public: [u8; 32],
}

impl Identity {
    /// An identity of this key: the device's on the sync endpoint, one made for the occasion when pairing.
    pub(crate) fn new(key: Arc<ed25519_dalek::SigningKey>) -> Self {
        let public = *key.verifying_key().as_bytes();
        let presented = vec![CertificateDer::from(spki(&public))];
        let mut provider = rustls::crypto::ring::default_provider();
        // AES-128-GCM protects QUIC's initial packets, so it has to be there.
        provider.cipher_suites.retain(|suite| {
            matches!(suite.suite(), CipherSuite::TLS13_AES_128_GCM_SHA256 | CipherSuite::TLS13_CHACHA20_POLY1305_SHA256)
        });
        provider.kx_groups.retain(|group| group.name() == NamedGroup::X25519);
        Self {
            key: Arc::new(CertifiedKey::new(presented, Arc::new(Ed25519(key)))),
            provider: Arc::new(provider),
            public,
        }
    }

    /// The public key.
    pub(crate) fn public(&self) -> &[u8; 32] {
        &self.public
    }

    fn verifier(&self, pin: Pin) -> (Arc<Verifier>, Arc<AtomicBool>) {
        let mismatch = Arc::new(AtomicBool::new(false));
        let algorithms = self.provider.signature_verification_algorithms;
        (Arc::new(Verifier { pin, algorithms, mismatch: mismatch.clone() }), mismatch)
    }

    /// For accepting one connection, from whoever has the pinned key.
    pub(crate) fn server(&self, pin: Pin, protocol: &[u8]) -> Result<QuicServerConfig, TlsError> {
        let (verifier, _) = self.verifier(pin);
        let mut config = rustls::ServerConfig::builder_with_provider(self.provider.clone())
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(self.key.clone())));
        config.alpn_protocols = vec![protocol.to_vec()];
        config.send_tls13_tickets = 0;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.max_early_data_size = 0;
        Ok(config.try_into()?)
    }

    /// For dialling whoever has the pinned key; the flag is set when somebody else answered.
    pub(crate) fn client(&self, pin: Pin, protocol: &[u8]) -> Result<(QuicClientConfig, Arc<AtomicBool>), TlsError> {
        let (config, mismatch) = self.client_config(pin, protocol)?;
        Ok((config.try_into()?, mismatch))
    }

    /// The same before QUIC takes it, so that a test can play a client that would resume if it could.
    pub(crate) fn client_config(
        &self,
        pin: Pin,
        protocol: &[u8],
    ) -> Result<(rustls::ClientConfig, Arc<AtomicBool>), TlsError> {
        let (verifier, mismatch) = self.verifier(pin);
        let mut config = rustls::ClientConfig::builder_with_provider(self.provider.clone())
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(self.key.clone())));
        config.alpn_protocols = vec![protocol.to_vec()];
        config.enable_sni = false;
        config.resumption = Resumption::disabled();
        config.enable_early_data = false;
        Ok((config, mismatch))
    }
}

/// The TLS library refused a configuration; a fault of the build, not of the surroundings.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// rustls did.
    #[error("TLS cannot be set up: {0}")]
    Rustls(#[from] Error),
    /// QUIC's initial cipher suite is missing.
    #[error("TLS cannot be set up for QUIC: {0}")]
    Quic(#[from] quinn::crypto::rustls::NoInitialCipherSuite),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(seed: u8) -> Arc<ed25519_dalek::SigningKey> {
        Arc::new(ed25519_dalek::SigningKey::from_bytes(&[seed; 32]))
    }

    #[test]
    fn only_an_ed25519_spki_has_a_key() {
        let public = *key(1).verifying_key().as_bytes();
        let der = spki(&public);
        assert_eq!(key_of_spki(&der), Some(public));
        assert_eq!(key_of_spki(&der[..43]), None);
        assert_eq!(key_of_spki(&[&der[..], &[0]].concat()), None);
        let mut other = der.clone();
        other[8] = 0x6e; // X25519
        assert_eq!(key_of_spki(&other), None);
        // The library that checks signatures reads the same bytes.
        assert_eq!(rustls::sign::public_key_to_spki(&rustls::pki_types::alg_id::ED25519, public).as_ref(), &der[..]);
    }

    #[test]
    fn the_pin_admits_its_device_only() {
        let identity = Identity::new(key(1));
        let device = DeviceId::from_bytes(*key(2).verifying_key().as_bytes());
        let (verifier, mismatch) = identity.verifier(Pin::Device(device));
        let right = CertificateDer::from(spki(device.as_bytes()));
        let wrong = CertificateDer::from(spki(key(3).verifying_key().as_bytes()));
        assert!(verifier.check_key(&right, &[]).is_ok());
        assert!(!mismatch.load(Ordering::Relaxed));
        assert!(verifier.check_key(&right, std::slice::from_ref(&wrong)).is_err());
        assert!(verifier.check_key(&wrong, &[]).is_err());
        assert!(mismatch.load(Ordering::Relaxed));
        assert!(verifier.check_key(&CertificateDer::from(vec![1, 2, 3]), &[]).is_err());
    }

    #[test]
    fn debug_shows_no_key() {
        assert_eq!(format!("{:?}", Ed25519(key(1))), "Ed25519(..)");
    }
}
