//! A component, and a host for it.

use super::client::Client;
use super::documents::{Index, Published, Recorded};
use super::features;
use super::mail::Mail;
use super::outbound::Call;
use super::realtime::Said;
use super::world::World;
use crate::inference::{ChatRequest, Piece};
use crate::time::Time;
use crate::{About, Component, Principal};
use serde_json::Value;
use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

/// The tenant that tests are in.
pub(super) const TENANT: &str = "test";

/// A component under test, with a host of its own.
pub struct App {
    app: crate::App,
    world: Rc<World>,
}

// === impl App ===

impl App {
    /// A component with a host that has nothing yet: no collections, no variables, and anything
    /// granted.
    pub fn new(component: impl Into<Component>) -> Self {
        let about = About {
            name: "test",
            version: "0.0.0",
            description: "A component under test",
        };
        let world = Rc::new(World::default());
        world.now.set(jiff::Timestamp::now().as_millisecond());
        Self {
            app: component.into().build(about),
            world,
        }
    }

    /// With the grants, collections, indexes, variables and features of the component's own
    /// `spin.toml`, given as its text.
    #[must_use]
    #[track_caller]
    pub fn manifest(self, text: &str) -> Self {
        let folder = std::path::Path::new("");
        let options = sbd_manifest::LoadOptions::default();
        let loaded = sbd_manifest::App::parse(text, "spin.toml", folder, &options);
        let mut app = loaded.unwrap_or_else(|error| panic!("{error}")).app;
        let variables = app.resolve(&Default::default());
        let variables = variables.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(
            app.components.len(),
            1,
            "give the component's own spin.toml, which is about it alone"
        );
        for (id, component) in app.components {
            let settings = component.settings;
            self.world.name.replace(Some(id.to_string()));
            let reaches = component.allowed_outbound_hosts;
            self.world.reaches.replace(Some(reaches));
            let grants = settings.grants.iter().map(ToString::to_string);
            self.world.grants.replace(Some(grants.collect()));
            if let Some(values) = variables.get(&id) {
                self.world.variables.borrow_mut().extend(values.clone());
            }
            for (name, collection) in settings.collections {
                let indexes = collection
                    .indexes
                    .iter()
                    .map(|index| Index::read(&name, index));
                let indexes = indexes.collect();
                self.world.documents.borrow_mut().declare(&name, indexes);
            }
            self.world.metrics.borrow_mut().declared = settings.metrics;
            for (name, feature) in settings.features {
                let switch = features::Switch {
                    description: feature.description,
                    on: feature.default,
                };
                self.world.features.borrow_mut().insert(name, switch);
            }
        }
        self
    }

    /// With a collection that has no indexes.
    #[must_use]
    pub fn collection(self, name: &str) -> Self {
        self.world.documents.borrow_mut().declare(name, Vec::new());
        self
    }

    /// With a collection in which no two documents have the same values in these fields.
    #[must_use]
    pub fn unique(self, collection: &str, index: &str, fields: &[&str]) -> Self {
        let index = Index::unique(collection, index, fields);
        self.world
            .documents
            .borrow_mut()
            .declare(collection, vec![index]);
        self
    }

    /// With another value of a variable.
    #[must_use]
    pub fn variable(self, name: &str, value: &str) -> Self {
        let mut variables = self.world.variables.borrow_mut();
        variables.insert(name.to_owned(), value.to_owned());
        drop(variables);
        self
    }

    /// With another component that it calls under this name, with a host of its own: what the component asks of
    /// it is answered by that one itself, for the same caller, by this one. Both live in the same time.
    #[must_use]
    pub fn with_neighbour(self, name: &str, neighbour: Self) -> Self {
        neighbour.world.now.set(self.world.now.get());
        let mut neighbours = self.world.neighbours.borrow_mut();
        neighbours.insert(name.to_owned(), Rc::new(neighbour));
        drop(neighbours);
        self
    }

    /// The other component, to see what became of it, and to ask it oneself.
    #[track_caller]
    pub fn neighbour(&self, name: &str) -> Rc<Self> {
        let neighbours = self.world.neighbours.borrow();
        let neighbour = neighbours.get(name).cloned();
        neighbour.unwrap_or_else(|| panic!("there is no `{name}`; add it by `with_neighbour`"))
    }

    /// With an embedding model whose vectors have so many numbers: texts that share words are alike.
    #[must_use]
    pub fn with_embedding_model(self, dimensions: u32) -> Self {
        self.world.models.borrow_mut().dimensions = Some(dimensions);
        self
    }

    /// What the chat model says from now on. That it has started comes before, and an end behind, where
    /// there is none among the pieces. Without it there is no chat model.
    pub fn on_chat(&self, says: impl Fn(&ChatRequest) -> Vec<Piece> + 'static) {
        self.world.models.borrow_mut().says = Some(Box::new(says));
    }

    /// What the chat model was asked so far, in order.
    pub fn asked(&self) -> Vec<ChatRequest> {
        self.world.models.borrow().asked.clone()
    }

    /// Switches a feature for everybody.
    pub fn switch(&self, feature: &str, on: bool) {
        let mut features = self.world.features.borrow_mut();
        features.entry(feature.to_owned()).or_default().on = on;
    }

    /// Has the component be one that may grant a feature, by its full name, or not any more.
    pub fn grants(&self, feature: &str, may: bool) {
        let mut had = self.world.had.borrow_mut();
        if may {
            had.entry(feature.to_owned()).or_default();
        } else {
            had.remove(feature);
        }
    }

    /// Whether a user has a feature that the component may grant, now.
    pub fn has_feature(&self, feature: &str, user: &str) -> bool {
        let now = u64::try_from(self.world.now.get()).unwrap_or(0);
        let had = self.world.had.borrow();
        let until = had.get(feature).and_then(|users| users.get(user));
        until.is_some_and(|until| until.is_none_or(|until| now < until))
    }

    /// What the component has recorded of what was done so far, in order.
    pub fn recorded(&self) -> Vec<Recorded> {
        self.world.documents.borrow().recorded.clone()
    }

    /// What the component has published so far, in order.
    pub fn published(&self) -> Vec<Published> {
        self.world.documents.borrow().published.clone()
    }

    /// What the component has said in real-time channels so far, in order.
    pub fn said(&self) -> Vec<Said> {
        self.world.channels.borrow().said.clone()
    }

    /// The channels of which the component has said that who may be there has changed, in order.
    pub fn changed(&self) -> Vec<String> {
        self.world.channels.borrow().changed.clone()
    }

    /// Who is in a channel from now on.
    pub fn present(&self, channel: &str, users: &[&str]) {
        let users = users.iter().map(|user| (*user).to_owned()).collect();
        let mut channels = self.world.channels.borrow_mut();
        channels.present.insert(channel.to_owned(), users);
    }

    /// The mails that the component has sent so far, in order.
    pub fn mails(&self) -> Vec<Mail> {
        self.world.mails.borrow().clone()
    }

    /// Whether there is no room left for contents and points from now on.
    pub fn fill(&self, full: bool) {
        self.world.full.set(full);
    }

    /// The names of the blobs that it has, in order.
    pub fn blobs(&self) -> Vec<String> {
        self.world.blobs.borrow().names()
    }

    /// How many blobs it is putting, and has neither finished nor abandoned.
    pub fn blobs_begun(&self) -> usize {
        self.world.blobs.borrow().begun()
    }

    /// What a counter or a gauge is at, with these labels.
    pub fn counted(&self, counter: &str, labels: &[(&str, &str)]) -> u64 {
        let labels = labels.iter();
        let labels = labels.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let mut labels: Vec<_> = labels.collect();
        labels.sort();
        let counted = self.world.metrics.borrow();
        let count = counted.counts.get(&(counter.to_owned(), labels));
        count.copied().unwrap_or(0)
    }

    /// Answers what the component asks of other components that are no neighbours, and of hosts outside: a
    /// status and a JSON body. Without it they cannot be reached.
    pub fn on_call(&self, answers: impl Fn(&Call) -> (u16, Value) + 'static) {
        self.world.answers.replace(Some(Box::new(answers)));
    }

    /// What images say: answers `ocr` with one line a line of text, by the image and its languages. Without it nothing
    /// is installed that reads them.
    pub fn on_image(&self, reading: impl Fn(&[u8], &[String]) -> String + 'static) {
        self.world.images.replace(Some(Box::new(reading)));
    }

    /// Somebody who is signed in, a session and the role `user` included.
    pub fn signed_in(&self, user: &str) -> Client<'_> {
        let principal = Principal::user(TENANT, user)
            .named("ada")
            .in_session("ses_019a2f3c8b7e7c2d9f00112233445566")
            .with_roles(["user"]);
        self.by(principal)
    }

    /// Whoever it is.
    pub fn by(&self, principal: Principal) -> Client<'_> {
        Client::new(self, Some(principal))
    }

    /// Nobody in particular. The host itself asks so, too.
    pub fn anonymous(&self) -> Client<'_> {
        Client::new(self, None)
    }

    /// The present of the test. It begins with the real one and stands still.
    pub fn now(&self) -> Time {
        Time::from_milliseconds(self.world.now.get())
    }

    /// Lets time pass. What a collection keeps for a time is still there, as in the host for a while:
    /// [`App::sweep`] deletes it.
    pub fn advance(&self, time: Duration) {
        let later = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        self.world
            .now
            .set(self.world.now.get().saturating_add(later));
        for neighbour in self.world.neighbours.borrow().values() {
            neighbour.advance(time);
        }
    }

    /// From now on the tenant has another key to encrypt with, and the one before is lost: as where a tenant is
    /// imported from another server.
    pub fn lose_vault_keys(&self) {
        self.world.vault.replace(super::vault::Key::default());
    }

    /// Deletes the documents whose time is over by an index.
    pub fn sweep(&self) {
        self.world.documents.borrow_mut().sweep(self.now());
    }

    /// Runs a piece of the component by itself, with the host at hand: `app.run(NOTES.get(id))`.
    #[track_caller]
    pub fn run<F: Future>(&self, future: F) -> F::Output {
        let _entered = self.world.enter();
        finish(future)
    }

    pub(super) fn world(&self) -> &Rc<World> {
        &self.world
    }

    pub(super) fn app(&self) -> &crate::App {
        &self.app
    }
}

/// Says whether somebody has something to do again.
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Runs a future that waits for nothing but itself: capabilities answer at once.
#[track_caller]
fn finish<F: Future>(future: F) -> F::Output {
    let woken = Arc::new(Woken(AtomicBool::new(false)));
    let waker = Waker::from(Arc::clone(&woken));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        assert!(
            woken.0.swap(false, Ordering::Relaxed),
            "the component waits for something that never comes in a test"
        );
    }
}
