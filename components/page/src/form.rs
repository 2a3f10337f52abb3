//! Forms: each field with its label, with what its value has to be, and with what was wrong with the last one, so
//! that whoever does not see the page is told as well.

use maud::{Markup, Render, html};
use sbd_sdk::{Detail, Error};

/// A field of a form.
#[derive(Clone, Copy, Debug, Default)]
pub struct Field<'a> {
    /// What it is called in what is sent.
    pub name: &'a str,
    /// What it is called on the page.
    pub label: &'a str,
    /// What is typed into it: `text`, `password`, `email`, `number`.
    pub kind: &'a str,
    /// What a browser may fill in, or `off`.
    pub autocomplete: &'a str,
    /// What is in it already.
    pub value: &'a str,
    /// What it has to be, below the label.
    pub hint: &'a str,
    /// Which keys a phone shows, where the kind does not say it.
    pub keys: &'a str,
    /// Whether it may be left empty.
    pub optional: bool,
}

/// What was wrong with what a form has sent.
#[derive(Clone, Debug, Default)]
pub struct Problems {
    /// About the whole of it; empty if it is about fields alone.
    pub all: String,
    /// By the names of fields.
    pub fields: Vec<Detail>,
}

/// A form that is sent to a path of ours.
#[derive(Debug)]
pub struct Form<'a> {
    /// Where.
    pub action: &'a str,
    /// That this page is where it is from.
    pub token: &'a str,
    /// What is on its button; nothing, where `below` has buttons.
    pub submit: &'a str,
    /// Whether it takes something away for good.
    pub destroys: bool,
    /// What was wrong with it.
    pub problems: &'a Problems,
    /// What stands above the list of that.
    pub wrong: &'a str,
    /// The fields, one below the other.
    pub fields: &'a [Field<'a>],
    /// Fields that are sent and not shown.
    pub hidden: &'a [(&'a str, &'a str)],
    /// What else stands above the button.
    pub below: Option<&'a Markup>,
}

// === impl Problems ===

impl Problems {
    /// What an error says, which may be about fields.
    pub fn of(error: &Error) -> Self {
        let fields = error.details().to_vec();
        let all = match fields.is_empty() {
            true => error.message().to_owned(),
            false => String::new(),
        };
        Self { all, fields }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty() && self.fields.is_empty()
    }

    fn with(&self, name: &str) -> Option<&str> {
        let problem = self.fields.iter().find(|problem| problem.field == name);
        problem.map(|problem| problem.message.as_str())
    }
}

// === impl Field ===

impl Field<'_> {
    fn markup(&self, problem: Option<&str>, first: bool) -> Markup {
        let (hint, wrong) = (
            format!("{}-hint", self.name),
            format!("{}-problem", self.name),
        );
        let said = match (self.hint.is_empty(), problem.is_some()) {
            (true, false) => None,
            (false, false) => Some(hint.clone()),
            (true, true) => Some(wrong.clone()),
            (false, true) => Some(format!("{wrong} {hint}")),
        };
        html! {
            div class="field" {
                label for=(self.name) { (self.label) }
                @if !self.hint.is_empty() {
                    p class="hint" id=(hint) { (self.hint) }
                }
                @if let Some(problem) = problem {
                    p class="problem" id=(wrong) { (problem) }
                }
                input id=(self.name) name=(self.name) type=(self.kind) value=(self.value)
                    autocomplete=[Some(self.autocomplete).filter(|fill| !fill.is_empty())]
                    inputmode=[Some(self.keys).filter(|keys| !keys.is_empty())]
                    aria-describedby=[said] aria-invalid=[problem.map(|_| "true")]
                    autocapitalize="none" spellcheck="false"
                    required[!self.optional] autofocus[first];
            }
        }
    }
}

// === impl Form ===

impl Render for Form<'_> {
    fn render(&self) -> Markup {
        let mut wrong = self.fields.iter();
        let first = wrong.find(|field| self.problems.with(field.name).is_some());
        let first = first.map(|field| field.name);
        let label = |name: &str| {
            let field = self.fields.iter().find(|field| field.name == name);
            field.map(|field| field.label)
        };
        html! {
            @if !self.problems.is_empty() {
                div class="problems" role="alert" {
                    p { strong { (self.wrong) } }
                    @if !self.problems.all.is_empty() { p { (self.problems.all) } }
                    @if !self.problems.fields.is_empty() {
                        ul {
                            @for problem in &self.problems.fields {
                                li {
                                    @if let Some(label) = label(&problem.field) {
                                        a href={ "#" (problem.field) } {
                                            (label) ": " (problem.message)
                                        }
                                    } @else { (problem.field) ": " (problem.message) }
                                }
                            }
                        }
                    }
                }
            }
            form method="post" action=(self.action) {
                input type="hidden" name=(crate::TOKEN) value=(self.token);
                @for (name, value) in self.hidden {
                    input type="hidden" name=(name) value=(value);
                }
                @for field in self.fields {
                    (field.markup(self.problems.with(field.name), first == Some(field.name)))
                }
                @if let Some(below) = self.below { (below) }
                @if !self.submit.is_empty() {
                    button type="submit" class=[self.destroys.then_some("destroys")] {
                        (self.submit)
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(problems: &Problems) -> String {
        let field = Field {
            name: "email",
            label: "Address",
            kind: "email",
            autocomplete: "email",
            value: "\"><script>",
            hint: "Yours",
            ..Field::default()
        };
        let form = Form {
            action: "/x",
            token: "t",
            submit: "Go",
            destroys: false,
            problems,
            wrong: "Mind this",
            fields: &[field],
            hidden: &[("to", "/&")],
            below: None,
        };
        form.render().into_string()
    }

    #[test]
    fn what_is_put_into_a_form_is_text() {
        let form = form(&Problems::default());
        assert!(!form.contains("<script>") && form.contains("&quot;&gt;&lt;script&gt;"));
        assert!(form.contains(r#"name="to" value="/&amp;""#), "{form}");
        assert!(form.contains(r#"aria-describedby="email-hint""#));
        assert!(!form.contains("role=\"alert\"") && !form.contains("autofocus"));
    }

    #[test]
    fn what_is_wrong_is_said_above_and_at_its_field() {
        let error = Error::validation("email", "is <taken>");
        let form = form(&Problems::of(&error));
        assert!(
            form.contains(r##"<a href="#email">Address: is &lt;taken&gt;</a>"##),
            "{form}"
        );
        assert!(form.contains(r#"aria-describedby="email-problem email-hint""#));
        assert!(form.contains(r#"aria-invalid="true""#) && form.contains("autofocus"));
        let whole = Problems::of(&Error::conflict("too late"));
        assert!(self::form(&whole).contains("<p>too late</p>"));
    }
}
