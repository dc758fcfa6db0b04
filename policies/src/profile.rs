//! The policies that ship with doorward.

const PROFILES: [(&str, &str); 4] = [
    ("runtime", include_str!("profiles/runtime.toml")),
    ("default", include_str!("profiles/default.toml")),
    ("decoder", include_str!("profiles/decoder.toml")),
    ("build", include_str!("profiles/build.toml")),
];

/// The document of a profile.
pub fn text(name: &str) -> Option<&'static str> {
    PROFILES
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, text)| *text)
}

/// Their names, as after `builtin:`.
pub fn names() -> impl Iterator<Item = &'static str> {
    PROFILES.iter().map(|(name, _)| *name)
}
