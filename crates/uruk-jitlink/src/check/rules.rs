//! Which lines of a text are rules.

/// A rule, perhaps joined from several lines.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rule {
    /// The number of its first line, from 1.
    pub line: usize,
    /// What it says, without prefix and without blanks around it.
    pub text: String,
}

/// The rules of a text: lines that begin, blanks aside, with `# NAME:`. One that ends in a backslash goes on with the next
/// line that is not blank, if that begins so too.
pub fn rules(text: &str, name: &str) -> Vec<Rule> {
    let prefix = format!("# {name}:");
    let lines = text.lines().zip(1..).map(|(line, number)| (line.trim_start(), number));
    let mut lines = lines.filter(|(line, _)| !line.is_empty()).peekable();
    let mut rules = Vec::new();
    while let Some((line, number)) = lines.next() {
        let Some(mut part) = line.strip_prefix(&prefix) else { continue };
        let mut text = String::new();
        while let Some(unfinished) = part.strip_suffix('\\') {
            text += unfinished;
            part = "";
            if let Some(next) = lines.peek().and_then(|(line, _)| line.strip_prefix(&prefix)) {
                part = next;
                lines.next();
            }
        }
        text += part;
        rules.push(Rule { line: number, text: text.trim().to_string() });
    }
    rules
}
