//! Components compiled once for all tests.
//!
//! Compiling takes seconds, and a cache belongs to one data directory by a secret in it. So the
//! data directories of tests begin with a copy of one secret and share one cache folder. The tests
//! of the cache itself start cold.

use crate::Application;
use crate::launch::{run, target};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

const SECRETS: &str = "keyring/host";
const COMPILED: &str = "compiled";

/// Compiled components kept before all are thrown away: each build of a guest leaves one behind.
const MOST: usize = 400;

/// Gives a data directory the common secret and the common cache, unless it has its own.
pub(crate) fn prepare(data_dir: &Path) {
    let common = common();
    if data_dir.join(COMPILED).exists() {
        return;
    }
    fs::create_dir_all(data_dir.join(SECRETS)).unwrap();
    for entry in fs::read_dir(common.join(SECRETS)).unwrap() {
        let name = entry.unwrap().file_name();
        if name.to_string_lossy().starts_with("compile-cache") {
            fs::copy(
                common.join(SECRETS).join(&name),
                data_dir.join(SECRETS).join(&name),
            )
            .unwrap();
        }
    }
    std::os::unix::fs::symlink(common.join(COMPILED), data_dir.join(COMPILED)).unwrap();
}

/// The data directory whose secret and cache all share.
fn common() -> &'static Path {
    static COMMON: OnceLock<PathBuf> = OnceLock::new();
    COMMON.get_or_init(|| {
        let folder = target().join("tmp/sbd-tests");
        fs::create_dir_all(&folder).unwrap();
        let lock = File::create(folder.join("lock")).unwrap();
        lock.lock().unwrap();
        if fs::read_dir(folder.join(COMPILED)).is_ok_and(|files| files.count() > MOST) {
            fs::remove_dir_all(folder.join(COMPILED)).unwrap();
            fs::create_dir(folder.join(COMPILED)).unwrap();
        }
        if !folder.join(SECRETS).exists() {
            // A command that starts the host and then finds no auth component to ask.
            let app = Application::new("");
            let (app, data) = (
                app.manifest().display().to_string(),
                folder.display().to_string(),
            );
            let args = [
                "admin",
                "create",
                "nobody@example.com",
                "--app",
                &app,
                "--data-dir",
                &data,
            ];
            let output = run(&args, &[], "Correct-horse-7\n");
            assert!(
                folder.join(SECRETS).exists(),
                "the host made no secret: {output:?}"
            );
        }
        folder
    })
}
