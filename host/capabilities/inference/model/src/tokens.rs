//! How long texts are where nobody knows the tokenizer.

/// About how many tokens a text has, rather too many than too few: three letters of ASCII are one, two of
/// any other alphabet, and each sign of a script that writes words as signs.
pub fn estimate(text: &str) -> u32 {
    let sixths = text.chars().map(|char| match char {
        '\0'..='\x7f' => 2u32,
        '\u{80}'..='\u{1fff}' => 3,
        _ => 6,
    });
    sixths.fold(0u32, u32::saturating_add).div_ceil(6)
}

#[cfg(test)]
mod tests {
    use super::estimate;

    #[test]
    fn scripts_differ_in_how_much_a_token_holds() {
        assert_eq!(estimate(""), 0);
        assert_eq!(estimate("a"), 1);
        assert_eq!(estimate("A cup of tea"), 4);
        assert_eq!(estimate("чай"), 2);
        assert_eq!(estimate("茶を飲む"), 4);
    }
}
