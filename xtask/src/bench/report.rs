//! The report of `bench link`: tables of medians and ratios, and the targets with whether they hold.

use std::collections::HashMap;
use std::fmt::Write as _;

use super::Workload;
use super::alone::Figure;
use super::ways::{Median, Samples, Way};

/// The text, and whether every target holds.
pub struct Report {
    /// Markdown.
    pub text: String,
    /// No target was missed, and none could not be measured.
    pub all_hold: bool,
}

/// A target: at most this multiple of the plain floor, in process, on so many threads.
struct FloorTarget(&'static str, Way, f64);

#[rustfmt::skip]
const FLOOR_TARGETS: &[FloorTarget] = &[
    FloorTarget("sqlite / gcc / -fPIC",             Way::UrukOne, 1.5),
    FloorTarget("sqlite / clang-22 / -O2 sections", Way::UrukOne, 1.5),
    FloorTarget("sqlite / gcc / -fPIC",             Way::UrukAgain, 0.5),
    FloorTarget("100x1000",                         Way::UrukOne, 1.0),
    FloorTarget("100x1000-sections",                Way::UrukOne, 1.0),
    FloorTarget("1x100000",                         Way::UrukOne, 1.0),
    FloorTarget("10000x10",                         Way::UrukOne, 1.0),
    FloorTarget("1000x1000",                        Way::UrukOne, 0.6),
    FloorTarget("1000x1000",                        Way::UrukTwo, 0.4),
];

/// From so many milliseconds of work on one thread, two threads are to be so much faster.
const THREAD_TARGETS: &[(f64, f64)] = &[(50.0, 1.6), (5.0, 1.4), (0.0, 1.0)];
/// Between these two the issue asks for nothing.
const THREAD_GAP: std::ops::Range<f64> = 2.0..5.0;
/// Two medians closer than this are equal.
const NOISE: f64 = 1.1;

struct Check {
    what: String,
    target: f64,
    measured: Option<f64>,
}

type Results<'a> = &'a [(Workload, Samples)];

impl Report {
    /// Writes the tables.
    pub fn new(results: Results, figures: &[Figure]) -> Self {
        let mut checks = checks(results);
        checks.extend(figures.iter().filter_map(|figure| {
            let (what, measured) = (figure.what.to_owned(), figure.measured.as_ref().ok().copied());
            Some(Check { what, target: figure.target?, measured })
        }));
        let mut text = String::from("# What linking costs\n\n");
        text += &whole_process(results);
        text += &in_process(results);
        text += &alone(figures);
        text += "\n## Targets (measured at most target)\n\n| what | target | measured | holds |\n|---|---|---|---|\n";
        let mut all_hold = true;
        for check in checks {
            let holds = check.measured.is_some_and(|measured| measured <= check.target);
            all_hold &= holds;
            let measured = check.measured.map_or("–".into(), |measured| format!("{measured:.2}"));
            let holds = if holds { "yes" } else { "**no**" };
            _ = writeln!(text, "| {} | {:.2} | {measured} | {holds} |", check.what, check.target);
        }
        Self { text, all_hold }
    }
}

fn get(samples: &Samples, way: Way) -> Option<&Median> {
    samples.get(&way).and_then(|median| median.as_ref().ok()).filter(|median| 0 < median.count)
}

fn whole_process(results: Results) -> String {
    let columns = [
        ("uruk -j 1", Way::UrukOne),
        ("uruk -j 2", Way::UrukTwo),
        ("mold", Way::Mold),
        ("run", Way::MoldRun),
        ("lld", Way::Lld),
        ("run", Way::LldRun),
        ("jitlink -noexec", Way::JitLink),
    ];
    let mut text = String::from(
        "Whole process: ms (peak MB); the columns of a linker and of its result's run add up.\n\n| workload | input MB |",
    );
    columns.iter().for_each(|(name, _)| _ = write!(text, " {name} |"));
    text += &format!(" mold + run / uruk -j 2 |\n|---|---|{}---|\n", "---|".repeat(columns.len()));
    for (workload, samples) in results {
        _ = write!(text, "| {} | {:.1} |", workload.name, workload.bytes as f64 / 1e6);
        for (_, way) in columns {
            match samples.get(&way) {
                // mold's own process only waits for another one, whose memory is not seen.
                Some(Ok(median)) if way == Way::Mold => _ = write!(text, " {:.1} |", median.wall_ms),
                Some(Ok(median)) => {
                    _ = write!(text, " {:.1} ({:.0}) |", median.wall_ms, median.peak_kib as f64 / 1024.0)
                }
                Some(Err(error)) => _ = write!(text, " fails: {error} |"),
                None => text += " |",
            }
        }
        let wall = |way| get(samples, way).map(|median| median.wall_ms);
        let ratio = |mold: f64, run: f64, uruk: f64| (mold + run) / uruk;
        match (wall(Way::Mold), wall(Way::MoldRun), wall(Way::UrukTwo)) {
            (Some(mold), Some(run), Some(uruk)) => _ = writeln!(text, " {:.2} |", ratio(mold, run, uruk)),
            _ => text += " – |\n",
        }
    }
    text
}

fn in_process(results: Results) -> String {
    let mut text = String::from("\nIn process, bytes to callable: ms (times the plain floor).\n\n");
    text +=
        "| workload | floor | uruk -j 1 | uruk -j 2 | again, -j 1 | gain of two threads |\n|---|---|---|---|---|---|\n";
    for (workload, samples) in results {
        let floor = inside(samples, Way::Floor);
        _ = write!(text, "| {} | {} |", workload.name, floor.map_or("–".into(), |ms| format!("{ms:.2}")));
        let [one, two, again] = [Way::UrukOne, Way::UrukTwo, Way::UrukAgain].map(|way| inside(samples, way));
        for ms in [one, two, again] {
            match (ms, floor) {
                (Some(ms), Some(floor)) => _ = write!(text, " {ms:.2} ({:.2}) |", ms / floor),
                _ => text += " – |",
            }
        }
        text += &one.zip(two).map_or(" – |\n".into(), |(one, two)| format!(" {:.2} |\n", one / two));
    }
    text
}

fn alone(figures: &[Figure]) -> String {
    if figures.is_empty() {
        return String::new();
    }
    let mut text = String::from("\nSingle operations, in one process.\n\n| what | measured |\n|---|---|\n");
    for figure in figures {
        let measured = figure.measured.as_ref().map_or_else(|reason| format!("– ({reason})"), |it| format!("{it:.2}"));
        _ = writeln!(text, "| {} | {measured} |", figure.what);
    }
    text
}

fn inside(samples: &Samples, way: Way) -> Option<f64> {
    get(samples, way).and_then(|median| median.inside_ms)
}

fn checks(results: Results) -> Vec<Check> {
    let by_name: HashMap<&str, (&Workload, &Samples)> =
        results.iter().map(|(workload, samples)| (workload.name.as_str(), (workload, samples))).collect();
    let mut checks = Vec::new();
    for (workload, samples) in results.iter().filter(|(workload, _)| workload.functions.is_none()) {
        checks.push(half_of_mold(workload, samples));
    }
    for FloorTarget(name, way, target) in FLOOR_TARGETS {
        if let Some((_, samples)) = by_name.get(name) {
            let measured = inside(samples, *way).zip(inside(samples, Way::Floor)).map(|(ms, floor)| ms / floor);
            checks.push(Check { what: format!("{name}: {way:?}, times the floor"), target: *target, measured });
        }
    }
    checks.extend(results.iter().filter_map(|(workload, samples)| gain_of_threads(workload, samples)));
    if let (Some((_, chain)), Some((_, random))) = (by_name.get("chain-20000"), by_name.get("random-20000")) {
        let measured =
            inside(chain, Way::UrukOne).zip(inside(random, Way::UrukOne)).map(|(chain, random)| chain / random);
        checks.push(Check {
            what: "a chain of 20,000 functions, times a random call graph".into(),
            target: NOISE,
            measured,
        });
    }
    if let Some((workload, samples)) = by_name.get("1000x1000") {
        let measured = get(samples, Way::UrukOne).map(|median| median.peak_kib as f64 * 1024.0 / workload.bytes as f64);
        checks.push(Check { what: "1000x1000: peak memory, times the input".into(), target: 2.5, measured });
        if let Some((_, small)) = by_name.get("100x1000") {
            let times = inside(samples, Way::UrukOne).zip(inside(small, Way::UrukOne));
            let measured = times.map(|(large, small)| large / small / 10.0);
            checks.push(Check {
                what: "1000x1000: time per function, times that of 100x1000".into(),
                target: 1.5,
                measured,
            });
        }
    }
    if let Some((_, samples)) = by_name.get("10000x10") {
        let allocated = get(samples, Way::Floor).and_then(|median| median.allocated);
        let mib = 1024.0 * 1024.0;
        let target = allocated.map_or(0.0, |bytes| 1.3 * bytes as f64 / mib + 64.0);
        let measured = get(samples, Way::UrukOne).map(|median| median.peak_kib as f64 / 1024.0);
        checks.push(Check { what: "10000x10: peak memory in MiB".into(), target, measured });
    }
    checks
}

/// What `uruk run` takes beyond the run of mold's output, over mold's link.
fn half_of_mold(workload: &Workload, samples: &Samples) -> Check {
    let [uruk, mold, run] =
        [Way::UrukTwo, Way::Mold, Way::MoldRun].map(|way| get(samples, way).map(|median| median.wall_ms));
    let measured = uruk.zip(mold).zip(run).map(|((uruk, mold), run)| (uruk - run) / mold);
    Check { what: format!("{}: whole process less the run, times mold's link", workload.name), target: 0.5, measured }
}

/// Time on two threads over time on one; the bound follows from how much work there is.
fn gain_of_threads(workload: &Workload, samples: &Samples) -> Option<Check> {
    let (one, two) = inside(samples, Way::UrukOne).zip(inside(samples, Way::UrukTwo))?;
    if THREAD_GAP.contains(&one) {
        return None;
    }
    let (_, gain) = THREAD_TARGETS.iter().find(|(from, _)| *from <= one)?;
    let target = if *gain == 1.0 { NOISE } else { 1.0 / gain };
    Some(Check { what: format!("{}: two threads, times one", workload.name), target, measured: Some(two / one) })
}
