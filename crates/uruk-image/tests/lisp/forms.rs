//! The forms of a Scheme: read, written, and searched.

use Form::*;
use std::collections::BTreeSet;

/// What is read.
#[derive(Clone, PartialEq, Debug)]
pub enum Form {
    Symbol(String),
    Number(i64),
    Text(String),
    List(Vec<Form>),
}

/// All forms of a text.
pub fn read(text: &str) -> Vec<Form> {
    let text: String = text.lines().map(|line| line.split(';').next().unwrap_or_default().to_owned() + "\n").collect();
    let mut rest = text.trim();
    let mut forms = Vec::new();
    while !rest.is_empty() {
        forms.push(read_one(&mut rest));
        rest = rest.trim_start();
    }
    forms
}

fn read_one(rest: &mut &str) -> Form {
    *rest = rest.trim_start();
    if let Some(quoted) = rest.strip_prefix('\'') {
        *rest = quoted;
        return List(vec![symbol("quote"), read_one(rest)]);
    }
    if let Some(string) = rest.strip_prefix('"') {
        let (text, behind) = string.split_once('"').expect("a string ends");
        *rest = behind;
        return Text(text.into());
    }
    if let Some(list) = rest.strip_prefix('(') {
        let mut forms = Vec::new();
        *rest = list.trim_start();
        while !rest.starts_with(')') {
            forms.push(read_one(rest));
            *rest = rest.trim_start();
        }
        *rest = &rest[1..];
        return List(forms);
    }
    let (word, behind) = rest.split_at(rest.find([' ', '\n', '(', ')']).unwrap_or(rest.len()));
    *rest = behind;
    word.parse().map_or_else(|_| symbol(word), Number)
}

/// A symbol.
pub fn symbol(name: &str) -> Form {
    Symbol(name.into())
}

/// A form as it is read again.
pub fn text(form: &Form) -> String {
    match form {
        Symbol(name) => name.clone(),
        Number(number) => number.to_string(),
        Text(text) => format!("\"{text}\""),
        List(forms) => format!("({})", forms.iter().map(text).collect::<Vec<_>>().join(" ")),
    }
}

/// What a symbol is called.
pub fn name_of(form: &Form) -> &str {
    let Symbol(name) = form else { panic!("{form:?} is no name") };
    name
}

/// Finds the variables that a form assigns.
pub fn find_assigned(form: &Form, found: &mut BTreeSet<String>) {
    let List(forms) = form else { return };
    if let [Symbol(head), Symbol(name), _] = &forms[..]
        && head == "set!"
    {
        found.insert(name.clone());
    }
    forms.iter().for_each(|form| find_assigned(form, found));
}

/// Finds all symbols of a form.
pub fn find_symbols(form: &Form, found: &mut BTreeSet<String>) {
    match form {
        Symbol(name) => _ = found.insert(name.clone()),
        List(forms) => forms.iter().for_each(|form| find_symbols(form, found)),
        _ => {}
    }
}
