//! Conversations: what was asked and answered, kept for whoever asked.

use crate::asking::Answer;
use crate::model::{self, LibraryId, Message, MessageId, Role, Thread, ThreadId, Vote};
use crate::owners;
use crate::store::{MESSAGES, THREADS};
use sbd_sdk::documents::{DocumentsError, Transaction};
use sbd_sdk::paging::{Order, Page};
use sbd_sdk::{ById, Caller, Error, Listing, Result, Sort, time};
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

/// Conversations of a user at most.
const MOST: u64 = 10_000;
/// Those that are deleted at a time.
const AT_ONCE: u32 = 100;
/// Messages in a conversation at most.
const MOST_MESSAGES: u64 = 2000;
/// Characters of a title that is made of a question.
const TITLE: usize = 80;
/// Exchanges that a question is asked with at most.
pub(crate) const MAX_WINDOW: u32 = 20;

/// What conversations are sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ThreadSort {
    /// When something was last said.
    #[default]
    UpdatedAt,
    /// When they began.
    CreatedAt,
}

/// What is to be decided about a conversation.
pub(crate) struct Draft {
    pub(crate) title: Option<String>,
    pub(crate) library_ids: Vec<LibraryId>,
    pub(crate) window: u32,
}

/// Begins a conversation.
pub(crate) async fn create(caller: &Caller, draft: Draft) -> Result<Thread> {
    if THREADS.count(json!({"user_id": caller.user})).await? >= MOST {
        let message = format!("you have {MOST} threads, the most there may be; delete one first");
        return Err(Error::conflict(message));
    }
    require_libraries(caller, &draft.library_ids).await?;
    let thread = Thread {
        title: draft.title,
        window: draft.window,
        ..Thread::new(&caller.user, draft.library_ids)
    };
    THREADS.insert(&thread).await?;
    Ok(thread)
}

/// A page of the caller's conversations.
pub(crate) async fn list(caller: &Caller, listing: &Listing<ThreadSort>) -> Result<Page<Thread>> {
    THREADS
        .find(json!({"user_id": caller.user}))
        .page(listing)
        .await
}

/// One of the caller's.
pub(crate) async fn get(caller: &Caller, id: &ThreadId) -> Result<Thread> {
    let own = json!({"_id": id, "user_id": caller.user});
    let found = THREADS.find_one(own).await?;
    found.ok_or_else(|| Error::not_found("thread"))
}

/// Decides anew about one of the caller's.
pub(crate) async fn replace(caller: &Caller, id: &ThreadId, draft: Draft) -> Result<Thread> {
    require_libraries(caller, &draft.library_ids).await?;
    let own = json!({"_id": id, "user_id": caller.user});
    let change = json!({"$set": {
        "title": draft.title, "library_ids": draft.library_ids, "window": draft.window,
    }});
    let changed = THREADS.find_one_and_update(own, change).await?;
    changed.ok_or_else(|| Error::not_found("thread"))
}

/// Deletes one of the caller's, with all that was said.
pub(crate) async fn delete(caller: &Caller, id: &ThreadId) -> Result<()> {
    let change = Transaction::new()
        .delete_one(&THREADS, json!({"_id": id, "user_id": caller.user}))
        .delete_many(&MESSAGES, json!({"thread_id": id}));
    match change.commit().await {
        Ok(_) => Ok(()),
        Err(DocumentsError::PreconditionFailed(_)) => Err(Error::not_found("thread")),
        Err(error) => Err(error.into()),
    }
}

/// Deletes all of a user who is gone.
pub(crate) async fn delete_of(user: &str) -> Result<()> {
    loop {
        let found = THREADS.find(json!({"user_id": user})).limit(AT_ONCE);
        let found = found.fetch().await?.documents;
        let ids: Vec<_> = found.into_iter().map(|thread| thread.id).collect();
        if ids.is_empty() {
            return Ok(());
        }
        let change = Transaction::new()
            .delete_many(&MESSAGES, json!({"thread_id": {"$in": ids}}))
            .delete_many(&THREADS, json!({"_id": {"$in": ids}}));
        change.commit().await?;
    }
}

/// A page of what was said, the first first.
pub(crate) async fn messages(
    caller: &Caller,
    id: &ThreadId,
    listing: &Listing<ById>,
) -> Result<Page<Message>> {
    get(caller, id).await?;
    MESSAGES.find(json!({"thread_id": id})).page(listing).await
}

/// All that was said, in order.
pub(crate) async fn all(id: &ThreadId) -> Result<Vec<Message>> {
    let (mut all, mut cursor) = (Vec::new(), None);
    loop {
        let part = MESSAGES
            .find(json!({"thread_id": id}))
            .limit(500)
            .after(cursor);
        let found = part.fetch().await?;
        all.extend(found.documents);
        cursor = found.next;
        if cursor.is_none() {
            return Ok(all);
        }
    }
}

/// What was said last, as much as a question is asked with, in order.
pub(crate) async fn window(thread: &Thread) -> Result<Vec<Message>> {
    if thread.window == 0 {
        return Ok(Vec::new());
    }
    let last = MESSAGES
        .find(json!({"thread_id": thread.id}))
        .sort(json!({"_id": -1}));
    let mut last = last.limit(thread.window * 2).fetch().await?.documents;
    last.reverse();
    Ok(last)
}

/// Answers 409 when a conversation has no room for another question.
pub(crate) fn require_room(thread: &Thread) -> Result<()> {
    match thread.messages + 2 <= MOST_MESSAGES {
        true => Ok(()),
        false => Err(Error::conflict(format!(
            "the thread has {MOST_MESSAGES} messages, the most there may be; begin another one"
        ))),
    }
}

/// Keeps a question and its answer; answers the id of the answer, if the conversation is still there.
pub(crate) async fn keep(
    id: &ThreadId,
    question: &str,
    answer: &Answer,
) -> Result<Option<MessageId>> {
    let now = time::now();
    let asked = Message {
        id: MessageId::new(),
        thread_id: id.clone(),
        role: Role::User,
        text: question.to_owned(),
        answered: None,
        citations: Vec::new(),
        model: None,
        vote: None,
        at: now,
    };
    let answered = Message {
        id: MessageId::new(),
        role: Role::Assistant,
        text: answer.text.clone(),
        answered: Some(answer.answered),
        citations: answer.citations.clone(),
        model: answer.model.clone(),
        ..asked.clone()
    };
    let title: String = question.chars().take(TITLE).collect();
    let change = Transaction::new()
        .update_one(
            &THREADS,
            json!({"_id": id}),
            json!({"$set": {"updated_at": now}, "$inc": {"messages": 2}}),
        )
        .update_many(
            &THREADS,
            json!({"_id": id, "title": null}),
            json!({"$set": {"title": title}}),
        )
        .insert(&MESSAGES, &asked)
        .insert(&MESSAGES, &answered);
    match change.commit().await {
        Ok(_) => Ok(Some(answered.id)),
        // It was deleted meanwhile; the answer is given all the same.
        Err(DocumentsError::PreconditionFailed(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// What the caller thinks of an answer; none takes it back.
pub(crate) async fn vote(
    caller: &Caller,
    (thread, message): (&ThreadId, &MessageId),
    vote: Option<Vote>,
) -> Result<Message> {
    get(caller, thread).await?;
    let answer = json!({"_id": message, "thread_id": thread, "role": "assistant"});
    let change = json!({"$set": {"vote": vote}});
    let changed = MESSAGES.find_one_and_update(answer, change).await?;
    changed.ok_or_else(|| Error::not_found("answer"))
}

/// A conversation as Markdown, with what its citations quote below each answer.
pub(crate) fn markdown(thread: &Thread, messages: &[Message]) -> String {
    let title = thread.title.as_deref().unwrap_or("Thread");
    let mut text = format!("# {}\n", title.replace('\n', " "));
    for message in messages {
        let who = match message.role {
            Role::User => "Question",
            Role::Assistant => "Answer",
        };
        text.push_str(&format!("\n## {who}, {}\n\n{}\n", message.at, message.text));
        for citation in &message.citations {
            let quote = citation.quote.replace('\n', "\n> ");
            let (document, place) = (&citation.document, &citation.place);
            text.push_str(&format!(
                "\n> [{}] {quote}\n>\n> {document}, {place}\n",
                citation.number
            ));
        }
    }
    text
}

async fn require_libraries(caller: &Caller, ids: &[LibraryId]) -> Result<()> {
    if ids.len() > crate::search::MAX_NAMED {
        let message = format!("at most {}", crate::search::MAX_NAMED);
        return Err(Error::validation("library_ids", message));
    }
    match ids.is_empty() {
        true => Ok(()),
        false => owners::searchable(caller, ids).await.map(drop),
    }
}

// === impl Draft ===

impl Draft {
    /// What was asked for, if it can be.
    pub(crate) fn check(
        title: Option<&str>,
        library_ids: Vec<LibraryId>,
        window: Option<u32>,
    ) -> Result<Self> {
        let title = title.map(|title| model::name("title", title));
        let window = window.unwrap_or(model::WINDOW);
        if window > MAX_WINDOW {
            let message = format!("a number from 0 to {MAX_WINDOW}");
            return Err(Error::validation("window", message));
        }
        Ok(Self {
            title: title.transpose()?,
            library_ids,
            window,
        })
    }
}

impl Sort for ThreadSort {
    const ITEMS: &'static str = "threads";
    const ORDER: Order = Order::Desc;

    fn field(self) -> &'static str {
        match self {
            Self::UpdatedAt => "updated_at",
            Self::CreatedAt => "created_at",
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use crate::tests::{GARDEN, LIBRARIES, app, upload};
    use sbd_sdk::inference::{Piece, Role};
    use sbd_sdk::testing::App;
    use serde_json::json;
    use std::time::Duration;

    const THREADS: &str = "/api/v1/threads";

    fn garden() -> App {
        let app = app();
        upload(&app, &app.signed_in("usr_1"), "garden.md", GARDEN);
        app
    }

    #[test]
    fn what_was_said_is_kept_and_counts() {
        let app = garden();
        let ada = app.signed_in("usr_1");
        let thread = ada.post(THREADS, json!({})).assert_status(201);
        let (id, path) = (thread.text("id"), thread.header("location").unwrap());
        let ask = |question: &str| {
            let body = json!({"question": question, "thread_id": id});
            ada.post("/api/v1/ask", body).assert_status(200)
        };
        let first = ask("When does the gate open?");
        assert_eq!(first["thread_id"], id);
        app.advance(Duration::from_secs(1));
        // What is no question by itself goes with the one before.
        let second = ask("And the café?");
        assert_eq!(second["searched"], "When does the gate open? And the café?");
        assert_eq!(ada.get(path)["title"], "When does the gate open?");
        let messages = ada.get(&format!("{path}/messages")).assert_status(200);
        let roles: Vec<_> = messages["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|message| message["role"].as_str().unwrap())
            .collect();
        assert_eq!(roles, ["user", "assistant", "user", "assistant"]);
        assert_eq!(messages["items"][1]["citations"], first["citations"]);
        // A model is told what was said before, without numbers that mean nothing any more.
        app.on_chat(|asked| {
            let roles: Vec<_> = asked.messages.iter().map(|message| message.role).collect();
            assert_eq!(
                roles,
                [
                    Role::System,
                    Role::User,
                    Role::Assistant,
                    Role::User,
                    Role::Assistant,
                    Role::User
                ]
            );
            assert!(!asked.messages[2].content.contains("[1]"));
            vec![Piece::Text("At six [1].".to_owned())]
        });
        ask("And when does it close?");
        // As much of it as the window has.
        ada.put(path, json!({"title": "Opening", "window": 1}))
            .assert_status(200);
        app.on_chat(|asked| {
            assert_eq!(asked.messages.len(), 4);
            vec![Piece::Text("At six [1].".to_owned())]
        });
        ask("Is it open on Sundays, too?");
        assert_eq!(ada.get(path)["messages"], 8);
    }

    #[test]
    fn a_model_completes_a_question_where_that_is_wanted() {
        let app = garden();
        let ada = app.signed_in("usr_1");
        let thread = ada
            .post(THREADS, json!({"title": "Gate"}))
            .assert_status(201);
        let id = thread.text("id");
        app.on_chat(|asked| {
            let rewrites = asked.messages[0].content.starts_with("Rewrite");
            let said = if rewrites {
                "When does the café sell cake?\nSurely."
            } else {
                "In October [1]."
            };
            vec![Piece::Text(said.to_owned())]
        });
        let body = json!({"question": "What does the café sell?", "thread_id": id, "complete_by_model": true});
        ada.post("/api/v1/ask", body.clone()).assert_status(200);
        let second = ada.post("/api/v1/ask", body).assert_status(200);
        assert_eq!(second["searched"], "When does the café sell cake?");
        assert_eq!(ada.get(&format!("{THREADS}/{id}"))["title"], "Gate");
    }

    #[test]
    fn answers_are_voted_for_and_threads_exported_and_deleted() {
        let app = garden();
        let ada = app.signed_in("usr_1");
        let thread = ada.post(THREADS, json!({})).assert_status(201);
        let path = thread.header("location").unwrap();
        let body = json!({"question": "When does the gate open?", "thread_id": thread.text("id")});
        let answer = ada.post("/api/v1/ask", body).assert_status(200);
        let vote = format!("{path}/messages/{}/vote", answer.text("message_id"));
        assert_eq!(
            ada.put(&vote, json!({"vote": "up"})).assert_status(200)["vote"],
            "up"
        );
        assert_eq!(
            ada.put(&vote, json!({"vote": "down"})).assert_status(200)["vote"],
            "down"
        );
        ada.delete(&vote).assert_status(204);
        ada.put(&vote, json!({"vote": "sideways"}))
            .assert_refused(422, "VALIDATION_ERROR");
        let messages = ada.get(&format!("{path}/messages"));
        let question = messages["items"][0]["id"].as_str().unwrap();
        ada.put(
            &format!("{path}/messages/{question}/vote"),
            json!({"vote": "up"}),
        )
        .assert_refused(404, "NOT_FOUND");
        app.signed_in("usr_2")
            .put(&vote, json!({"vote": "up"}))
            .assert_refused(404, "NOT_FOUND");
        let export = ada.get(&format!("{path}/export")).assert_status(200);
        assert_eq!(export["messages"].as_array().unwrap().len(), 2);
        let markdown = ada
            .get(&format!("{path}/export?format=markdown"))
            .assert_status(200);
        let markdown = String::from_utf8(markdown.bytes().to_vec()).unwrap();
        assert!(markdown.starts_with("# When does the gate open?\n\n## Question"));
        assert!(
            markdown.contains("> [1] The gate opens at nine")
                && markdown.contains("garden.md, page 1")
        );
        ada.get(&format!("{path}/export?format=pdf"))
            .assert_refused(422, "VALIDATION_ERROR");
        ada.delete(path).assert_status(204);
        ada.get(path).assert_refused(404, "NOT_FOUND");
        ada.delete(path).assert_refused(404, "NOT_FOUND");
        assert_eq!(app.run(super::MESSAGES.count(json!({}))).unwrap(), 0);
    }

    #[test]
    fn what_is_no_thread_is_refused() {
        let app = app();
        let ada = app.signed_in("usr_1");
        for (body, field) in [
            (json!({"title": ""}), "title"),
            (json!({"window": 21}), "window"),
            (json!({"window": -1}), "window"),
            (json!({"library_ids": ["x"]}), "library_ids[0]"),
            (json!({"owner": "x"}), "owner"),
        ] {
            let refused = ada
                .post(THREADS, body)
                .assert_refused(422, "VALIDATION_ERROR");
            assert_eq!(refused["error"]["details"][0]["field"], field);
        }
        let other = app.signed_in("usr_2").post(LIBRARIES, json!({"name": "A"}));
        let others = json!({"library_ids": [other["id"]]});
        ada.post(THREADS, others).assert_refused(404, "NOT_FOUND");
    }
}
