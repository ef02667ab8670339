//! The pictures of the report, over plain numbers.

use super::svg::{Drawing, Frame, Label, Scale, escape, number, place};

/// How many colours tell series apart; further series start again.
pub const COLOURS: usize = 10;
/// Steps of the colour ramp that shows a value.
const RAMP: usize = 7;

/// Draws for wide and for narrow screens; CSS shows one of the two.
pub fn both(wide: u32, narrow: u32, draw: impl Fn(Frame) -> String) -> String {
    let mut out = draw(Frame { width: 920, height: wide, narrow: false });
    out.push_str(&draw(Frame { width: 340, height: narrow, narrow: true }));
    out
}

/// A legend of coloured names.
pub fn legend<'a>(entries: impl Iterator<Item = (usize, &'a str)>) -> String {
    let items: String = entries
        .map(|(colour, name)| {
            format!("<li><span class=\"swatch c{}\"></span>{}</li>", colour % COLOURS, escape(name))
        })
        .collect();
    format!("<ul class=\"legend\">{items}</ul>")
}

/// One model's value for each seed.
#[derive(Clone, Debug, PartialEq)]
pub struct Dots {
    /// The model.
    pub name: String,
    /// One value a run.
    pub runs: Vec<f64>,
    /// Their mean.
    pub mean: f64,
    /// Whether this is the best mean.
    pub best: bool,
}

/// A row for each model: a dot for each run and a bar at the mean.
pub fn dots(rows: &[Dots], metric: &str) -> String {
    let height = 76 + 30 * rows.len() as u32;
    both(height, height, |frame| {
        let mut drawing = Drawing::new();
        let left = if frame.narrow { 118.0 } else { 170.0 };
        let right = f64::from(frame.width) - if frame.narrow { 62.0 } else { 70.0 };
        let bottom = f64::from(height) - 46.0;
        let values = || rows.iter().flat_map(|row| row.runs.iter().copied().chain([row.mean]));
        let x = Scale::over(values().chain([0.0]), 0.0, (left, right));
        let (ticks, decimals) = x.ticks(if frame.narrow { 4 } else { 8 });
        for tick in ticks {
            let at = x.at(tick);
            drawing.line("grid", (at, 8.0), (at, bottom));
            drawing.text("tick", (at, bottom + 18.0), "middle", &format!("{tick:.decimals$}"));
        }
        drawing.line("axis", (left, 8.0), (left, bottom));
        drawing.text("axis-title", ((left + right) / 2.0, bottom + 38.0), "middle", metric);
        for (index, row) in rows.iter().enumerate() {
            let y = 26.0 + 30.0 * index as f64;
            let class = if row.best { "label strong" } else { "label" };
            drawing.text(class, (left - 10.0, y + 4.0), "end", &row.name);
            drawing.line(if row.best { "bar best" } else { "bar" }, (left, y), (x.at(row.mean), y));
            for (run, &value) in row.runs.iter().enumerate() {
                let tip = format!("{}, run {}: {value:.4}", row.name, run + 1);
                drawing.circle(if row.best { "dot best" } else { "dot" }, (x.at(value), y), 4.5, Some(&tip));
            }
            let end = row.runs.iter().copied().fold(row.mean, f64::max);
            let class = if row.best { "value strong" } else { "value" };
            drawing.text(class, (x.at(end) + 11.0, y + 4.0), "start", &format!("{:.4}", row.mean));
        }
        let description = rows
            .iter()
            .map(|row| format!("{}: mean {:.4} over {} runs", row.name, row.mean, row.runs.len()))
            .collect::<Vec<_>>()
            .join("; ");
        drawing.finish(
            frame,
            &format!("dots-{}", slug(metric)),
            &format!("{metric} of each model"),
            &description,
        )
    })
}

/// Writes names beside their points in the colours of their series, with a line where one had to move away.
fn put_labels(drawing: &mut Drawing, labels: &[(usize, Label<'_>)], (top, bottom): (f64, f64)) {
    let only: Vec<Label<'_>> = labels.iter().map(|(_, label)| *label).collect();
    for ((colour, label), y) in labels.iter().zip(place(&only, top, bottom)) {
        let class = colour % COLOURS;
        if (y - label.point.1).abs() > 6.0 {
            drawing.line(&format!("leader c{class}"), label.point, (label.x(), y));
        }
        drawing.text(&format!("label c{class}"), (label.x(), y + 4.0), label.anchor(), label.text);
    }
}

/// The curves of one model: one for each seed.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// The model.
    pub name: String,
    /// Its place in the palette.
    pub colour: usize,
    /// For each seed the points (epoch, value).
    pub runs: Vec<Vec<(f64, f64)>>,
    /// The run drawn strongly: the one whose model is the middle one of the seeds.
    pub middle: usize,
    /// The epoch whose model was kept, in the strong run.
    pub kept: Option<f64>,
}

/// Validation quality by epoch.
pub fn learning_curves(curves: &[Curve], y_title: &str) -> String {
    let picture = both(430, 330, |frame| {
        let mut drawing = Drawing::new();
        let width = f64::from(frame.width);
        let (left, right) = (48.0, if frame.narrow { width - 10.0 } else { width - 150.0 });
        let (top, bottom) = (34.0, f64::from(frame.height) - 50.0);
        let points = || curves.iter().flat_map(|curve| curve.runs.iter().flatten());
        let x = Scale::over(points().map(|point| point.0).chain([0.0]), 0.0, (left, right));
        let y = Scale::over(points().map(|point| point.1).chain([0.0]), 0.02, (bottom, top));
        drawing.axes((&x, "epoch"), (&y, y_title), (if frame.narrow { 5 } else { 10 }, 5));
        let at = |&(epoch, value): &(f64, f64)| (x.at(epoch), y.at(value));
        for curve in curves {
            for (run, points) in curve.runs.iter().enumerate().filter(|(run, _)| *run != curve.middle) {
                let points: Vec<_> = points.iter().map(at).collect();
                drawing.path(&format!("curve faint c{} run{run}", curve.colour % COLOURS), &points);
            }
        }
        let mut ends = Vec::new();
        for curve in curves {
            let Some(points) = curve.runs.get(curve.middle) else { continue };
            let pixels: Vec<_> = points.iter().map(at).collect();
            drawing.path(&format!("curve c{}", curve.colour % COLOURS), &pixels);
            if let Some(kept) = points.iter().find(|point| Some(point.0) == curve.kept) {
                let tip = format!("{}: best {:.4} at epoch {}", curve.name, kept.1, number(kept.0));
                drawing.circle(&format!("kept c{}", curve.colour % COLOURS), at(kept), 4.5, Some(&tip));
            }
            if let Some(&last) = pixels.last() {
                ends.push((curve, last));
            }
        }
        if !frame.narrow {
            let labels: Vec<(usize, Label<'_>)> = ends
                .iter()
                .map(|(curve, point)| (curve.colour, Label { text: &curve.name, point: *point, left: false }))
                .collect();
            put_labels(&mut drawing, &labels, (top, bottom));
        }
        let description = curves
            .iter()
            .map(|curve| {
                let best = curve.runs.iter().flatten().map(|point| point.1).fold(f64::NEG_INFINITY, f64::max);
                let epochs = curve.runs.iter().flatten().map(|point| point.0).fold(0.0, f64::max);
                format!("{}: best {best:.4}, {} epochs at most", curve.name, number(epochs))
            })
            .collect::<Vec<_>>()
            .join("; ");
        drawing.finish(frame, "learning-curves", &format!("{y_title} by epoch"), &description)
    });
    let legend = legend(curves.iter().map(|curve| (curve.colour, curve.name.as_str())));
    format!("{picture}<div class=\"narrow\">{legend}</div>")
}

/// One state of a model during training.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct State {
    /// The epoch.
    pub epoch: f64,
    /// Alignment over all training pairs.
    pub alignment: f64,
    /// Uniformity over all training pairs, the mean of users and items.
    pub uniformity: f64,
    /// Validation quality.
    pub quality: f64,
}

/// How one model moved.
#[derive(Clone, Debug, PartialEq)]
pub struct Trajectory {
    /// The model.
    pub name: String,
    /// Its place in the palette.
    pub colour: usize,
    /// Its states by epoch.
    pub states: Vec<State>,
}

/// The paths of models over the plane of alignment and uniformity, points coloured by validation quality.
pub fn trajectories(paths: &[Trajectory], quality: &str) -> String {
    let all = || paths.iter().flat_map(|path| path.states.iter());
    let best = all().map(|state| state.quality).filter(|q| q.is_finite()).fold(0.0, f64::max);
    let ramp = |quality: f64| {
        let share = if best > 0.0 { (quality / best).clamp(0.0, 1.0) } else { 0.0 };
        ((share * RAMP as f64) as usize).min(RAMP - 1)
    };
    let picture = both(520, 420, |frame| {
        let mut drawing = Drawing::new();
        let width = f64::from(frame.width);
        let (left, right) = (48.0, width - 14.0);
        let (top, bottom) = (34.0, f64::from(frame.height) - 50.0);
        // Room beside the ends for the names, which stand on the side where the paths lead.
        let lowest = all().map(|state| state.alignment).fold(f64::INFINITY, f64::min);
        let highest = all().map(|state| state.alignment).fold(f64::NEG_INFINITY, f64::max);
        let span = highest - lowest;
        let room = if frame.narrow { 0.06 } else { 0.2 };
        let x = Scale::over([lowest - room * span, highest + 0.06 * span].into_iter(), 0.0, (left, right));
        let y = Scale::over(all().map(|state| state.uniformity), 0.06, (bottom, top));
        let ticks = if frame.narrow { (5, 6) } else { (9, 7) };
        let x_title = if frame.narrow {
            "alignment (lower: pairs closer)"
        } else {
            "alignment (lower: interacting users and items are closer)"
        };
        drawing.axes((&x, x_title), (&y, "uniformity (lower: vectors spread more evenly)"), ticks);
        let at = |state: &State| (x.at(state.alignment), y.at(state.uniformity));
        for path in paths {
            let points: Vec<_> = path.states.iter().map(at).collect();
            drawing.path(&format!("trail c{}", path.colour % COLOURS), &points);
        }
        for path in paths {
            for state in thinned(&path.states, if frame.narrow { 14 } else { 30 }) {
                let tip = format!(
                    "{}, epoch {}: alignment {:.3}, uniformity {:.3}, {quality} {:.4}",
                    path.name,
                    number(state.epoch),
                    state.alignment,
                    state.uniformity,
                    state.quality
                );
                drawing.circle(&format!("state r{}", ramp(state.quality)), at(state), 3.6, Some(&tip));
            }
        }
        let mut ends = Vec::new();
        for path in paths {
            let (Some(first), Some(last)) = (path.states.first(), path.states.last()) else { continue };
            let class = path.colour % COLOURS;
            drawing.circle(
                &format!("start c{class}"),
                at(first),
                5.0,
                Some(&format!("{}: start", path.name)),
            );
            let (ex, ey) = at(last);
            drawing.rect(
                &format!("end r{} c{class}", ramp(last.quality)),
                (ex - 5.5, ey - 5.5),
                (11.0, 11.0),
                Some(&format!("{}: end, {quality} {:.4}", path.name, last.quality)),
            );
            ends.push((path, (ex, ey)));
        }
        if !frame.narrow {
            let labels: Vec<(usize, Label<'_>)> = ends
                .iter()
                .map(|(path, point)| {
                    // A label goes on in the direction of the path, so that it does not stand on it.
                    let back = path.states.iter().rev().nth(path.states.len() / 4).map(&at);
                    let left = back.is_none_or(|back| back.0 > point.0);
                    (path.colour, Label { text: &path.name, point: *point, left })
                })
                .collect();
            put_labels(&mut drawing, &labels, (top, bottom));
        }
        let description = paths
            .iter()
            .filter_map(|path| {
                let (first, last) = (path.states.first()?, path.states.last()?);
                Some(format!(
                    "{}: alignment from {:.2} to {:.2}, uniformity from {:.2} to {:.2}, {quality} at the end {:.4}",
                    path.name,
                    first.alignment,
                    last.alignment,
                    first.uniformity,
                    last.uniformity,
                    last.quality
                ))
            })
            .collect::<Vec<_>>()
            .join("; ");
        drawing.finish(frame, "trajectories", "Alignment and uniformity during training", &description)
    });
    let steps: String =
        (0..RAMP).map(|step| format!("<span class=\"swatch fill r{step}\"></span>")).collect();
    let names = legend(paths.iter().map(|path| (path.colour, path.name.as_str())));
    format!(
        "{picture}<div class=\"narrow\">{names}</div><p class=\"key\"><span class=\"ramp\">{quality} <span \
         class=\"nowrap\">0 {steps} {best:.3}</span></span> <span>○ start</span> <span>□ end</span></p>",
        quality = escape(quality)
    )
}

/// At most about `most` states, evenly chosen, the first and the last among them.
fn thinned(states: &[State], most: usize) -> impl Iterator<Item = &State> {
    let step = states.len().div_ceil(most.max(1)).max(1);
    let last = states.len().saturating_sub(1);
    states
        .iter()
        .enumerate()
        .filter(move |(index, _)| index % step == 0 || *index == last)
        .map(|(_, state)| state)
}

/// A row for each model: how its recommendations fall on the items' popularity, least popular tenth first.
pub fn deciles(rows: &[(String, [f64; 10])], id: &str) -> String {
    let height = 40 * rows.len() as u32 + 30;
    let picture = both(height, height, |frame| {
        let mut drawing = Drawing::new();
        let (left, right) = (0.0, f64::from(frame.width) - 4.0);
        for (index, (name, shares)) in rows.iter().enumerate() {
            let y = 40.0 * index as f64;
            drawing.text("label", (left, y + 14.0), "start", name);
            let head = format!("{:.0} % in the top tenth", shares[9] * 100.0);
            drawing.text("value", (right, y + 14.0), "end", &head);
            let total: f64 = shares.iter().sum();
            let mut from = left;
            for (decile, &share) in shares.iter().enumerate() {
                let width = if total > 0.0 { share / total * (right - left) } else { 0.0 };
                let tip = format!("{name}, tenth {} of 10: {:.1} %", decile + 1, share * 100.0);
                drawing.rect(&format!("d{decile}"), (from, y + 19.0), (width, 13.0), Some(&tip));
                from += width;
            }
        }
        let y = 40.0 * rows.len() as f64 + 8.0;
        for (at, anchor, text) in [(0.0, "start", "0 %"), (0.5, "middle", "50 %"), (1.0, "end", "100 %")] {
            let x = left + at * (right - left);
            drawing.line("axis", (x, y - 6.0), (x, y - 1.0));
            drawing.text("tick", (x, y + 13.0), anchor, text);
        }
        let description = rows
            .iter()
            .map(|(name, shares)| {
                format!("{name}: {:.0} percent in the most popular tenth", shares[9] * 100.0)
            })
            .collect::<Vec<_>>()
            .join("; ");
        drawing.finish(frame, id, "Popularity of what is recommended", &description)
    });
    let steps: String = (0..10).map(|step| format!("<span class=\"swatch fill d{step}\"></span>")).collect();
    format!(
        "{picture}<p class=\"key\">items, least popular tenth <span class=\"nowrap\">{steps}</span> most popular tenth</p>"
    )
}

/// A curve with how far the seeds lie from it.
#[derive(Clone, Debug, PartialEq)]
pub struct Band {
    /// The policy.
    pub name: String,
    /// Its place in the palette.
    pub colour: usize,
    /// For each epoch or round (which, mean, deviation).
    pub points: Vec<(f64, f64, f64)>,
}

/// Means over seeds by epoch or round (`x_title`), one deviation to either side shaded.
pub fn bands(bands: &[Band], id: &str, x_title: &str, y_title: &str) -> String {
    let most = bands.iter().flat_map(|band| &band.points).map(|point| point.1.abs()).fold(0.0, f64::max);
    let digits = if most < 1.0 { 4 } else { 2 };
    let picture = both(430, 330, |frame| {
        let mut drawing = Drawing::new();
        let width = f64::from(frame.width);
        let (left, right) = (48.0, if frame.narrow { width - 10.0 } else { width - 150.0 });
        let (top, bottom) = (34.0, f64::from(frame.height) - 50.0);
        let points = || bands.iter().flat_map(|band| &band.points);
        let x = Scale::over(points().map(|point| point.0), 0.0, (left, right));
        let ends = points().flat_map(|&(_, mean, std)| [mean - std, mean + std]);
        let y = Scale::over(ends.chain([0.0]), 0.02, (bottom, top));
        let furthest = points().map(|point| point.0).fold(0.0, f64::max) as usize;
        drawing.axes((&x, x_title), (&y, y_title), (furthest.clamp(1, if frame.narrow { 5 } else { 10 }), 5));
        for band in bands {
            let upper = band.points.iter().map(|&(epoch, mean, std)| (x.at(epoch), y.at(mean + std)));
            let lower = band.points.iter().rev().map(|&(epoch, mean, std)| (x.at(epoch), y.at(mean - std)));
            let outline: Vec<_> = upper.chain(lower).collect();
            drawing.area(&format!("band c{}", band.colour % COLOURS), &outline);
        }
        let mut labels = Vec::new();
        for band in bands {
            let line: Vec<_> =
                band.points.iter().map(|&(epoch, mean, _)| (x.at(epoch), y.at(mean))).collect();
            drawing.path(&format!("curve c{}", band.colour % COLOURS), &line);
            for (&point, &(at, mean, std)) in line.iter().zip(&band.points) {
                let tip =
                    format!("{}, {x_title} {}: {mean:.digits$} ± {std:.digits$}", band.name, number(at));
                drawing.circle(&format!("mean c{}", band.colour % COLOURS), point, 2.4, Some(&tip));
            }
            if let Some(&point) = line.last() {
                labels.push((band.colour, Label { text: &band.name, point, left: false }));
            }
        }
        if !frame.narrow {
            put_labels(&mut drawing, &labels, (top, bottom));
        }
        let description = bands
            .iter()
            .filter_map(|band| {
                let (first, last) = (band.points.first()?, band.points.last()?);
                Some(format!("{}: from {:.digits$} to {:.digits$}", band.name, first.1, last.1))
            })
            .collect::<Vec<_>>()
            .join("; ");
        drawing.finish(frame, id, &format!("{y_title} by {x_title}"), &description)
    });
    let legend = legend(bands.iter().map(|band| (band.colour, band.name.as_str())));
    format!("{picture}<div class=\"narrow\">{legend}</div>")
}

/// A mean and the ends of its interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Span {
    /// The mean.
    pub mean: f64,
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

impl Span {
    /// `half` to either side of `mean`, as far as values can be: an interval of few runs may reach further.
    pub fn within(mean: f64, half: f64, (least, most): (f64, f64)) -> Self {
        Self { mean, low: (mean - half).clamp(least, most), high: (mean + half).clamp(least, most) }
    }
}

/// A policy's place in a plane, with an interval in both directions.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    /// The policy.
    pub name: String,
    /// Its place in the palette.
    pub colour: usize,
    /// Its horizontal place.
    pub x: Span,
    /// Its vertical place.
    pub y: Span,
}

/// Policies in the plane of two metrics, with their intervals.
pub fn scatter(places: &[Place], id: &str, x_title: &str, y_title: &str) -> String {
    let picture = both(430, 340, |frame| {
        let mut drawing = Drawing::new();
        let width = f64::from(frame.width);
        let (left, right) = (48.0, width - 14.0);
        let (top, bottom) = (34.0, f64::from(frame.height) - 50.0);
        let ends = |of: fn(&Place) -> Span| places.iter().map(of).flat_map(|span| [span.low, span.high]);
        let pad = if frame.narrow { 0.1 } else { 0.12 };
        let x = Scale::over(ends(|place| place.x), pad, (left, right));
        let y = Scale::over(ends(|place| place.y), 0.08, (bottom, top));
        drawing.axes((&x, x_title), (&y, y_title), (if frame.narrow { 4 } else { 8 }, 6));
        for place in places {
            let class = format!("whisker c{}", place.colour % COLOURS);
            let (px, py) = (place.x, place.y);
            drawing.line(&class, (x.at(px.low), y.at(py.mean)), (x.at(px.high), y.at(py.mean)));
            drawing.line(&class, (x.at(px.mean), y.at(py.low)), (x.at(px.mean), y.at(py.high)));
        }
        for place in places {
            let tip = format!(
                "{}: {x_title} {:.3} ({:.3} to {:.3}), {y_title} {:.2} ({:.2} to {:.2})",
                place.name, place.x.mean, place.x.low, place.x.high, place.y.mean, place.y.low, place.y.high
            );
            let at = (x.at(place.x.mean), y.at(place.y.mean));
            drawing.circle(&format!("mean c{}", place.colour % COLOURS), at, 5.0, Some(&tip));
        }
        if !frame.narrow {
            let labels: Vec<(usize, Label<'_>)> = places
                .iter()
                .map(|place| {
                    let point = (x.at(place.x.mean), y.at(place.y.mean));
                    let left = point.0 > (left + right) / 2.0;
                    (place.colour, Label { text: &place.name, point, left })
                })
                .collect();
            put_labels(&mut drawing, &labels, (top, bottom));
        }
        let description = places
            .iter()
            .map(|place| {
                format!("{}: {x_title} {:.3}, {y_title} {:.2}", place.name, place.x.mean, place.y.mean)
            })
            .collect::<Vec<_>>()
            .join("; ");
        drawing.finish(frame, id, &format!("{y_title} against {x_title}"), &description)
    });
    let legend = legend(places.iter().map(|place| (place.colour, place.name.as_str())));
    format!("{picture}<div class=\"narrow\">{legend}</div>")
}

fn slug(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect()
}
