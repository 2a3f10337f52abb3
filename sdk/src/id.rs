//! Identifiers: a short prefix that says of what, and a UUIDv7, so that later ones order later.
//!
//! [`crate::id!`] makes a type of those with one prefix.

use uuid::Uuid;

/// A new identifier, for example `id::new("fam")`: `fam_019a2f3c8b7e7c2d9f00112233445566`.
pub fn new(prefix: &str) -> String {
    format!("{prefix}_{}", Uuid::now_v7().simple())
}

/// Whether a text has the form of an identifier with this prefix. What has not cannot be found.
pub fn is(prefix: &str, text: &str) -> bool {
    let digits = text
        .strip_prefix(prefix)
        .and_then(|rest| rest.strip_prefix('_'));
    let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    digits.is_some_and(|digits| digits.len() == 32 && digits.bytes().all(hex))
}

/// A type of identifiers: `id!(pub(crate) FamilyId, "fam", "family")` with its prefix, and a noun for
/// what it identifies.
///
/// In JSON it is a text of that form. As `Path<FamilyId>` it is never malformed: what has another form
/// is as unknown as an identifier of nothing. Where identifiers had another prefix before, those are taken still:
/// `id!(pub RequestId, "ask", "request", formerly "frq")`.
#[macro_export]
macro_rules! id {
    ($visibility:vis $name:ident, $prefix:literal, $noun:literal $(, formerly $former:literal)?) => {
        #[doc = concat!("The id of a ", $noun, ", `", $prefix, "_...`.")]
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, $crate::serde::Serialize)]
        #[serde(crate = "sbd_sdk::serde", transparent)]
        $visibility struct $name(::std::string::String);

        #[allow(dead_code, reason = "not every type of identifiers needs all of it")]
        impl $name {
            /// A new one.
            $visibility fn new() -> Self {
                Self($crate::id::new($prefix))
            }

            /// Its text.
            $visibility fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl ::std::str::FromStr for $name {
            type Err = $crate::Error;

            fn from_str(text: &str) -> ::std::result::Result<Self, $crate::Error> {
                match $crate::id::is($prefix, text) $(|| $crate::id::is($former, text))? {
                    true => Ok(Self(text.to_owned())),
                    false => Err($crate::Error::not_found($noun)),
                }
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl<'de> $crate::serde::Deserialize<'de> for $name {
            fn deserialize<D: $crate::serde::Deserializer<'de>>(
                deserializer: D,
            ) -> ::std::result::Result<Self, D::Error> {
                let text = <::std::string::String as $crate::serde::Deserialize>::deserialize(
                    deserializer,
                )?;
                text.parse().map_err(|_| {
                    $crate::serde::de::Error::custom(concat!(
                        "the id of a ", $noun, ", like `", $prefix,
                        "_019a2f3c8b7e7c2d9f00112233445566`",
                    ))
                })
            }
        }

        impl $crate::utoipa::PartialSchema for $name {
            fn schema() -> $crate::utoipa::openapi::RefOr<$crate::utoipa::openapi::Schema> {
                $crate::id::schema(&[$prefix $(, $former)?], $noun)
            }
        }

        impl $crate::utoipa::ToSchema for $name {
            fn name() -> ::std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
        }

        impl $crate::openapi::PathValues for $name {
            const NOUN: &'static str = $noun;

            fn describe(
                description: &mut $crate::openapi::Description,
                names: &mut dyn Iterator<Item = &'static str>,
            ) {
                if let Some(name) = names.next() {
                    let what = concat!("The ", $noun, "'s id").to_owned();
                    let schema = $crate::id::schema(&[$prefix $(, $former)?], $noun);
                    description.path_parameter(name, schema, Some(what));
                }
            }
        }
    };
}

/// The schema of identifiers with one of these prefixes, of which new ones have the first.
#[doc(hidden)]
pub fn schema(prefixes: &[&str], noun: &str) -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
    let any = match prefixes {
        [one] => (*one).to_owned(),
        several => format!("(?:{})", several.join("|")),
    };
    let newest = prefixes.first().copied().unwrap_or_default();
    utoipa::openapi::ObjectBuilder::new()
        .schema_type(utoipa::openapi::Type::String)
        .description(Some(format!("The {noun}'s id.")))
        .pattern(Some(format!("^{any}_[0-9a-f]{{32}}$")))
        .examples([format!("{newest}_019a2f3c8b7e7c2d9f00112233445566")])
        .into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    crate::id!(FamilyId, "fam", "family");
    crate::id!(RequestId, "ask", "request", formerly "frq");

    #[test]
    fn new_ones_differ_order_and_have_their_form() {
        let ids: Vec<_> = (0..100).map(|_| new("fam")).collect();
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(ids.iter().all(|id| is("fam", id)));
    }

    #[test]
    fn other_forms_are_refused() {
        let id = new("fam");
        let others = [
            id.replace("fam_", "usr_"),
            id.to_uppercase(),
            format!("{id}0"),
            "fam_".into(),
            String::new(),
        ];
        assert!(others.iter().all(|other| !is("fam", other)));
    }

    #[test]
    fn a_type_of_them_takes_no_other() {
        let id = FamilyId::new();
        assert_eq!(id.to_string().parse::<FamilyId>().unwrap(), id);
        let json = serde_json::to_string(&id).unwrap();
        assert_eq!(serde_json::from_str::<FamilyId>(&json).unwrap(), id);
        let wrong = serde_json::from_str::<FamilyId>("\"usr_1\"").unwrap_err();
        assert!(wrong.to_string().contains("the id of a family"), "{wrong}");
        let unknown = "usr_1".parse::<FamilyId>().unwrap_err();
        assert_eq!(unknown, crate::Error::not_found("family"));
    }

    #[test]
    fn a_former_prefix_is_taken_and_given_to_none() {
        assert!(RequestId::new().as_str().starts_with("ask_"));
        let former = new("frq");
        assert_eq!(former.parse::<RequestId>().unwrap().to_string(), former);
        assert!(new("fam").parse::<RequestId>().is_err());
        let schema = serde_json::to_value(<RequestId as utoipa::PartialSchema>::schema()).unwrap();
        assert_eq!(schema["pattern"], "^(?:ask|frq)_[0-9a-f]{32}$");
    }
}
