use proptest::prelude::*;

use super::*;

fn name(text: &str) -> AbsName {
    AbsName::parse(text.as_bytes()).unwrap()
}

fn matcher(rules: &[(&str, Kind)]) -> Matcher {
    let mut matcher = Matcher::default();
    for (index, (text, kind)) in rules.iter().enumerate() {
        let pattern = Pattern::parse(text.as_bytes(), Start::Open).unwrap();
        let id = RuleId(u32::try_from(index).unwrap());
        matcher.add(&pattern, *kind, id).unwrap();
    }
    matcher
}

fn reads(pattern: &str, text: &str) -> bool {
    let compiled = matcher(&[(pattern, Kind::Read)]);
    let found = compiled
        .look_up(&name(text))
        .matches
        .get(Kind::Read)
        .is_some();
    let single = Pattern::parse(pattern.as_bytes(), Start::Open).unwrap();
    assert_eq!(found, single.matches(&name(text)), "{pattern} {text}");
    found
}

#[test]
fn deep_includes_the_directory_itself() {
    assert!(reads("/a/**", "/a"));
    assert!(reads("/a/**", "/a/b/c"));
    assert!(!reads("/a/**", "/ab"));
    assert!(!reads("/a/**", "/"));
    assert!(reads("/**", "/"));
    assert!(reads("/a/**/b", "/a/b"));
    let parse = |text: &[u8]| Pattern::parse(text, Start::Slash).unwrap();
    assert_eq!(parse(b"/a/**/**"), parse(b"/a/**"));
    assert_eq!(parse(b"/**//**/b/**/**/"), parse(b"/**/b/**"));
    assert!(reads("/a/**/b", "/a/x/b/y/b"));
    assert!(!reads("/a/**/b", "/a/x/b/y"));
}

#[test]
fn star_stays_in_its_component_and_takes_dot_files() {
    assert!(reads("/a/*", "/a/.hidden"));
    assert!(!reads("/a/*", "/a/b/c"));
    assert!(!reads("/a/*", "/a"));
    assert!(reads("/a/x*y?z", "/a/xyyaz"));
    assert!(reads("/a/[!b-d]x", "/a/ex"));
    assert!(!reads("/a/[!b-d]x", "/a/cx"));
    assert!(reads("/a/[]x]", "/a/]"));
    assert!(reads("/a/\\*", "/a/*"));
    assert!(!reads("/a/\\*", "/a/b"));
}

#[test]
fn a_deny_rule_may_leave_its_beginning_open() {
    assert!(reads("**/.ssh/**", "/home/u/.ssh/id"));
    assert!(reads("**/.ssh/**", "/.ssh"));
    assert!(!reads("**/.ssh/**", "/home/u/.sshx"));
    assert_eq!(
        Pattern::parse(b"**/x", Start::Slash),
        Err(GlobError::OpenStart)
    );
}

#[test]
fn bad_patterns_say_what_is_wrong() {
    let parse = |text: &str| Pattern::parse(text.as_bytes(), Start::Slash).unwrap_err();
    assert_eq!(parse("a/b"), GlobError::Relative);
    assert_eq!(parse("~/b"), GlobError::Tilde);
    assert_eq!(parse("/a/../b"), GlobError::Dots);
    assert_eq!(parse("/a/\\.."), GlobError::Dots);
    assert_eq!(parse("/a**"), GlobError::Deep);
    assert!(reads("/[**]", "/*"));
    assert_eq!(parse("/[a"), GlobError::OpenClass);
    assert_eq!(parse("/["), GlobError::EmptyClass);
    assert_eq!(parse("/[z-a]"), GlobError::Backwards('z', 'a'));
    assert_eq!(parse("/[a-é]"), GlobError::ClassBytes);
    assert_eq!(parse("/[é]"), GlobError::ClassBytes);
    for class in [&b"/[a-\xff]"[..], b"/[\xff-a]", b"/[\xff]"] {
        let parsed = Pattern::parse(class, Start::Slash);
        assert_eq!(parsed, Err(GlobError::ClassBytes), "{class:?}");
    }
    assert_eq!(parse("/{a,b}"), GlobError::Braces);
    assert_eq!(parse("/a\\"), GlobError::Escape);
    assert_eq!(parse("/a\0"), GlobError::Nul);
    assert_eq!(parse(&format!("/{}", "x".repeat(256))), GlobError::TooLong);
    assert_eq!(parse(&"/x".repeat(2100)), GlobError::TooLong);
}

#[test]
fn the_pattern_of_a_name_matches_it_alone() {
    for own in ["/", "/a", "/a/b*", "/a/[b]/c"] {
        let pattern = Pattern::of(&name(own));
        assert!(pattern.is_literal(), "{own}");
        for other in ["/", "/a", "/a/b*", "/a/bc", "/a/[b]/c", "/a/b/c", "/b"] {
            assert_eq!(pattern.matches(&name(other)), own == other, "{own} {other}");
        }
    }
}

#[test]
fn a_pattern_is_told_by_its_prefix_and_what_follows() {
    for (text, prefix, tail, with_all_below) in [
        ("/", "/", None, "/**"),
        ("/a/b", "/a/b", None, "/a/b/**"),
        ("/a/b*/c", "/a", Some("b*/c"), "/a/b*/c/**"),
        ("/a/**", "/a", Some("**"), "/a/**"),
        ("/a/**/\\*", "/a", Some("**/\\*"), "/a/**/\\*/**"),
        ("/**", "/", Some("**"), "/**"),
    ] {
        let parse = |text: &str| Pattern::parse(text.as_bytes(), Start::Slash).unwrap();
        let pattern = parse(text);
        assert_eq!(pattern.prefix(), name(prefix), "{text}");
        assert_eq!(pattern.tail_text().as_deref(), tail, "{text}");
        assert_eq!(pattern.is_literal(), tail.is_none(), "{text}");
        assert_eq!(pattern.is_deep(), text == with_all_below, "{text}");
        assert_eq!(pattern.with_deep(), parse(with_all_below), "{text}");
    }
}

#[test]
fn patterns_are_bounded() {
    use crate::name::{COMPONENT_LIMIT, PATH_LIMIT};
    let parsed = |text: String| Pattern::parse(text.as_bytes(), Start::Slash).map(|_| ());
    let long = Err(GlobError::TooLong);
    let globs = "/*".repeat(PATH_LIMIT);
    assert_eq!(parsed(globs.clone()), Ok(()));
    assert_eq!(parsed(format!("{globs}*")), long);
    assert_eq!(parsed(format!("{globs}/*")), long);
    let component = "x".repeat(COMPONENT_LIMIT);
    assert_eq!(parsed(format!("/{component}")), Ok(()));
    assert_eq!(parsed(format!("/{component}x")), long);
    let literal = format!("{}x", "/x".repeat(PATH_LIMIT / 2));
    assert_eq!(parsed(literal.clone()), Ok(()));
    assert_eq!(parsed(format!("{literal}x")), long);
    assert_eq!(parsed(format!("{literal}/*")), Ok(()));
}

#[test]
fn ancestors_of_allow_rules_only() {
    let rules = matcher(&[
        ("/srv/in/*/x", Kind::Read),
        ("/etc/shadow", Kind::Deny),
        ("/var/**/log", Kind::Write),
        ("/opt/a*/x/y", Kind::Read),
    ]);
    let ancestor = |text: &str| rules.look_up(&name(text)).ancestor;
    assert_eq!(ancestor("/"), Some(RuleId(0)));
    assert_eq!(ancestor("/srv"), Some(RuleId(0)));
    assert_eq!(ancestor("/srv/in"), Some(RuleId(0)));
    assert_eq!(ancestor("/srv/in/any"), Some(RuleId(0)));
    assert_eq!(ancestor("/srv/in/any/x"), None);
    assert_eq!(ancestor("/srv/in/any/y"), None);
    assert_eq!(ancestor("/etc"), None);
    assert_eq!(ancestor("/var/a/b"), Some(RuleId(2)));
    for above in ["/opt", "/opt/a", "/opt/a1", "/opt/a1/x"] {
        assert_eq!(ancestor(above), Some(RuleId(3)), "{above}");
    }
    for beside in [
        "/opt/b",
        "/opt/b/x",
        "/opt/a1/z",
        "/opt/a1/x/y",
        "/opt/a1/x/y/z",
    ] {
        assert_eq!(ancestor(beside), None, "{beside}");
    }
}

#[test]
fn a_hostile_pattern_costs_no_exponential_time() {
    // Miri takes a thousand times as long.
    let (deep, long, stars) = if cfg!(miri) {
        (10, 60, 10)
    } else {
        (40, 1900, 100)
    };
    let pattern = format!("{}/b", "/**/a".repeat(deep));
    assert!(!reads(&pattern, &"/a".repeat(long)));
    let stars = format!("/{}b", "a*".repeat(stars));
    assert!(!reads(&stars, &format!("/{}", "a".repeat(255))));
}

#[test]
fn inclusion_is_told_where_it_is_certain() {
    let includes = |a: &str, b: &str| {
        let parse = |text: &str| Pattern::parse(text.as_bytes(), Start::Open).unwrap();
        parse(a).includes(&parse(b))
    };
    assert!(includes("/a/**", "/a/b/*"));
    assert!(includes("/a/**", "/a/**"));
    assert!(includes("**/x/**", "/a/x/y"));
    assert!(includes("/a/*", "/a/b*"));
    assert!(!includes("/a/*", "/a/**"));
    assert!(!includes("/a/b", "/a/*"));
    assert!(includes("/a*", "/a*"));
    assert!(!includes("/a*", "/b*"));
    assert!(!includes("/a?", "/?b"));
    assert!(includes("/a/b/c", "/a/b/c"));
    assert!(!includes("/a/b/c", "/a/b"));
    assert!(!includes("/a/b", "/a/b/c"));
    assert!(includes("/**/b/c", "/a/b/b/c"));
    assert!(!includes("/**/b/c", "/a/b/b/d"));
    assert!(includes("/**", "/"));
    assert!(!includes("/*", "/"));
}

fn component() -> impl Strategy<Value = String> {
    proptest::string::string_regex("[ab.]{1,3}")
        .unwrap()
        .prop_filter("dots", |text| text != "." && text != "..")
}

fn part() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => component(),
        2 => Just("**".to_owned()),
        3 => proptest::sample::select(vec!["*", "?", "a*", "*b", "?b*", "[ab]", "[!a]*", "*a*b", "[a-b]?"])
            .prop_map(str::to_owned),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// Each rule set is held against globset, an independent implementation, for which `/*`
    /// matches the root too: names have a component here. globset's
    /// `/a/**` leaves out `/a` itself, which ours includes: that form is asked too.
    #[test]
    fn agrees_with_globset(
        patterns in proptest::collection::vec(proptest::collection::vec(part(), 1..5), 1..6),
        names in proptest::collection::vec(proptest::collection::vec(component(), 1..6), 1..8),
    ) {
        let patterns: Vec<String> = patterns.iter().map(|parts| format!("/{}", parts.join("/"))).collect();
        for name in names {
            let text = format!("/{}", name.join("/"));
            for pattern in &patterns {
                let glob = |pattern: &str| {
                    globset::GlobBuilder::new(pattern).literal_separator(true).build().unwrap()
                        .compile_matcher().is_match(&text)
                };
                let mut trimmed = pattern.as_str();
                while let Some(shorter) = trimmed.strip_suffix("/**") {
                    trimmed = shorter;
                }
                let expected = glob(pattern)
                    || (trimmed.len() < pattern.len()
                        && (glob(&format!("{trimmed}/**"))
                            || if trimmed.is_empty() { text == "/" } else { glob(trimmed) }));
                prop_assert_eq!(reads(pattern, &text), expected, "{} on {}", pattern, text);
            }
            // All rules in one tree: the first that matches wins.
            let rules: Vec<_> = patterns.iter().map(|text| (text.as_str(), Kind::Write)).collect();
            let first = patterns.iter().position(|pattern| reads(pattern, &text))
                .map(|index| RuleId(u32::try_from(index).unwrap()));
            let asked = AbsName::parse(text.as_bytes()).unwrap();
            prop_assert_eq!(matcher(&rules).look_up(&asked).matches.get(Kind::Write), first);
        }
    }

    #[test]
    fn inclusion_never_lies(
        a in proptest::collection::vec(part(), 1..5),
        b in proptest::collection::vec(part(), 1..5),
        names in proptest::collection::vec(proptest::collection::vec(component(), 0..5), 20),
    ) {
        let parse = |parts: &[String]| {
            Pattern::parse(format!("/{}", parts.join("/")).as_bytes(), Start::Open).unwrap()
        };
        let (a, b) = (parse(&a), parse(&b));
        for parts in names {
            let name = AbsName::parse(format!("/{}", parts.join("/")).as_bytes()).unwrap();
            prop_assert!(!a.includes(&b) || !b.matches(&name) || a.matches(&name));
        }
    }

    #[test]
    fn no_text_panics(text in proptest::collection::vec(any::<u8>(), 0..64)) {
        let _ = Pattern::parse(&text, Start::Open);
        let _ = Glob::parse(&text);
    }
}

#[test]
fn a_class_may_end_in_a_dash_or_in_an_escaped_byte() {
    for (text, inside) in [("/a/a", true), ("/a/-", true), ("/a/b", false)] {
        assert_eq!(reads("/a/[a-]", text), inside, "{text}");
    }
    for (text, inside) in [("/a/a", true), ("/a/c", true), ("/a/d", false)] {
        assert_eq!(reads("/a/[a-\\c]", text), inside, "{text}");
    }
}
