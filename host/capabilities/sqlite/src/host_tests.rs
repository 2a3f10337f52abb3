//! The host functions called as a component would call them.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use super::Failure;
use crate::bindings::newer::{self, HostConnectionWithStore as _, QueryResult, Value};
use crate::bindings::older;
use crate::limits::{MAX_ANSWER_BYTES, MAX_OPEN_CONNECTIONS, MAX_STATEMENT_BYTES, STATEMENT_TIME};
use crate::{
    Connection, Error, Sqlite, SqliteCtx, SqliteCtxView, SqliteView, add_to_linker, copy, remove,
    stored,
};
use sbd_capability_testing::{Instance, engine};
use sbd_metering::{Budget, Meter, Unmetered};
use sbd_storage::rusqlite;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use wasmtime::component::{Access, Accessor, Linker, Resource, ResourceTable};
use wasmtime::{AsContextMut as _, Store};

struct Held {
    ctx: SqliteCtx,
    table: ResourceTable,
}

/// A component's side of the interfaces.
struct Guest(Store<Instance<Held>>);

impl SqliteView for Instance<Held> {
    fn sqlite(&mut self) -> SqliteCtxView<'_> {
        SqliteCtxView {
            ctx: &mut self.ctx.ctx,
            table: &mut self.ctx.table,
        }
    }
}

const MIB: u64 = 1 << 20;

fn ctx(folder: &Path, component: &str, most_bytes: u64) -> SqliteCtx {
    let granted: BTreeSet<String> = ["default".to_owned(), "second".to_owned()].into();
    SqliteCtx::new(component.into(), Arc::new(granted), folder, most_bytes)
}

fn instance(ctx: SqliteCtx, meter: Arc<dyn Meter>) -> Guest {
    let table = ResourceTable::new();
    Guest(Store::new(
        &engine(),
        Instance::new(Held { ctx, table }, meter),
    ))
}

fn guest(folder: &Path) -> Guest {
    instance(ctx(folder, "notes", 64 * MIB), Arc::new(Unmetered))
}

impl Guest {
    fn calls(&mut self) -> Access<'_, Instance<Held>, Sqlite> {
        Access::<_, Sqlite>::new(self.0.as_context_mut(), Instance::<Held>::sqlite)
    }

    async fn open(&mut self, database: &str) -> Result<Resource<Connection>, Failure> {
        Sqlite::open(self.calls(), database.to_owned()).await
    }

    async fn run(
        &mut self,
        connection: &Resource<Connection>,
        statement: &str,
        parameters: &[Value],
    ) -> Result<QueryResult, Failure> {
        let connection = Resource::new_borrow(connection.rep());
        let statement = statement.to_owned();
        Sqlite::execute(self.calls(), connection, statement, parameters.to_vec()).await
    }

    /// The first value of what a statement answers; NULL: it answers nothing.
    async fn value(&mut self, connection: &Resource<Connection>, statement: &str) -> Value {
        let answer = self.run(connection, statement, &[]).await;
        let answer = answer.unwrap_or_else(|error| panic!("{statement}: {error:?}"));
        let mut rows = answer.rows.into_iter();
        rows.next().map_or(Value::Null, |row| row.values[0].clone())
    }

    async fn refusal(&mut self, connection: &Resource<Connection>, statement: &str) -> String {
        match self.run(connection, statement, &[]).await {
            Err(Failure::Told(error)) => error.to_string(),
            other => panic!("{statement}: not refused: {other:?}"),
        }
    }
}

fn integer(value: &Value) -> i64 {
    match value {
        Value::Integer(number) => *number,
        other => panic!("{other:?}"),
    }
}

fn text(value: &Value) -> &str {
    match value {
        Value::Text(text) => text,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_interface_links() {
    let mut linker = Linker::<Instance<Held>>::new(&engine());
    add_to_linker(&mut linker).unwrap();
    assert!(add_to_linker(&mut linker).is_err(), "linked twice");
}

#[tokio::test]
async fn only_granted_labels_open_and_each_is_a_database_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let mut guest = guest(folder.path());
    for label in ["other", "", "Default", "../notes/default", "default.db"] {
        let refused = guest.open(label).await;
        assert!(
            matches!(refused, Err(Failure::Told(Error::AccessDenied { .. }))),
            "{label:?}"
        );
    }
    let mut other = instance(ctx(folder.path(), "other", MIB), Arc::new(Unmetered));
    let (one, two) = (
        guest.open("default").await.unwrap(),
        guest.open("second").await.unwrap(),
    );
    let theirs = other.open("default").await.unwrap();
    guest.value(&one, "CREATE TABLE mine (x)").await;
    for refused in [
        guest.refusal(&two, "SELECT * FROM mine").await,
        other.refusal(&theirs, "SELECT * FROM mine").await,
    ] {
        assert!(refused.contains("no such table"), "{refused}");
    }
}

#[tokio::test]
async fn every_kind_of_value_goes_in_and_comes_out() {
    let folder = tempfile::tempdir().unwrap();
    let mut guest = guest(folder.path());
    let connection = guest.open("default").await.unwrap();
    guest
        .value(&connection, "CREATE TABLE t (a, b, c, d, e)")
        .await;
    let values = [
        Value::Integer(i64::MIN),
        Value::Real(0.5),
        Value::Text("é\0'".to_owned()),
        Value::Blob(vec![0, 255]),
        Value::Null,
    ];
    let insert = guest.run(
        &connection,
        "INSERT INTO t VALUES (?1, ?2, ?3, ?4, ?5)",
        &values,
    );
    insert.await.unwrap();
    let answer = guest
        .run(&connection, "SELECT * FROM t", &[])
        .await
        .unwrap();
    assert_eq!(answer.columns, ["a", "b", "c", "d", "e"]);
    let [row] = answer.rows.as_slice() else {
        panic!("{answer:?}");
    };
    assert_eq!(format!("{:?}", row.values), format!("{values:?}"));

    let this = || Resource::new_borrow(connection.rep());
    let rowid = Sqlite::last_insert_rowid(guest.calls(), this()).await;
    assert_eq!(rowid.unwrap(), 1);
    guest.value(&connection, "UPDATE t SET a = 1").await;
    assert_eq!(Sqlite::changes(guest.calls(), this()).await.unwrap(), 1);
    let refused = guest.run(&connection, "SELECT ?1", &[]).await;
    assert!(matches!(refused, Err(Failure::Told(Error::Sqlite(_)))));
    let nothing = Resource::new_borrow(4711);
    assert!(Sqlite::changes(guest.calls(), nothing).await.is_err());
}

#[tokio::test]
async fn older_components_find_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let mut guest = guest(folder.path());
    let connection = guest.open("default").await.unwrap();
    guest
        .value(&connection, "CREATE TABLE t AS SELECT 'one' AS x")
        .await;
    let open = <Sqlite as older::HostConnectionWithStore<_>>::open;
    let execute = <Sqlite as older::HostConnectionWithStore<_>>::execute;
    let theirs = open(guest.calls(), "default".to_owned()).await.unwrap();
    let select = "SELECT x, ?1 FROM t".to_owned();
    let parameters = vec![older::Value::Integer(2)];
    let answer = execute(guest.calls(), theirs, select, parameters)
        .await
        .unwrap();
    assert_eq!(answer.columns, ["x", "?1"]);
    assert!(matches!(
        answer.rows[0].values.as_slice(),
        [older::Value::Text(one), older::Value::Integer(2)] if one == "one"
    ));
}

#[tokio::test]
async fn asynchronous_calls_answer_rows_as_a_stream() {
    let folder = tempfile::tempdir().unwrap();
    let Guest(mut store) = guest(folder.path());
    let call = async |accessor: &Accessor<Instance<Held>>| {
        let accessor = &accessor.with_getter::<Sqlite>(Instance::<Held>::sqlite);
        let connection = Sqlite::open_async(accessor, "default".to_owned())
            .await
            .unwrap();
        let this = || Resource::new_borrow(connection.rep());
        let select = "VALUES (1), (2)".to_owned();
        let (columns, mut rows, mut end) = Sqlite::execute_async(accessor, this(), select, vec![])
            .await
            .unwrap();
        assert_eq!(columns, ["column1"]);
        accessor.with(|mut access| {
            rows.close(&mut access).unwrap();
            end.close(&mut access).unwrap();
        });
        let wrong = Sqlite::execute_async(accessor, this(), "SELEC".to_owned(), vec![]).await;
        assert!(matches!(wrong, Err(Failure::Told(Error::Sqlite(_)))));
        let rowid = Sqlite::last_insert_rowid_async(accessor, this()).await;
        let changes = Sqlite::changes_async(accessor, this()).await;
        (rowid.unwrap(), changes.unwrap())
    };
    assert_eq!(store.run_concurrent(call).await.unwrap(), (0, 0));
}

#[tokio::test]
async fn statements_stay_within_their_file() {
    let folder = tempfile::tempdir().unwrap();
    let mut guest = guest(folder.path());
    let connection = guest.open("default").await.unwrap();
    guest.value(&connection, "CREATE TABLE t (x)").await;
    let elsewhere = folder.path().join("elsewhere.db").display().to_string();
    for statement in [
        format!("ATTACH '{elsewhere}' AS other"),
        format!("ATTACH 'file:{elsewhere}?mode=rwc' AS other"),
        "ATTACH '' AS other".to_owned(),
        "ATTACH ':memory:' AS other".to_owned(),
        "DETACH temp".to_owned(),
        format!("VACUUM INTO '{elsewhere}'"),
        "VACUUM".to_owned(),
        "SELECT load_extension('libc.so.6')".to_owned(),
        "PRAGMA database_list".to_owned(),
        "SELECT file FROM pragma_database_list".to_owned(),
        "PRAGMA writable_schema = 1".to_owned(),
        "PRAGMA trusted_schema = 1".to_owned(),
        format!("PRAGMA temp_store_directory = '{elsewhere}'"),
        "SELECT writefile('x', 'y')".to_owned(),
        "SELECT readfile('/etc/passwd')".to_owned(),
        "SELECT json_patch('{}', '{}')".to_owned(),
        "CREATE VIRTUAL TABLE v USING csv(filename='/etc/passwd')".to_owned(),
        "UPDATE sqlite_schema SET sql = ''".to_owned(),
    ] {
        guest.refusal(&connection, &statement).await;
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn how_the_file_is_kept_is_the_hosts_affair() {
    let folder = tempfile::tempdir().unwrap();
    let mut guest = guest(folder.path());
    let connection = guest.open("default").await.unwrap();
    for (set, ask, is) in [
        (
            "PRAGMA journal_mode = WAL",
            "PRAGMA journal_mode",
            "truncate",
        ),
        (
            "PRAGMA journal_mode = OFF",
            "PRAGMA main.journal_mode",
            "truncate",
        ),
    ] {
        assert!(matches!(guest.value(&connection, set).await, Value::Null));
        assert_eq!(text(&guest.value(&connection, ask).await), is);
    }
    let most = integer(&guest.value(&connection, "PRAGMA max_page_count").await);
    guest
        .value(&connection, "PRAGMA max_page_count = 4294967294")
        .await;
    guest.value(&connection, "PRAGMA page_size = 65536").await;
    guest.value(&connection, "PRAGMA synchronous = OFF").await;
    guest
        .value(&connection, "PRAGMA cache_size = -2000000")
        .await;
    assert_eq!(
        integer(&guest.value(&connection, "PRAGMA max_page_count").await),
        most
    );
    assert_eq!(
        integer(&guest.value(&connection, "PRAGMA synchronous").await),
        2
    );
    assert_eq!(
        integer(&guest.value(&connection, "PRAGMA cache_size").await),
        -1024
    );
    // What is the component's own it may set.
    guest.value(&connection, "PRAGMA user_version = 7").await;
    assert_eq!(
        integer(&guest.value(&connection, "PRAGMA user_version").await),
        7
    );
}

#[tokio::test]
async fn a_database_is_as_large_as_it_may_be_and_shrinks() {
    let folder = tempfile::tempdir().unwrap();
    let meter = Arc::new(Budget::new(u32::MAX, usize::MAX));
    let mut guest = instance(ctx(folder.path(), "notes", MIB), meter.clone());
    let connection = guest.open("default").await.unwrap();
    guest.value(&connection, "CREATE TABLE t (x)").await;
    let refused = loop {
        let insert = "INSERT INTO t VALUES (randomblob(100000))";
        if let Err(refused) = guest.run(&connection, insert, &[]).await {
            break refused;
        }
    };
    assert!(matches!(refused, Failure::Told(Error::Full)), "{refused:?}");
    assert_eq!(meter.refused(), Some("stored_bytes"));
    let path = folder.path().join("notes/default.db");
    let length = || std::fs::metadata(&path).unwrap().len();
    assert!(length() <= MIB && length() > MIB / 2, "{}", length());
    guest.value(&connection, "DELETE FROM t").await;
    assert!(length() < MIB / 10, "{}", length());
    guest.value(&connection, "INSERT INTO t VALUES (1)").await;

    let large = guest
        .refusal(&connection, "SELECT zeroblob(20000000)")
        .await;
    assert!(large.contains("too big"), "{large}");
    guest.value(&connection, "CREATE TEMP TABLE u (x)").await;
    let refused = loop {
        let insert = "INSERT INTO u VALUES (zeroblob(4000000))";
        if let Err(refused) = guest.run(&connection, insert, &[]).await {
            break refused;
        }
    };
    assert!(matches!(refused, Failure::Told(Error::Full)), "{refused:?}");
}

#[tokio::test]
async fn an_answer_has_bounds() {
    let folder = tempfile::tempdir().unwrap();
    let mut guest = guest(folder.path());
    let connection = guest.open("default").await.unwrap();
    let rows = |count: usize| {
        format!(
            "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c LIMIT {count}) SELECT n FROM c"
        )
    };
    let fits = guest.run(&connection, &rows(100_000), &[]).await.unwrap();
    assert_eq!(fits.rows.len(), 100_000);
    let too_many = rows(MAX_ANSWER_BYTES / 64);
    let refused = guest.refusal(&connection, &too_many).await;
    assert!(refused.contains("LIMIT"), "{refused}");

    let meter = Arc::new(Budget::new(3, 200));
    let mut poor = instance(ctx(folder.path(), "notes", MIB), meter);
    let connection = poor.open("default").await.unwrap();
    let refused = poor.refusal(&connection, "SELECT randomblob(200)").await;
    assert!(refused.contains("capability_bytes"), "{refused}");
    for _ in 0..2 {
        let refused = poor.refusal(&connection, "SELECT 1").await;
        assert!(refused.contains("capability_"), "{refused}");
    }
}

#[tokio::test]
async fn one_statement_a_call() {
    let folder = tempfile::tempdir().unwrap();
    let mut guest = guest(folder.path());
    let connection = guest.open("default").await.unwrap();
    assert_eq!(
        integer(&guest.value(&connection, " SELECT 1; -- yes\n ;").await),
        1
    );
    for statement in [
        "",
        ";;",
        "-- nothing",
        "SELECT 1; SELECT 2",
        "CREATE TABLE t (x); DROP TABLE t",
    ] {
        let refused = guest.refusal(&connection, statement).await;
        assert!(
            refused.contains("one statement a call"),
            "{statement}: {refused}"
        );
    }
    // So many that a function that called itself for each would end the process.
    let many = "END;".repeat(MAX_STATEMENT_BYTES / 4);
    guest.refusal(&connection, &many).await;
    let long = format!("SELECT 1{}", " ".repeat(MAX_STATEMENT_BYTES));
    guest.refusal(&connection, &long).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_without_end_is_stopped() {
    const ENDLESS: &str =
        "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT count(*) FROM c";
    let folder = tempfile::tempdir().unwrap();
    let mut guest = guest(folder.path());
    let connection = guest.open("default").await.unwrap();
    let refused = guest.refusal(&connection, ENDLESS).await;
    assert!(refused.contains("ran for more than 5 s"), "{refused}");

    // Whoever does not wait any more takes the statement along.
    let gone = guest.run(&connection, ENDLESS, &[]);
    assert!(
        tokio::time::timeout(Duration::from_millis(50), gone)
            .await
            .is_err()
    );
    let began = Instant::now();
    assert_eq!(integer(&guest.value(&connection, "SELECT 1").await), 1);
    assert!(began.elapsed() < STATEMENT_TIME / 2);
}

/// Each would keep a thread busy for minutes at least.
#[tokio::test]
async fn no_function_takes_the_product_of_two_lengths() {
    let folder = tempfile::tempdir().unwrap();
    let mut guest = guest(folder.path());
    let connection = guest.open("default").await.unwrap();
    let long = "replace(hex(zeroblob(1000000)), '00', 'a')";
    for call in [
        "instr(zeroblob(4000000), zeroblob(2000000) || x'01')",
        "instr(zeroblob(4000000), CAST(zeroblob(2000000) || x'01' AS BLOB))",
        &format!("instr({long} || {long}, {long} || 'b')"),
        &format!("length(replace({long} || {long}, {long} || 'b', 'c'))"),
        &format!("length(trim({long}, replace({long}, 'a', 'c') || 'a'))"),
    ] {
        guest.value(&connection, &format!("SELECT {call}")).await;
    }
    let pattern = format!("SELECT {long} LIKE '%' || {long} || 'b'");
    guest.refusal(&connection, &pattern).await;
    let grows = format!("SELECT replace({long}, 'a', {long})");
    guest.refusal(&connection, &grows).await;
}

#[tokio::test]
async fn our_functions_answer_as_sqlites() {
    let folder = tempfile::tempdir().unwrap();
    let mut guest = guest(folder.path());
    let ours = guest.open("default").await.unwrap();
    let plain = rusqlite::Connection::open_in_memory().unwrap();
    for call in [
        "instr('héllo', 'l')",
        "instr('hello', '')",
        "instr('hello', 'z')",
        "instr(x'010203', x'0203')",
        "instr(x'68c3a96c', 'l')",
        "instr(12345, 34)",
        "instr(NULL, 'a')",
        "instr('a', NULL)",
        "replace('aXbX', 'X', 'yy')",
        "replace('abc', '', 'z')",
        "replace('abc', '', NULL)",
        "replace('abc', 'b', NULL)",
        "replace(121, 1, 3)",
        "trim('xxhixyx', 'xy')",
        "trim('  hi  ')",
        "ltrim('xxhixx', 'x')",
        "rtrim('xxhixx', 'x')",
        "trim('hi', '')",
        "trim(NULL, 'x')",
        "trim('éhié', 'é')",
        "unhex('4142')",
    ] {
        let statement = format!("SELECT quote({call})");
        let theirs: String = plain.query_row(&statement, [], |row| row.get(0)).unwrap();
        assert_eq!(
            text(&guest.value(&ours, &statement).await),
            theirs,
            "{call}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_spans_calls_and_others_wait_for_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let mut guest = guest(folder.path());
    let (one, two) = (
        guest.open("default").await.unwrap(),
        guest.open("default").await.unwrap(),
    );
    guest.value(&one, "CREATE TABLE t (x)").await;
    guest.value(&one, "BEGIN IMMEDIATE").await;
    guest.value(&one, "INSERT INTO t VALUES (1)").await;
    let refused = guest.refusal(&two, "INSERT INTO t VALUES (2)").await;
    assert!(refused.contains("locked"), "{refused}");
    assert_eq!(
        integer(&guest.value(&two, "SELECT count(*) FROM t").await),
        0
    );
    guest.value(&one, "COMMIT").await;
    guest.value(&two, "INSERT INTO t VALUES (2)").await;

    // A connection that is dropped takes its transaction along.
    guest.value(&one, "BEGIN EXCLUSIVE").await;
    guest.value(&one, "DELETE FROM t").await;
    newer::HostConnection::drop(&mut guest.0.data_mut().sqlite(), one).unwrap();
    assert_eq!(
        integer(&guest.value(&two, "SELECT count(*) FROM t").await),
        2
    );
}

#[tokio::test]
async fn connections_are_limited_and_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut guest = guest(folder.path());
    let mut open = Vec::new();
    for _ in 0..MAX_OPEN_CONNECTIONS {
        open.push(guest.open("default").await.unwrap());
    }
    let refused = guest.open("default").await;
    assert!(matches!(
        refused,
        Err(Failure::Told(Error::TooManyConnections))
    ));
    newer::HostConnection::drop(&mut guest.0.data_mut().sqlite(), open.remove(0)).unwrap();
    guest.open("default").await.unwrap();
}

#[tokio::test]
async fn databases_are_written_down_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let databases = folder.path().join("acme.sqlite");
    assert_eq!(stored(&databases).unwrap(), []);
    assert_eq!(remove(&databases).unwrap(), []);
    for component in ["notes", "again"] {
        let mut guest = instance(ctx(&databases, component, MIB), Arc::new(Unmetered));
        let connection = guest.open("default").await.unwrap();
        guest
            .value(&connection, "CREATE TABLE t AS SELECT 'kept' AS x")
            .await;
        // Not yet in the file, and not to be in the copy.
        guest.value(&connection, "BEGIN").await;
        guest.value(&connection, "DELETE FROM t").await;
        let all = stored(&databases).unwrap();
        let own = all.iter().find(|stored| stored.component == component);
        let copied = tempfile::NamedTempFile::new_in(folder.path()).unwrap();
        copy(&own.unwrap().path, copied.path()).unwrap();
        let copied = rusqlite::Connection::open(copied.path()).unwrap();
        let kept: String = copied
            .query_row("SELECT x FROM t", [], |row| row.get(0))
            .unwrap();
        assert_eq!(kept, "kept");
    }
    let all = stored(&databases).unwrap();
    let names: Vec<_> = all
        .iter()
        .map(|stored| (&*stored.component, &*stored.label))
        .collect();
    assert_eq!(names, [("again", "default"), ("notes", "default")]);
    let removed = remove(&databases).unwrap();
    assert!(
        removed
            .iter()
            .any(|(path, _)| path.ends_with("notes/default.db"))
    );
    assert!(!databases.exists());
}
