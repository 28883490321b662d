//! Answering: what each request reads, says or does.

pub(crate) mod doctor;
pub(crate) mod items;
pub(crate) mod says;
pub(crate) mod status;
pub(crate) mod upkeep;
