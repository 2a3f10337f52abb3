//! What one component of one tenant may do with schedules.

use super::{NewSchedule, SetSchedule};
use crate::{Error, TasksCtx};
use jiff::Timestamp;

impl TasksCtx {
    /// Sets a schedule of the component. Once begun it comes to its end, even if nobody waits for it.
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::Limit`], [`Error::Unavailable`], [`Error::Storage`].
    pub async fn set_schedule(&self, schedule: NewSchedule) -> Result<(), Error> {
        let this = self.clone();
        // The announcement must outlive the write, which goes on without its caller.
        let set = tokio::spawn(async move {
            let announced = this.announce.announce().await;
            let _announced = announced.map_err(Error::Unavailable)?;
            let now = Timestamp::now();
            this.backend.set_schedule(schedule, now).await
        });
        let ended = |error: tokio::task::JoinError| Error::Unavailable(error.to_string());
        set.await.map_err(ended)?
    }

    /// Ends a schedule that the component has set; says whether there was one.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn end_schedule(&self, name: &str) -> Result<bool, Error> {
        self.backend.end_schedule(self.component(), name).await
    }

    /// The schedules that the component has set, by name.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn schedules(&self) -> Result<Vec<SetSchedule>, Error> {
        self.backend.schedules_of(self.component()).await
    }
}
