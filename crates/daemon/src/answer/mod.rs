//! Answering: what each request reads, says or does.

pub(crate) mod attachments;
pub(crate) mod backups;
mod bring;
pub(crate) mod carry;
pub(crate) mod chapter;
pub(crate) mod devices;
pub(crate) mod doctor;
pub(crate) mod documents;
pub(crate) mod export;
mod failure;
pub(crate) mod healing;
pub(crate) mod items;
pub(crate) mod leave;
pub(crate) mod once;
mod pages;
pub(crate) mod past;
pub(crate) mod problem;
mod remembered;
mod rituals;
pub(crate) mod says;
pub(crate) mod seals;
pub(crate) mod search;
pub(crate) mod settle;
pub(crate) mod status;
pub(crate) mod unsigned;
pub(crate) mod verify;
pub(crate) mod ways;
