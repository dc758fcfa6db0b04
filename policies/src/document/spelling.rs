//! The likely spelling of a word that is not known.

/// Words longer than this are not compared.
const LONGEST: usize = 64;

/// Edit distance in which exchanging two neighbours is one edit.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for (i, &left) in a.iter().enumerate() {
        let mut row = vec![i.saturating_add(1)];
        for (j, &right) in b.iter().enumerate() {
            let get = |row: &[usize], at: usize| row.get(at).copied().unwrap_or(usize::MAX);
            let change = get(&above, j).saturating_add(usize::from(left != right));
            let insert = get(&row, j).saturating_add(1);
            let remove = get(&above, j.saturating_add(1)).saturating_add(1);
            let mut best = change.min(insert).min(remove);
            if let (Some(i), Some(j)) = (i.checked_sub(1), j.checked_sub(1))
                && (a.get(i), b.get(j)) == (Some(&right), Some(&left))
            {
                best = best.min(get(&before, j).saturating_add(1));
            }
            row.push(best);
        }
        before = std::mem::replace(&mut above, row);
    }
    above.last().copied().unwrap_or(usize::MAX)
}

/// The known word nearest to `word`, if one is near.
pub(crate) fn likely<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > LONGEST {
        return None;
    }
    let small = word.to_lowercase();
    known
        .into_iter()
        .map(|candidate| (distance(&small, &candidate.to_lowercase()), candidate))
        .filter(|&(far, candidate)| far <= (candidate.len().max(3)).div_euclid(3).max(1))
        .min_by_key(|&(far, _)| far)
        .map(|(_, candidate)| candidate)
}

/// The same as a sentence of help.
pub(crate) fn did_you_mean<'a>(
    word: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    likely(word, known).map(|candidate| format!("did you mean `{candidate}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_found_and_far_ones_not() {
        let known = ["read", "write", "create", "delete"];
        assert_eq!(likely("raed", known), Some("read"));
        assert_eq!(likely("READ", known), Some("read"));
        assert_eq!(likely("creat", known), Some("create"));
        assert_eq!(likely("xyzzy", known), None);
        assert_eq!(likely("", known), None);
        assert_eq!(distance("ab", "ba"), 1);
    }
}
