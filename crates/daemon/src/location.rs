//! Where a photo was taken, and leaving that out.
//!
//! Cameras write the place into an image in several ways (EXIF, XMP, IPTC, within what only their maker reads, or in a second image or a
//! clip behind the first), so of the kinds of images that can be taken apart everything is left out but what a picture is shown
//! with: its pixels, its colours, and which side is up. Images and videos that cannot be taken apart here are not passed on unseen: whoever
//! adds one says that it may keep its place.

use std::panic::{AssertUnwindSafe, catch_unwind};

use exif::{Context, In, Tag};
use img_parts::jpeg::{Jpeg, JpegSegment};
use img_parts::png::Png;
use img_parts::webp::WebP;
use img_parts::{Bytes, ImageEXIF};

/// How many bytes of a file tell what it is.
pub(crate) const HEAD: usize = 16;

/// What a file is, by its first bytes: what it is called, and what its name ends with, says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An image that can be cleared.
    Image(Image),
    /// An image or a video that may say where it was taken, and cannot be cleared.
    Closed,
    /// Something else.
    Other,
}

/// An image that can be taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Image {
    Jpeg,
    Png,
    WebP,
}

/// An image without what is not shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cleared {
    /// What it is now; `None` when there was nothing to be left out.
    pub(crate) content: Option<Vec<u8>>,
    /// Whether it said where it was taken.
    pub(crate) named_place: bool,
}

/// An image that does not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the image cannot be read")]
pub(crate) struct Unreadable;

/// What a file is that begins so.
pub(crate) fn kind(head: &[u8]) -> Kind {
    let at = |offset: usize, bytes: &[u8]| head.get(offset..).is_some_and(|rest| rest.starts_with(bytes));
    if at(0, b"\xff\xd8\xff") {
        Kind::Image(Image::Jpeg)
    } else if at(0, b"\x89PNG\r\n\x1a\n") {
        Kind::Image(Image::Png)
    } else if at(0, b"RIFF") && at(8, b"WEBP") {
        Kind::Image(Image::WebP)
    } else {
        // HEIC, AVIF, MP4 and QuickTime; TIFF and what cameras call raw; JPEG XL, JPEG 2000; Matroska; AVI; GIF, whose XMP nobody clears.
        let closed = at(4, b"ftyp")
            || at(4, b"moov")
            || at(0, b"II*\0")
            || at(0, b"MM\0*")
            || at(0, b"II+\0")
            || at(0, b"MM\0+")
            || at(0, b"FUJIFILM")
            || at(0, b"IIRO")
            || at(0, b"IIU\0")
            || at(0, b"FOVb")
            || at(0, b"\xff\x0a")
            || at(4, b"JXL ")
            || at(4, b"jP  ")
            || at(0, b"\x1a\x45\xdf\xa3")
            || (at(0, b"RIFF") && at(8, b"AVI "))
            || at(0, b"GIF8");
        if closed { Kind::Closed } else { Kind::Other }
    }
}

/// Leaves out of an image all that is not shown.
pub(crate) fn clear(image: Image, content: Vec<u8>) -> Result<Cleared, Unreadable> {
    let clear = || match image {
        Image::Jpeg => clear_jpeg(content),
        Image::Png => clear_png(content),
        Image::WebP => clear_webp(content),
    };
    // They promise errors for damaged images; what comes from outside is not trusted with the daemon's life.
    catch_unwind(AssertUnwindSafe(clear)).unwrap_or(Err(Unreadable))
}

fn clear_jpeg(content: Vec<u8>) -> Result<Cleared, Unreadable> {
    const APP0: u8 = 0xe0;
    const APP1: u8 = 0xe1;
    const APP2: u8 = 0xe2;
    const APP13: u8 = 0xed;
    const APP14: u8 = 0xee;
    const COMMENT: u8 = 0xfe;
    let mut jpeg = Jpeg::from_bytes(Bytes::from(content)).map_err(|_| Unreadable)?;
    let exif = jpeg.exif();
    let is_shown = |segment: &JpegSegment| match segment.marker() {
        APP0 => segment.contents().starts_with(b"JFIF\0"),
        APP2 => segment.contents().starts_with(b"ICC_PROFILE\0"),
        APP14 => segment.contents().starts_with(b"Adobe"),
        COMMENT => false,
        marker => !(APP0..=0xef).contains(&marker),
    };
    let dropped: Vec<JpegSegment> = jpeg.segments().iter().filter(|segment| !is_shown(segment)).cloned().collect();
    let named_place = exif.as_ref().is_some_and(|exif| names_place(exif))
        || dropped.iter().any(|segment| match segment.marker() {
            APP1 => xmp_names_place(segment.contents()),
            APP13 => iptc_names_place(segment.contents()),
            _ => false,
        });
    jpeg.segments_mut().retain(is_shown);
    let before_scan: usize = jpeg.segments().iter().map(JpegSegment::len).sum::<usize>() + 2;
    if !jpeg.segments().iter().any(JpegSegment::has_entropy) {
        return Err(Unreadable);
    }
    let mut plain = jpeg.encoder().bytes().to_vec();
    let end = before_scan + end_of_jpeg(plain.get(before_scan..).ok_or(Unreadable)?);
    let trails = end < plain.len();
    plain.truncate(end);
    if dropped.is_empty() && !trails {
        return Ok(Cleared { content: None, named_place: false });
    }
    let content = match exif.as_deref().and_then(orientation) {
        Some(up) => {
            let mut jpeg = Jpeg::from_bytes(Bytes::from(plain)).map_err(|_| Unreadable)?;
            jpeg.set_exif(Some(only_orientation(up).into()));
            jpeg.encoder().bytes().to_vec()
        }
        None => plain,
    };
    Ok(Cleared { content: Some(content), named_place })
}

/// Where the image ends whose first scan begins here: behind it may stand other images, or a clip. All of it where no end is
/// found.
fn end_of_jpeg(scans: &[u8]) -> usize {
    let mut at = 0;
    while let Some(found) = scans.get(at..).and_then(|rest| rest.iter().position(|byte| *byte == 0xff)) {
        at += found + 1;
        match scans.get(at) {
            // Stuffed bytes and restarts belong to the scan, and markers may be filled up.
            None => break,
            Some(0x00 | 0x01 | 0xd0..=0xd7) => at += 1,
            Some(0xff) => {}
            Some(0xd9) => return at + 1,
            Some(_) => match scans.get(at + 1..at + 3) {
                Some(&[high, low]) => at += 1 + usize::from(u16::from_be_bytes([high, low])),
                _ => break,
            },
        }
    }
    scans.len()
}

fn clear_png(content: Vec<u8>) -> Result<Cleared, Unreadable> {
    let mut png = Png::from_bytes(Bytes::from(content.clone())).map_err(|_| Unreadable)?;
    let exif = png.exif();
    let is_shown = |kind: [u8; 4]| {
        // The first letter is a capital for what no viewer can do without.
        let needed = kind[0].is_ascii_uppercase();
        let shown: [&[u8; 4]; 16] = [
            b"tRNS", b"cHRM", b"gAMA", b"iCCP", b"sBIT", b"sRGB", b"cICP", b"mDCV", b"cLLI", b"bKGD", b"hIST", b"pHYs",
            b"sPLT", b"acTL", b"fcTL", b"fdAT",
        ];
        needed || shown.contains(&&kind)
    };
    let dropped = |png: &Png| png.chunks().iter().filter(|chunk| !is_shown(chunk.kind())).cloned().collect::<Vec<_>>();
    let dropped = dropped(&png);
    let named_place = exif.as_ref().is_some_and(|exif| names_place(exif))
        || dropped.iter().any(|chunk| chunk.kind()[1..] == *b"TXt" && xmp_names_place(chunk.contents()));
    png.chunks_mut().retain(|chunk| is_shown(chunk.kind()));
    if let Some(up) = exif.as_deref().and_then(orientation) {
        png.set_exif(Some(only_orientation(up).into()));
    }
    let plain = png.encoder().bytes().to_vec();
    let same = dropped.is_empty() && plain == content;
    Ok(Cleared { content: (!same).then_some(plain), named_place })
}

fn clear_webp(content: Vec<u8>) -> Result<Cleared, Unreadable> {
    const SHOWN: [&[u8; 4]; 7] = [b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"ICCP"];
    const XMP: u8 = 0x04;
    let mut webp = WebP::from_bytes(Bytes::from(content.clone())).map_err(|_| Unreadable)?;
    let exif = webp.exif();
    let is_shown = |id: [u8; 4]| SHOWN.contains(&&id);
    let xmp = webp.chunks().iter().filter(|chunk| chunk.id() == *b"XMP ").filter_map(|chunk| chunk.content().data());
    let named_place =
        exif.as_ref().is_some_and(|exif| names_place(exif)) || xmp.into_iter().any(|xmp| xmp_names_place(xmp));
    let dropped = webp.chunks().iter().any(|chunk| !is_shown(chunk.id()));
    webp.chunks_mut().retain(|chunk| is_shown(chunk.id()));
    for chunk in webp.chunks_mut().iter_mut().filter(|chunk| chunk.id() == *b"VP8X") {
        if let img_parts::riff::RiffContent::Data(data) = chunk.content_mut() {
            let mut flags = data.to_vec();
            if let Some(first) = flags.first_mut() {
                *first &= !XMP;
            }
            *data = flags.into();
        }
    }
    // It also tells, in the header, that there is none.
    webp.set_exif(exif.as_deref().and_then(orientation).map(|up| only_orientation(up).into()));
    let plain = webp.encoder().bytes().to_vec();
    let same = !dropped && plain == content;
    Ok(Cleared { content: (!same).then_some(plain), named_place })
}

fn read(exif: &[u8]) -> Option<exif::Exif> {
    // Some writers put the prefix that JPEG has into others, too.
    let exif = exif.strip_prefix(b"Exif\0\0").unwrap_or(exif);
    exif::Reader::new()
        .continue_on_error(true)
        .read_raw(exif.to_vec())
        .or_else(|error| error.distill_partial_result(|_| ()))
        .ok()
}

fn names_place(exif: &[u8]) -> bool {
    let Some(exif) = read(exif) else { return true };
    let gps = |field: &exif::Field| field.tag.context() == Context::Gps || field.tag == Tag::GPSLatitude;
    exif.fields().any(gps)
}

/// Names of where a photo was taken, in the XMP of the field.
fn xmp_names_place(xmp: &[u8]) -> bool {
    let names: [&[u8]; 5] = [b"GPS", b"LocationCreated", b"LocationShown", b"photoshop:City", b"Iptc4xmpCore:Location"];
    names.iter().any(|name| xmp.windows(name.len()).any(|window| window == *name))
}

/// City, sublocation, province, country: IPTC's records 2:90 to 2:101.
fn iptc_names_place(iptc: &[u8]) -> bool {
    iptc.windows(3).any(|window| matches!(window, [0x1c, 0x02, 90..=101]))
}

/// Which side is up, unless it is the one that is taken to be.
fn orientation(exif: &[u8]) -> Option<u16> {
    let exif = read(exif)?;
    let up = exif.get_field(Tag::Orientation, In::PRIMARY)?.value.get_uint(0)?;
    u16::try_from(up).ok().filter(|up| (2..=8).contains(up))
}

/// The smallest EXIF that says which side is up: a header, and a directory with one entry (TIFF 6.0, section 2).
fn only_orientation(up: u16) -> Vec<u8> {
    let mut exif = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
    exif.extend(up.to_le_bytes());
    exif.extend([0; 6]);
    exif
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// EXIF that says which side is up and where it was taken, with the place in plain degrees.
    pub(crate) fn exif_with_place() -> Vec<u8> {
        let mut exif = b"II*\0\x08\0\0\0\x02\0".to_vec();
        exif.extend(b"\x12\x01\x03\0\x01\0\0\0\x06\0\0\0");
        exif.extend(b"\x25\x88\x04\0\x01\0\0\0\x26\0\0\0");
        exif.extend([0; 4]);
        // The directory of the place: north, and 48 degrees.
        exif.extend(b"\x02\0\x01\0\x02\0\x02\0\0\0N\0\0\0");
        exif.extend(b"\x02\0\x05\0\x03\0\0\0\x44\0\0\0");
        exif.extend([0; 4]);
        for (numerator, denominator) in [(48_u32, 1_u32), (51, 1), (2929, 100)] {
            exif.extend(numerator.to_le_bytes());
            exif.extend(denominator.to_le_bytes());
        }
        exif
    }

    fn segment(marker: u8, contents: &[u8]) -> Vec<u8> {
        let length = u16::try_from(contents.len() + 2).unwrap_or(u16::MAX).to_be_bytes();
        [&[0xff, marker], &length[..], contents].concat()
    }

    const XMP: &[u8] = b"http://ns.adobe.com/xap/1.0/\0<x exif:GPSLatitude='48,51.5N'/>";
    const SCAN: &[u8] = b"\x01\x02\xff\x00\x03\xff\xd0\x04";

    /// A photo as a telephone writes it: the least of a JPEG around what is said of it.
    pub(crate) fn photo() -> Vec<u8> {
        let mut photo = b"\xff\xd8".to_vec();
        photo.extend(segment(0xe1, &[b"Exif\0\0", &exif_with_place()[..]].concat()));
        photo.extend(segment(0xe1, XMP));
        photo.extend(segment(0xe2, b"ICC_PROFILE\0\x01\x01colours"));
        photo.extend(segment(0xe2, b"MPF\0another image"));
        photo.extend(segment(0xed, b"Photoshop 3.0\0\x1c\x02\x5a\0\x05Paris"));
        photo.extend(segment(0xfe, b"taken at home"));
        photo.extend(segment(0xdb, &[1; 65]));
        photo.extend(segment(0xda, &[0, 1, 2]));
        photo.extend(SCAN);
        photo.extend(b"\xff\xd9");
        photo.extend(b"a clip with its place");
        photo
    }

    fn holds(content: &[u8], what: &[u8]) -> bool {
        content.windows(what.len()).any(|window| window == what)
    }

    #[test]
    fn a_photo_loses_its_place_in_every_way_that_it_is_written_and_keeps_what_it_is_shown_with() {
        assert_eq!(kind(&photo()), Kind::Image(Image::Jpeg));
        let cleared = clear(Image::Jpeg, photo()).expect("reads");
        assert!(cleared.named_place);
        let content = cleared.content.expect("is another");
        for gone in [&b"GPS"[..], b"Paris", b"at home", b"MPF", b"a clip", &48_u32.to_le_bytes(), b"xap"] {
            assert!(!holds(&content, gone), "{gone:?}");
        }
        for kept in [&b"ICC_PROFILE\0\x01\x01colours"[..], &[1; 65], SCAN] {
            assert!(holds(&content, kept), "{kept:?}");
        }
        assert!(content.ends_with(b"\xff\xd9"));
        let exif = Jpeg::from_bytes(content.clone().into()).expect("reads").exif().expect("says which side is up");
        assert_eq!(orientation(&exif), Some(6));
        assert!(!names_place(&exif));
        // What is clear stays so, and is not looked into for more.
        let again = clear(Image::Jpeg, content).expect("reads");
        assert!(!again.named_place);
    }

    #[test]
    fn an_image_with_nothing_to_leave_out_stays_as_it_is() {
        let plain = [b"\xff\xd8", &segment(0xdb, &[1; 65])[..], &segment(0xda, &[0]), SCAN, b"\xff\xd9"].concat();
        let cleared = clear(Image::Jpeg, plain);
        assert_eq!(cleared, Ok(Cleared { content: None, named_place: false }));
    }

    #[test]
    fn png_and_webp_lose_it_too() {
        let chunk = |kind: &[u8; 4], contents: &[u8]| img_parts::png::PngChunk::new(*kind, contents.to_vec().into());
        let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
        let text = b"XML:com.adobe.xmp\0\0\0\0\0<x exif:GPSLatitude='48,51.5N'/>";
        let parts: [(&[u8; 4], &[u8]); 6] = [
            (b"IHDR", &[0; 13]),
            (b"iCCP", b"colours"),
            (b"eXIf", &exif_with_place()),
            (b"iTXt", text),
            (b"IDAT", b"pixels"),
            (b"IEND", b""),
        ];
        parts.iter().for_each(|(kind, contents)| png.extend(chunk(kind, contents).encoder().bytes()));
        assert_eq!(kind(&png), Kind::Image(Image::Png));
        let cleared = clear(Image::Png, png).expect("reads");
        let content = cleared.content.expect("is another");
        assert!(cleared.named_place && !holds(&content, b"GPS") && !holds(&content, &48_u32.to_le_bytes()));
        assert!(holds(&content, b"pixels") && holds(&content, b"colours"));

        let riff = |id: &[u8; 4], contents: &[u8]| {
            let length = u32::try_from(contents.len()).expect("is short").to_le_bytes();
            [&id[..], &length, contents, &vec![0; contents.len() % 2]].concat()
        };
        let vp8x = [0x0c, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let xmp = b"<x exif:GPSLatitude='48,51.5N'/>";
        let inside = [
            b"WEBP".to_vec(),
            riff(b"VP8X", &vp8x),
            riff(b"VP8L", b"\x2f\0\0\0\0pixels"),
            riff(b"EXIF", &exif_with_place()),
            riff(b"XMP ", xmp),
        ]
        .concat();
        let webp = [b"RIFF", &u32::try_from(inside.len()).expect("is short").to_le_bytes()[..], &inside].concat();
        assert_eq!(kind(&webp), Kind::Image(Image::WebP));
        let cleared = clear(Image::WebP, webp).expect("reads");
        let content = cleared.content.expect("is another");
        assert!(cleared.named_place && !holds(&content, b"GPS") && !holds(&content, &48_u32.to_le_bytes()));
        assert!(holds(&content, b"pixels") && !holds(&content, b"XMP "));
    }

    #[test]
    fn what_cannot_be_cleared_is_told_from_what_says_no_place() {
        for closed in [&b"\0\0\0\x18ftypheic"[..], b"II*\0", b"\x1a\x45\xdf\xa3", b"\0\0\0\x14ftypqt  ", b"GIF89a"] {
            assert_eq!(kind(closed), Kind::Closed, "{closed:?}");
        }
        for other in [&b"%PDF-1.7"[..], b"PK\x03\x04", b"", b"hello", b"RIFF\0\0\0\0WAVE"] {
            assert_eq!(kind(other), Kind::Other, "{other:?}");
        }
    }

    #[test]
    fn hostile_input_is_an_error_images_that_are_cut_short_or_altered() {
        let whole = photo();
        for length in 0..whole.len() {
            // It may read or not; nothing panics, and no place is passed on.
            if let Ok(Cleared { content: Some(content), .. }) = clear(Image::Jpeg, whole[..length].to_vec()) {
                assert!(!holds(&content, b"GPS"), "cut to {length}");
            }
        }
        for position in 0..whole.len() {
            let mut altered = whole.clone();
            altered[position] ^= 0x5a;
            for image in [Image::Jpeg, Image::Png, Image::WebP] {
                let _ = clear(image, altered.clone());
            }
        }
    }
}
