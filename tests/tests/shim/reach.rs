//! What can be reached from the entry of the trap front's handler, by the machine code.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::Command,
};

/// What the handler may call of other libraries: copies of memory.
const LIBRARY: [&str; 5] = ["memcpy", "memmove", "memset", "memcmp", "bcmp"];
/// What a function goes on with when something that it called panics. Nothing panics here, which
/// is what else is looked for.
const AFTER_A_PANIC: [&str; 2] = ["_Unwind_Resume", "19panic_cannot_unwind"];
/// What names of functions say that it must not reach. In names of both manglings.
const FORBIDDEN: [&str; 9] = [
    "9panicking",
    "3std",
    "std..",
    "5alloc",
    "alloc..",
    "3fmt",
    "7___rustc",
    "slice_index_fail",
    "mismatch_fail",
];

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Reach {
    /// Functions that can be reached.
    pub(crate) functions: BTreeSet<String>,
    /// What must not be, and from where.
    pub(crate) refused: BTreeSet<String>,
}

/// One function: its name and its instructions.
#[derive(Debug, Default)]
struct Function {
    name: String,
    lines: Vec<String>,
}

/// A program, disassembled.
struct Code {
    functions: BTreeMap<u64, Function>,
    /// What the words of the global offset table are filled with.
    offsets: BTreeMap<u64, String>,
}

/// Where an instruction goes.
enum Target {
    At(u64),
    Library(String),
    Unknown,
}

fn output(program: &Path, options: &[&str]) -> String {
    let mut command = Command::new("objdump");
    // It is of binutils, which gcc needs.
    let output = command.args(options).arg(program).output().unwrap();
    assert!(output.status.success(), "objdump {options:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn hexadecimal(text: &str) -> Option<u64> {
    u64::from_str_radix(text.trim_start_matches("0x"), 16).ok()
}

impl Code {
    fn of(program: &Path) -> Self {
        let (mut functions, mut at) = (BTreeMap::<u64, Function>::new(), 0);
        for line in output(program, &["-d", "--no-show-raw-insn", "-w"]).lines() {
            let head = line
                .strip_suffix(">:")
                .and_then(|line| line.split_once(" <"));
            if let Some((address, name)) = head {
                at = hexadecimal(address).unwrap();
                functions.entry(at).or_default().name = name.to_owned();
            } else if let Some((_, instruction)) = line.split_once(":\t") {
                let function = functions.entry(at).or_default();
                function.lines.push(instruction.trim().to_owned());
            }
        }
        let mut offsets = BTreeMap::new();
        for line in output(program, &["-R"]).lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            if let [offset, kind, value] = words.as_slice()
                && kind.starts_with("R_X86_64_")
            {
                offsets.insert(hexadecimal(offset).unwrap(), (*value).to_owned());
            }
        }
        Self { functions, offsets }
    }

    fn function(&self, address: u64) -> Option<(u64, &Function)> {
        let (start, function) = self.functions.range(..=address).next_back()?;
        Some((*start, function))
    }

    /// What a word of the global offset table leads to.
    fn filled(&self, offset: u64) -> Target {
        let Some(value) = self.offsets.get(&offset) else {
            return Target::Unknown;
        };
        match value.strip_prefix("*ABS*+") {
            Some(address) => hexadecimal(address).map_or(Target::Unknown, Target::At),
            None => Target::Library(value.split('@').next().unwrap_or_default().to_owned()),
        }
    }

    /// Where a call or jump goes; none when it stays inside, as by a table of jumps.
    fn target(&self, lines: &[String], place: usize, operand: &str) -> Option<Target> {
        let Some(indirect) = operand.strip_prefix('*') else {
            let address = operand.split(' ').next().and_then(hexadecimal);
            return Some(address.map_or(Target::Unknown, Target::At));
        };
        if indirect.contains("(%rip)") {
            return Some(self.filled(behind(indirect)?));
        }
        // A table of jumps holds distances, which are added to where it is.
        let mut near = lines[..place].iter().rev().take(6);
        if lines[place].contains("jmp") && near.any(|line| line.starts_with("movslq")) {
            return None;
        }
        Some(self.held(&lines[..place], indirect, 4))
    }

    /// What a register holds behind these instructions: a function that is called more than once
    /// is kept in one, and may move to another so often.
    fn held(&self, before: &[String], register: &str, moves: u32) -> Target {
        let Some(place) = before.iter().rposition(|line| writes(line, register)) else {
            return Target::Unknown;
        };
        let line = &before[place];
        let from = line.strip_prefix("mov ").map_or("", str::trim);
        let from = from.split(',').next().unwrap_or_default();
        match behind(line) {
            Some(address) if line.starts_with("lea") => Target::At(address),
            Some(offset) if line.starts_with("mov") => self.filled(offset),
            None if from.starts_with("%r") && moves > 0 => {
                self.held(&before[..place], from, moves - 1)
            }
            _ => Target::Unknown,
        }
    }
}

/// The address that objdump has worked out for one that is relative to the instruction.
fn behind(line: &str) -> Option<u64> {
    if !line.contains("(%rip)") {
        return None;
    }
    let (_, comment) = line.split_once("# ")?;
    hexadecimal(comment.split(' ').next()?)
}

/// Whether an instruction changes a register, other than by taking it off the stack at the end.
fn writes(line: &str, register: &str) -> bool {
    let (operation, operands) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let operands = operands.split('#').next().unwrap_or_default().trim();
    !operation.starts_with("pop")
        && !operation.starts_with("push")
        && !operation.starts_with("cmp")
        && !operation.starts_with("test")
        && !operation.starts_with("call")
        && operands.ends_with(&format!(",{register}"))
}

fn after_a_panic(name: &str) -> bool {
    AFTER_A_PANIC.iter().any(|one| name.contains(one))
}

impl Reach {
    /// From the handler of a program.
    pub(crate) fn of(program: &Path) -> Self {
        let code = Code::of(program);
        let is_entry = |function: &Function| function.name.contains("4trap3sys5entry");
        let entries = code.functions.iter().filter(|one| is_entry(one.1));
        let mut left: Vec<u64> = entries.map(|(at, _)| *at).collect();
        assert_eq!(left.len(), 1, "the handler's entry is not found");
        let (mut reach, mut seen) = (Self::default(), BTreeSet::new());
        while let Some(address) = left.pop() {
            let Some((start, function)) = code.function(address) else {
                continue;
            };
            if seen.insert(start) {
                reach.functions.insert(function.name.clone());
                left.extend(reach.walk(&code, start, function));
            }
        }
        reach
    }

    /// Where a function leads, but for what must not be reached.
    fn walk(&mut self, code: &Code, start: u64, function: &Function) -> Vec<u64> {
        let mut further = Vec::new();
        for (place, line) in function.lines.iter().enumerate() {
            if line.contains("%fs:") {
                self.refuse(function, &format!("a variable of the thread: {line}"));
            }
            let line = line
                .trim_start_matches("notrack ")
                .trim_start_matches("bnd ");
            let Some((operation, operand)) = line.split_once(char::is_whitespace) else {
                continue;
            };
            if operation != "call" && !operation.starts_with('j') {
                continue;
            }
            match code.target(&function.lines, place, operand.trim()) {
                None => {}
                Some(Target::Library(name))
                    if LIBRARY.contains(&name.as_str()) || after_a_panic(&name) => {}
                Some(Target::Library(name)) => self.refuse(function, &name),
                Some(Target::Unknown) => self.refuse(function, line),
                Some(Target::At(address)) => match code.function(address) {
                    Some((to, _)) if to == start => {}
                    Some((_, next)) if after_a_panic(&next.name) => {}
                    Some((_, next)) if FORBIDDEN.iter().any(|word| next.name.contains(word)) => {
                        self.refuse(function, &next.name);
                    }
                    Some((to, _)) => further.push(to),
                    None => self.refuse(function, line),
                },
            }
        }
        further
    }

    fn refuse(&mut self, from: &Function, what: &str) {
        self.refused.insert(format!("{} from {}", what, from.name));
    }
}
