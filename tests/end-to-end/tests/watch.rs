//! `sbd up --watch`: what is saved is built and served.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use sbd_tests::{Launch, Server, Versioned, run};
use std::path::PathBuf;

/// The compiler is `cp`: a marked file becomes the component, and an empty one is an error in it.
const APP: &str = r#"
[[trigger.http]]
route = "/versioned/..."
component = "versioned"

[component.versioned]
source = "built/versioned.wasm"

[component.versioned.build]
command = ["test -s code/main.src", "mkdir -p built && cp code/main.src built/versioned.wasm"]
watch = ["code/**/*.src"]
"#;

struct Workbench {
    launch: Launch,
    code: PathBuf,
}

// === impl Workbench ===

impl Workbench {
    fn new() -> Self {
        let launch = Launch::app(APP).arg("--watch");
        let code = launch.application().folder().join("code");
        std::fs::create_dir(&code).unwrap();
        Self { launch, code }
    }

    fn save(&self, name: &str, bytes: &[u8]) {
        // As editors do: written aside, then moved into place.
        let aside = self.code.join(format!("{name}.part"));
        std::fs::write(&aside, bytes).unwrap();
        std::fs::rename(aside, self.code.join(name)).unwrap();
    }

    fn save_version(&self, number: u32) {
        self.save("main.src", Versioned::new(number).bytes());
    }
}

async fn version(server: &Server, path: &str) -> Option<String> {
    let response = server.get(path).await;
    let version = response.headers().get("x-version")?;
    Some(version.to_str().unwrap().to_owned())
}

/// Waits until this version answers; `None`: until there is no such route.
async fn wait_for_version(server: &Server, number: Option<u32>) {
    let wanted = number.map(|number| format!("{number:04}"));
    let begun = std::time::Instant::now();
    while version(server, "/versioned/version").await != wanted {
        assert!(begun.elapsed().as_secs() < 60, "{}", server.log());
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

/// How often something was built.
fn builds(server: &Server) -> usize {
    server.log().matches("building: test -s").count()
}

/// The same, once nothing has been built for a while.
async fn settled(server: &Server) -> usize {
    loop {
        let before = builds(server);
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        if builds(server) == before {
            return before;
        }
    }
}

#[tokio::test]
async fn what_is_saved_is_built_and_served() {
    let bench = Workbench::new();
    bench.save_version(1);
    let launch = bench.launch.clone();
    let server = launch.start().await;
    wait_for_version(&server, Some(1)).await;
    bench.save_version(2);
    wait_for_version(&server, Some(2)).await;

    // What cannot be built leaves what is served; so does what is built and no component.
    bench.save("main.src", b"");
    server
        .wait_for_log("component `versioned` is not built")
        .await;
    assert_eq!(
        version(&server, "/versioned/version").await.unwrap(),
        "0002"
    );
    bench.save("main.src", b"nonsense");
    server.wait_for_log("it is no WebAssembly file").await;
    assert_eq!(
        version(&server, "/versioned/version").await.unwrap(),
        "0002"
    );
    bench.save_version(3);
    wait_for_version(&server, Some(3)).await;

    // A file that no pattern names builds nothing; one in a new folder does.
    let before = settled(&server).await;
    bench.save("notes.txt", b"");
    std::fs::create_dir(bench.code.join("deep")).unwrap();
    assert_eq!(settled(&server).await, before);
    bench.save("deep/more.src", b"");
    server
        .wait_for("a build", || builds(&server) > before)
        .await;

    // The manifest is watched too, and one that is wrong is told of.
    let manifest = bench.launch.application().manifest();
    let text = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(&manifest, text.replace("source", "sauce")).unwrap();
    server.wait_for_log("unknown key `sauce`").await;
    assert_eq!(
        version(&server, "/versioned/version").await.unwrap(),
        "0003"
    );
    let fewer = text.replace("/versioned/...", "/versioned/slow");
    std::fs::write(&manifest, fewer).unwrap();
    wait_for_version(&server, None).await;
    assert_eq!(
        version(&server, "/versioned/slow?ms=0").await.unwrap(),
        "0003"
    );
}

#[tokio::test]
async fn watching_needs_files_that_can_be_built() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().display().to_string();
    let up = |more: &[&str]| {
        let addresses = ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
        let args = [&["up", "--watch", "--data-dir", &data], more, &addresses].concat();
        run(&args, &[], "")
    };
    let bundled = up(&[]);
    assert!(
        !bundled.success && bundled.stderr.contains("--app spin.toml"),
        "{bundled:?}"
    );

    let bench = Workbench::new();
    bench.save("main.src", b"");
    let manifest = bench.launch.application().manifest().display().to_string();
    let broken = up(&["--app", &manifest]);
    assert!(!broken.success, "{broken:?}");
    assert!(broken.stderr.contains("cannot be built"), "{broken:?}");
}
