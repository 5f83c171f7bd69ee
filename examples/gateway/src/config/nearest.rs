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

/// How many letters must be put in, taken out, replaced or swapped with the next to turn `a` into `b`, ignoring case
/// (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let [a, b] = [a, b].map(|text| text.to_lowercase().chars().collect::<Vec<char>>());
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = replaced.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_edits() {
        for (a, b, edits) in
            [("", "", 0), ("kitten", "sitting", 3), ("KEY", "key", 0), ("abc", "", 3), ("", "ab", 2), ("kye", "key", 1)]
        {
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
