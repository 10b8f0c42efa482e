//! Names that look like a name somebody mistyped.

/// The most edits that are ever looked for: more, and names are no longer near.
pub const MAX_LIMIT: usize = 3;
/// Cells of a row, and one that is always far.
const WIDTH: usize = 2 * MAX_LIMIT + 2;

/// How many edits turn `left` into `right` (insert, delete, replace, swap neighbours), if at most `limit`.
/// Panics if that is above [`MAX_LIMIT`].
/// Costs length × `limit`, so that one name can be compared with every symbol of a program.
pub fn distance(left: &[u8], right: &[u8], limit: usize) -> Option<usize> {
    assert!(limit <= MAX_LIMIT, "a limit of {limit} edits");
    // What is common at both ends changes nothing; what cannot be near is mostly seen by its length or its letters.
    let prefix = left.iter().zip(right).take_while(|(left, right)| left == right).count();
    let (left, right) = (&left[prefix..], &right[prefix..]);
    let suffix = left.iter().rev().zip(right.iter().rev()).take_while(|(left, right)| left == right).count();
    let (left, right) = (&left[..left.len() - suffix], &right[..right.len() - suffix]);
    let letters_apart = (letters(left) & !letters(right)).count_ones() as usize;
    if limit < left.len().abs_diff(right.len()).max(letters_apart) {
        return None;
    }
    // Three rows of the usual table, of each only the cells within `limit` of the diagonal: cell `d` of row `i` is that
    // of column `i + d - limit`. Cells further off cannot matter.
    let far = limit + 1;
    let width = 2 * limit + 1;
    let mut before_last = [far; WIDTH];
    let mut last = [far; WIDTH];
    for (column, cell) in last[limit..width].iter_mut().enumerate() {
        *cell = column;
    }
    for (i, &byte) in left.iter().enumerate() {
        let mut row = [far; WIDTH];
        for d in 0..width {
            // The column is counted from 1, as is the row; column 0 is the empty beginning of `right`.
            let Some(column) = (i + 1 + d).checked_sub(limit).filter(|&column| column <= right.len()) else { continue };
            let Some(j) = column.checked_sub(1) else {
                row[d] = i + 1;
                continue;
            };
            let insert = if 0 < d { row[d - 1] + 1 } else { far };
            let mut best = (last[d] + usize::from(byte != right[j])).min(last[d + 1] + 1).min(insert);
            if 0 < i && 0 < j && byte == right[j - 1] && left[i - 1] == right[j] {
                best = best.min(before_last[d] + 1);
            }
            row[d] = best.min(far);
        }
        if row.iter().all(|&cell| far <= cell) {
            return None;
        }
        (before_last, last) = (last, row);
    }
    Some(last[right.len() + limit - left.len()]).filter(|&edits| edits <= limit)
}

/// A set of the bytes that occur, coarse: a letter that is missing on one side costs at least one edit.
fn letters(name: &[u8]) -> u64 {
    name.iter().fold(0, |set, &byte| set | 1 << (byte % 64))
}

/// Up to `count` of the candidates that are nearest to `name`, nearest first; none that is not near.
/// A name of one or two bytes is near to nothing.
pub fn nearest<T: AsRef<[u8]>>(name: &[u8], candidates: impl IntoIterator<Item = T>, count: usize) -> Vec<T> {
    let limit = (name.len() / 3).min(MAX_LIMIT);
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

    /// The textbook's table, whole.
    fn plain(left: &[u8], right: &[u8]) -> usize {
        let mut table = vec![vec![0; right.len() + 1]; left.len() + 1];
        for i in 0..=left.len() {
            for j in 0..=right.len() {
                table[i][j] = if i == 0 || j == 0 {
                    i + j
                } else {
                    let replace = table[i - 1][j - 1] + usize::from(left[i - 1] != right[j - 1]);
                    let best = replace.min(table[i - 1][j] + 1).min(table[i][j - 1] + 1);
                    let swapped = 1 < i && 1 < j && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1];
                    if swapped { best.min(table[i - 2][j - 2] + 1) } else { best }
                };
            }
        }
        table[left.len()][right.len()]
    }

    #[test]
    fn the_narrow_table_agrees_with_the_whole_one() {
        // All words of up to five letters of two.
        let words: Vec<Vec<u8>> = (1..64u32).map(|bits| format!("{bits:b}").as_bytes()[1..].to_vec()).collect();
        for left in &words {
            for right in &words {
                for limit in 0..=MAX_LIMIT {
                    let want = Some(plain(left, right)).filter(|&edits| edits <= limit);
                    assert_eq!(distance(left, right, limit), want, "{left:?} {right:?} {limit}");
                }
            }
        }
    }

    #[test]
    fn nearest_come_first_and_equal_ones_not_at_all() {
        let candidates = ["sqlite3_opne", "sqlite3_open", "sqlite3_close", "sqlite3_open_v2"];
        assert_eq!(nearest(b"sqlite3_opem", candidates, 3), ["sqlite3_open", "sqlite3_opne"]);
        assert!(nearest(b"m", ["n", "o"], 3).is_empty());
        assert!(nearest(b"main", ["main"], 3).is_empty());
    }
}
