//! Pages whose content swells, known before it is unpacked and drawn.

use hayro::hayro_syntax::content::TypedIter;
use hayro::hayro_syntax::content::ops::TypedInstruction;
use hayro::hayro_syntax::object::{Array, Dict, Name, Object, ObjectIdentifier, Stream};
use hayro::hayro_syntax::page::{Page, Resources};
use std::collections::HashMap;
use std::io::{self, Read as _};

/// The most that is drawn on a page: its content, and that of its forms as often as they are drawn.
const LARGEST: u64 = 64 << 20;
/// What is packed smaller cannot unpack to more: no more than about a thousand bytes come of one.
const HARMLESS: usize = (LARGEST / 1032) as usize;
/// What it takes to draw a form, beside its content.
const FORM: u64 = 64;
/// How deep forms are drawn within forms: the interpreter goes no deeper.
const DEEPEST: usize = 50;

/// Whether the content of a page becomes more than is drawn on one.
pub(super) fn swells(page: &Page<'_>) -> bool {
    content_swells(page) || Forms::of(page).is_none_or(|forms| forms.drawn() > LARGEST)
}

fn content_swells(page: &Page<'_>) -> bool {
    let contents = page.raw();
    if let Some(stream) = contents.get::<Stream<'_>>(b"Contents") {
        return unpacked(&stream) > LARGEST;
    }
    let Some(array) = contents.get::<Array<'_>>(b"Contents") else {
        return false;
    };
    let mut all = 0;
    for part in array.iter::<Object<'_>>() {
        if let Some(stream) = part.into_stream() {
            all += unpacked(&stream);
        }
        if all > LARGEST {
            return true;
        }
    }
    false
}

/// How much a stream unpacks to, at least, as far as that matters.
fn unpacked(stream: &Stream<'_>) -> u64 {
    let packed = stream.raw_data();
    if packed.len() <= HARMLESS {
        return packed.len() as u64;
    }
    let mut unpacked = flate2::bufread::ZlibDecoder::new(&*packed).take(LARGEST + 1);
    let counted = io::copy(&mut unpacked, &mut io::sink());
    counted.unwrap_or(0).max(packed.len() as u64)
}

/// How often forms are drawn, by their places in [`Forms`].
type Drawn = HashMap<usize, u64>;

/// The forms of a page, each of which may draw others.
#[derive(Default)]
struct Forms<'a> {
    places: HashMap<ObjectIdentifier, usize>,
    /// How large each is, and what it draws.
    forms: Vec<(u64, Drawn)>,
    /// What was found, and is to be looked into.
    found: Vec<(Stream<'a>, Resources<'a>)>,
    /// What the page itself draws.
    by_page: Drawn,
}

// === impl Forms ===

impl<'a> Forms<'a> {
    /// The forms of a page; none where one of them swells by itself.
    fn of(page: &Page<'a>) -> Option<Self> {
        let mut forms = Self::default();
        let resources = page.resources();
        let mut by_page = Drawn::new();
        let objects = &resources.x_objects;
        let has_forms = objects
            .keys()
            .any(|name| objects.get(name).is_some_and(|object| is_form(&object)));
        if has_forms {
            by_page = forms.drawn_by(page.typed_operations(), resources);
        }
        for form in appearances(page) {
            *by_page.entry(forms.place(form, resources)).or_default() += 1;
        }
        forms.by_page = by_page;
        for place in 0.. {
            let Some((form, around)) = forms.found.get(place).cloned() else {
                break;
            };
            if unpacked(&form) > LARGEST {
                return None;
            }
            let content = form.decoded_data().unwrap_or_default();
            let own = form.dict().get::<Dict<'a>>(b"Resources");
            let resources = own.map_or(around, Resources::new);
            let drawn = forms.drawn_by(TypedIter::new(&content), &resources);
            forms.forms.push((FORM + content.len() as u64, drawn));
        }
        Some(forms)
    }

    /// How much is drawn in all.
    fn drawn(&self) -> u64 {
        // What each form comes to, so many levels deep: those in circles come to an end, too.
        let mut each = vec![0; self.forms.len()];
        let all = |own: u64, drawn: &Drawn, each: &[u64]| {
            let forms = drawn.iter();
            let forms = forms.map(|(place, times)| times.saturating_mul(each[*place]));
            forms.fold(own, u64::saturating_add)
        };
        for _ in 0..DEEPEST {
            let forms = self.forms.iter();
            let deeper = forms.map(|(own, drawn)| all(*own, drawn, &each)).collect();
            if each == deeper {
                break;
            }
            each = deeper;
        }
        all(0, &self.by_page, &each)
    }

    /// The forms that are drawn by a content, and how often.
    fn drawn_by(&mut self, mut content: TypedIter<'_>, resources: &Resources<'a>) -> Drawn {
        let mut drawn = Drawn::new();
        while let Some(instruction) = content.next() {
            let TypedInstruction::XObject(object) = instruction else {
                continue;
            };
            let form = resources.get_x_object(object.0).filter(is_form);
            if let Some(form) = form {
                *drawn.entry(self.place(form, resources)).or_default() += 1;
            }
        }
        drawn
    }

    fn place(&mut self, form: Stream<'a>, resources: &Resources<'a>) -> usize {
        let next = self.found.len();
        let place = *self.places.entry(form.obj_id()).or_insert(next);
        if place == next {
            self.found.push((form, resources.clone()));
        }
        place
    }
}

fn is_form(object: &Stream<'_>) -> bool {
    let kind = object.dict().get::<Name<'_>>(b"Subtype");
    kind.is_some_and(|kind| &*kind == b"Form")
}

/// How the notes on a page look.
fn appearances<'a>(page: &Page<'a>) -> Vec<Stream<'a>> {
    let notes = page.raw().get::<Array<'a>>(b"Annots");
    let notes = notes.iter().flat_map(Array::iter::<Dict<'a>>);
    let looks = notes.filter_map(|note| note.get::<Dict<'a>>(b"AP")?.get::<Object<'a>>(b"N"));
    let mut streams = Vec::new();
    for look in looks {
        match look {
            Object::Stream(stream) => streams.push(stream),
            Object::Dict(states) => {
                streams.extend(
                    states
                        .keys()
                        .filter_map(|name| states.get::<Stream<'a>>(name)),
                );
            }
            _ => {}
        }
    }
    streams
}
