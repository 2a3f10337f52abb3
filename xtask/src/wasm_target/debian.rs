//! Debian's packages, without touching the machine's own apt.
//!
//! Lists, cache and sources are private folders; the mirrors are those that the machine uses already, so no address
//! stands here. Signatures are checked by the machine's own keys.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process;

/// Where Debian keeps the keys of all its suites.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// One suite of one mirror.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Suite {
    pub(crate) mirror: String,
    pub(crate) name: String,
}

/// One version of one package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Package {
    name: String,
    version: String,
}

impl Package {
    /// The version that the authors gave it: `1.96.0` of `1.96.0+dfsg1-1~deb12u2`.
    pub(crate) fn upstream(&self) -> &str {
        let without_epoch = self
            .version
            .split_once(':')
            .map_or(self.version.as_str(), |(_, rest)| rest);
        without_epoch
            .split(['+', '-', '~'])
            .next()
            .unwrap_or(without_epoch)
    }

    /// Its version without the count of rebuilds (`+b1`), which packages of one source need not share.
    fn source_version(&self) -> &str {
        match self.version.rsplit_once("+b") {
            Some((version, count)) if count.parse::<u32>().is_ok() => version,
            _ => &self.version,
        }
    }

    fn spelled(&self) -> String {
        format!("{}={}", self.name, self.version)
    }
}

/// The suites that the machine's apt uses.
pub(crate) fn machine_suites() -> Result<Vec<Suite>, String> {
    // It prints what it would download, and downloads nothing.
    process::output(Command::new("apt-get").args(["update", "--print-uris"]))
        .map(|uris| suites(&uris))
}

/// Reads `'MIRROR/dists/SUITE/InRelease' ...` lines.
fn suites(uris: &str) -> Vec<Suite> {
    uris.lines()
        .filter_map(|line| line.strip_prefix('\'')?.split_once("/InRelease'"))
        .filter_map(|(address, _)| address.split_once("/dists/"))
        .map(|(mirror, name)| Suite {
            mirror: mirror.to_owned(),
            name: name.to_owned(),
        })
        .collect()
}

/// An apt that knows one suite.
#[derive(Debug)]
pub(crate) struct PrivateApt {
    folder: PathBuf,
}

impl PrivateApt {
    /// Downloads the list of what `suite` holds.
    pub(crate) fn open(folder: PathBuf, suite: &Suite) -> Result<Self, String> {
        for part in ["lists/partial", "cache/archives/partial", "packages"] {
            let part = folder.join(part);
            std::fs::create_dir_all(&part)
                .map_err(|error| format!("{} cannot be made: {error}", part.display()))?;
        }
        let keys = if Path::new(KEYRING).is_file() {
            format!(" signed-by={KEYRING}")
        } else {
            String::new()
        };
        let sources = folder.join("sources.list");
        std::fs::write(
            &sources,
            format!(
                "deb [targets=Packages{keys}] {} {} main\n",
                suite.mirror, suite.name
            ),
        )
        .map_err(|error| format!("{} cannot be written: {error}", sources.display()))?;
        let apt = Self { folder };
        process::output(apt.command("apt-get").args(["update", "--error-on=any"]))?;
        Ok(apt)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        for (key, value) in [
            ("Dir::Etc::sourcelist", self.folder.join("sources.list")),
            ("Dir::Etc::sourceparts", "/dev/null".into()),
            ("Dir::State::Lists", self.folder.join("lists")),
            ("Dir::Cache", self.folder.join("cache")),
            // Where root runs this, apt's own user may not be let into the folder.
            ("APT::Sandbox::User", "root".into()),
        ] {
            command.arg("-o").arg(format!("{key}={}", value.display()));
        }
        command
    }

    /// All versions of a package, newest first.
    fn versions(&self, name: &str) -> Result<Vec<Package>, String> {
        let table = process::output(self.command("apt-cache").args(["madison", name]))?;
        Ok(versions(name, &table))
    }

    /// The newest version of a package.
    pub(crate) fn newest(&self, name: &str) -> Result<Package, String> {
        self.versions(name)?
            .into_iter()
            .next()
            .ok_or_else(|| format!("it has no {name}"))
    }

    /// The package in exactly this version of its authors.
    pub(crate) fn exactly(&self, name: &str, upstream: &str) -> Result<Package, String> {
        let mut versions = self.versions(name)?;
        if let Some(index) = versions
            .iter()
            .position(|package| package.upstream() == upstream)
        {
            return Ok(versions.swap_remove(index));
        }
        let others: Vec<&str> = versions.iter().map(Package::upstream).collect();
        Err(format!(
            "it has {name} {} and not {upstream}",
            if others.is_empty() {
                "not at all".into()
            } else {
                others.join(", ")
            }
        ))
    }

    /// The package in the very version of `other`, from the same source.
    pub(crate) fn same(&self, name: &str, other: &Package) -> Result<Package, String> {
        self.versions(name)?
            .into_iter()
            .find(|package| package.source_version() == other.source_version())
            .ok_or_else(|| format!("it has no {name} {}", other.version))
    }

    /// The package that `of` depends on and whose name begins with `prefix`.
    pub(crate) fn dependency(&self, of: &Package, prefix: &str) -> Result<Package, String> {
        let shown = process::output(self.command("apt-cache").args(["show", &of.spelled()]))?;
        let name = shown
            .lines()
            .filter_map(|line| line.strip_prefix("Depends: "))
            .flat_map(|line| line.split([',', ' ']))
            .find(|word| word.starts_with(prefix))
            .ok_or_else(|| format!("{} depends on no {prefix}", of.name))?;
        self.newest(name)
    }

    /// Downloads packages and unpacks them into `folder`. Nothing is installed.
    pub(crate) fn unpack(&self, packages: &[Package], folder: &Path) -> Result<(), String> {
        let downloads = self.folder.join("packages");
        process::run(
            self.command("apt-get")
                .args(["-q", "download"])
                .args(packages.iter().map(Package::spelled))
                .current_dir(&downloads),
        )?;
        std::fs::create_dir_all(folder)
            .map_err(|error| format!("{} cannot be made: {error}", folder.display()))?;
        let files = std::fs::read_dir(&downloads)
            .map_err(|error| format!("{} cannot be read: {error}", downloads.display()))?;
        for file in files.flatten() {
            process::run(
                Command::new("dpkg-deb")
                    .arg("-x")
                    .arg(file.path())
                    .arg(folder),
            )?;
        }
        Ok(())
    }
}

/// Reads ` name | version | source` lines, which apt sorts newest first.
fn versions(name: &str, table: &str) -> Vec<Package> {
    table
        .lines()
        .filter_map(|line| {
            let mut columns = line.split('|').map(str::trim);
            (columns.next()? == name).then_some(())?;
            Some(Package {
                name: name.to_owned(),
                version: columns.next()?.to_owned(),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{Suite, suites, versions};

    #[test]
    fn reads_the_machines_suites() {
        let uris = "'http://mirror/debian/dists/bookworm/InRelease' mirror_debian_InRelease 0 \n\
                    'http://mirror/debian-security/dists/bookworm-security/InRelease' x 0 \n\
                    'http://mirror/debian/dists/bookworm/main/binary-amd64/Packages.xz' y 0 \n";
        let expected = [
            ("http://mirror/debian", "bookworm"),
            ("http://mirror/debian-security", "bookworm-security"),
        ]
        .map(|(mirror, name)| Suite {
            mirror: mirror.to_owned(),
            name: name.to_owned(),
        });
        assert_eq!(suites(uris), expected);
    }

    #[test]
    fn reads_versions_newest_first() {
        let table = "  rust-src | 1.96.1+dfsg1-2~bpo13+1 | http://mirror trixie-backports/main amd64 Packages\n\
                     \x20 rust-src | 1.95.0+dfsg1-2~bpo13+1 | http://mirror trixie-backports/main amd64 Packages\n";
        let found = versions("rust-src", table);
        assert_eq!(
            found
                .iter()
                .map(super::Package::upstream)
                .collect::<Vec<_>>(),
            ["1.96.1", "1.95.0"]
        );
        assert!(versions("wasi-libc", table).is_empty());
    }

    #[test]
    fn ignores_rebuilds_when_matching_packages_of_one_source() {
        let found = versions("rustc-web", "rustc-web | 1.96.0+dfsg1-1~deb13u1+b1 | x");
        assert_eq!(
            found
                .iter()
                .map(super::Package::source_version)
                .collect::<Vec<_>>(),
            ["1.96.0+dfsg1-1~deb13u1"]
        );
        let found = versions("rust-src", "rust-src | 1.95.0+dfsg1-2~bpo13+1 | x");
        assert_eq!(
            found
                .iter()
                .map(super::Package::source_version)
                .collect::<Vec<_>>(),
            ["1.95.0+dfsg1-2~bpo13+1"]
        );
    }

    #[test]
    fn drops_epoch_and_revision() {
        let found = versions("libllvm22", "libllvm22 | 1:22.1.8-1~deb12u1 | x");
        assert_eq!(
            found
                .iter()
                .map(super::Package::upstream)
                .collect::<Vec<_>>(),
            ["22.1.8"]
        );
        assert_eq!(
            found
                .iter()
                .map(super::Package::spelled)
                .collect::<Vec<_>>(),
            ["libllvm22=1:22.1.8-1~deb12u1"]
        );
    }
}
