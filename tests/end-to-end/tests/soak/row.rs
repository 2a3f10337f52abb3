//! What became of a promise: a row of the table.

/// What a load came to, for one row of the table.
#[derive(Debug, Default)]
pub(crate) struct Row {
    pub(crate) promise: &'static str,
    /// Answered as done.
    pub(crate) committed: usize,
    /// Not answered: done or not.
    pub(crate) uncertain: usize,
    /// Committed, and without its effect.
    pub(crate) lost: usize,
    /// With its effect more than once.
    pub(crate) twice: usize,
    /// With its effect before that of one before it.
    pub(crate) out_of_order: usize,
    /// What else was seen.
    pub(crate) note: String,
}

// === impl Row ===

impl Row {
    pub(crate) fn is_kept(&self) -> bool {
        (self.lost, self.twice, self.out_of_order) == (0, 0, 0)
    }
}

/// Prints the table.
pub(crate) fn print(rounds: u64, rows: &[Row]) {
    println!(
        "{:<52} {:>7} {:>10} {:>10} {:>6} {:>6} {:>13}",
        format!("after {rounds} kills"),
        "kept",
        "committed",
        "uncertain",
        "lost",
        "twice",
        "out of order"
    );
    for row in rows {
        println!(
            "{:<52} {:>7} {:>10} {:>10} {:>6} {:>6} {:>13}",
            row.promise,
            if row.is_kept() { "yes" } else { "NO" },
            row.committed,
            row.uncertain,
            row.lost,
            row.twice,
            row.out_of_order
        );
        if !row.note.is_empty() {
            println!("    {}", row.note);
        }
    }
}
