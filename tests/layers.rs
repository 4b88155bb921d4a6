//! The order of the layers, and what the deterministic core may not touch, read from the sources themselves.

use std::path::{Path, PathBuf};

/// Each layer with those it may import from, beside itself. As in the picture at the top of `src/lib.rs`.
const LAYERS: &[(&str, &[&str])] = &[
    ("types", BASE),
    ("time", BASE),
    ("rng", BASE),
    ("event", BASE),
    ("config", BASE),
    ("mutation", BASE),
    ("sorted", BASE),
    ("protocol", BASE),
    ("files", &["types", "time", "rng", "event", "config", "mutation", "sorted", "protocol"]),
    ("log", &["types", "time", "rng", "event", "config", "mutation", "sorted", "protocol"]),
    ("effects", &["types", "time", "rng", "event", "config", "mutation", "sorted", "protocol", "log"]),
    ("replica", PARTS),
    ("quorum", PARTS),
    ("controller", DECIDERS),
    ("coordinator", DECIDERS),
    ("client", &["types", "time", "rng", "event", "config", "mutation", "sorted", "protocol", "files"]),
    ("broker", CORE),
    ("storage", &["types", "time", "rng", "event", "config", "mutation", "sorted", "protocol", "log"]),
    (
        "sim",
        &[
            "types",
            "time",
            "rng",
            "event",
            "config",
            "mutation",
            "sorted",
            "protocol",
            "log",
            "storage",
            "effects",
            "replica",
            "quorum",
            "controller",
            "coordinator",
            "files",
            "client",
            "broker",
        ],
    ),
    (
        "web",
        &[
            "types",
            "time",
            "rng",
            "event",
            "config",
            "mutation",
            "sorted",
            "protocol",
            "log",
            "storage",
            "effects",
            "replica",
            "quorum",
            "controller",
            "coordinator",
            "files",
            "client",
            "broker",
            "sim",
        ],
    ),
];
const BASE: &[&str] = &["types", "time", "rng", "event", "config", "mutation", "sorted"];
const PARTS: &[&str] =
    &["types", "time", "rng", "event", "config", "mutation", "sorted", "protocol", "log", "effects"];
const DECIDERS: &[&str] = &[
    "types", "time", "rng", "event", "config", "mutation", "sorted", "protocol", "log", "effects", "replica",
    "quorum",
];
const CORE: &[&str] = &[
    "types",
    "time",
    "rng",
    "event",
    "config",
    "mutation",
    "sorted",
    "protocol",
    "log",
    "effects",
    "replica",
    "quorum",
    "controller",
    "coordinator",
];

/// What only `web/` may use, and what to use in its place.
const BANNED: &[(&str, &str)] = &[
    ("Instant::now", "a `time::Instant` passed in"),
    ("std::time::Instant", "`time::Instant`"),
    ("SystemTime", "a `time::Instant` passed in"),
    ("thread::sleep", "a deadline in `time::Timers`"),
    ("getrandom", "a `rng::Rng` passed in"),
    ("rand::", "`rng::Rng`"),
    ("Math::random", "a `rng::Rng` passed in"),
    ("Uuid::new_v4", "`rng::Rng::uuid`"),
    ("HashMap", "`SortedMap` or `BTreeMap`, which have an order"),
    ("HashSet", "`SortedSet`, which has an order"),
    ("js_sys", "an input from `web/`"),
    ("web_sys", "an input from `web/`"),
    ("wasm_bindgen", "an input from `web/`"),
];

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Each line of code with its place (`src/log/mod.rs:7`) and its layer. Comments and `#[cfg(test)] mod` at a file's end,
/// and the files of test modules, are left out: a test may stand above what it tests.
fn code() -> Vec<(String, String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    files.sort();
    let mut code = Vec::new();
    for file in files {
        let relative = file.strip_prefix(&root).unwrap();
        let first = relative.components().next().unwrap().as_os_str().to_str().unwrap();
        let layer = first.trim_end_matches(".rs");
        let is_test = relative
            .iter()
            .any(|part| ["tests", "tests.rs", "harness.rs", "bench.rs"].contains(&part.to_str().unwrap()));
        // `bin` has fronts of their own: clock, threads and arguments around a part.
        if layer == "lib" || layer == "bin" || is_test {
            continue;
        }
        let text = std::fs::read_to_string(&file).unwrap();
        let lines: Vec<_> = text.lines().collect();
        for (index, line) in lines.iter().enumerate() {
            let next = lines.get(index + 1).map_or("", |next| next.trim());
            if line.trim() == "#[cfg(test)]" && next.starts_with("mod ") && next.ends_with('{') {
                break;
            }
            let code_part = line.split("//").next().unwrap_or_default().to_owned();
            code.push((format!("src/{}:{}", relative.display(), index + 1), layer.to_owned(), code_part));
        }
    }
    code
}

/// The modules of this crate that a line names: after `crate::`, one name or several in braces.
fn imported(line: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for (at, _) in line.match_indices("crate::") {
        // `$crate::` in a macro counts; `my_crate::` does not.
        if line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let rest = &line[at + "crate::".len()..];
        let names = if let Some(group) = rest.strip_prefix('{') {
            group.split('}').next().unwrap_or_default().split(',').collect()
        } else {
            vec![rest]
        };
        let ends = |c: char| !(c.is_alphanumeric() || c == '_');
        found.extend(names.into_iter().filter_map(|name| name.trim().split(ends).next()));
    }
    found
}

#[test]
fn no_import_points_up_the_layers() {
    let mut wrong = Vec::new();
    for (place, layer, line) in code() {
        let Some((_, allowed)) = LAYERS.iter().find(|(name, _)| *name == layer) else {
            panic!("{place}: `{layer}` is not in this test's list of layers");
        };
        for import in imported(&line) {
            let known = LAYERS.iter().any(|(name, _)| *name == import);
            if known && import != layer && !allowed.contains(&import) {
                wrong.push(format!(
                    "{place}: `{layer}` imports from `{import}`, which is above it or beside it"
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn the_core_touches_no_clock_no_global_randomness_and_no_order_of_a_hash_map() {
    let mut wrong = Vec::new();
    for (place, layer, line) in code() {
        if layer == "web" {
            continue;
        }
        for (banned, instead) in BANNED {
            if line.contains(banned) {
                wrong.push(format!("{place}: `{banned}`; use {instead}"));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn imports_are_found_however_they_are_written() {
    assert_eq!(imported("use crate::log::io::IoOp;"), ["log"]);
    assert_eq!(imported("use crate::{log::io, types, web};"), ["log", "types", "web"]);
    assert_eq!(imported("let x: crate::types::Offset = crate::rng::Rng::new(1);"), ["types", "rng"]);
    assert_eq!(imported("use other_crate::web;"), [] as [&str; 0]);
}
