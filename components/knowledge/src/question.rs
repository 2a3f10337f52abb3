//! A question is completed from the conversation it is in, so that it can be looked for by itself: "And in winter?"
//! is nothing to be found.

use crate::model::{Message, Role};
use sbd_sdk::inference::{self, ChatRequest, Piece};

/// Words of a question that is hardly one by itself.
const SHORT: usize = 4;
/// Words that stand for something said before, in the languages whose rules are known.
const STAND_INS: [&str; 46] = [
    "it", "its", "this", "that", "these", "those", "they", "them", "their", "he", "him", "his",
    "she", "her", "there", "er", "sie", "es", "ihn", "ihm", "ihr", "ihre", "dieser", "diese",
    "dieses", "dessen", "deren", "dort", "davon", "dazu", "il", "elle", "ils", "elles", "cela",
    "celui", "ella", "ellos", "esto", "eso", "он", "она", "они", "его", "это", "там",
];
/// Characters of a completed question at most.
const LONGEST: usize = 500;

/// The question with what it is about, by plain rules: one that is short, or has a word that stands for another, goes
/// with the question before.
pub(crate) fn completed(question: &str, before: &[Message]) -> String {
    let last = before
        .iter()
        .rev()
        .find(|message| message.role == Role::User);
    let Some(last) = last else {
        return question.to_owned();
    };
    let words: Vec<String> = question
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect();
    let stands_in = words.iter().any(|word| STAND_INS.contains(&word.as_str()));
    match words.len() <= SHORT || stands_in {
        true => format!(
            "{} {question}",
            last.text.chars().take(LONGEST).collect::<String>()
        ),
        false => question.to_owned(),
    }
}

/// The same as a model writes it; none where it does not.
pub(crate) async fn completed_by(
    model: Option<&str>,
    question: &str,
    before: &[Message],
) -> Option<String> {
    let mut said = String::new();
    for message in before {
        let who = match message.role {
            Role::User => "User",
            Role::Assistant => "Assistant",
        };
        let text: String = message.text.chars().take(LONGEST).collect();
        said.push_str(&format!("{who}: {text}\n"));
    }
    let system = "Rewrite the last question so that it can be understood without the conversation. Answer with the question alone, in its language.";
    let asked = format!("{said}\nLast question: {question}");
    let request = ChatRequest {
        model: model.map(str::to_owned),
        messages: vec![
            inference::Message::system(system),
            inference::Message::user(asked),
        ],
        temperature: Some(0.0),
        max_tokens: Some(100),
        ..ChatRequest::default()
    };
    let mut chat = inference::chat(request).await.ok()?;
    let mut text = String::new();
    while let Some(piece) = chat.next().await {
        match piece {
            Piece::Text(piece) => text.push_str(&piece),
            Piece::Failed(_) => return None,
            _ => {}
        }
    }
    let line = text.trim().lines().next().unwrap_or_default().trim();
    (!line.is_empty() && line.chars().count() <= LONGEST).then(|| line.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{MessageId, ThreadId};
    use sbd_sdk::time::Time;

    fn said(role: Role, text: &str) -> Message {
        Message {
            id: MessageId::new(),
            thread_id: ThreadId::new(),
            role,
            text: text.to_owned(),
            answered: None,
            citations: Vec::new(),
            model: None,
            vote: None,
            at: Time::from_seconds(1),
        }
    }

    #[test]
    fn only_what_is_no_question_by_itself_is_completed() {
        let before = [
            said(Role::User, "When is the garden open?"),
            said(Role::Assistant, "From May on [1]."),
        ];
        for (question, expected) in [
            ("And in winter?", "When is the garden open? And in winter?"),
            (
                "Who has planted it in all those years, and why?",
                "When is the garden open? Who has planted it in all those years, and why?",
            ),
            (
                "How much does a ticket for adults cost?",
                "How much does a ticket for adults cost?",
            ),
        ] {
            assert_eq!(completed(question, &before), expected);
            assert_eq!(completed(question, &[]), question);
        }
    }
}
