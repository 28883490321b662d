//! Photos and files.

use betwixt_api::{AddedAttachment, CopyState, Location, Scope};

use super::{Look, field, rows, short};
use crate::commands::Listed;
use crate::terminal::printable;

/// A file that was added.
pub(crate) fn added(look: &Look, added: &AddedAttachment) -> String {
    let item = &added.attachment;
    let whose = if item.scope == Scope::Ours {
        format!("{} gets it when your devices meet", look.other())
    } else {
        "for you alone".to_owned()
    };
    let place = match added.location {
        Location::None => "It named no place.",
        Location::LeftOut => {
            "The place where it was taken was left out, with what else the camera wrote into it; --keep-location keeps it. Your \
             own file is as it was."
        }
        Location::Kept => "It was added as it is, with the place where it was taken if it says so.",
        Location::NotLookedFor => {
            "Betwixt does not look for places in this kind of file: if it says where it was made, that is in it."
        }
    };
    format!("Added {} {}: {whose}.\n{place}", field::brief(item.fields.get("title")), look.style.dim(&short(&item.id)))
}

/// Every file, and which devices have it.
pub(crate) fn list(look: &Look, listed: &[Listed]) -> String {
    if listed.is_empty() {
        return "There are no photos and files yet. Add one: betwixt attach FILE".into();
    }
    let mut table = look.table(["ID", "TITLE", "SIZE", "WHOSE", "WHO HAS IT"]);
    for Listed { attachment, copies } in listed {
        let whose = if attachment.scope == Scope::Ours { "shared" } else { "private" };
        let devices: Vec<String> = copies
            .devices
            .iter()
            .map(|device| {
                let name = if device.this { "this device".to_owned() } else { printable(&device.name) };
                match device.state {
                    CopyState::Whole => name,
                    CopyState::Coming => {
                        let percent = device.bytes.unwrap_or(0) * 100 / copies.bytes.max(1);
                        format!("{name} ({percent} % so far)")
                    }
                    CopyState::Missing => format!("not yet {name}"),
                    CopyState::Unknown => format!("{name}, unknown"),
                }
            })
            .collect();
        let title = field::brief(attachment.fields.get("title"));
        table.add_row([short(&attachment.id), title, size(copies.bytes), whose.into(), devices.join("; ")]);
    }
    rows(&table)
}

/// `3.4 MB`
fn size(bytes: u64) -> String {
    indicatif::DecimalBytes(bytes).to_string()
}

#[cfg(test)]
mod tests {
    use super::super::samples::{goal, held, look};
    use super::*;
    use betwixt_api::{Collection, Copies, DeviceCopy, Item};

    fn photo() -> Item {
        Item {
            collection: Collection::Attachments,
            fields: [("title".to_owned(), held("lake.jpg", false))].into(),
            ..goal()
        }
    }

    #[test]
    fn a_photo_that_lost_its_place() {
        let added = |location| super::added(&look(), &AddedAttachment { attachment: photo(), location });
        insta::assert_snapshot!(added(Location::LeftOut), @r"
        Added lake.jpg k3j4k3j4: Sam gets it when your devices meet.
        The place where it was taken was left out, with what else the camera wrote into it; --keep-location keeps it. Your own file is as it was.
        ");
        assert!(added(Location::NotLookedFor).contains("does not look for places"));
    }

    #[test]
    fn who_has_what() {
        let device = |name: &str, this, state, bytes| DeviceCopy {
            device: name.into(),
            name: name.into(),
            this,
            own: this,
            state,
            bytes,
        };
        let devices = vec![
            device("laptop", true, CopyState::Coming, Some(1_000_000)),
            device("Sam's phone", false, CopyState::Whole, None),
            device("tablet", false, CopyState::Missing, None),
        ];
        let copies = Copies { bytes: 4_000_000, media: "image/jpeg".into(), devices };
        insta::assert_snapshot!(list(&look(), &[Listed { attachment: photo(), copies }]), @r"
        ID        TITLE     SIZE     WHOSE   WHO HAS IT
        k3j4k3j4  lake.jpg  4.00 MB  shared  this device (25 % so far); Sam's phone; not yet tablet
        ");
    }
}
