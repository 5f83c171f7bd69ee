//! Which known name was probably meant.

/// `; did you mean X?` for the known name nearest to `name`, or nothing when none is near.
pub(super) fn suggest(name: &str, known: impl IntoIterator<Item = String>) -> String {
    nearest(name, known).map_or_else(String::new, |known| format!("; did you mean {known}?"))
}

/// The known name nearest to `name`: at most a third of its letters may differ.
pub(super) fn nearest(name: &str, known: impl IntoIterator<Item = String>) -> Option<String> {
    let most = (name.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|known| (distance(name, &known), known))
        .filter(|(distance, _)| *distance <= most)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

/// How many letters must be put in, taken out or replaced to turn `a` into `b`, ignoring case (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.to_lowercase().chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.to_lowercase().chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_edits() {
        for (a, b, edits) in [("", "", 0), ("kitten", "sitting", 3), ("KEY", "key", 0), ("abc", "", 3), ("", "ab", 2)] {
            assert_eq!(distance(a, b), edits, "{a} {b}");
        }
    }

    #[test]
    fn only_near_names_are_suggested() {
        let known = || ["retention".to_owned(), "enabled".to_owned()];
        assert_eq!(suggest("retension", known()), "; did you mean retention?");
        assert_eq!(suggest("telemetry", known()), "");
    }
}
