//! Plain columns for people.

/// Prints rows under their titles, as wide as they need.
pub(super) fn print<const N: usize>(titles: [&str; N], rows: &[[String; N]]) {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([titles[column].chars().count()]).max().unwrap_or_default()
    };
    let widths: [usize; N] = std::array::from_fn(width);
    println!("{}", line(titles, widths));
    for row in rows {
        println!("{}", line(row.each_ref().map(String::as_str), widths));
    }
}

fn line<const N: usize>(cells: [&str; N], widths: [usize; N]) -> String {
    let padded = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
    padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
}

/// `text` on one line, cut to `width` characters.
pub(super) fn short(text: &str, width: usize) -> String {
    let flat: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match flat.char_indices().nth(width) {
        Some(_) => flat.chars().take(width - 1).chain(['…']).collect(),
        None => flat,
    }
}

#[cfg(test)]
mod tests {
    use super::{line, short};

    #[test]
    fn columns_are_as_wide_as_they_need() {
        assert_eq!(line(["a", "b"], [3, 1]), "a    b");
        assert_eq!(line(["a", ""], [3, 5]), "a");
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        assert_eq!(short("ein\nZwei", 10), "ein Zwei");
        assert_eq!(short("äöüß", 3), "äö…");
    }
}
