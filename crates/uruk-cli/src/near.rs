//! Names that look like a name somebody mistyped.

/// How many edits turn `left` into `right` (insert, delete, replace, swap neighbours), if at most `limit`.
/// Costs length × `limit`, so that one name can be compared with every symbol of a program.
pub fn distance(left: &[u8], right: &[u8], limit: usize) -> Option<usize> {
    if limit < left.len().abs_diff(right.len()) {
        return None;
    }
    // Three rows of the usual table; cells further than `limit` off the diagonal cannot matter.
    let far = limit + 1;
    let mut before_last = vec![far; right.len() + 1];
    let mut last: Vec<usize> = (0..=right.len()).map(|column| column.min(far)).collect();
    let mut row = vec![far; right.len() + 1];
    for (i, &byte) in left.iter().enumerate() {
        row.fill(far);
        row[0] = (i + 1).min(far);
        let columns = i.saturating_sub(limit)..(i + limit + 1).min(right.len());
        for j in columns {
            let replace = last[j] + usize::from(byte != right[j]);
            let mut best = replace.min(last[j + 1] + 1).min(row[j] + 1);
            if 0 < i && 0 < j && byte == right[j - 1] && left[i - 1] == right[j] {
                best = best.min(before_last[j - 1] + 1);
            }
            row[j + 1] = best.min(far);
        }
        if row.iter().all(|&cell| far <= cell) {
            return None;
        }
        (before_last, last, row) = (last, row, before_last);
    }
    Some(last[right.len()]).filter(|&edits| edits <= limit)
}

/// Up to `count` of the candidates that are nearest to `name`, nearest first; none that is not near.
/// A name of one or two bytes is near to nothing.
pub fn nearest<T: AsRef<[u8]>>(name: &[u8], candidates: impl IntoIterator<Item = T>, count: usize) -> Vec<T> {
    let limit = (name.len() / 3).min(3);
    let mut found: Vec<(usize, T)> = Vec::new();
    if limit == 0 {
        return Vec::new();
    }
    for candidate in candidates {
        let Some(edits) = distance(name, candidate.as_ref(), limit) else { continue };
        if edits == 0 || found.iter().any(|(_, known)| known.as_ref() == candidate.as_ref()) {
            continue;
        }
        let place = found.partition_point(|(known, _)| *known <= edits);
        if place < count {
            found.insert(place, (edits, candidate));
            found.truncate(count);
        }
    }
    found.into_iter().map(|(_, candidate)| candidate).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        let check = |left: &str, right: &str, limit, want| {
            assert_eq!(distance(left.as_bytes(), right.as_bytes(), limit), want, "{left} {right}");
            assert_eq!(distance(right.as_bytes(), left.as_bytes(), limit), want, "{right} {left}");
        };
        check("entry", "entry", 2, Some(0));
        check("entry", "entri", 2, Some(1));
        check("entry", "etnry", 2, Some(1));
        check("entry", "ent", 2, Some(2));
        check("entry", "en", 2, None);
        check("kitten", "sitting", 3, Some(3));
        check("kitten", "sitting", 2, None);
        check("", "ab", 2, Some(2));
    }

    #[test]
    fn nearest_come_first_and_equal_ones_not_at_all() {
        let candidates = ["sqlite3_opne", "sqlite3_open", "sqlite3_close", "sqlite3_open_v2"];
        assert_eq!(nearest(b"sqlite3_opem", candidates, 3), ["sqlite3_open", "sqlite3_opne"]);
        assert!(nearest(b"m", ["n", "o"], 3).is_empty());
        assert!(nearest(b"main", ["main"], 3).is_empty());
    }
}
