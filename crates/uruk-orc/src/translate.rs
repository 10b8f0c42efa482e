//! Inputs that are no objects, and what makes objects of them: bitcode among object files and in archives, universal files.
//!
//! Data flow: an input is added, or a member of an archive is about to be → if the session's translator accepts it, the
//! object that it makes takes the input's place.

use crate::error::{Cause, Error};
use crate::session::Session;
use std::borrow::Cow;
use std::sync::Arc;
use uruk_jitlink::format;
use uruk_jitlink::input::Input;

/// Makes objects of inputs that are something else.
pub trait Translate: Send + Sync {
    /// Whether an input is something that this translates. Asked of every input; to be told from its first bytes or its
    /// name.
    fn accepts(&self, input: &Input) -> bool;

    /// The object in the place of an input. Called by several threads at once, without any lock of the session.
    fn translate(&self, input: &Input) -> Result<Input, Cause>;
}

impl Session {
    /// Says what makes objects of inputs that are none. The first one that is said counts; without any, such inputs are
    /// errors.
    pub fn set_translator(&self, translator: Arc<dyn Translate>) {
        let _ = self.shared.translator.set(translator);
    }

    /// The object for an input, which is itself mostly: of a universal file its slice for the session's architecture.
    pub(crate) fn translated(&self, input: &Input) -> Result<Input, Error> {
        let input = format::slice(input, self.executor().architecture())?;
        match self.shared.translator.get().filter(|translator| translator.accepts(&input)) {
            Some(translator) => translator
                .translate(&input)
                .map_err(|cause| Error::Translate { file: input.name().to_string(), cause: cause.into() }),
            None => Ok(input),
        }
    }

    /// The objects for inputs, which are made on several threads.
    pub(crate) fn translate_all<'a>(&self, inputs: &'a [Input]) -> Result<Cow<'a, [Input]>, Error> {
        let accepted = |input| self.shared.translator.get().is_some_and(|translator| translator.accepts(input));
        if !inputs.iter().any(|input| format::is_universal(input) || accepted(input)) {
            return Ok(Cow::Borrowed(inputs));
        }
        // A compiler takes far longer than linking what it makes.
        let translated = self.parallel(usize::MAX, inputs, |input| self.translated(input));
        translated.into_iter().collect::<Result<Vec<Input>, Error>>().map(Cow::Owned)
    }
}
