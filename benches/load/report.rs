//! The table.

use std::fmt::Write as _;

use crate::loads::{Figure, Load};
use crate::measure::Samples;

const HEADINGS: [&str; 12] = [
    "load",
    "subject",
    "requests/s",
    "p50 ms",
    "p99 ms",
    "first byte p50 ms",
    "p99 ms",
    "CPU us/request",
    "RSS MiB",
    "KiB/stream",
    "to relay",
    "aim",
];

/// What one subject did under one load.
#[derive(Debug)]
pub(crate) enum Outcome {
    Calls(Samples),
    /// KiB per stream.
    Memory(f64),
}

impl Outcome {
    fn figure(&self, figure: Figure) -> f64 {
        match self {
            Self::Memory(kib) => *kib,
            Self::Calls(samples) if figure == Figure::FirstByte => {
                samples.percentile(50, |timing| timing.first_byte) * 1e3
            }
            Self::Calls(samples) => samples.cpu_micros_per_request(),
        }
    }
}

/// Rows of text, the headings not included.
#[derive(Debug, Default)]
pub(crate) struct Report {
    rows: Vec<[String; 12]>,
}

impl Report {
    /// Adds a row for each subject: the relay, the gateway, which is compared with it, the gateway with tools, which is
    /// compared with the one without, and the relay that sends as many bytes, which is compared with the first.
    pub(crate) fn add(&mut self, load: &Load, outcomes: &[(&'static str, Outcome)]) {
        let mut before = Vec::new();
        for (name, outcome) in outcomes {
            let figure = outcome.figure(load.figure);
            let comparison = match before[..] {
                [] => ["-".into(), "-".into()],
                [relay] => compare(load, load.aim, figure, relay),
                [_, gateway] if load.figure == Figure::FirstByte => compare(load, gateway * 0.1, figure, gateway),
                [_, gateway] => compare(load, 1.1, figure, gateway),
                [relay, ..] => [compare(load, 0.0, figure, relay)[0].clone(), "-".into()],
            };
            before.push(figure);
            let [requests, p50, p99, first_p50, first_p99, cpu, rss, stream] = cells(outcome);
            let [ratio, aim] = comparison;
            let row = [(*name).into(), requests, p50, p99, first_p50, first_p99, cpu, rss, stream, ratio, aim];
            let mut cells = row.into_iter();
            self.rows.push(std::array::from_fn(|column| match column {
                0 => load.name.into(),
                _ => cells.next().unwrap_or_default(),
            }));
        }
    }

    /// Aligned columns, or a Markdown table.
    pub(crate) fn render(&self, markdown: bool) -> String {
        let headings = HEADINGS.map(String::from);
        let width = |column: usize| {
            let cells = self.rows.iter().chain([&headings]).map(|row| row[column].chars().count());
            cells.max().unwrap_or(0)
        };
        let widths: [usize; 12] = std::array::from_fn(width);
        let mut text = String::new();
        line(&mut text, &headings, &widths, markdown);
        if markdown {
            let rule: [String; 12] = std::array::from_fn(|column| match column {
                0 | 1 => "-".repeat(widths[column]),
                _ => format!("{}:", "-".repeat(widths[column] - 1)),
            });
            line(&mut text, &rule, &widths, markdown);
        }
        for row in &self.rows {
            line(&mut text, row, &widths, markdown);
        }
        text
    }
}

fn line(text: &mut String, cells: &[String; 12], widths: &[usize; 12], markdown: bool) {
    let cell = |(column, (cell, &width)): (usize, (&String, &usize))| match column {
        0 | 1 => format!("{cell:<width$}"),
        _ => format!("{cell:>width$}"),
    };
    let cells: Vec<String> = cells.iter().zip(widths).enumerate().map(cell).collect();
    let written =
        if markdown { writeln!(text, "| {} |", cells.join(" | ")) } else { writeln!(text, "{}", cells.join("  ")) };
    written.expect("a String takes everything");
}

/// The figure beside that of the subject before, and the aim with a mark when it is missed.
fn compare(load: &Load, aim: f64, figure: f64, relay: f64) -> [String; 2] {
    let (value, shown, text) = match load.figure {
        Figure::FirstByte => (figure - relay, format!("{:+.0} us", figure - relay), format!("{aim:.0} us")),
        Figure::Cpu | Figure::Memory => (figure / relay, format!("{:.2} x", figure / relay), format!("{aim:.1} x")),
    };
    [shown, if value > aim { format!("over {text}") } else { text }]
}

fn cells(outcome: &Outcome) -> [String; 8] {
    let none = || "-".to_owned();
    match outcome {
        Outcome::Memory(kib) => [none(), none(), none(), none(), none(), none(), none(), format!("{kib:.1}")],
        Outcome::Calls(samples) => [
            format!("{:.0}", samples.requests_per_second()),
            format!("{:.3}", samples.percentile(50, |timing| timing.latency)),
            format!("{:.3}", samples.percentile(99, |timing| timing.latency)),
            format!("{:.3}", samples.percentile(50, |timing| timing.first_byte)),
            format!("{:.3}", samples.percentile(99, |timing| timing.first_byte)),
            format!("{:.1}", samples.cpu_micros_per_request()),
            format!("{:.1}", samples.rss as f64 / 1024.0),
            none(),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory_row(gateway: f64) -> String {
        let [.., memory, _] = Load::all();
        let mut report = Report::default();
        report.add(&memory, &[("relay", Outcome::Memory(32.0)), ("gateway", Outcome::Memory(gateway))]);
        report.render(false).lines().last().expect("there are rows").to_owned()
    }

    #[test]
    fn figure_is_set_beside_the_relays_and_a_missed_aim_is_marked() {
        assert!(memory_row(16.0).ends_with("0.50 x  1.0 x"), "{}", memory_row(16.0));
        assert!(memory_row(64.0).ends_with("2.00 x  over 1.0 x"), "{}", memory_row(64.0));
    }

    #[test]
    fn columns_line_up_in_both_forms() {
        for markdown in [false, true] {
            let text = Report::default().render(markdown);
            let lengths: Vec<usize> = text.lines().map(|line| line.chars().count()).collect();
            assert!(lengths.windows(2).all(|pair| pair[0] == pair[1]), "{text}");
        }
    }
}
