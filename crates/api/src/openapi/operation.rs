//! One operation: what it is called, needs, takes and answers.

use serde_json::Value;
use utoipa::ToSchema;

use crate::permission::Permission;

/// What a caller needs for an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// No token: it is one of the ways to get one.
    Nothing,
    /// All of these permissions, with a token; over the Unix socket nothing.
    All(&'static [Permission]),
    /// To be the home's owner, over the Unix socket. No token is enough.
    Owner,
}

/// Something that can be asked of the daemon.
#[derive(Debug, Clone)]
pub struct Operation {
    pub(super) id: &'static str,
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) needs: Needs,
    pub(super) summary: &'static str,
    pub(super) more: &'static str,
    pub(super) parameters: Vec<Parameter>,
    pub(super) body: Option<(Shape, Value)>,
    /// Takes bytes as they are.
    pub(super) takes_bytes: bool,
    pub(super) founds: bool,
    pub(super) answer: Answer,
}

/// A parameter of a path, a query or a header, with an example.
#[derive(Debug, Clone)]
pub(super) struct Parameter {
    pub(super) name: &'static str,
    pub(super) place: &'static str,
    pub(super) example: Option<Value>,
}

/// What is answered when all goes well.
#[derive(Debug, Clone)]
pub(super) enum Answer {
    /// An empty object.
    Done,
    /// One thing.
    One(Shape),
    /// A list of these, or a page of it.
    List(Shape),
    /// Bytes of this media type.
    Bytes(&'static str),
    /// What is in a file.
    File,
    /// Server-sent events, the data of each of which is this.
    Events(Shape),
}

/// A type, as a schema.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    pub(super) name: String,
    /// Its schema, and those of the types that it refers to, by name.
    pub(super) schemas: Vec<(String, Value)>,
}

pub(super) fn shape<T: ToSchema>() -> Shape {
    let mut schemas = vec![(T::name().into_owned(), T::schema())];
    T::schemas(&mut schemas);
    let written = |(name, schema)| (name, serde_json::to_value(schema).expect("schemas are JSON with text for keys"));
    Shape { name: T::name().into_owned(), schemas: schemas.into_iter().map(written).collect() }
}

const READ: Needs = Needs::All(&[Permission::Read]);
const WRITE: Needs = Needs::All(&[Permission::Read, Permission::Write]);
const WRITE_PRIVATE: Needs = Needs::All(&[Permission::Read, Permission::Write, Permission::Private]);
const PRIVATE: Needs = Needs::All(&[Permission::Read, Permission::Private]);
const PAIR: Needs = Needs::All(&[Permission::Read, Permission::Pair]);
const EXPORT: Needs = Needs::All(&[Permission::Read, Permission::Export]);

impl Operation {
    fn new(id: &'static str, method: &'static str, path: &'static str, summary: &'static str) -> Self {
        let needs = if method == "get" { READ } else { WRITE };
        let names = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
        let parameters = names.map(|name| Parameter { name, place: "path", example: None }).collect();
        Self {
            id,
            method,
            path,
            needs,
            summary,
            more: "",
            parameters,
            body: None,
            takes_bytes: false,
            founds: false,
            answer: Answer::Done,
        }
    }

    pub(super) fn get(id: &'static str, path: &'static str, summary: &'static str) -> Self {
        Self::new(id, "get", path, summary)
    }

    pub(super) fn post(id: &'static str, path: &'static str, summary: &'static str) -> Self {
        Self::new(id, "post", path, summary)
    }

    pub(super) fn put(id: &'static str, path: &'static str, summary: &'static str) -> Self {
        Self::new(id, "put", path, summary)
    }

    pub(super) fn delete(id: &'static str, path: &'static str, summary: &'static str) -> Self {
        Self::new(id, "delete", path, summary)
    }

    /// More than the summary.
    pub(super) fn more(self, more: &'static str) -> Self {
        Self { more, ..self }
    }

    pub(super) fn pair(self) -> Self {
        Self { needs: PAIR, ..self }
    }

    pub(super) fn private(self) -> Self {
        Self { needs: if self.needs == WRITE { WRITE_PRIVATE } else { PRIVATE }, ..self }
    }

    /// Reads, though it takes a body.
    pub(super) fn reads(self) -> Self {
        Self { needs: READ, ..self }
    }

    /// Opens or locks what is private, and says nothing.
    pub(super) fn opens(self) -> Self {
        Self { needs: PRIVATE, ..self }
    }

    pub(super) fn export(self) -> Self {
        Self { needs: EXPORT, ..self }
    }

    pub(super) fn anyone(self) -> Self {
        Self { needs: Needs::Nothing, ..self }
    }

    pub(super) fn owner(self) -> Self {
        Self { needs: Needs::Owner, ..self }
    }

    /// An example for a parameter of the path.
    pub(super) fn at(mut self, name: &'static str, example: &str) -> Self {
        for parameter in self.parameters.iter_mut().filter(|parameter| parameter.name == name) {
            parameter.example = Some(example.into());
        }
        self
    }

    /// A parameter of the query, with an example where one is of use.
    pub(super) fn query(mut self, name: &'static str, example: Option<&str>) -> Self {
        self.parameters.push(Parameter { name, place: "query", example: example.map(Into::into) });
        self
    }

    /// Part of a long list is answered.
    pub(super) fn paged(self) -> Self {
        self.query("limit", Some("20")).query("after", None)
    }

    /// May be repeated with the same key.
    pub(super) fn once(mut self, example: &str) -> Self {
        self.parameters.push(Parameter { name: "Idempotency-Key", place: "header", example: Some(example.into()) });
        self
    }

    pub(super) fn body<T: ToSchema>(self, example: Value) -> Self {
        Self { body: Some((shape::<T>(), example)), ..self }
    }

    pub(super) fn answers<T: ToSchema>(self) -> Self {
        Self { answer: Answer::One(shape::<T>()), ..self }
    }

    pub(super) fn lists<T: ToSchema>(self) -> Self {
        Self { answer: Answer::List(shape::<T>()), ..self }
    }

    /// Takes a file.
    pub(super) fn takes_file(self) -> Self {
        Self { takes_bytes: true, ..self }
    }

    pub(super) fn gives_file(self) -> Self {
        Self { answer: Answer::File, ..self }
    }

    pub(super) fn gives(self, media: &'static str) -> Self {
        Self { answer: Answer::Bytes(media), ..self }
    }

    pub(super) fn streams<T: ToSchema>(self) -> Self {
        Self { answer: Answer::Events(shape::<T>()), ..self }
    }

    /// Answers 201.
    pub(super) fn founds(self) -> Self {
        Self { founds: true, ..self }
    }

    /// Its name: unique, and stable.
    pub fn id(&self) -> &'static str {
        self.id
    }

    /// The method, in capitals.
    pub fn method(&self) -> String {
        self.method.to_uppercase()
    }

    /// The path, with its parameters in braces.
    pub fn path(&self) -> &'static str {
        self.path
    }

    /// What a caller needs.
    pub fn needs(&self) -> Needs {
        self.needs
    }
}
