//! The models in memory: loaded when they are used, out when nobody has used them for a while, and together no larger
//! than they may be.

use crate::chat::ChatModel;
use crate::embedder::Embedder;
use crate::error::{Error, Result};
use crate::folder::{Described, Folder};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

/// A model in memory.
#[derive(Clone)]
pub(crate) enum Model {
    Chat(Arc<ChatModel>),
    Embedding(Arc<Embedder>),
}

impl Model {
    /// Whether nobody but the list of models has it.
    fn is_idle(&self) -> bool {
        match self {
            Self::Chat(model) => Arc::strong_count(model) == 1,
            Self::Embedding(model) => Arc::strong_count(model) == 1,
        }
    }
}

struct Entry {
    model: Model,
    bytes: u64,
    used: Instant,
}

#[derive(Default)]
struct State {
    models: HashMap<String, Entry>,
    /// What running chats take beside their models.
    chats: u64,
    /// Whether somebody looks after models that nobody uses.
    is_watched: bool,
}

impl State {
    fn bytes(&self) -> u64 {
        self.models.values().map(|entry| entry.bytes).sum::<u64>() + self.chats
    }

    /// Makes room, by what was not used for longest.
    fn make_room(&mut self, bytes: u64, limit: u64) -> bool {
        while self.bytes().saturating_add(bytes) > limit {
            let idle = self
                .models
                .iter()
                .filter(|(_, entry)| entry.model.is_idle());
            let Some(name) = idle
                .min_by_key(|(_, entry)| entry.used)
                .map(|(name, _)| name.clone())
            else {
                return false;
            };
            tracing::info!(model = name, "a model goes out of memory, to make room");
            self.models.remove(&name);
        }
        true
    }
}

/// The models in memory.
pub(crate) struct Loaded {
    folder: Folder,
    /// Bytes of all models and chats, at most.
    limit: u64,
    /// Tokens of a chat, at most.
    context: usize,
    idle: Duration,
    state: Mutex<State>,
    /// Held while a model is loaded: one at a time.
    loading: Mutex<()>,
}

/// What a running chat takes beside its model, until it ends.
pub(crate) struct Reserved {
    loaded: Arc<Loaded>,
    bytes: u64,
}

impl Drop for Reserved {
    fn drop(&mut self) {
        lock(&self.loaded.state).chats -= self.bytes;
    }
}

impl Loaded {
    pub(crate) fn new(folder: Folder, limit: u64, context: usize, idle: Duration) -> Self {
        Self {
            folder,
            limit,
            context,
            idle,
            state: Mutex::default(),
            loading: Mutex::default(),
        }
    }

    /// Which models are in memory, and how many bytes each takes.
    pub(crate) fn now(&self) -> HashMap<String, u64> {
        lock(&self.state)
            .models
            .iter()
            .map(|(name, entry)| (name.clone(), entry.bytes))
            .collect()
    }

    /// A model, if it is in memory.
    pub(crate) fn get(&self, name: &str) -> Option<Model> {
        let mut state = lock(&self.state);
        let entry = state.models.get_mut(name)?;
        entry.used = Instant::now();
        Some(entry.model.clone())
    }

    /// A model, loaded where it is not in memory. Blocks while it is.
    pub(crate) fn load(self: &Arc<Self>, name: &str) -> Result<Model> {
        let _one_at_a_time = lock(&self.loading);
        if let Some(model) = self.get(name) {
            return Ok(model);
        }
        let described = self.folder.describe(name, self.context)?;
        let bytes = match &described {
            Described::Chat(described) => described.bytes(),
            Described::Embedding(described) => described.bytes(),
        };
        self.check_room(bytes, &format!("the model `{name}` needs"))?;
        let begun = Instant::now();
        let model = match described {
            Described::Chat(described) => Model::Chat(Arc::new(described.load()?)),
            Described::Embedding(described) => Model::Embedding(Arc::new(described.load()?)),
        };
        tracing::info!(
            model = name,
            bytes,
            seconds = begun.elapsed().as_secs_f64(),
            "a model is in memory"
        );
        let entry = Entry {
            model: model.clone(),
            bytes,
            used: Instant::now(),
        };
        lock(&self.state).models.insert(name.to_owned(), entry);
        self.watch();
        Ok(model)
    }

    /// Has room for what a chat takes beside its model.
    pub(crate) fn reserve(self: &Arc<Self>, bytes: u64) -> Result<Reserved> {
        self.check_room(bytes, "a conversation of this length needs")?;
        lock(&self.state).chats += bytes;
        Ok(Reserved {
            loaded: self.clone(),
            bytes,
        })
    }

    fn check_room(&self, bytes: u64, who: &str) -> Result<()> {
        let mut state = lock(&self.state);
        if bytes > self.limit {
            return Err(Error::Memory(format!(
                "{who} {} of memory, and models may have {} together; take a smaller one, or allow more with `memory`",
                megabytes(bytes),
                megabytes(self.limit)
            )));
        }
        match state.make_room(bytes, self.limit) {
            true => Ok(()),
            false => Err(Error::Busy(format!(
                "{who} {} of memory, and of the {} that models may have together {} are in use; ask again when a conversation has ended, or allow more with `memory`",
                megabytes(bytes),
                megabytes(self.limit),
                megabytes(state.bytes())
            ))),
        }
    }

    /// Takes a model out of memory, as soon as nobody uses it any more.
    pub(crate) fn unload(&self, name: &str) {
        lock(&self.state).models.remove(name);
    }

    /// Has somebody look after models that nobody uses, as long as there are models.
    fn watch(self: &Arc<Self>) {
        if std::mem::replace(&mut lock(&self.state).is_watched, true) {
            return;
        }
        let loaded = Arc::downgrade(self);
        let pause = (self.idle / 4).clamp(Duration::from_millis(10), Duration::from_secs(10));
        let watch = move || while sleep_and_look(&loaded, pause) {};
        if let Err(error) = std::thread::Builder::new()
            .name("models-idle".to_owned())
            .spawn(watch)
        {
            tracing::warn!(%error, "nobody looks after models that are not used; they stay in memory");
        }
    }

    /// Takes out what nobody has used for a while; whether there is anything left to look after.
    fn look(&self) -> bool {
        let mut state = lock(&self.state);
        state.models.retain(|name, entry| {
            if !entry.model.is_idle() {
                entry.used = Instant::now();
            }
            let stays = entry.used.elapsed() < self.idle;
            if !stays {
                tracing::info!(
                    model = name,
                    "a model goes out of memory: nobody has used it for a while"
                );
            }
            stays
        });
        state.is_watched = !state.models.is_empty();
        state.is_watched
    }
}

fn sleep_and_look(loaded: &Weak<Loaded>, pause: Duration) -> bool {
    std::thread::sleep(pause);
    loaded.upgrade().is_some_and(|loaded| loaded.look())
}

/// What panicked while it held the lock has left nothing half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn megabytes(bytes: u64) -> String {
    format!("{} MB", bytes.div_ceil(1_000_000))
}
