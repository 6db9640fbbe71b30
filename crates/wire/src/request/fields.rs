//! Client header fields, collected by name without an allocation per field.

use smallvec::SmallVec;

/// A name keeps this many values; later ones are dropped, as Mongrel2 does.
pub const VALUES_MAX: usize = 5;

/// Requests with more fields than this move to the heap, once.
const FIELDS_INLINE: usize = 24;

/// Which fields reach a handler although they are dropped by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FieldPolicy {
    /// `no_clobber_xff`: the client's `x-forwarded-for` passes.
    pub keep_forwarded_for: bool,
    /// Names with `_` pass. Dropped by default: CGI-like handlers fold `-` and `_` together, so
    /// `X_Forwarded_For` would read as a header that the server vouches for.
    pub keep_underscores: bool,
}

/// What became of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It stands in the dictionary.
    Kept,
    /// Dropped: the server writes this name itself (`x-forwarded-for`, `x-mongrel2-*`).
    Reserved,
    /// Dropped: the name holds `_`.
    Underscore,
    /// Dropped: the name has [`VALUES_MAX`] values already.
    TooManyValues,
}

/// The client's header fields in arrival order, values of one name linked together.
#[derive(Debug, Clone, Default)]
pub struct ClientFields<'a> {
    policy: FieldPolicy,
    fields: SmallVec<[Field<'a>; FIELDS_INLINE]>,
}

#[derive(Debug, Clone)]
struct Field<'a> {
    name: &'a [u8],
    value: &'a [u8],
    tag: u32,
    /// Later values of the same name, as indexes; empty for a later value itself.
    place: Place,
}

#[derive(Debug, Clone)]
enum Place {
    /// First field of its name.
    First { more: [u32; VALUES_MAX - 1], more_len: u8 },
    /// Listed at the first field of its name.
    Later,
}

impl<'a> ClientFields<'a> {
    /// No fields yet.
    #[must_use]
    pub fn new(policy: FieldPolicy) -> Self {
        Self { policy, fields: SmallVec::new() }
    }

    /// Adds a field as received, names in any case. Values are taken as they are.
    ///
    /// Costs one look at each earlier field's tag, so callers bound the number of fields.
    pub fn push(&mut self, name: &'a [u8], value: &'a [u8]) -> Admission {
        if let Some(refusal) = self.refusal(name) {
            return refusal;
        }
        let tag = tag_of(name);
        let index = u32::try_from(self.fields.len()).unwrap_or(u32::MAX);
        let first = self.fields.iter_mut().find(|field| {
            field.tag == tag
                && matches!(field.place, Place::First { .. })
                && field.name.eq_ignore_ascii_case(name)
        });
        let place = match first.map(|field| &mut field.place) {
            Some(Place::First { more, more_len }) => {
                let Some(slot) = more.get_mut(usize::from(*more_len)) else {
                    return Admission::TooManyValues;
                };
                *slot = index;
                *more_len = more_len.saturating_add(1);
                Place::Later
            }
            _ => Place::First { more: [0; VALUES_MAX - 1], more_len: 0 },
        };
        self.fields.push(Field { name, value, tag, place });
        Admission::Kept
    }

    /// Each name once, by first occurrence, in the case it was first sent.
    pub(crate) fn names(&self) -> impl Iterator<Item = NamedField<'_, 'a>> {
        self.fields.iter().filter_map(|first| match &first.place {
            Place::First { more, more_len } => Some(NamedField {
                name: first.name,
                first: first.value,
                more: more.get(..usize::from(*more_len)).unwrap_or_default(),
                fields: &self.fields,
            }),
            Place::Later => None,
        })
    }

    fn refusal(&self, name: &[u8]) -> Option<Admission> {
        const FORWARDED_FOR: &[u8] = b"x-forwarded-for";
        const OURS: &[u8] = b"x-mongrel2-";
        if name.first().is_some_and(|byte| byte.eq_ignore_ascii_case(&b'x')) {
            if !self.policy.keep_forwarded_for && name.eq_ignore_ascii_case(FORWARDED_FOR) {
                return Some(Admission::Reserved);
            }
            if name.get(..OURS.len()).is_some_and(|start| start.eq_ignore_ascii_case(OURS)) {
                return Some(Admission::Reserved);
            }
        }
        if !self.policy.keep_underscores && name.contains(&b'_') {
            return Some(Admission::Underscore);
        }
        None
    }
}

/// A name with all its values.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NamedField<'f, 'a> {
    pub(crate) name: &'a [u8],
    first: &'a [u8],
    more: &'f [u32],
    fields: &'f [Field<'a>],
}

impl<'f, 'a> NamedField<'f, 'a> {
    /// The only value, `None` if there are several.
    pub(crate) fn single(&self) -> Option<&'a [u8]> {
        self.more.is_empty().then_some(self.first)
    }

    /// One to [`VALUES_MAX`] values in arrival order.
    pub(crate) fn values(&self) -> impl Iterator<Item = &'a [u8]> + use<'f, 'a> {
        let fields = self.fields;
        let later = self.more.iter().filter_map(move |index| {
            let index = usize::try_from(*index).ok()?;
            fields.get(index).map(|field| field.value)
        });
        std::iter::once(self.first).chain(later)
    }
}

/// Equal for names that are equal without regard to case; cheaper to compare than names.
fn tag_of(name: &[u8]) -> u32 {
    let at = |index: usize| name.get(index).map_or(0, u8::to_ascii_lowercase);
    let len = name.len();
    let len_byte = u8::try_from(len & 0xff).unwrap_or(0);
    u32::from_le_bytes([len_byte, at(0), at(len / 2), at(len.saturating_sub(1))])
}

#[cfg(test)]
mod tests {
    use super::*;

    type Named = Vec<(Vec<u8>, Vec<Vec<u8>>)>;

    fn collect(policy: FieldPolicy, fields: &[(&str, &str)]) -> (Named, Vec<Admission>) {
        let mut client = ClientFields::new(policy);
        let admissions =
            fields.iter().map(|(n, v)| client.push(n.as_bytes(), v.as_bytes())).collect();
        let named = client
            .names()
            .map(|field| {
                assert_eq!(field.single().is_some(), field.values().count() == 1);
                (field.name.to_vec(), field.values().map(<[u8]>::to_vec).collect())
            })
            .collect();
        (named, admissions)
    }

    #[test]
    fn values_of_one_name_are_joined_up_to_the_limit() {
        let fields = [
            ("Cookie", "a"),
            ("Host", "h"),
            ("cookie", "b"),
            ("COOKIE", "c"),
            ("Cookie", "d"),
            ("Cookie", "e"),
            ("Cookie", "f"),
            ("coolie", "x"),
        ];
        let (named, admissions) = collect(FieldPolicy::default(), &fields);
        let want = |name: &str, values: &[&str]| {
            (name.as_bytes().to_vec(), values.iter().map(|v| v.as_bytes().to_vec()).collect())
        };
        assert_eq!(
            named,
            [
                want("Cookie", &["a", "b", "c", "d", "e"]),
                want("Host", &["h"]),
                want("coolie", &["x"])
            ]
        );
        assert_eq!(admissions[6], Admission::TooManyValues);
        assert_eq!(admissions.iter().filter(|a| **a == Admission::Kept).count(), 7);
    }

    #[test]
    fn names_the_server_writes_are_dropped() {
        let check = |policy: FieldPolicy, name: &str, want| {
            assert_eq!(collect(policy, &[(name, "v")]).1, [want], "{name} under {policy:?}");
        };
        let strict = FieldPolicy::default();
        let keep = FieldPolicy { keep_forwarded_for: true, keep_underscores: true };
        check(strict, "X-Forwarded-For", Admission::Reserved);
        check(keep, "X-Forwarded-For", Admission::Kept);
        check(strict, "x-forwarded-fo", Admission::Kept);
        for policy in [strict, keep] {
            check(policy, "X-Mongrel2-Upload-Done", Admission::Reserved);
            check(policy, "x-mongrel2-", Admission::Reserved);
            check(policy, "x-mongrel2", Admission::Kept);
        }
        check(strict, "X_Forwarded_For", Admission::Underscore);
        check(keep, "X_Forwarded_For", Admission::Kept);
    }
}
