//! What the quality of finding is measured with: documents in three languages about places that there are not,
//! and a question about each, of which it is known where the answer stands. The same every time.

/// So many documents, and as many questions.
pub(crate) const DOCUMENTS: usize = 200;

/// A document in Markdown.
pub(crate) struct Document {
    pub(crate) name: String,
    pub(crate) text: String,
}

/// A question, and by what its answer is known.
pub(crate) struct Question {
    pub(crate) text: String,
    /// The place of the document in the corpus.
    pub(crate) document: usize,
    /// What a passage says that answers it. No other passage of the document does.
    pub(crate) fact: String,
}

/// How a language says it.
struct Language {
    code: &'static str,
    /// What there is to write about: a title of it at a place, and the name of it in a sentence.
    things: [(&'static str, &'static str); 5],
    headings: [&'static str; 4],
    materials: [&'static str; 5],
    write: fn(&Facts<'_>) -> [String; 4],
    /// The question about each section, in other words than the section has.
    ask: fn(&Facts<'_>) -> [String; 4],
    /// What the answer to each says.
    facts: fn(&Facts<'_>) -> [String; 4],
}

/// What is true of one place.
struct Facts<'a> {
    thing: &'a str,
    place: String,
    material: &'a str,
    builder: String,
    other: String,
    year: u64,
    took: u64,
    length: u64,
    height: u64,
    cost: u64,
    every: u64,
}

/// Numbers that look drawn, the same every time.
struct Draw(u64);

const LANGUAGES: [Language; 3] = [
    Language {
        code: "en",
        things: [
            ("The bridge", "bridge"),
            ("The lighthouse", "lighthouse"),
            ("The mill", "mill"),
            ("The tower", "tower"),
            ("The canal", "canal"),
        ],
        headings: ["History", "People", "Figures", "Upkeep"],
        materials: [
            "oak planking",
            "slate roof",
            "copper cladding",
            "limestone facing",
            "iron railing",
        ],
        write: |facts| {
            let Facts {
                thing,
                place,
                material,
                builder,
                other,
                year,
                took,
                length,
                height,
                cost,
                every,
            } = facts;
            [
                format!(
                    "The {thing} of {place} was completed in {year}, after {took} years of work that floods had \
                     interrupted more than once. Before that travellers depended on a ferry, which did not run in winter, \
                     and merchants went a long way round.\n\nIt was damaged by fire a generation later and put back as it \
                     had been, for there was no money for anything grander."
                ),
                format!(
                    "It was designed by {builder}, although the council had first turned to {other}, who asked for more \
                     than the town could pay. Both are buried in the churchyard nearby.\n\nA plaque at the entrance names \
                     the masons, the carpenters and the cook."
                ),
                format!(
                    "| Measure | Value |\n|---|---|\n| Length | {length} m |\n| Height | {height} m |\n| Cost | {cost} crowns |\n"
                ),
                format!(
                    "The {material} is renewed every {every} years, since salt and frost wear it down. The work is paid for \
                     by a small toll that visitors leave in a box.\n\nVolunteers meet on the first Saturday of spring."
                ),
            ]
        },
        ask: |facts| {
            let Facts {
                thing,
                place,
                material,
                ..
            } = facts;
            [
                format!("In which year was the {thing} at {place} finished?"),
                format!("Who was the architect of the {thing} in {place}?"),
                format!("How long is the {thing} of {place}?"),
                format!("How often must the {material} be replaced in {place}?"),
            ]
        },
        facts: |facts| {
            [
                format!("completed in {}", facts.year),
                format!("designed by {}", facts.builder),
                format!("{} m", facts.length),
                format!("every {} years", facts.every),
            ]
        },
    },
    Language {
        code: "de",
        things: [
            ("Die Brücke", "Brücke"),
            ("Die Windmühle", "Windmühle"),
            ("Die Sternwarte", "Sternwarte"),
            ("Die Schleuse", "Schleuse"),
            ("Die Kapelle", "Kapelle"),
        ],
        headings: ["Geschichte", "Personen", "Zahlen", "Pflege"],
        materials: [
            "Schieferdach",
            "Eichenholz",
            "Kupferblech",
            "Mauerwerk",
            "Eisengitter",
        ],
        write: |facts| {
            let Facts {
                thing,
                place,
                material,
                builder,
                other,
                year,
                took,
                length,
                height,
                cost,
                every,
            } = facts;
            [
                format!(
                    "Die {thing} von {place} wurde {year} fertiggestellt, nach {took} Jahren Bauzeit, die Hochwasser \
                     mehrmals unterbrach. Vorher mussten Reisende eine Fähre nehmen, die im Winter nicht fuhr.\n\nEine \
                     Generation später brannte sie ab und wurde genauso wieder aufgebaut, denn für mehr fehlte das Geld."
                ),
                format!(
                    "Entworfen hat sie {builder}, obwohl der Rat zuerst {other} gefragt hatte, der mehr verlangte, als \
                     die Stadt zahlen konnte. Beide liegen auf dem Friedhof nebenan.\n\nEine Tafel am Eingang nennt Maurer, \
                     Zimmerleute und die Köchin."
                ),
                format!(
                    "| Maß | Wert |\n|---|---|\n| Länge | {length} m |\n| Höhe | {height} m |\n| Kosten | {cost} Kronen |\n"
                ),
                format!(
                    "Das {material} wird alle {every} Jahre erneuert, weil Salz und Frost ihm zusetzen. Bezahlt wird das aus \
                     einer Büchse, in die Besucher etwas werfen.\n\nDie Freiwilligen treffen sich am ersten Samstag im \
                     Frühling."
                ),
            ]
        },
        ask: |facts| {
            let Facts {
                thing,
                place,
                material,
                ..
            } = facts;
            [
                format!("In welchem Jahr war die {thing} in {place} fertig?"),
                format!("Welcher Architekt plante die {thing} von {place}?"),
                format!("Wie lang ist die {thing} von {place}?"),
                format!("Wie oft muss man in {place} das {material} ersetzen?"),
            ]
        },
        facts: |facts| {
            [
                format!("{} fertiggestellt", facts.year),
                format!("sie {}", facts.builder),
                format!("{} m", facts.length),
                format!("alle {} Jahre", facts.every),
            ]
        },
    },
    Language {
        code: "fr",
        things: [
            ("La passerelle", "passerelle"),
            ("La chapelle", "chapelle"),
            ("La citadelle", "citadelle"),
            ("La fontaine", "fontaine"),
            ("La digue", "digue"),
        ],
        headings: ["Histoire", "Personnes", "Mesures", "Entretien"],
        materials: ["charpente", "toiture", "façade", "grille", "maçonnerie"],
        write: |facts| {
            let Facts {
                thing,
                place,
                material,
                builder,
                other,
                year,
                took,
                length,
                height,
                cost,
                every,
            } = facts;
            [
                format!(
                    "La {thing} de {place} fut achevée en {year}, après {took} ans de travaux que les crues ont \
                     interrompus plus d'une fois. Les voyageurs prenaient auparavant un bac qui ne passait pas en \
                     hiver.\n\nUn incendie l'a abîmée une génération plus tard; on l'a refaite telle quelle, faute d'argent."
                ),
                format!(
                    "Elle a été dessinée par {builder}, bien que le conseil se fût d'abord adressé à {other}, qui demandait \
                     trop cher. Tous deux reposent au cimetière voisin.\n\nUne plaque à l'entrée nomme les maçons, les \
                     charpentiers et la cuisinière."
                ),
                format!(
                    "| Mesure | Valeur |\n|---|---|\n| Longueur | {length} m |\n| Hauteur | {height} m |\n| Coût | {cost} couronnes |\n"
                ),
                format!(
                    "La {material} est renouvelée tous les {every} ans, car le sel et le gel l'usent. Les visiteurs y \
                     contribuent en laissant une pièce dans une boîte.\n\nLes bénévoles se retrouvent le premier samedi du \
                     printemps."
                ),
            ]
        },
        ask: |facts| {
            let Facts {
                thing,
                place,
                material,
                ..
            } = facts;
            [
                format!("En quelle année la {thing} de {place} a-t-elle été terminée ?"),
                format!("Quel architecte a conçu la {thing} de {place} ?"),
                format!("Quelle est la longueur de la {thing} de {place} ?"),
                format!("À quelle fréquence remplace-t-on la {material} à {place} ?"),
            ]
        },
        facts: |facts| {
            [
                format!("achevée en {}", facts.year),
                format!("dessinée par {}", facts.builder),
                format!("{} m", facts.length),
                format!("tous les {} ans", facts.every),
            ]
        },
    },
];

/// The whole of it.
pub(crate) fn corpus() -> (Vec<Document>, Vec<Question>) {
    let mut draw = Draw(20_261_130);
    (0..DOCUMENTS)
        .map(|number| {
            let language = &LANGUAGES[number % LANGUAGES.len()];
            let (title, thing) = *draw.of(&language.things);
            let place = draw.name(3);
            let facts = Facts {
                thing,
                material: draw.of::<&str>(&language.materials),
                builder: format!("{} {}", draw.name(2), draw.name(3)),
                other: format!("{} {}", draw.name(2), draw.name(3)),
                year: draw.between(1500, 1900),
                took: draw.between(3, 30),
                // No measure is part of another one.
                length: draw.between(200, 999),
                height: draw.between(10, 99),
                cost: draw.between(1000, 9000),
                every: draw.between(31, 90),
                place,
            };
            document(language, title, number, &facts)
        })
        .unzip()
}

fn document(
    language: &Language,
    title: &str,
    number: usize,
    facts: &Facts<'_>,
) -> (Document, Question) {
    let sections = language.headings.iter().zip((language.write)(facts));
    let sections: String = sections
        .map(|(heading, text)| format!("\n## {heading}\n\n{text}\n"))
        .collect();
    let document = Document {
        name: format!("{}-{number}.md", language.code),
        text: format!("# {title}, {}\n{sections}", facts.place),
    };
    // Each section of each language is asked about as often as any other.
    let section = number / LANGUAGES.len() % 4;
    let nth = |texts: [String; 4]| texts.into_iter().nth(section).unwrap_or_default();
    let question = Question {
        text: nth((language.ask)(facts)),
        document: number,
        fact: nth((language.facts)(facts)),
    };
    (document, question)
}

// === impl Draw ===

impl Draw {
    fn next(&mut self) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut drawn = self.0;
        drawn = (drawn ^ (drawn >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        drawn = (drawn ^ (drawn >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        drawn ^ (drawn >> 31)
    }

    fn between(&mut self, least: u64, end: u64) -> u64 {
        least + self.next() % (end - least)
    }

    fn of<'a, T>(&mut self, among: &'a [T]) -> &'a T {
        let place = usize::try_from(self.next()).unwrap_or(usize::MAX) % among.len();
        &among[place]
    }

    fn name(&mut self, syllables: usize) -> String {
        const BEGINNINGS: [&str; 14] = [
            "b", "br", "d", "f", "g", "k", "l", "m", "n", "r", "s", "st", "t", "v",
        ];
        const VOWELS: [&str; 6] = ["a", "e", "i", "o", "u", "au"];
        const ENDS: [&str; 8] = ["", "n", "r", "l", "s", "ck", "m", "nd"];
        let name: String = (0..syllables)
            .map(|_| {
                let (beginning, vowel) = (*self.of(&BEGINNINGS), *self.of(&VOWELS));
                format!("{beginning}{vowel}{}", self.of(&ENDS))
            })
            .collect();
        let mut letters = name.chars();
        let first = letters.next().map(|first| first.to_ascii_uppercase());
        first.into_iter().chain(letters).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_answer_stands_in_its_document_and_in_no_other_section() {
        let (documents, questions) = corpus();
        for question in &questions {
            let text = &documents[question.document].text;
            assert_eq!(text.matches(&question.fact).count(), 1, "{}", question.fact);
        }
        assert_eq!((documents.len(), questions.len()), (DOCUMENTS, DOCUMENTS));
    }
}
