//! Pictures of items, and the files that their owners download: blobs, whose facts stand with the item. What is said
//! of a picture is what its bytes say.

use crate::catalogue::{self, changed, recorded};
use crate::commit::{busy, committed, tries};
use crate::item::{ContentId, File, Image, Item, ItemId};
use crate::kinds::Kind;
use crate::store::ITEMS;
use axum::body::Body;
use http_body_util::Limited;
use imagesize::ImageType;
use membership::text;
use sbd_sdk::blobs::{self, Blob};
use sbd_sdk::{Caller, Error, Result, time};
use std::time::Duration;

/// Bytes at most.
const LARGEST_IMAGE: usize = 2 << 20;
const LARGEST_FILE: usize = 100 << 20;
/// Pixels in width and height at most.
const WIDEST: usize = 8192;
/// Pictures of an item at most.
const MOST_IMAGES: usize = 8;
/// How much of a picture is read to see what it is: all of it.
const HEAD: u32 = 1 << 20;
/// Characters in the name of a file at most.
const LONGEST_NAME: usize = 200;
const LONGEST_TYPE: usize = 100;
/// What no item knows of after this time was left behind.
const LONGEST: Duration = Duration::from_secs(2 * 60 * 60);
/// All of them begin so.
const ALL: &str = "items/";

/// Adds a picture to an item.
pub(crate) async fn add_image(by: &Caller, id: &ItemId, body: Body) -> Result<(Item, Image)> {
    let item = catalogue::get(id).await?;
    require_room(&item)?;
    let content = ContentId::new();
    let name = blob_name(id, &content);
    let kind = "application/octet-stream";
    let blob = blobs::put(&name, kind, Body::new(Limited::new(body, LARGEST_IMAGE))).await?;
    let added = match image(content, &name, &blob).await {
        Ok(image) => change(by, id, "shop.item.pictured", |item| {
            require_room(item)?;
            item.images.push(image.clone());
            Ok(())
        })
        .await
        .map(|item| (item, image)),
        Err(error) => Err(error),
    };
    if added.is_err() {
        blobs::delete(&name).await?;
    }
    added
}

/// Takes a picture away from an item.
pub(crate) async fn remove_image(by: &Caller, id: &ItemId, image: &ContentId) -> Result<()> {
    change(by, id, "shop.item.pictured", |item| {
        let before = item.images.len();
        item.images.retain(|other| other.id != *image);
        match item.images.len() < before {
            true => Ok(()),
            false => Err(Error::not_found("image")),
        }
    })
    .await?;
    blobs::delete(&blob_name(id, image)).await?;
    Ok(())
}

/// Puts the file of an item, or another one in its place.
pub(crate) async fn put_file(
    by: &Caller,
    id: &ItemId,
    name: &str,
    content_type: Option<&str>,
    body: Body,
) -> Result<Item> {
    let item = catalogue::get(id).await?;
    if item.draft.kind != Kind::File {
        return Err(Error::conflict("only an item of the kind `file` has one"));
    }
    let name = text::some_line("name", name, LONGEST_NAME)?;
    let content_type = checked_type(content_type)?;
    let content = ContentId::new();
    let blob_name = blob_name(id, &content);
    let body = Body::new(Limited::new(body, LARGEST_FILE));
    let blob = blobs::put(&blob_name, &content_type, body).await?;
    let put = match blob.size {
        0 => Err(Error::validation(
            "body",
            "the content of a file; there is none",
        )),
        size => {
            let file = File {
                id: content,
                name,
                content_type,
                size,
                sha256: blob.sha256,
            };
            change(by, id, "shop.item.filed", |item| {
                item.file = Some(file.clone());
                Ok(())
            })
            .await
        }
    };
    match (&put, &item.file) {
        (Err(_), _) => blobs::delete(&blob_name).await?,
        (Ok(_), Some(before)) => blobs::delete(&self::blob_name(id, &before.id)).await?,
        (Ok(_), None) => false,
    };
    put
}

/// Leaves nothing of the contents of an item.
pub(crate) async fn delete_all(id: &ItemId) -> Result<()> {
    blobs::delete_all(&format!("{ALL}{id}/")).await?;
    Ok(())
}

/// Leaves nothing of what broke off with the host, or was overtaken.
pub(crate) async fn sweep() -> Result<()> {
    let old = time::now() - LONGEST;
    let mut cursor = None;
    loop {
        let page = blobs::list(ALL, cursor, 1000).await?;
        for blob in page.blobs.iter().filter(|blob| blob.at < old) {
            if !is_known(&blob.name).await? {
                blobs::delete(&blob.name).await?;
            }
        }
        match page.next {
            None => return Ok(()),
            next => cursor = next,
        }
    }
}

async fn is_known(blob: &str) -> Result<bool> {
    let mut parts = blob.split('/').skip(1);
    let (Some(item), Some(content)) = (parts.next(), parts.next()) else {
        return Ok(false);
    };
    let Some(item) = ITEMS.get(item).await? else {
        return Ok(false);
    };
    let images = item.images.iter().map(|image| &image.id);
    let mut contents = images.chain(item.file.iter().map(|file| &file.id));
    Ok(contents.any(|known| known.as_str() == content))
}

/// The name of a blob.
pub(crate) fn blob_name(item: &ItemId, content: &ContentId) -> String {
    format!("{ALL}{item}/{content}")
}

/// Changes an item as it is at the moment.
async fn change(
    by: &Caller,
    id: &ItemId,
    action: &str,
    change: impl Fn(&mut Item) -> Result<()>,
) -> Result<Item> {
    for _ in tries() {
        let before = catalogue::get(id).await?;
        let mut item = before.clone();
        change(&mut item)?;
        item.version += 1;
        item.updated_at = time::now();
        item.updated_by = by.user.to_string();
        let change = recorded(changed(&before, &item)?, &item, action);
        if committed(change.commit().await)? {
            return Ok(item);
        }
    }
    Err(busy())
}

fn require_room(item: &Item) -> Result<()> {
    match item.images.len() < MOST_IMAGES {
        true => Ok(()),
        false => Err(Error::conflict(format!(
            "an item has {MOST_IMAGES} pictures at most; take one away first"
        ))),
    }
}

/// What a picture is, as its bytes say; whatever its sender says.
async fn image(id: ContentId, name: &str, blob: &Blob) -> Result<Image> {
    let none = || {
        let message = format!(
            "a PNG, JPEG, GIF or WebP of at most {WIDEST} by {WIDEST} pixels and 2 MiB; these bytes are none"
        );
        Error::validation("body", message)
    };
    let mut bytes = blobs::read(name, 0, HEAD, Some(&blob.sha256)).await?;
    if blob.size > u64::from(HEAD) {
        bytes.extend(blobs::read(name, HEAD.into(), HEAD, Some(&blob.sha256)).await?);
    }
    let content_type = match imagesize::image_type(&bytes).map_err(|_| none())? {
        ImageType::Png if is_png(&bytes) => "image/png",
        ImageType::Jpeg if bytes.ends_with(&[0xFF, 0xD9]) => "image/jpeg",
        ImageType::Gif if bytes.ends_with(&[0x3B]) => "image/gif",
        ImageType::Webp if is_webp(&bytes) => "image/webp",
        _ => return Err(none()),
    };
    let size = imagesize::blob_size(&bytes).map_err(|_| none())?;
    let within = |pixels: usize| (1..=WIDEST).contains(&pixels).then_some(pixels);
    let pixels = |pixels: usize| within(pixels).and_then(|pixels| u32::try_from(pixels).ok());
    Ok(Image {
        id,
        content_type: content_type.to_owned(),
        size: blob.size,
        sha256: blob.sha256.clone(),
        width: pixels(size.width).ok_or_else(none)?,
        height: pixels(size.height).ok_or_else(none)?,
    })
}

/// Whether a PNG is there to its end.
fn is_png(bytes: &[u8]) -> bool {
    bytes.get(12..16) == Some(b"IHDR") && bytes.ends_with(b"IEND\xAE\x42\x60\x82")
}

/// Whether a WebP is as long as it says.
fn is_webp(bytes: &[u8]) -> bool {
    let length = bytes.get(4..8).and_then(|length| length.try_into().ok());
    length
        .map(u32::from_le_bytes)
        .and_then(|length| usize::try_from(length).ok())
        .is_some_and(|length| length + 8 == bytes.len())
}

/// A content type that ends no header, and says no more than one.
fn checked_type(content_type: Option<&str>) -> Result<String> {
    let kind = content_type.unwrap_or("application/octet-stream").trim();
    let is_part = |c: char| c.is_ascii_alphanumeric() || "!#$&^_.+-".contains(c);
    let essence = kind.split(';').next().unwrap_or_default().trim();
    let parts: Vec<_> = essence.split('/').collect();
    let is_one = matches!(&*parts, [one, other] if !one.is_empty() && !other.is_empty());
    match is_one
        && essence.len() <= LONGEST_TYPE
        && parts.iter().all(|part| part.chars().all(is_part))
    {
        true => Ok(essence.to_ascii_lowercase()),
        false => Err(Error::unsupported_media_type("application/octet-stream")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::shelf::{ITEMS, Shelf};
    use serde_json::json;

    /// A PNG of one dot.
    const DOT: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89\0\0\0\rIDATx\x9cc\xf8\xcf\xc0\xf0\x1f\0\x05\0\x01\xff\x89\x99=\x1d\0\0\0\0IEND\xaeB`\x82";

    #[test]
    fn a_picture_is_what_its_bytes_say() {
        let shelf = Shelf::new();
        let item = shelf.item(json!({}));
        let images = format!("{ITEMS}/{item}/images");
        let keeper = shelf.keeper();
        let added = keeper
            .upload("POST", &images, "text/html", DOT)
            .assert_status(201);
        assert_eq!(
            (&added["content_type"], &added["width"], &added["height"]),
            (&json!("image/png"), &json!(1), &json!(1))
        );
        let address = added.header("location").unwrap().to_owned();
        let shown = shelf.app.anonymous().get(&address).assert_status(200);
        assert_eq!(shown.bytes(), DOT);
        assert_eq!(shown.header("content-type"), Some("image/png"));
        assert_eq!(shown.header("x-content-type-options"), Some("nosniff"));
        let tag = shown.header("etag").unwrap();
        let again = shelf
            .app
            .anonymous()
            .with_header("if-none-match", tag)
            .get(&address);
        assert_eq!(again.status(), 304);
        let mut wide = DOT.to_vec();
        wide[16..20].copy_from_slice(&100_000_u32.to_be_bytes());
        let mut flat = DOT.to_vec();
        flat[16..20].copy_from_slice(&[0; 4]);
        for none in [
            b"".to_vec(),
            b"hello".to_vec(),
            b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>".to_vec(),
            b"<html><script>alert(1)</script></html>".to_vec(),
            b"GIF89a".to_vec(),
            b"%PDF-1.7".to_vec(),
            DOT[..40].to_vec(),
            [DOT, b"<script>"].concat(),
            wide,
            flat,
        ] {
            let text = String::from_utf8_lossy(&none).into_owned();
            let refused = keeper.upload("POST", &images, "image/png", none);
            assert_eq!(refused.status(), 422, "{text} {}", refused.body());
        }
        let large = vec![0; LARGEST_IMAGE + 1];
        keeper
            .upload("POST", &images, "image/png", large)
            .assert_refused(413, "BODY_TOO_LARGE");
        assert_eq!((shelf.app.blobs().len(), shelf.app.blobs_begun()), (1, 0));
        for _ in 1..MOST_IMAGES {
            keeper
                .upload("POST", &images, "image/png", DOT)
                .assert_status(201);
        }
        keeper
            .upload("POST", &images, "image/png", DOT)
            .assert_refused(409, "CONFLICT");
        keeper.delete(&address).assert_status(204);
        keeper.delete(&address).assert_refused(404, "NOT_FOUND");
        shelf
            .app
            .anonymous()
            .get(&address)
            .assert_refused(404, "NOT_FOUND");
        assert_eq!(shelf.app.blobs().len(), MOST_IMAGES - 1);
    }

    #[test]
    fn a_file_is_for_those_who_have_it() {
        let shelf = Shelf::new();
        let keeper = shelf.keeper();
        let item = shelf.item(json!({"kind": "file", "title": "A score", "listed": false}));
        let address = format!("{ITEMS}/{item}");
        let file = format!("{address}/file");
        let put = |name: &str, kind: &str, body: &'static str| {
            keeper.upload("PUT", &format!("{file}?name={name}"), kind, body)
        };
        put("a.pdf", "application/pdf", "").assert_refused(422, "VALIDATION_ERROR");
        put("%E2%80%AEfdp.exe", "application/pdf", "x").assert_refused(422, "VALIDATION_ERROR");
        put("a.pdf", "nonsense", "x").assert_refused(415, "UNSUPPORTED_MEDIA_TYPE");
        put("a.pdf", "application/pdf", "first").assert_status(200);
        put("b.pdf", "text/html; charset=utf-8", "0123456789").assert_status(200);
        assert_eq!(shelf.app.blobs().len(), 1);
        let listed = json!({"kind": "file", "title": "A score", "price": 5, "listed": true, "rentals": [{"days": 1, "price": 1}]});
        keeper.put(&address, listed).assert_status(200);
        let (ada, bob) = (shelf.app.signed_in("usr_1"), shelf.app.signed_in("usr_2"));
        shelf.give("usr_1", &item, Some(1));
        let all = ada.get(&file).assert_status(200);
        assert_eq!(all.bytes(), b"0123456789");
        assert!(
            all.header("content-disposition")
                .unwrap()
                .starts_with("attachment; filename=\"b.pdf\"")
        );
        assert!(
            all.header("content-security-policy")
                .unwrap()
                .contains("sandbox")
        );
        let part = ada
            .with_header("range", "bytes=2-4")
            .get(&file)
            .assert_status(206);
        assert_eq!(
            (part.bytes(), part.header("content-range")),
            (&b"234"[..], Some("bytes 2-4/10"))
        );
        ada.with_header("range", "bytes=10-")
            .get(&file)
            .assert_refused(416, "RANGE_NOT_SATISFIABLE");
        bob.get(&file).assert_refused(404, "NOT_FOUND");
        keeper.get(&file).assert_status(200);
        shelf.app.advance(Duration::from_secs(24 * 60 * 60));
        ada.get(&file).assert_refused(404, "NOT_FOUND");
        let theme = shelf.item(json!({}));
        keeper
            .upload(
                "PUT",
                &format!("{ITEMS}/{theme}/file?name=a"),
                "text/plain",
                "x",
            )
            .assert_refused(409, "CONFLICT");
    }

    #[test]
    fn nothing_is_left_of_what_broke_off() {
        let shelf = Shelf::new();
        let item = shelf.item(json!({}));
        let images = format!("{ITEMS}/{item}/images");
        shelf
            .keeper()
            .upload("POST", &images, "image/png", DOT)
            .assert_status(201);
        let id: ItemId = item.parse().unwrap();
        for name in [
            blob_name(&id, &ContentId::new()),
            blob_name(&ItemId::new(), &ContentId::new()),
        ] {
            shelf
                .app
                .run(blobs::put(&name, "image/png", Body::from(DOT)))
                .unwrap();
        }
        let host = shelf.component("shop");
        host.tick("sweep-contents").assert_status(200);
        assert_eq!(shelf.app.blobs().len(), 3);
        shelf.app.advance(LONGEST + Duration::from_secs(1));
        host.tick("sweep-contents").assert_status(200);
        assert_eq!(shelf.app.blobs().len(), 1);
    }
}
