//! What is drawn on a page: letters with their places, lines, pictures.

use hayro::hayro_syntax::page::Page;
use hayro_interpret::font::{Glyph as Drawing, GlyphRun};
use hayro_interpret::hayro_cmap::BfString;
use hayro_interpret::{
    BlendMode, ClipPath, Context, Device, DrawMode, DrawProps, Image, ImageDrawProps,
    InterpreterCache, InterpreterSettings, SoftMask, TransformExt as _, interpret_page,
};
use kurbo::{Affine, BezPath, PathEl, Point, Rect, Shape as _};
use std::ops::Range;

/// The most letters of a page; what is more is not held.
const MOST_GLYPHS: usize = 400_000;
/// The most lines of a page.
const MOST_RULES: usize = 20_000;
/// A line is thinner.
const THIN: f64 = 3.0;

/// A letter, where y grows downwards and text runs to the right, whichever way the page is turned.
#[derive(Clone, Debug)]
pub(super) struct Glyph {
    /// Where it begins and ends.
    pub(super) x: Range<f64>,
    /// Its base line.
    pub(super) y: f64,
    /// The size of its font.
    pub(super) size: f64,
    pub(super) is_bold: bool,
    /// Which way it runs.
    pub(super) turn: Turn,
    /// What it says, in the text of the page.
    text: (u32, u16),
}

/// Which way text runs on the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Turn {
    Right,
    Down,
    Left,
    Up,
    /// Across: it stays in the order it is drawn in.
    Askew,
}

/// A straight line, horizontal or vertical.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rule {
    pub(super) is_horizontal: bool,
    /// Where it is on the other axis.
    pub(super) at: f64,
    pub(super) from: f64,
    pub(super) to: f64,
}

/// All that is drawn on a page.
#[derive(Debug, Default)]
pub(super) struct Drawn {
    pub(super) glyphs: Vec<Glyph>,
    pub(super) rules: Vec<Rule>,
    text: String,
    /// Letters of which nobody knows what they say.
    pub(super) unknown: usize,
    /// How much of the page pictures cover, in parts of it.
    covered: f64,
    /// The pixels of the largest picture.
    pub(super) largest: u64,
    size: (f64, f64),
}

impl Drawn {
    /// What is drawn on this page.
    pub(super) fn of<'p>(
        page: &'p Page<'p>,
        cache: &InterpreterCache<'p>,
        settings: &InterpreterSettings,
    ) -> Self {
        let (width, height) = page.render_dimensions();
        let size = (f64::from(width), f64::from(height));
        let whole = Rect::new(0.0, 0.0, size.0, size.1);
        let transform = page.initial_transform(true).to_kurbo();
        let mut context = Context::new(transform, whole, cache, page.xref(), settings.clone());
        let mut drawn = Self {
            size,
            ..Self::default()
        };
        interpret_page(page, &mut context, &mut drawn);
        drawn
    }

    /// What a letter says.
    pub(super) fn text(&self, glyph: &Glyph) -> &str {
        let from = glyph.text.0 as usize;
        let text = self.text.get(from..from + usize::from(glyph.text.1));
        text.unwrap_or_default()
    }

    /// How many letters it has that say something.
    pub(super) fn characters(&self) -> usize {
        self.text
            .chars()
            .filter(|character| !character.is_whitespace())
            .count()
    }

    /// Whether a picture covers most of the page.
    pub(super) fn is_covered(&self) -> bool {
        self.covered > 0.4
    }

    fn rule(&mut self, rect: Rect) {
        if self.rules.len() >= MOST_RULES || !rect.is_finite() {
            return;
        }
        let (width, height) = (rect.width(), rect.height());
        let rule = match (width < THIN, height < THIN) {
            (false, true) => Rule {
                is_horizontal: true,
                at: rect.center().y,
                from: rect.x0,
                to: rect.x1,
            },
            (true, false) => Rule {
                is_horizontal: false,
                at: rect.center().x,
                from: rect.y0,
                to: rect.y1,
            },
            _ => return,
        };
        self.rules.push(rule);
    }

    /// The sides of a rectangle that is large enough for a cell.
    fn sides(&mut self, rect: Rect) {
        if rect.width() < THIN || rect.height() < THIN {
            return self.rule(rect);
        }
        let Rect { x0, y0, x1, y1 } = rect;
        self.rule(Rect::new(x0, y0, x1, y0));
        self.rule(Rect::new(x0, y1, x1, y1));
        self.rule(Rect::new(x0, y0, x0, y1));
        self.rule(Rect::new(x1, y0, x1, y1));
    }

    fn glyph(&mut self, drawing: &Drawing<'_>, transform: Affine, is_bold: bool) {
        let advance = match drawing {
            Drawing::Outline(outline) => outline.advance_width(),
            Drawing::Type3(type3) => type3.advance_width(),
        };
        let said = drawing.as_unicode();
        let mut buffer = [0; 4];
        let said = match &said {
            Some(BfString::Char(character)) => &*character.encode_utf8(&mut buffer),
            Some(BfString::String(text)) => text.as_str(),
            None => "",
        };
        let is_known = said.chars().any(|character| {
            !matches!(character, '\u{fffd}' | '\u{e000}'..='\u{f8ff}') && !character.is_control()
        });
        if !is_known {
            self.unknown += 1;
            return;
        }
        let origin = transform * Point::ZERO;
        let end = transform * Point::new(f64::from(advance.unwrap_or(500.0)), 0.0);
        let right = transform * Point::new(1000.0, 0.0) - origin;
        let up = transform * Point::new(0.0, 1000.0) - origin;
        let size = up.hypot();
        if !(origin.is_finite() && end.is_finite() && size.is_finite()) || size < 0.5 {
            return;
        }
        let turn = match (right.x, right.y) {
            (x, y) if y.abs() < x.abs() * 0.1 => match x > 0.0 {
                true => Turn::Right,
                false => Turn::Left,
            },
            (x, y) if x.abs() < y.abs() * 0.1 => match y > 0.0 {
                true => Turn::Down,
                false => Turn::Up,
            },
            _ => Turn::Askew,
        };
        let turned = |point: Point| match turn {
            Turn::Right | Turn::Askew => point,
            Turn::Left => Point::new(-point.x, -point.y),
            Turn::Down => Point::new(point.y, -point.x),
            Turn::Up => Point::new(-point.y, point.x),
        };
        let (origin, end) = (turned(origin), turned(end));
        let from = u32::try_from(self.text.len()).unwrap_or(u32::MAX);
        self.text.push_str(said);
        self.glyphs.push(Glyph {
            x: origin.x.min(end.x)..origin.x.max(end.x),
            y: origin.y,
            size,
            is_bold,
            turn,
            text: (from, u16::try_from(said.len()).unwrap_or(0)),
        });
    }
}

impl<'a> Device<'a> for Drawn {
    fn draw_glyph_run(&mut self, run: &GlyphRun<'_, 'a>, props: DrawProps<'a>, mode: &DrawMode) {
        if self.glyphs.len() + self.unknown > MOST_GLYPHS {
            return;
        }
        let Some(first) = run.glyphs().first() else {
            return;
        };
        // Where a font has no bold form, its letters are drawn with an edge.
        let is_stroked = matches!(mode, DrawMode::FillAndStroke(..));
        let is_bold =
            is_stroked || matches!(&**first, Drawing::Outline(outline) if is_bold(outline));
        for glyph in run.glyphs() {
            self.glyph(glyph, props.transform * glyph.transform(), is_bold);
        }
    }

    fn draw_path(&mut self, path: &BezPath, props: DrawProps<'a>, mode: &DrawMode) {
        if self.rules.len() >= MOST_RULES {
            return;
        }
        let is_stroked = !matches!(mode, DrawMode::Fill(_) | DrawMode::Invisible);
        if !is_stroked {
            // What is filled and thin is a line as well.
            let rect = props.transform.transform_rect_bbox(path.bounding_box());
            return self.rule(rect);
        }
        let (mut first, mut last) = (Point::ZERO, Point::ZERO);
        for element in path.elements() {
            let next = match *element {
                PathEl::MoveTo(point) => {
                    (first, last) = (point, point);
                    continue;
                }
                PathEl::LineTo(point) => point,
                PathEl::ClosePath => first,
                PathEl::QuadTo(_, point) | PathEl::CurveTo(_, _, point) => {
                    last = point;
                    continue;
                }
            };
            let line = Rect::from_points(props.transform * last, props.transform * next);
            self.rule(line);
            last = next;
        }
    }

    fn draw_rect(&mut self, rect: &Rect, props: DrawProps<'a>, mode: &DrawMode) {
        let rect = props.transform.transform_rect_bbox(*rect);
        match mode {
            DrawMode::Fill(_) => self.rule(rect),
            DrawMode::Invisible => {}
            _ => self.sides(rect),
        }
    }

    fn draw_image(&mut self, image: Image<'a, '_>, props: ImageDrawProps<'a>) {
        let (width, height) = (image.width(), image.height());
        self.largest = self.largest.max(u64::from(width) * u64::from(height));
        let rect = Rect::new(0.0, 0.0, f64::from(width), f64::from(height));
        let rect = props.transform.transform_rect_bbox(rect);
        let page = Rect::new(0.0, 0.0, self.size.0, self.size.1);
        let part = rect.intersect(page).area() / page.area();
        if part.is_finite() {
            self.covered += part;
        }
    }

    fn push_clip_path(&mut self, _: &ClipPath) {}
    fn push_transparency_group(&mut self, _: f32, _: Option<SoftMask<'a>>, _: BlendMode) {}
    fn pop_clip(&mut self) {}
    fn pop_transparency_group(&mut self) {}
}

/// Whether the font is a bold one, by its weight or name.
fn is_bold(outline: &hayro_interpret::font::OutlineGlyph) -> bool {
    let Some(font) = outline.font_data() else {
        return false;
    };
    let by_name = font.postscript_name.as_deref().is_some_and(|name| {
        ["Bold", "Black", "Heavy", "bold"]
            .iter()
            .any(|word| name.contains(word))
    });
    by_name || font.weight.is_some_and(|weight| weight >= 600)
}
