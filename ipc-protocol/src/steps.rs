//! A bound on the steps of decoding. A length inside a message costs its sender eight bytes,
//! whatever it says: elements that take no bytes (`Vec<()>`) would cost the receiver as many
//! steps, and a type that holds itself as many frames of its stack.

use std::{cell::Cell, fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, EnumAccess, Error, MapAccess, SeqAccess, VariantAccess, Visitor},
};

/// How deep values may lie within each other.
const DEEPEST: u8 = 128;

/// What may still be done.
#[derive(Debug, Clone, Copy)]
struct Steps<'b> {
    /// Elements of sequences and maps.
    elements: &'b Cell<usize>,
    depth: u8,
}

impl Steps<'_> {
    /// One element more of what stated its own length.
    fn element<E: Error>(self) -> Result<(), E> {
        let left = self.elements.get().checked_sub(1);
        self.elements
            .set(left.ok_or_else(|| E::custom("it has more elements than bytes"))?);
        Ok(())
    }

    /// How many elements room is made for at once: whatever was stated, no more than may come.
    fn hint(self, stated: Option<usize>) -> Option<usize> {
        stated.map(|stated| stated.min(self.elements.get()))
    }

    /// One value deeper.
    fn below<E: Error>(self) -> Result<Self, E> {
        let depth = self.depth.checked_add(1).filter(|&depth| depth <= DEEPEST);
        Ok(Self {
            depth: depth.ok_or_else(|| E::custom("its values lie too deep in each other"))?,
            ..self
        })
    }
}

/// Deserializes a value with no more elements than `elements`: a message in which each takes
/// one byte at least has no more than bytes.
pub(crate) struct Bounded<T> {
    elements: Cell<usize>,
    value: PhantomData<T>,
}

impl<T> Bounded<T> {
    pub(crate) fn new(elements: usize) -> Self {
        Self {
            elements: Cell::new(elements),
            value: PhantomData,
        }
    }
}

impl<'de, T: Deserialize<'de>> DeserializeSeed<'de> for Bounded<T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        let steps = Steps {
            elements: &self.elements,
            depth: 0,
        };
        T::deserialize(Within::new(deserializer, steps))
    }
}

/// Whatever of serde's, within the steps.
struct Within<'b, X> {
    inner: X,
    steps: Steps<'b>,
    /// Whether it stated its own length.
    stated: bool,
}

impl<'b, X> Within<'b, X> {
    fn new(inner: X, steps: Steps<'b>) -> Self {
        Self {
            inner,
            steps,
            stated: false,
        }
    }

    fn stated(inner: X, steps: Steps<'b>) -> Self {
        Self {
            stated: true,
            ..Self::new(inner, steps)
        }
    }
}

/// Values without parts.
macro_rules! plain {
    ($($method:ident)*) => { $(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
            self.inner.$method(visitor)
        }
    )* };
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Within<'_, D> {
    type Error = D::Error;

    plain!(deserialize_any deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32
        deserialize_i64 deserialize_i128 deserialize_u8 deserialize_u16 deserialize_u32
        deserialize_u64 deserialize_u128 deserialize_f32 deserialize_f64 deserialize_char
        deserialize_str deserialize_string deserialize_bytes deserialize_byte_buf
        deserialize_unit deserialize_identifier deserialize_ignored_any);

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.inner.deserialize_unit_struct(name, visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        let below = self.steps.below()?;
        self.inner.deserialize_option(Within::new(visitor, below))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let visitor = Within::new(visitor, self.steps.below()?);
        self.inner.deserialize_newtype_struct(name, visitor)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        let below = self.steps.below()?;
        self.inner.deserialize_seq(Within::stated(visitor, below))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        let below = self.steps.below()?;
        self.inner.deserialize_map(Within::stated(visitor, below))
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let visitor = Within::new(visitor, self.steps.below()?);
        self.inner.deserialize_tuple(length, visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let visitor = Within::new(visitor, self.steps.below()?);
        self.inner.deserialize_tuple_struct(name, length, visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let visitor = Within::new(visitor, self.steps.below()?);
        self.inner.deserialize_struct(name, fields, visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let visitor = Within::new(visitor, self.steps.below()?);
        self.inner.deserialize_enum(name, variants, visitor)
    }
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Within<'_, V> {
    type Value = V::Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(formatter)
    }

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.inner.visit_none()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        self.inner.visit_some(Within::new(deserializer, self.steps))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<V::Value, D::Error> {
        self.inner
            .visit_newtype_struct(Within::new(deserializer, self.steps))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        self.inner.visit_seq(Within {
            inner,
            steps: self.steps,
            stated: self.stated,
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        self.inner.visit_map(Within {
            inner,
            steps: self.steps,
            stated: self.stated,
        })
    }

    fn visit_enum<A: EnumAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        self.inner.visit_enum(Within::new(inner, self.steps))
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Within<'_, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        self.inner
            .deserialize(Within::new(deserializer, self.steps))
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Within<'_, A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        let next = self
            .inner
            .next_element_seed(Within::new(seed, self.steps))?;
        if self.stated && next.is_some() {
            self.steps.element()?;
        }
        Ok(next)
    }

    fn size_hint(&self) -> Option<usize> {
        self.steps.hint(self.inner.size_hint())
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Within<'_, A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        let next = self.inner.next_key_seed(Within::new(seed, self.steps))?;
        if self.stated && next.is_some() {
            self.steps.element()?;
        }
        Ok(next)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.inner.next_value_seed(Within::new(seed, self.steps))
    }

    fn size_hint(&self) -> Option<usize> {
        self.steps.hint(self.inner.size_hint())
    }
}

impl<'de, 'b, A: EnumAccess<'de>> EnumAccess<'de> for Within<'b, A> {
    type Error = A::Error;
    type Variant = Within<'b, A::Variant>;

    fn variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<(S::Value, Self::Variant), A::Error> {
        let (value, variant) = self.inner.variant_seed(Within::new(seed, self.steps))?;
        Ok((value, Within::new(variant, self.steps)))
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for Within<'_, A> {
    type Error = A::Error;

    fn unit_variant(self) -> Result<(), A::Error> {
        self.inner.unit_variant()
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, A::Error> {
        self.inner
            .newtype_variant_seed(Within::new(seed, self.steps))
    }

    fn tuple_variant<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        self.inner
            .tuple_variant(length, Within::new(visitor, self.steps))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        self.inner
            .struct_variant(fields, Within::new(visitor, self.steps))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Serialize;

    use crate::codec::{MESSAGE_LIMIT, decode, encode};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum Nested {
        Leaf,
        Holds(Box<Nested>),
        Named { inner: Option<Box<Nested>> },
    }

    use super::*;

    fn encoded<T: Serialize>(value: &T) -> Vec<u8> {
        let mut buffer = vec![0; MESSAGE_LIMIT];
        let length = encode(value, &mut buffer).unwrap();
        buffer.truncate(length);
        buffer
    }

    fn error<'a, T: Deserialize<'a> + fmt::Debug>(bytes: &'a [u8]) -> String {
        decode::<T>(bytes, MESSAGE_LIMIT).unwrap_err().to_string()
    }

    #[test]
    fn elements_without_a_size_are_no_more_than_bytes() {
        let stated = (1_u64 << 60).to_le_bytes();
        let told = error::<Vec<()>>(&stated);
        assert!(told.contains("more elements than bytes"), "{told}");
        let told = error::<BTreeMap<(), ()>>(&stated);
        assert!(told.contains("more elements than bytes"), "{told}");
        let told = error::<(u8, Option<Vec<[u8; 0]>>)>(&[&[7, 1][..], &stated].concat());
        assert!(told.contains("more elements than bytes"), "{told}");
        // Many of them within one message are counted together.
        let many = encoded(&vec![vec![(); 100]; 100]);
        let told = error::<Vec<Vec<()>>>(&many);
        assert!(told.contains("more elements than bytes"), "{told}");
        let few = encoded(&vec![(); 8]);
        assert_eq!(decode(&few, MESSAGE_LIMIT), Ok(vec![(); 8]));
    }

    #[test]
    fn what_has_a_size_is_decoded_to_the_last_element() {
        // Miri takes a thousand times as long.
        let (long, many) = if cfg!(miri) {
            (1000, 50)
        } else {
            (MESSAGE_LIMIT - 8, 5000)
        };
        let bytes = vec![9_u8; long];
        assert_eq!(decode(&encoded(&bytes), MESSAGE_LIMIT), Ok(bytes));
        let lists = vec![vec![1_u8; 3]; many];
        assert_eq!(decode(&encoded(&lists), MESSAGE_LIMIT), Ok(lists));
        let empty: Vec<Vec<u16>> = vec![Vec::new(); 2 * many];
        assert_eq!(decode(&encoded(&empty), MESSAGE_LIMIT), Ok(empty));
        let map: BTreeMap<u8, bool> = (0..=255).map(|key| (key, key > 7)).collect();
        assert_eq!(decode(&encoded(&map), MESSAGE_LIMIT), Ok(map));
    }

    #[test]
    fn values_lie_no_deeper_than_the_bound() {
        let nested = |levels: usize| {
            (0..levels).fold(Nested::Leaf, |inner, level| match level % 2 {
                0 => Nested::Holds(Box::new(inner)),
                _ => Nested::Named {
                    inner: Some(Box::new(inner)),
                },
            })
        };
        let some = encoded(&nested(60));
        assert_eq!(decode(&some, MESSAGE_LIMIT), Ok(nested(60)));
        let told = error::<Nested>(&encoded(&nested(DEEPEST.into())));
        assert!(told.contains("too deep"), "{told}");
    }
}
