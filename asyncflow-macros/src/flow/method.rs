//! A function of the impl block that is a task.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::parse::Parser;
use syn::spanned::Spanned;
use syn::{
    Attribute, Error, Expr, Ident, Meta, Result, ReturnType, Signature, Type, TypePath, Visibility,
    parse_quote,
};

use super::block::Receiver;
use super::graph::{How, Node, NodeKind, Use};
use super::table::{Row, code};
use super::{any_of, hidden, local};
use crate::args::{Kind, Setting, Settings, Value};
use crate::call::{Call, allowed_lints, elements, flatten, hygienic, support, task_name};
use crate::errors;
use crate::function::{self, Function, Place, future_output, is_task};
use crate::params::{Param, Params, PassedAs, Source, strip};
use crate::text::text;

/// A task.
pub(crate) struct Method {
    pub(crate) name: Ident,
    pub(crate) visibility: Visibility,
    /// Its `cfg` attributes.
    pub(crate) cfgs: Vec<Attribute>,
    /// The other attributes that its handle has as well.
    pub(crate) carried: Vec<Attribute>,
    /// The `T` of its `Task<T>`.
    pub(crate) output: Type,
    pub(crate) uses_state: bool,
    /// Whether an argument of `#[task(..)]` uses the state.
    pub(crate) settings_use_state: bool,
    state_type: Type,
    /// As written, but without `Self`.
    signature: Signature,
    settings: Settings,
    /// The same as written, for the docs.
    written: Settings,
    params: Params,
    uses: Vec<Use>,
}

/// An input of the flow.
pub(crate) struct Input {
    pub(crate) name: Ident,
    pub(crate) output: Type,
    /// Empty if it always exists.
    pub(crate) cfgs: Vec<Attribute>,
}

impl Method {
    /// Reads a function, and removes our attributes from it. `None` if it is no task.
    pub(crate) fn read(
        function: &mut Function,
        receiver: &Receiver,
        self_type: &TypePath,
        found: &mut Vec<Error>,
    ) -> Option<Self> {
        let attributes = std::mem::take(&mut function.attributes);
        let (tasks, others): (Vec<_>, _) = attributes.into_iter().partition(is_task);
        function.attributes = others;
        let attribute = tasks.first()?;
        let mut collect = |result: Result<()>| found.extend(result.err());
        if let Some(second) = tasks.get(1) {
            let message = "a function is one task: remove the second `#[task]`";
            collect(Err(Error::new_spanned(second, message)));
        }
        let resolved = receiver.replace_type(function.signature.to_token_stream());
        strip(&mut function.signature.inputs);
        let allowed: Attribute = parse_allowed();
        function.attributes.push(allowed);
        let mut signature = match syn::parse2::<Signature>(resolved) {
            Ok(signature) => signature,
            Err(error) => {
                collect(Err(error));
                return None;
            }
        };
        let checked = function.check(Place::Method);
        let broken = checked.is_err();
        collect(checked);

        let (settings, settings_use_self) = settings(attribute, receiver);
        let mut settings = settings.unwrap_or_else(|error| {
            collect(Err(error));
            Settings::default()
        });
        collect(settings.check());
        let params = Params::check(&mut signature.inputs, &settings, Place::Method);
        let mut params = params.unwrap_or_else(|error| {
            collect(Err(error));
            Params {
                receiver: false,
                others: Vec::new(),
            }
        });
        let mut uses = Vec::new();
        collect(uses_of_params(&mut params, &mut uses));
        collect(uses_of_settings(&mut settings, &mut uses));
        if broken {
            // What its parameters mean is not known.
            uses.clear();
        }

        let attributes = &function.attributes;
        let with = |names: &[&str]| {
            let named = attributes
                .iter()
                .filter(|it| names.iter().any(|name| it.path().is_ident(name)));
            named.cloned().collect()
        };
        Some(Self {
            name: signature.ident.clone(),
            visibility: function.visibility.clone(),
            cfgs: with(&["cfg"]),
            carried: with(&["doc", "deprecated"]),
            output: match broken {
                true => parse_quote!(()),
                false => output(&signature, &settings, &params),
            },
            uses_state: signature.receiver().is_some() || settings_use_self,
            settings_use_state: settings_use_self,
            state_type: Type::Path(self_type.clone()),
            signature,
            settings,
            written: written(attribute).unwrap_or_default(),
            params,
            uses,
        })
    }

    pub(crate) fn node(&self) -> Node {
        Node {
            name: self.name.clone(),
            kind: NodeKind::Task,
            conditional: !self.cfgs.is_empty(),
            uses: self.uses.clone(),
        }
    }

    /// The function with everything that is configured apart from other tasks.
    pub(crate) fn configured(&self) -> TokenStream {
        let here = hygienic(self.name.span());
        let (function, name) = (
            self.call().function(),
            task_name(&self.settings, &self.name),
        );
        let calls = self.calls(|kind| !kind.names_tasks());
        quote_spanned!(here=> ::asyncflow::__private::macro_support::named(#function, #name) #calls)
    }

    /// The calls that pass other tasks to the configured function.
    pub(crate) fn wired(&self) -> TokenStream {
        let inputs = self.call().inputs_call();
        let calls = self.calls(Kind::names_tasks);
        quote!(#inputs #calls)
    }

    fn calls(&self, of: impl Fn(Kind) -> bool) -> TokenStream {
        let settings = self.settings.0.iter().filter(|setting| of(setting.kind));
        settings.filter_map(Setting::call).collect()
    }

    fn call(&self) -> Call<'_> {
        let (name, state_type) = (&self.name, &self.state_type);
        let here = name.span();
        Call {
            signature: &self.signature,
            params: &self.params,
            settings: &self.settings,
            path: quote_spanned!(here=> <#state_type>::#name),
            state: self
                .params
                .receiver
                .then(|| (hidden("__state"), state_type)),
        }
    }

    /// The handle with the type of its field. If the type is not the one that was told from the spelling,
    /// the error is at the return type.
    pub(crate) fn returned(&self, handle: &Ident) -> TokenStream {
        let span = match (self.settings.find(Kind::Output), &self.signature.output) {
            (Some(setting), _) => setting.value.span(),
            (None, ReturnType::Type(_, returned)) => returned.span(),
            (None, ReturnType::Default) => self.name.span(),
        };
        let (here, output) = (hygienic(span), &self.output);
        let returned = support("returned", here);
        let mut handle = handle.clone();
        handle.set_span(here);
        quote_spanned!(here=> #returned::<#output, _>(#handle))
    }

    pub(crate) fn row(&self) -> Row {
        let is_async = self.signature.asyncness.is_some()
            || matches!(&self.signature.output, ReturnType::Type(_, returned) if future_output(returned).is_some());
        let mut waits_for: Vec<_> = self
            .params
            .others
            .iter()
            .filter_map(waits_for_param)
            .collect();
        let mut configuration = Vec::new();
        for setting in &self.written.0 {
            let (key, value) = (&setting.key, text(&setting.value));
            match setting.kind {
                Kind::Upstream | Kind::AfterAny | Kind::RunIf | Kind::RunUnless | Kind::RunWhen => {
                    waits_for.push(waits_for_setting(setting));
                }
                Kind::Output => {}
                _ if value.is_empty() => configuration.push(key.to_string()),
                _ => configuration.push(format!("{key} = {value}")),
            }
        }
        Row {
            name: self.name.to_string(),
            waits_for,
            kind: if is_async { "async" } else { "blocking" },
            configuration,
        }
    }
}

/// The inputs that the parameters declare. An input may be declared twice, with the same type.
pub(crate) fn inputs(tasks: &[Method], found: &mut Vec<Error>) -> Vec<Input> {
    let mut inputs: Vec<(&Ident, &Method, &Param, Vec<&[Attribute]>)> = Vec::new();
    for task in tasks {
        for param in &task.params.others {
            let Source::Input(_) = param.source else {
                continue;
            };
            let declared = inputs.iter_mut().find(|(name, ..)| **name == param.name);
            let Some((name, by, first, cfgs)) = declared else {
                inputs.push((&param.name, task, param, vec![&task.cfgs]));
                continue;
            };
            cfgs.push(&task.cfgs);
            let (before, here) = (text(&first.output), text(&param.output));
            if before != here {
                let message = format!(
                    "the input `{name}` is a `{before}` in `{}`, and a `{here}` here: write the same type, or rename one of them",
                    by.name
                );
                found.push(Error::new_spanned(&param.declared, message));
            }
        }
    }
    let inputs = inputs.into_iter().map(|(name, _, param, cfgs)| Input {
        name: name.clone(),
        output: param.output.clone(),
        cfgs: any_of(&cfgs),
    });
    inputs.collect()
}

fn parse_allowed() -> Attribute {
    let allowed = allowed_lints();
    parse_quote!(#allowed)
}

/// The arguments of `#[task]` or `#[task(..)]`, and whether they use `self`.
fn settings(attribute: &Attribute, receiver: &Receiver) -> (Result<Settings>, bool) {
    match arguments(attribute) {
        Ok(arguments) => {
            let (arguments, uses_self) = receiver.replace(arguments);
            (Settings::of_method.parse2(arguments), uses_self)
        }
        Err(error) => (Err(error), false),
    }
}

fn written(attribute: &Attribute) -> Result<Settings> {
    Settings::of_method.parse2(arguments(attribute)?)
}

fn arguments(attribute: &Attribute) -> Result<TokenStream> {
    match &attribute.meta {
        Meta::Path(_) => Ok(TokenStream::new()),
        Meta::List(list) => Ok(list.tokens.clone()),
        Meta::NameValue(pair) => {
            let message = "write `#[task]` or `#[task(..)]`";
            Err(Error::new(pair.eq_token.span(), message))
        }
    }
}

/// The type of the handle's output.
fn output(signature: &Signature, settings: &Settings, params: &Params) -> Type {
    if let Some(Setting {
        value: Value::Type(output),
        ..
    }) = settings.find(Kind::Output)
    {
        return output.clone();
    }
    let output = function::output(&signature.output);
    match params.element() {
        Some(_) => parse_quote!(::std::vec::Vec<#output>),
        None => output,
    }
}

/// Notes which tasks and inputs the parameters name, and makes variables of the expansion of these names.
fn uses_of_params(params: &mut Params, uses: &mut Vec<Use>) -> Result<()> {
    let mut found = Vec::new();
    for param in &mut params.others {
        let how = match param.passed_as {
            PassedAs::Moved => How::Moved,
            _ => How::Data,
        };
        let names: Vec<&mut Expr> = match &mut param.source {
            Source::Upstream(upstream) | Source::Each(upstream) => vec![upstream],
            Source::Upstreams(upstreams) => upstreams.iter_mut().collect(),
            Source::Input(input) => {
                uses.push(Use {
                    name: input.clone(),
                    how,
                });
                *input = local(input);
                continue;
            }
            Source::Context => continue,
        };
        for each in names {
            found.extend(note_use(each, how, uses).err());
        }
    }
    errors::combine(found)
}

/// The same for the arguments of `#[task(..)]`.
fn uses_of_settings(settings: &mut Settings, uses: &mut Vec<Use>) -> Result<()> {
    let mut found = Vec::new();
    for setting in &mut settings.0 {
        let (kind, Value::Expr(value)) = (setting.kind, &mut setting.value) else {
            continue;
        };
        match kind {
            Kind::Upstream | Kind::AfterAny => {
                let mut names = Vec::new();
                flatten(value, &mut names);
                let mut names: Vec<Expr> = names.into_iter().cloned().collect();
                for each in &mut names {
                    found.extend(note_use(each, How::Order, uses).err());
                }
                *value = parse_quote!([#(#names),*]);
            }
            Kind::RunIf | Kind::RunUnless => {
                found.extend(note_use(value, How::Order, uses).err());
            }
            Kind::RunWhen => {
                let [task, condition] = elements(value)[..] else {
                    let message =
                        "write the task and the condition: `run_when = (user, |user| user.active)`";
                    found.push(Error::new(setting.key.span(), message));
                    continue;
                };
                let (mut task, condition) = (task.clone(), condition.clone());
                found.extend(note_use(&mut task, How::Order, uses).err());
                *value = parse_quote!((#task, #condition));
            }
            _ => {}
        }
    }
    errors::combine(found)
}

/// Notes that a task uses another, and makes a variable of the expansion of its name.
fn note_use(named: &mut Expr, how: How, uses: &mut Vec<Use>) -> Result<()> {
    let name = name(named)?;
    let local = local(&name);
    *named = parse_quote!(#local);
    uses.push(Use { name, how });
    Ok(())
}

/// The task or input that an expression names.
fn name(named: &Expr) -> Result<Ident> {
    let mut inner = named;
    loop {
        inner = match inner {
            Expr::Reference(reference) => &reference.expr,
            Expr::Paren(paren) => &paren.expr,
            Expr::Group(group) => &group.expr,
            Expr::Path(path) => match path.path.get_ident() {
                Some(name) => return Ok(name.clone()),
                None => break,
            },
            _ => break,
        };
    }
    let message = "name a task or an input of this impl block here";
    Err(Error::new_spanned(named, message))
}

fn waits_for_param(param: &Param) -> Option<String> {
    let names = match &param.source {
        Source::Upstream(upstream) => code(&text(upstream)),
        Source::Input(input) => code(&input.to_string()),
        Source::Each(list) => format!("each of {}", code(&text(list))),
        Source::Upstreams(upstreams) => {
            let names: Vec<_> = upstreams.iter().map(|each| code(&text(each))).collect();
            names.join(", ")
        }
        Source::Context => return None,
    };
    Some(match param.passed_as {
        PassedAs::Optional | PassedAs::ListedOptional => format!("the end of {names}"),
        _ => names,
    })
}

fn waits_for_setting(setting: &Setting) -> String {
    let mut names = Vec::new();
    if let Some(value) = setting.value.expr() {
        match setting.kind {
            Kind::RunWhen => names.extend(elements(value).first().copied()),
            _ => flatten(value, &mut names),
        }
    }
    let names: Vec<_> = names.into_iter().map(|each| code(&text(each))).collect();
    let names = names.join(", ");
    match setting.kind {
        Kind::AfterAny => format!("any of {names}"),
        Kind::RunIf => format!("{names} is true"),
        Kind::RunUnless => format!("{names} is false"),
        Kind::RunWhen => format!("a condition on {names}"),
        _ => names,
    }
}
