//! Drawing: scales, ticks, axes and shapes as inline SVG text. Colours are CSS classes, so that one drawing serves
//! light and dark.

use std::fmt::Write;

/// Escapes text for HTML and SVG, in content and in quoted attributes.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// A coordinate: at most two decimals, no trailing zeros.
pub fn number(value: f64) -> String {
    let mut text = format!("{value:.2}");
    while text.ends_with('0') {
        text.pop();
    }
    if text.ends_with('.') {
        text.pop();
    }
    if text == "-0" { "0".into() } else { text }
}

/// A linear map from values to pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    domain: (f64, f64),
    range: (f64, f64),
}

impl Scale {
    /// Maps `domain` to `range`; an empty domain is widened, so that the map exists.
    pub fn new(domain: (f64, f64), range: (f64, f64)) -> Self {
        let (low, high) = domain;
        let domain = if high - low > f64::EPSILON * low.abs().max(1.0) {
            domain
        } else {
            let pad = if low == 0.0 { 1.0 } else { low.abs() * 0.1 };
            (low - pad, high + pad)
        };
        Self { domain, range }
    }

    /// A scale over all finite `values`, with a margin of `pad` of their span on both sides.
    pub fn over(values: impl Iterator<Item = f64>, pad: f64, range: (f64, f64)) -> Self {
        let (low, high) = values
            .filter(|value| value.is_finite())
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
        if low > high {
            return Self::new((0.0, 1.0), range);
        }
        let margin = (high - low) * pad;
        Self::new((low - margin, high + margin), range)
    }

    /// The pixel of `value`.
    pub fn at(&self, value: f64) -> f64 {
        let share = (value - self.domain.0) / (self.domain.1 - self.domain.0);
        self.range.0 + share * (self.range.1 - self.range.0)
    }

    /// Round values inside the domain, about `count` of them, and how many decimals tell them apart.
    pub fn ticks(&self, count: usize) -> (Vec<f64>, usize) {
        let span = self.domain.1 - self.domain.0;
        let raw = span / count.max(1) as f64;
        let power = 10f64.powf(raw.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0]
            .into_iter()
            .map(|factor| factor * power)
            .find(|&step| step >= raw * 0.999)
            .unwrap_or(10.0 * power);
        let decimals = if step >= 1.0 { 0 } else { (-step.log10()).ceil() as usize };
        let first = (self.domain.0 / step - 1e-9).ceil() as i64;
        let last = (self.domain.1 / step + 1e-9).floor() as i64;
        ((first..=last).map(|tick| tick as f64 * step).collect(), decimals)
    }
}

/// The size of a drawing in CSS pixels. Drawings are made twice, for wide and for narrow screens, because text in
/// an SVG shrinks with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Width.
    pub width: u32,
    /// Height.
    pub height: u32,
    /// Whether this is the drawing for narrow screens.
    pub narrow: bool,
}

/// A drawing in the making.
#[derive(Debug)]
pub struct Drawing {
    body: String,
}

impl Drawing {
    /// An empty drawing.
    pub fn new() -> Self {
        Self { body: String::new() }
    }

    /// A straight line.
    pub fn line(&mut self, class: &str, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
        self.push(format_args!(
            r#"<line class="{class}" x1="{}" y1="{}" x2="{}" y2="{}"/>"#,
            number(x1),
            number(y1),
            number(x2),
            number(y2)
        ));
    }

    /// A line through points; nothing for fewer than two.
    pub fn path(&mut self, class: &str, points: &[(f64, f64)]) {
        if points.len() < 2 {
            return;
        }
        let points: Vec<String> =
            points.iter().map(|&(x, y)| format!("{},{}", number(x), number(y))).collect();
        self.push(format_args!(r#"<polyline class="{class}" points="{}"/>"#, points.join(" ")));
    }

    /// A filled shape through points; nothing for fewer than three.
    pub fn area(&mut self, class: &str, points: &[(f64, f64)]) {
        if points.len() < 3 {
            return;
        }
        let points: Vec<String> =
            points.iter().map(|&(x, y)| format!("{},{}", number(x), number(y))).collect();
        self.push(format_args!(r#"<polygon class="{class}" points="{}"/>"#, points.join(" ")));
    }

    /// A circle, with a text that pointing at it shows.
    pub fn circle(&mut self, class: &str, (x, y): (f64, f64), radius: f64, tip: Option<&str>) {
        let tip = tip.map(|tip| format!("<title>{}</title>", escape(tip))).unwrap_or_default();
        self.push(format_args!(
            r#"<circle class="{class}" cx="{}" cy="{}" r="{}">{tip}</circle>"#,
            number(x),
            number(y),
            number(radius)
        ));
    }

    /// A rectangle, with a text that pointing at it shows.
    pub fn rect(&mut self, class: &str, (x, y): (f64, f64), (width, height): (f64, f64), tip: Option<&str>) {
        let tip = tip.map(|tip| format!("<title>{}</title>", escape(tip))).unwrap_or_default();
        self.push(format_args!(
            r#"<rect class="{class}" x="{}" y="{}" width="{}" height="{}">{tip}</rect>"#,
            number(x),
            number(y),
            number(width.max(0.0)),
            number(height.max(0.0))
        ));
    }

    /// A text; `anchor` is `start`, `middle` or `end`.
    pub fn text(&mut self, class: &str, (x, y): (f64, f64), anchor: &str, text: &str) {
        self.push(format_args!(
            r#"<text class="{class}" x="{}" y="{}" text-anchor="{anchor}">{}</text>"#,
            number(x),
            number(y),
            escape(text)
        ));
    }

    /// Axes with grid lines, tick labels and titles. `x` and `y` map to the pixels of the plot's area.
    pub fn axes(&mut self, x: (&Scale, &str), y: (&Scale, &str), ticks: (usize, usize)) {
        let ((x, x_title), (y, y_title)) = (x, y);
        let (left, right) = x.range;
        let (bottom, top) = y.range;
        let (values, decimals) = y.ticks(ticks.1);
        for value in values {
            let at = y.at(value);
            self.line("grid", (left, at), (right, at));
            self.text("tick", (left - 8.0, at + 4.0), "end", &format!("{value:.decimals$}"));
        }
        let (values, decimals) = x.ticks(ticks.0);
        for value in values {
            let at = x.at(value);
            self.line("axis", (at, bottom), (at, bottom + 5.0));
            self.text("tick", (at, bottom + 19.0), "middle", &format!("{value:.decimals$}"));
        }
        self.line("axis", (left, bottom), (right, bottom));
        self.text("axis-title", ((left + right) / 2.0, bottom + 38.0), "middle", x_title);
        // Above the axis rather than turned along it: a turned title is hard to read.
        self.text("axis-title", (0.0, top - 12.0), "start", y_title);
    }

    /// The finished `<svg>` element. `id` must be unique in the page; `title` and `description` are what a screen
    /// reader says.
    pub fn finish(self, frame: Frame, id: &str, title: &str, description: &str) -> String {
        let class = if frame.narrow { "chart narrow" } else { "chart wide" };
        let id = format!("{id}-{}", if frame.narrow { "narrow" } else { "wide" });
        format!(
            "<svg class=\"{class}\" viewBox=\"0 0 {w} {h}\" width=\"{w}\" height=\"{h}\" role=\"img\" \
             aria-labelledby=\"{id}-title {id}-desc\"><title id=\"{id}-title\">{}</title><desc \
             id=\"{id}-desc\">{}</desc>{}</svg>",
            escape(title),
            escape(description),
            self.body,
            w = frame.width,
            h = frame.height
        )
    }

    fn push(&mut self, text: std::fmt::Arguments<'_>) {
        self.body.write_fmt(text).expect("writing to a string cannot fail");
    }
}

/// The height of a line of labels.
const LABEL_HEIGHT: f64 = 16.0;
/// About the width of a letter of a label.
const LETTER: f64 = 7.0;

/// A label that wants to stand beside a point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Label<'a> {
    /// The text.
    pub text: &'a str,
    /// The point.
    pub point: (f64, f64),
    /// Whether it stands to the left of the point.
    pub left: bool,
}

impl Label<'_> {
    /// The distance between a point and its label.
    pub const GAP: f64 = 11.0;

    /// Where the text ends (or begins) beside the point.
    pub fn x(&self) -> f64 {
        if self.left { self.point.0 - Self::GAP } else { self.point.0 + Self::GAP }
    }

    /// The place of the text on the other side of [`Label::x`], which `text-anchor` names.
    pub fn anchor(&self) -> &'static str {
        if self.left { "end" } else { "start" }
    }

    fn span(&self) -> (f64, f64) {
        let width = LETTER * self.text.chars().count() as f64;
        if self.left { (self.x() - width, self.x()) } else { (self.x(), self.x() + width) }
    }
}

/// Heights for the labels (in the order given), at their points' heights where there is room and else below the
/// labels that they would cover, inside `low..=high`.
pub fn place(labels: &[Label<'_>], low: f64, high: f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..labels.len()).collect();
    order.sort_by(|&a, &b| labels[a].point.1.total_cmp(&labels[b].point.1).then(a.cmp(&b)));
    let wanted: Vec<f64> = labels.iter().map(|label| label.point.1).collect();
    let clash = |a: usize, b: usize| {
        let (a, b) = (labels[a].span(), labels[b].span());
        a.0 < b.1 && b.0 < a.1
    };
    let mut places = wanted.clone();
    for (rank, &label) in order.iter().enumerate() {
        let above = order[..rank].iter().filter(|&&other| clash(label, other));
        let least = above.map(|&other| places[other] + LABEL_HEIGHT).fold(low, f64::max);
        places[label] = wanted[label].max(least);
    }
    // What was pushed out at the bottom pushes back.
    for (rank, &label) in order.iter().enumerate().rev() {
        let below = order[rank + 1..].iter().filter(|&&other| clash(label, other));
        let most = below.map(|&other| places[other] - LABEL_HEIGHT).fold(high, f64::min);
        places[label] = places[label].min(most);
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside() {
        let (ticks, decimals) = Scale::new((0.0, 1.0), (0.0, 100.0)).ticks(5);
        assert_eq!(decimals, 1);
        assert_eq!(ticks.len(), 6);
        let (ticks, decimals) = Scale::new((-3.91, -2.02), (0.0, 100.0)).ticks(4);
        assert!(ticks.iter().all(|&tick| (-3.92..=-2.0).contains(&tick)), "{ticks:?}");
        assert_eq!(decimals, 1);
        let (ticks, _) = Scale::new((1.0, 300.0), (0.0, 100.0)).ticks(6);
        assert_eq!(ticks, [50.0, 100.0, 150.0, 200.0, 250.0, 300.0]);
    }

    #[test]
    fn a_scale_over_equal_or_no_values_still_maps() {
        assert!(Scale::over([2.0, 2.0].into_iter(), 0.1, (0.0, 10.0)).at(2.0).is_finite());
        assert!(Scale::over(std::iter::empty(), 0.1, (0.0, 10.0)).at(0.5).is_finite());
        let scale = Scale::over([0.0, f64::NAN, 10.0].into_iter(), 0.0, (0.0, 100.0));
        assert_eq!(scale.at(5.0), 50.0);
    }

    #[test]
    fn labels_do_not_cover_each_other() {
        let at = |x: f64, y: f64| Label { text: "a model", point: (x, y), left: false };
        let labels = [at(0.0, 10.0), at(0.0, 11.0), at(200.0, 11.0), at(0.0, 98.0), at(10.0, 99.0)];
        let places = place(&labels, 0.0, 100.0);
        assert_eq!(places, [10.0, 26.0, 11.0, 84.0, 100.0]);
        let left = [Label { left: true, ..at(100.0, 10.0) }, at(60.0, 10.0)];
        assert_eq!(place(&left, 0.0, 100.0), [10.0, 26.0]);
        assert_eq!(
            place(&[Label { left: true, ..at(100.0, 10.0) }, at(95.0, 10.0)], 0.0, 100.0),
            [10.0, 10.0]
        );
    }

    #[test]
    fn text_is_escaped() {
        assert_eq!(escape(r#"<a href="x">&'"#), "&lt;a href=&quot;x&quot;&gt;&amp;&#39;");
        assert_eq!(number(-0.001), "0");
        assert_eq!(number(12.50), "12.5");
    }
}
