//! Words that say nothing about what a text is about: articles, pronouns, prepositions, conjunctions, auxiliary
//! verbs. Sorted, in lower case.

use crate::Language;

/// Whether a word in lower case says nothing.
pub(crate) fn is_stop(language: Language, word: &str) -> bool {
    list(language).binary_search(&word).is_ok()
}

fn list(language: Language) -> &'static [&'static str] {
    match language {
        Language::English => ENGLISH,
        Language::German => GERMAN,
        Language::French => FRENCH,
        Language::Spanish => SPANISH,
        Language::Russian => RUSSIAN,
        Language::Other => &[],
    }
}

#[rustfmt::skip]
const ENGLISH: &[&str] = &[
    "a", "about", "after", "again", "against", "all", "also", "am", "an", "and", "any", "are", "as", "at", "be",
    "because", "been", "before", "being", "below", "between", "both", "but", "by", "can", "could", "did", "do",
    "does", "doing", "down", "during", "each", "few", "for", "from", "further", "had", "has", "have", "having",
    "he", "her", "here", "hers", "herself", "him", "himself", "his", "how", "i", "if", "in", "into", "is", "it",
    "its", "itself", "just", "me", "might", "more", "most", "must", "my", "myself", "no", "nor", "not", "of",
    "off", "on", "once", "only", "or", "other", "ought", "our", "ours", "ourselves", "out", "over", "own",
    "same", "shall", "she", "should", "so", "some", "such", "than", "that", "the", "their", "theirs", "them",
    "themselves", "then", "there", "these", "they", "this", "those", "through", "to", "too", "under", "until",
    "up", "upon", "very", "was", "we", "were", "what", "when", "where", "which", "while", "who", "whom",
    "whose", "why", "will", "with", "would", "you", "your", "yours", "yourself", "yourselves",
];

#[rustfmt::skip]
const GERMAN: &[&str] = &[
    "aber", "alle", "allem", "allen", "aller", "alles", "als", "also", "am", "an", "ander", "andere", "anderem",
    "anderen", "anderer", "anderes", "auch", "auf", "aus", "bei", "beim", "bin", "bis", "bist", "da", "dabei",
    "dadurch", "dafür", "damit", "dann", "daran", "darauf", "daraus", "darin", "darum", "darüber", "das",
    "dass", "davon", "dazu", "daß", "dein", "deine", "deinem", "deinen", "deiner", "deines", "dem", "den",
    "denen", "denn", "der", "deren", "derer", "des", "dessen", "dich", "die", "dies", "diese", "diesem",
    "diesen", "dieser", "dieses", "dir", "doch", "dort", "du", "durch", "ein", "eine", "einem", "einen",
    "einer", "eines", "er", "es", "etwas", "euch", "euer", "eure", "eurem", "euren", "eurer", "für", "gegen",
    "habe", "haben", "hat", "hatte", "hatten", "hier", "hin", "hinter", "ich", "ihm", "ihn", "ihnen", "ihr",
    "ihre", "ihrem", "ihren", "ihrer", "ihres", "im", "in", "indem", "ins", "ist", "ja", "jede", "jedem",
    "jeden", "jeder", "jedes", "jene", "jenem", "jenen", "jener", "jenes", "jetzt", "kann", "kein", "keine",
    "keinem", "keinen", "keiner", "keines", "konnte", "können", "man", "manche", "manchem", "manchen",
    "mancher", "mein", "meine", "meinem", "meinen", "meiner", "meines", "mich", "mir", "mit", "muss", "musste",
    "muß", "müssen", "nach", "nicht", "nichts", "noch", "nun", "nur", "ob", "oder", "ohne", "sehr", "sein",
    "seine", "seinem", "seinen", "seiner", "seines", "seit", "selbst", "sich", "sie", "sind", "so", "solche",
    "solchem", "solchen", "solcher", "soll", "sollte", "sondern", "sonst", "sowie", "um", "und", "uns", "unser",
    "unsere", "unserem", "unseren", "unserer", "unter", "viel", "vom", "von", "vor", "war", "waren", "warst",
    "was", "weil", "weiter", "welche", "welchem", "welchen", "welcher", "welches", "wenn", "wer", "werde",
    "werden", "wie", "wieder", "will", "wir", "wird", "wirst", "wo", "wurde", "wurden", "während", "würde",
    "würden", "zu", "zum", "zur", "zwar", "zwischen", "über",
];

#[rustfmt::skip]
const FRENCH: &[&str] = &[
    "ai", "aie", "ait", "alors", "après", "as", "au", "aucun", "aucune", "aura", "aurait", "aussi", "autre",
    "autres", "aux", "avaient", "avais", "avait", "avant", "avec", "avez", "avions", "avoir", "avons", "ayant",
    "beaucoup", "bien", "c", "car", "ce", "ceci", "cela", "celle", "celles", "celui", "cependant", "ces", "cet",
    "cette", "ceux", "chaque", "chez", "ci", "comme", "comment", "d", "dans", "de", "depuis", "des", "donc",
    "dont", "du", "elle", "elles", "en", "encore", "entre", "es", "est", "et", "eu", "eux", "fait", "furent",
    "fut", "il", "ils", "j", "je", "jusqu", "l", "la", "laquelle", "le", "lequel", "les", "lesquelles",
    "lesquels", "leur", "leurs", "lorsqu", "lorsque", "lui", "là", "m", "ma", "mais", "me", "moi", "moins",
    "mon", "même", "mêmes", "n", "ne", "ni", "nos", "notre", "nous", "on", "ont", "ou", "où", "par", "parce",
    "pas", "pendant", "peu", "peut", "plus", "pour", "pourquoi", "puis", "puisqu", "puisque", "qu", "quand",
    "que", "quel", "quelle", "quelles", "quels", "qui", "quoi", "s", "sa", "sans", "se", "selon", "sera",
    "serait", "ses", "si", "sien", "soi", "soient", "sois", "soit", "sommes", "son", "sont", "sous", "souvent",
    "suis", "sur", "t", "ta", "te", "tes", "toi", "ton", "tous", "tout", "toute", "toutes", "tu", "un", "une",
    "vers", "voici", "voilà", "vos", "votre", "vous", "y", "à", "étaient", "étais", "était", "étant",
    "êtes", "être",
];

#[rustfmt::skip]
const SPANISH: &[&str] = &[
    "a", "al", "algo", "alguna", "algunas", "alguno", "algunos", "ante", "antes", "aquel", "aquella",
    "aquellas", "aquello", "aquellos", "aquí", "así", "aunque", "bajo", "bien", "cada", "casi", "como", "con",
    "contra", "cual", "cuales", "cuando", "cuanto", "de", "del", "desde", "donde", "dos", "durante", "e", "el",
    "ella", "ellas", "ello", "ellos", "en", "entre", "era", "eran", "es", "esa", "esas", "ese", "eso", "esos",
    "esta", "estaba", "estaban", "estamos", "estar", "estas", "este", "esto", "estos", "está", "están", "fue",
    "fueron", "ha", "haber", "había", "habían", "han", "has", "hasta", "hay", "he", "hemos", "la", "las", "le",
    "les", "lo", "los", "me", "mi", "mis", "mucho", "muchos", "muy", "más", "mí", "ni", "no", "nos", "nosotras",
    "nosotros", "nuestra", "nuestras", "nuestro", "nuestros", "o", "os", "otra", "otras", "otro", "otros",
    "para", "pero", "poco", "por", "porque", "pues", "que", "quien", "quienes", "qué", "se", "sea", "sean",
    "según", "ser", "si", "sido", "siempre", "sin", "sobre", "son", "su", "sus", "suya", "suyas", "suyo",
    "suyos", "sí", "también", "tan", "tanto", "te", "tiene", "tienen", "toda", "todas", "todo", "todos", "tu",
    "tus", "tuya", "tuyo", "tú", "un", "una", "unas", "uno", "unos", "usted", "ustedes", "vosotros", "vuestra",
    "vuestro", "y", "ya", "yo", "él", "éramos",
];

#[rustfmt::skip]
const RUSSIAN: &[&str] = &[
    "а", "без", "более", "больше", "будет", "будто", "бы", "был", "была", "были", "было", "быть", "в", "вам",
    "вас", "ваш", "ваша", "ваше", "ваши", "ведь", "весь", "во", "вот", "все", "всего", "всех", "всю", "вся",
    "всё", "вы", "где", "да", "даже", "для", "до", "другой", "его", "ее", "ей", "ему", "если", "есть", "еще",
    "ещё", "её", "же", "за", "здесь", "и", "из", "или", "им", "ими", "иногда", "их", "к", "как", "какая",
    "какой", "когда", "которая", "которое", "которые", "который", "кто", "ли", "либо", "лишь", "между", "меня",
    "мне", "много", "может", "можно", "мой", "моя", "мы", "на", "над", "надо", "нас", "наш", "наша", "наше",
    "наши", "не", "него", "нее", "ней", "нельзя", "нет", "неё", "ни", "нибудь", "никогда", "ним", "них",
    "ничего", "но", "ну", "о", "об", "один", "однако", "он", "она", "они", "оно", "от", "очень", "перед", "по",
    "под", "после", "потом", "потому", "почти", "при", "про", "раз", "с", "сам", "сама", "сами", "само", "свой",
    "своя", "себе", "себя", "со", "совсем", "так", "такая", "такие", "такой", "там", "тебя", "тем", "теперь",
    "то", "тоже", "только", "том", "тот", "тут", "ты", "у", "уже", "хотя", "чего", "чей", "чем", "через", "что",
    "чтоб", "чтобы", "чуть", "эта", "эти", "это", "этого", "этой", "этом", "этот", "эту", "я",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_sorted_and_have_each_word_once() {
        for language in Language::ALL {
            let sorted = list(language).is_sorted_by(|before, after| before < after);
            assert!(sorted, "{language:?}");
        }
    }
}
