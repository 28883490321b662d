//! The closed set of what can be asked of the daemon, and of what it answers.

use std::net::SocketAddr;

use betwixt_api as api;
use betwixt_api::{Collection, Problem, Scope};
use tokio::sync::oneshot;

use super::access::Caller;
use super::attachments::{AttachmentResponse, NewFile, Upload};
use super::events::EventStream;
use super::export::Pieces;
use super::frontends::{FrontendRequest, FrontendResponse};
use super::lists::{BringPlace, ItemPlace, ItemsList, Paging, SettleList};
use super::past::{PastRequest, PastResponse};
use super::search::SearchAsked;
use super::statistics::StatisticsAsked;
use super::ways::{WayRequest, WayResponse};

/// What the loop gives back.
pub type Answer = Result<Response, Problem>;

/// A request and where its answer goes. When the receiving end is gone, the caller is, and the request is still carried
/// out as if they waited.
#[derive(Debug)]
pub struct Call {
    /// Who asks. What the route needs was checked; what of the home they may see is the loop's to heed.
    pub caller: Caller,
    /// What is asked.
    pub request: Request,
    /// Where the answer goes. Dropped without an answer, the caller is told that the daemon is going down.
    pub answer: oneshot::Sender<Answer>,
}

/// Which item, as the path says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// The vision: of this scope, or the shared one once there is one and the private one before.
    Vision(Option<Scope>),
    /// An item by the beginning of its id: 1 to 52 characters of `a-z` and `2-7`. Whether it is unique is not known yet.
    Item(Collection, String),
}

impl Target {
    /// The collection that the item belongs to.
    pub fn collection(&self) -> Collection {
        match self {
            Self::Vision(_) => Collection::Vision,
            Self::Item(collection, _) => *collection,
        }
    }
}

/// A change to a device, named by its id, the beginning of it, or what it is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeviceChange {
    /// It is called otherwise.
    Rename {
        /// Which.
        device: String,
        /// Its new name.
        name: String,
    },
    /// It no longer belongs: nobody answers it any more, and what it says from now on counts for nothing.
    Remove {
        /// Which.
        device: String,
    },
}

/// What is asked. Bodies are the API's own types; paths and headers are parsed.
#[derive(Debug)]
pub enum Request {
    /// `GET /v1/status`: [`Response::Status`], in every phase.
    Status,
    /// `POST /v1/home`: [`Response::Initialised`].
    Init(api::InitRequest),
    /// `POST /v1/unlock`: [`Response::Status`].
    Unlock(api::UnlockRequest),
    /// `POST /v1/lock`: [`Response::Status`].
    Lock,
    /// `PUT /v1/lock`: [`Response::Status`].
    LockAfter(api::LockAfter),
    /// `POST /v1/down`: [`Response::Done`], and then the daemon ends.
    Down,
    /// `POST /v1/pause`: [`Response::Status`].
    Pause,
    /// `POST /v1/resume`: [`Response::Status`].
    Resume,
    /// `GET /v1/pairing`: [`Response::Pairing`].
    Pairing,
    /// `POST /v1/pairing`: [`Response::Pairing`].
    PairingStart(api::StartPairing),
    /// `POST /v1/pairing/code`: [`Response::Pairing`].
    PairingEnter(api::EnterCode),
    /// `POST /v1/pairing/confirm`: [`Response::Pairing`].
    PairingConfirm(api::ConfirmPairing),
    /// `DELETE /v1/pairing`: [`Response::Pairing`].
    PairingCancel,
    /// `GET /v1/devices`: [`Response::Devices`].
    Devices,
    /// `PUT /v1/devices/{device}/name`, `DELETE /v1/devices/{device}`: [`Response::Devices`].
    Device(DeviceChange),
    /// `GET /v1/addresses`: [`Response::Addresses`].
    Addresses,
    /// `POST /v1/addresses`: [`Response::Addresses`].
    AddressAdd(SocketAddr),
    /// `DELETE /v1/addresses/{address}`: [`Response::Addresses`].
    AddressRemove(SocketAddr),
    /// `POST /v1/here`: [`Response::Here`].
    Here,
    /// `POST /v1/sync`: [`Response::Sync`].
    Sync,
    /// `GET /v1/doctor`: [`Response::Doctor`].
    Doctor,
    /// `GET /v1/{collection}`: [`Response::Items`].
    Items {
        /// Never [`Collection::Vision`].
        collection: Collection,
        /// Which of them.
        list: ItemsList,
    },
    /// `GET /v1/{collection}/{id}`, `GET /v1/vision`: [`Response::Item`].
    Item(Target),
    /// `POST /v1/{collection}`: [`Response::Item`].
    Create {
        /// Never [`Collection::Vision`], which nobody has to found.
        collection: Collection,
        /// The same key gives the same item.
        key: Option<String>,
        /// What is said to begin with.
        item: api::NewItem,
    },
    /// `PUT /v1/{collection}/{id}/{field}`, `PUT /v1/vision/{field}`: [`Response::Saying`].
    Say {
        /// Which item.
        target: Target,
        /// Which field: 1 to 32 characters of `a-z` and `_`.
        field: String,
        /// What is said, and the token.
        say: api::Say,
    },
    /// `POST /v1/milestones/{id}/progress`: [`Response::Item`], the milestone.
    Progress {
        /// Which milestone.
        target: Target,
        /// The same key adds once.
        key: Option<String>,
        /// What is added.
        entry: api::ProgressEntry,
    },
    /// What frontends there are: [`Response::Frontend`], or [`Response::Done`] when one was revoked.
    Frontend(FrontendRequest),
    /// The ways to open the home: [`Response::Ways`].
    Ways(WayRequest),
    /// `GET` of what was: [`Response::Past`].
    Past(PastRequest),
    /// `POST /v1/search`: [`Response::Search`].
    Search(Box<SearchAsked>),
    /// `GET /v1/statistics`: [`Response::Statistics`].
    Statistics(StatisticsAsked),
    /// `POST /v1/undo`: [`Response::Past`].
    Undo,
    /// `GET /v1/calendar`, `GET /v1/rituals/{id}/calendar`: [`Response::Calendar`].
    Calendar {
        /// Of one ritual; of all when `None`.
        ritual: Option<Target>,
        /// The days, and whose.
        asked: api::CalendarRequest,
    },
    /// `PUT /v1/rituals/{id}/occurrences/{date}/{field}`: [`Response::Saying`].
    SayOccurrence {
        /// Which ritual.
        ritual: Target,
        /// The date that the rule gave.
        date: jiff::civil::Date,
        /// Which field.
        field: String,
        /// What is said, and the token.
        say: api::Say,
    },
    /// `GET /v1/seals`: [`Response::Seals`].
    Seals(Paging<ItemPlace>),
    /// `GET /v1/seals/{id}`: [`Response::Seal`].
    Seal(Target),
    /// `PUT /v1/seals/{id}/answer`: [`Response::Seal`].
    SealAnswer {
        /// Which question.
        session: Target,
        /// What is answered.
        answer: api::SealAnswer,
    },
    /// `GET /v1/settle`: [`Response::ToSettle`].
    ToSettle(SettleList),
    /// `PUT /v1/settle/{item}/{field}/differently`: [`Response::Saying`].
    Differently {
        /// `vision`, or the beginning of an id.
        item: String,
        /// Which field.
        field: String,
        /// What is said.
        say: api::SayDifferently,
    },
    /// `PUT /v1/settle/{item}/{field}/parked`: [`Response::Saying`].
    Park {
        /// `vision`, or the beginning of an id.
        item: String,
        /// Which field.
        field: String,
        /// What is said.
        park: api::Park,
    },
    /// `GET /v1/bring`: [`Response::BringChoices`].
    BringChoices(Paging<BringPlace>),
    /// `POST /v1/bring`: [`Response::BringReport`].
    Bring(api::Bring),
    /// `GET /v1/chapter`: [`Response::Chapters`].
    Chapters,
    /// `POST /v1/chapter`: [`Response::Chapters`].
    ChapterPropose(api::ChapterRequest),
    /// `POST /v1/chapter/agree`: [`Response::Chapters`].
    ChapterAgree,
    /// `POST /v1/chapter/withdraw`: [`Response::Chapters`].
    ChapterWithdraw,
    /// `POST /v1/verify`: [`Response::Verified`].
    Verify,
    /// `GET /v1/export`: [`Response::Export`].
    Export,
    /// `GET /v1/carry/{device}`: [`Response::Carry`].
    CarryExport {
        /// For which device: its id, the beginning of it, or what it is called.
        device: String,
        /// What of it.
        request: api::CarryRequest,
    },
    /// `POST /v1/carry`: [`Response::Carried`].
    CarryImport(api::CarryImport),
    /// `GET /v1/backups`: [`Response::Backups`].
    Backups,
    /// `POST /v1/backups`: [`Response::Backup`].
    Backup {
        /// The same key makes one backup.
        key: Option<String>,
        /// Where it goes.
        request: api::BackupRequest,
    },
    /// `POST /v1/restore`: [`Response::Restored`].
    Restore(api::RestoreRequest),
    /// `POST /v1/files`: [`AttachmentResponse::Added`].
    AddFile {
        /// The same key adds it once.
        key: Option<String>,
        /// What is said of it.
        file: NewFile,
        /// The file itself.
        upload: Upload,
    },
    /// `GET /v1/attachments/{id}/content`: [`AttachmentResponse::Content`].
    AttachmentContent(Target),
    /// `GET /v1/attachments/{id}/copies`: [`AttachmentResponse::Copies`].
    AttachmentCopies(Target),
    /// `GET /v1/documents`: [`Response::Documents`].
    Documents,
    /// `GET /v1/documents/{scope}/{year}`: [`Response::Document`].
    Document(Scope, i16),
    /// `GET /v1/events`: [`Response::Events`].
    Events {
        /// The last notice that the reader knows; `None` for what comes from now on.
        after: Option<String>,
        /// Whether to begin with everything that is there.
        snapshot: bool,
    },
}

/// What is answered. Which one belongs to which request is said at [`Request`].
#[derive(Debug)]
pub enum Response {
    /// Done, and nothing to tell.
    Done,
    /// How the home is.
    Status(api::Status),
    /// The home was founded.
    Initialised(api::Initialised),
    /// How far pairing is.
    Pairing(api::Pairing),
    /// Every device.
    Devices(Vec<api::Device>),
    /// Every address that is known, after the change.
    Addresses(Vec<api::Address>),
    /// This network is taken for a home.
    Here(api::Here),
    /// What came of trying to meet.
    Sync(api::SyncReport),
    /// What was found.
    Doctor(Vec<api::Finding>),
    /// Items, in their order.
    Items(api::Page<api::Item>),
    /// One item.
    Item(Box<api::Item>),
    /// Something was said.
    Saying(Box<api::Saying>),
    /// What was found.
    Search(api::SearchPage),
    /// How much there is.
    Statistics(api::Statistics),
    /// What was.
    Past(PastResponse),
    /// Frontends.
    Frontend(FrontendResponse),
    /// Ways to open the home.
    Ways(WayResponse),
    /// What takes place.
    Calendar(api::Calendar),
    /// Questions with their sealed answers.
    Seals(api::Page<api::SealedSession>),
    /// One of them.
    Seal(Box<api::SealedSession>),
    /// What is to settle.
    ToSettle(api::Page<api::SettleThread>),
    /// What could be brought over.
    BringChoices(api::Page<api::BringChoice>),
    /// What was brought over.
    BringReport(api::BringReport),
    /// How it stands with chapters.
    Chapters(api::Chapters),
    /// What was checked.
    Verified(api::VerifyReport),
    /// Everything that can be read, as it is read.
    Export(Pieces),
    /// A file for a device, as it is written.
    Carry(Pieces),
    /// What a file brought.
    Carried(api::CarryReport),
    /// The backups in the home.
    Backups(Vec<api::Backup>),
    /// A backup was written.
    Backup(api::Backup),
    /// About files.
    Attachment(AttachmentResponse),
    /// A backup was put in place.
    Restored(api::Restored),
    /// The documents that there are.
    Documents(Vec<api::YearDocument>),
    /// A document, as Automerge saves it.
    Document(Vec<u8>),
    /// Notices from now on, after those that were asked for.
    Events(EventStream),
}

impl Response {
    /// Whether this tells that something was founded (201).
    pub(super) fn founded(request: &Request) -> bool {
        matches!(
            request,
            Request::Create { .. }
                | Request::Init(_)
                | Request::Backup { .. }
                | Request::AddFile { .. }
                | Request::Frontend(FrontendRequest::Add { .. } | FrontendRequest::Ask(_))
                | Request::Ways(WayRequest::NewRecoveryCode(_) | WayRequest::AddKeyFile(_))
        )
    }
}
